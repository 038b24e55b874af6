"""Do the shell scripts make what they need, and say in one line why they cannot?"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.processes import ROOT

SCRIPTS = ("run_all.sh", "run_tests.sh", "common/setup.sh")
TOOLS = ("sh", "dirname", "cat", "grep", "tail", "awk", "sed", "rm")
SUITE = "import sys\n\nprint('suite', sys.prefix, *sys.argv[1:])\n"


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """The scripts, above a suite that only says that it was reached. Its .venv is made by the first test."""
    tree = tmp_path_factory.mktemp("project")
    (tree / "common").mkdir()
    for script in SCRIPTS:
        shutil.copy2(ROOT / script, tree / script)
    (tree / "common" / "__init__.py").touch()
    (tree / "common" / "suite.py").write_text(SUITE)
    return tree


@pytest.fixture
def tools(tmp_path):
    """A directory for PATH with what the scripts use, and neither Python nor a compiler."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        (folder / tool).symlink_to(shutil.which(tool))
    return folder


def run_all(tree, *arguments, path=None, **environment):
    """With a package index that nobody can reach."""
    offline = {
        "PIP_INDEX_URL": "http://127.0.0.1:9/",
        "PIP_RETRIES": "0",
        "PIP_FIND_LINKS": "",
        "PIP_CONFIG_FILE": os.devnull,
        "PYTHON": sys.executable,
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PIP_") and name != "CC"}
    return subprocess.run(
        [shutil.which("sh"), str(tree / "run_all.sh"), *arguments],
        env={**inherited, **offline, **({"PATH": str(path)} if path else {}), **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("shell", [("sh", "-n"), ("bash", "--posix", "-n")])
def test_the_shell_understands(script, shell):
    if not shutil.which(shell[0]):
        pytest.skip(f"{shell[0]} is not installed")
    assert subprocess.run([*shell, ROOT / script], capture_output=True, text=True).stderr == ""


def test_an_old_python_is_one_line(tmp_path, tree, tools):
    """It answers the question for its version as Python 3.10 does."""
    old = tmp_path / "python3.10"
    old.write_text(f'#!/bin/sh\nshift\nexec "{sys.executable}" -c "import sys; sys.version_info = (3, 10, 0); $1"\n')
    old.chmod(0o755)
    fresh = shutil.copytree(tree, tmp_path / "fresh", ignore=shutil.ignore_patterns(".venv"))
    done = run_all(fresh, path=tools, PYTHON=str(old))
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "no Python 3.11 or newer was found" in done.stderr
    assert not (fresh / ".venv").exists()


def test_no_python_at_all_is_one_line(tmp_path, tree, tools):
    fresh = shutil.copytree(tree, tmp_path / "fresh", ignore=shutil.ignore_patterns(".venv"))
    done = run_all(fresh, path=tools, PYTHON="")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "no Python 3.11 or newer was found" in done.stderr


def test_a_python_without_venv_is_one_line(tmp_path, tree, tools):
    bare = tmp_path / "python3"
    bare.write_text(f'#!/bin/sh\n[ "$1" = -m ] && exit 1\nexec "{sys.executable}" "$@"\n')
    bare.chmod(0o755)
    fresh = shutil.copytree(tree, tmp_path / "fresh", ignore=shutil.ignore_patterns(".venv"))
    done = run_all(fresh, path=tools, PYTHON=str(bare))
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "apt-get install python3-venv" in done.stderr


def test_installs_once_and_again_when_the_file_changes(tree):
    """pip itself is what is asked for: it is there without a network."""
    (tree / "requirements.txt").write_text("pip\n")
    first = run_all(tree, "--list", "two words")
    assert (first.returncode, first.stdout) == (0, f"suite {tree / '.venv'} --list two words\n"), first.stderr
    assert "Installing requirements.txt" in first.stderr
    again = run_all(tree)
    assert (again.returncode, again.stderr) == (0, "")
    (tree / "requirements.txt").write_text("pip>=1\n")
    changed = run_all(tree)
    assert changed.returncode == 0
    assert "Installing requirements.txt" in changed.stderr
    assert run_all(tree).stderr == ""


def test_no_network_is_said_and_nothing_is_taken_for_installed(tree):
    (tree / "requirements.txt").write_text("uvicorn==0.54.0\n")
    for _ in range(2):
        done = run_all(tree)
        assert done.returncode == 1
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
        assert done.stderr.splitlines()[-1] == (
            f"{tree / 'run_all.sh'}: the packages could not be fetched: is there a network? (all of pip's output: .venv/install.log)"
        )
    (tree / "requirements.txt").write_text("pip\n")
    assert run_all(tree).returncode == 0


def test_without_a_compiler_the_ready_made_uwsgi_is_chosen(tree, tools):
    (tree / "requirements.txt").write_text("# uwsgi is compiled\nuwsgi==2.0.31\nuwsgitop==0.12\n")
    done = run_all(tree, path=tools)
    assert done.returncode == 1
    assert "No C compiler or no Python.h: pyuwsgi==" in done.stderr
    ours = next(line.partition('"')[2].strip('"') for line in Path(ROOT / "common/setup.sh").read_text().splitlines() if "PYUWSGI=" in line)
    assert (tree / ".venv" / "without-compiler.txt").read_text() == f"# uwsgi is compiled\n{ours}\nuwsgitop==0.12\n"


def test_with_a_compiler_nothing_is_replaced(tree, tools):
    (tree / "requirements.txt").write_text("pip>=2\n")
    (tools / "cc").symlink_to(shutil.which("true"))
    done = run_all(tree, path=tools)
    assert done.returncode == 0
    assert "compiler" not in done.stderr


# uWSGI is compiled beside the others: here a package of that name which builds itself, since setuptools may not be there

BUILD_SYSTEM = '[build-system]\nrequires = []\nbuild-backend = "builds"\nbackend-path = ["."]\n'
BUILDS = """
import time, zipfile

FILES = {{
    "standin.py": "",
    "uwsgi-2.0.31.dist-info/METADATA": "Metadata-Version: 2.1\\nName: uwsgi\\nVersion: 2.0.31\\n",
    "uwsgi-2.0.31.dist-info/WHEEL": "Wheel-Version: 1.0\\nGenerator: tests\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    "uwsgi-2.0.31.dist-info/RECORD": "",
}}


def build_wheel(folder, config_settings=None, metadata_directory=None):
    {first}
    with zipfile.ZipFile(folder + "/uwsgi-2.0.31-py3-none-any.whl", "w") as wheel:
        for name, text in FILES.items():
            wheel.writestr(name, text)
    return "uwsgi-2.0.31-py3-none-any.whl"
"""


def with_own_uwsgi(tree, tmp_path, first: str) -> dict[str, str]:
    """A tree without the .venv of a test before, and where pip finds this package."""
    source = tmp_path / "uwsgi-2.0.31"
    source.mkdir()
    (source / "pyproject.toml").write_text(BUILD_SYSTEM)
    (source / "builds.py").write_text(BUILDS.format(first=first))
    (source / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: uwsgi\nVersion: 2.0.31\n")
    links = tmp_path / "links"
    links.mkdir()
    shutil.make_archive(str(links / "uwsgi-2.0.31"), "gztar", tmp_path, source.name)
    shutil.rmtree(tree / ".venv", ignore_errors=True)
    (tree / "requirements.txt").write_text("pip\nuwsgi==2.0.31\n")
    return {"PIP_FIND_LINKS": str(links), "PIP_NO_INDEX": "1", "PIP_NO_CACHE_DIR": "1"}


@pytest.fixture
def compiler(tools):
    (tools / "cc").symlink_to(shutil.which("true"))
    return tools


def test_what_is_compiled_is_installed(tree, tmp_path, compiler):
    found = with_own_uwsgi(tree, tmp_path, "pass")
    done = run_all(tree, path=compiler, **found)
    assert done.returncode == 0, done.stderr
    assert "compiled" not in done.stderr
    assert list((tree / ".venv").glob("lib/python*/site-packages/standin.py"))
    compiled = (tree / ".venv" / "uwsgi.log").stat().st_mtime_ns
    (tree / "requirements.txt").write_text("pip>=1\nuwsgi==2.0.31\n")
    assert run_all(tree, path=compiler, **found).returncode == 0
    assert (tree / ".venv" / "uwsgi.log").stat().st_mtime_ns == compiled, "what is there was compiled again"


def test_what_cannot_be_compiled_is_said_and_replaced(tree, tmp_path, compiler):
    """Here the one in its place is not to be had either."""
    found = with_own_uwsgi(tree, tmp_path, "raise SystemExit('no such header: zlib.h')")
    done = run_all(tree, path=compiler, **found)
    assert done.returncode == 1
    assert "uWSGI could not be compiled (the compiler's output: .venv/uwsgi.log): pyuwsgi==" in done.stderr
    assert "no such header" in (tree / ".venv" / "uwsgi.log").read_text()
    assert "pyuwsgi" in (tree / ".venv" / "install.log").read_text()


def test_nothing_is_compiled_on_when_the_others_cannot_be_fetched(tree, tmp_path, compiler):
    found = with_own_uwsgi(tree, tmp_path, "time.sleep(60)")
    (tree / "requirements.txt").write_text("uvicorn==0.54.0\nuwsgi==2.0.31\n")
    began = time.monotonic()
    done = run_all(tree, path=compiler, **found)
    assert done.returncode == 1
    assert "the packages could not be fetched" in done.stderr
    while compiling := [process for process in psutil.process_iter(["cmdline"]) if str(tree) in " ".join(process.info["cmdline"] or [])]:
        assert time.monotonic() - began < 50, compiling
        time.sleep(0.1)


# A test that fails is run once more, with nothing beside it

FLAWED = """
from pathlib import Path

def test_that_fails_once():
    path = Path(__file__).with_name("tried")
    tried = path.exists()
    path.touch()
    assert tried

def test_that_fails():
    assert {holds}
"""


@pytest.mark.parametrize(("holds", "status"), [(True, 0), (False, 1)])
def test_what_fails_is_tried_once_more(tmp_path, holds, status):
    shutil.copy2(ROOT / "run_tests.sh", tmp_path)
    (tmp_path / "common").mkdir()
    (tmp_path / "common" / "setup.sh").write_text(f'python="{sys.executable}"\ninstall() {{ :; }}\n')
    (tmp_path / "pyproject.toml").write_text('[tool.mypy]\nfiles = ["common"]\n[tool.ruff]\nexclude = ["*"]\n')
    (tmp_path / "common" / "nothing.py").touch()
    (tmp_path / "test_flawed.py").write_text(FLAWED.format(holds=holds))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run([tmp_path / "run_tests.sh", "-q"], env=inherited, capture_output=True, text=True, timeout=120)
    assert done.returncode == status, done.stdout + done.stderr
    first, _, second = done.stdout.partition("once more")
    assert f"{1 if holds else 2} failed" in first
    assert ("1 passed" if holds else "1 failed, 1 passed") in second
