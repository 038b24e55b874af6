# Sourced by run_all.sh and run_tests.sh: makes .venv and installs a requirements file,
# again only when that file has changed. Leaves the interpreter in $python.
# Of another environment, common/serving/environments.py names the folder.

venv=.venv
PYUWSGI="pyuwsgi==2.0.30.post1"

fail() { printf '%s: %s\n' "$0" "$1" >&2; exit 1; }

find_python() {
    if [ -n "${PYTHON:-}" ]; then set -- "$PYTHON"; else set -- python3.13 python3.12 python3.11 python3 python; fi
    for name; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s\n' "$name"
            return
        fi
    done
    return 1
}

# True if uWSGI can be compiled: there is a C compiler, and Python's header.
can_compile() {
    { command -v "${CC:-cc}" || command -v gcc || command -v clang; } >/dev/null 2>&1 &&
        [ -f "$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" ]
}

pip() { "$python" -m pip "$@" --quiet --disable-pip-version-check; }

is_installed() { # is_installed NAME==VERSION
    "$python" -c 'import sys; from importlib.metadata import version; name, asked = sys.argv[1].split("=="); sys.exit(version(name) != asked)' \
        "$1" 2>/dev/null
}

# Compiles uWSGI's wheel while the others download, in a process group of its own so that all of it can be ended.
begin_compiling() { # begin_compiling REQUIREMENT
    rm -rf "$venv/uwsgi"
    "$python" -c 'import os, sys; os.setpgid(0, 0); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])' \
        -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$venv/uwsgi" "$1" >"$venv/uwsgi.log" 2>&1 &
    compiling=$!
    trap 'kill -- "-$compiling" 2>/dev/null || :' EXIT
    trap 'exit 130' HUP INT
}

# Installs that wheel, or its stand-in if there is none.
end_compiling() {
    if wait "$compiling"; then
        set -- "$venv"/uwsgi/*.whl
    else
        echo "uWSGI could not be compiled (the compiler's output: $venv/uwsgi.log): $PYUWSGI is installed instead (the same program, prebuilt)." >&2
        set -- "$PYUWSGI"
    fi
    trap - EXIT HUP INT
    pip install --no-deps "$1" >>"$venv/install.log" 2>&1
}

install_list() { # install_list FILE: installs all that it names; uWSGI compiles meanwhile
    uwsgi=$(grep '^uwsgi==' "$1") || uwsgi=
    if [ -z "$uwsgi" ] || is_installed "$uwsgi"; then
        pip install -r "$1" >"$venv/install.log" 2>&1
        return
    fi
    begin_compiling "$uwsgi"
    grep -v '^uwsgi==' "$1" >"$venv/wheels.txt"
    pip install -r "$venv/wheels.txt" >"$venv/install.log" 2>&1 && end_compiling
}

make_venv() {
    python=$venv/bin/python
    # the programs of a .venv that was moved still point to its old place
    if ! "$python" -c '' 2>/dev/null || { [ -f "$venv/made-in" ] && [ "$(cat "$venv/made-in")" != "$(pwd)" ]; }; then
        system=$(find_python) || fail "no Python 3.11 or newer was found; install one, or name it: PYTHON=/path/to/python3.12 $0"
        rm -rf "$venv"
        "$system" -m venv "$venv" >/dev/null 2>&1 || fail "$system cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv"
        pwd >"$venv/made-in"
    fi
}

install_wanted() { # installs what wanted.txt names
    list=$venv/wanted.txt
    if ! can_compile && grep -q '^uwsgi==' "$list"; then
        echo "No C compiler or no Python.h: $PYUWSGI is installed instead of uwsgi (the same program, prebuilt)." >&2
        sed "s/^uwsgi==.*/$PYUWSGI/" "$list" >"$venv/without-compiler.txt"
        list=$venv/without-compiler.txt
    fi
    if ! install_list "$list"; then
        grep -i 'error' "$venv/install.log" | tail -n 3 >&2
        grep -qiE 'connection|name resolution|network|proxy|timed out|no matching distribution' "$venv/install.log" &&
            fail "the packages could not be fetched: is there a network? (all of pip's output: $venv/install.log)"
        fail "the packages could not be installed (all of pip's output: $venv/install.log)"
    fi
}

install() { # install FILE: installs what it names into .venv
    file=$1
    make_venv
    stamp=$venv/installed-$file
    wanted=$(cat requirements.txt "$file")
    [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && return
    grep -hv '^-r ' requirements.txt "$file" | awk '!seen[$0]++' >"$venv/wanted.txt"
    rm -f "$stamp"
    echo "Installing $file into $venv (about a minute) ..." >&2
    install_wanted
    printf '%s\n' "$wanted" >"$stamp"
}
