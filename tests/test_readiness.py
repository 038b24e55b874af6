"""Is it known soon whether a server is ready, and if not, why?"""

import time
from types import SimpleNamespace

import pytest

from common.cli import NotInstalled, NotReady
from common.client.options import parse_line
from common.report.following import LONGEST_LINE, Follower
from common.serving import probe as probes
from common.serving import process, single_request
from common.serving.ports import free_port
from common.serving.probe import Probe, wait_until_ok
from tests import misbehaving
from tests.processes import TINY, Program, changed, copy_tree, get, run

STARTS = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 8\r\n\r\nstarting"
PAGES = {  # status and headers, body
    "/login-first": (b"302 Found\r\nLocation: /accounts/login/?next=/", b""),
    "/https-first": (b"301 Moved Permanently\r\nLocation: https://127.0.0.1/https-first", b""),
    "/https-login/": (b"301 Moved Permanently\r\nLocation: https://127.0.0.1/https-login/", b""),
    "/400": (b"400 Bad Request", b"<style>a { b }</style>\n<h1>Bad Request (400)</h1>"),
    "/no-token": (b"403 Forbidden", b"<p>CSRF verification failed.</p>"),
    "/quiet": (b"500 Internal Server Error", b"<h1>Server Error (500)</h1><p></p>"),
}
LONG = b"HTTP/1.1 404 Not Found\r\nContent-Length: 1000\r\n\r\n" + b"not\nhere " * 100 + bytes(100)


@pytest.fixture(autouse=True)
def sooner(monkeypatch):
    monkeypatch.setattr(probes, "STEADY_SECONDS", 0.2)
    monkeypatch.setitem(misbehaving.ANSWERS, "/503", (STARTS, misbehaving.KEEP))
    monkeypatch.setitem(misbehaving.ANSWERS, "/long", (LONG, misbehaving.KEEP))
    for path, (head, body) in PAGES.items():
        answer = b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (head, len(body), body)
        monkeypatch.setitem(misbehaving.ANSWERS, path, (answer, misbehaving.KEEP))


def probe(server, line):
    load = parse_line(line)
    return Probe(server.url(load.target), load)


def ask_until_given_up(asked, seconds=5):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        asked.find_fault(1)
        time.sleep(0.02)
    pytest.fail("it was asked on and on")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("/500", "answers GET /500 with status 500: oops"),
        ("--expect ok /empty-body", "answers GET /empty-body with status 200, without 'ok': an empty body"),
        ("-H 'Host: example.org' --expect ok /wrong", "answers GET /wrong (Host: example.org) with status 200, without 'ok': wrong"),
        ("/redirect", "answers GET /redirect with status 302 to /ok: load that page, or give --expect-status 302"),
        ("--expect-status 302 /ok", "answers GET /ok with status 200, not 302: ok"),
        ("--expect-status 302 --expect page /redirect", "answers GET /redirect with status 302, without 'page': an empty body"),
        ("/login-first", "answers GET /login-first with status 302 to /accounts/login/?next=/: give LOGIN or a Cookie"),
        (
            "/https-first",
            "answers GET /https-first with status 301 to https://127.0.0.1/https-first: "
            "it wants https (SECURE_SSL_REDIRECT): send what its proxy sends, by the name in SECURE_PROXY_SSL_HEADER: "
            "-H 'X-Forwarded-Proto: https'",
        ),
        (
            "/https-login/",
            "answers GET /https-login/ with status 301 to https://127.0.0.1/https-login/: "
            "it wants https (SECURE_SSL_REDIRECT): send what its proxy sends, by the name in SECURE_PROXY_SSL_HEADER: "
            "-H 'X-Forwarded-Proto: https'",
        ),
        ("/400", "answers GET /400 with status 400: Bad Request (400): is the Host allowed? (ALLOWED_HOSTS)"),
        ("/no-token", 'answers GET /no-token with status 403: CSRF verification failed.: give CSRF = "/path/of/the/form/"'),
        ("/quiet", "answers GET /quiet with status 500: Server Error (500): its log does not say why; with DEBUG = True it would"),
        ("-d a=b /500", "answers POST /500 with status 500: oops"),
    ],
)
def test_the_same_wrong_answer_is_not_waited_for(server, line, said):
    with pytest.raises(NotReady) as given_up:
        ask_until_given_up(probe(server, line))
    assert str(given_up.value) == said


def test_of_a_long_answer_the_beginning_is_shown(server):
    assert probe(server, "/long").find_fault(1) == "status 404: " + ("not here " * 100)[:200].strip()


def test_a_proxy_may_say_that_the_server_behind_it_starts(server):
    asked = probe(server, "/503")
    for _ in range(10):
        assert asked.find_fault(1) == "status 503: starting"
        time.sleep(0.05)


def test_what_changes_is_waited_for(server):
    asked = probe(server, "--expect nothing /varying")
    assert len({asked.find_fault(1) for _ in range(20) if not time.sleep(0.05)}) == 20


def test_what_changes_and_stays_wrong_is_not_waited_for_either(server, monkeypatch):
    monkeypatch.setattr(probes, "WRONG_SECONDS", 0.4)
    with pytest.raises(NotReady, match="answers GET /varying with status 200, without 'nothing': xxx"):
        ask_until_given_up(probe(server, "--expect nothing /varying"))


LOG = f"""booting
{probes.TRACEBACK}
  File "a.py", line 1, in <module>
    a = cursor.execute(sql)
sqlite3.OperationalError: no such table: post

The above exception was the direct cause of the following exception:

{probes.TRACEBACK}
  File "b.py", line 2, in b
django.db.utils.OperationalError: no such table: post
"""


def test_an_error_is_explained_by_the_log(server):
    asked = Probe(server.url("/500"), parse_line("/500"), read_log=LOG.splitlines)
    with pytest.raises(NotReady) as given_up:
        ask_until_given_up(asked)
    assert str(given_up.value) == "answers GET /500 with status 500: oops: sqlite3.OperationalError: no such table: post"


def test_a_form_is_sent_until_it_is_answered_rightly(server):
    """It is the load's own request: its method, its body."""
    asked = probe(server, "-d 'a=1&b=2' -H 'Host: example.org' --expect 'a=1&b=2' /echo")
    assert asked.find_fault(1) == ""
    [request] = server.requests
    assert request.startswith(b"POST /echo HTTP/1.1\r\n")
    assert request.endswith(b"\r\n\r\na=1&b=2")


def test_what_the_load_would_send_is_asked(server):
    asked = probe(server, "-H 'Host: example.org' -H 'X-One: 1' -H 'X-One: 2' -k /ok")
    assert asked.find_fault(1) == ""
    [request] = server.requests
    assert request.lower().count(b"\r\nhost: ") == 1
    assert b"\r\nHost: example.org\r\n" in request
    assert b"\r\nX-One: 1\r\nX-One: 2\r\n" in request
    assert b"\r\nConnection: close\r\n" in request


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/silent", "it accepts connections but sends no complete answer"),
        ("/drip", "it accepts connections but sends no complete answer"),
        ("/drips-a-head", "it accepts connections but sends no complete answer"),
        ("/drips-a-body", "it accepts connections but sends no complete answer"),
        ("/no-answer", "it closes the connection without an answer"),
        ("/half", "it closes the connection in the middle of its answer"),
        ("/half-chunked", "it closes the connection in the middle of its answer"),
        ("/not-http", "what it sends is not HTTP"),
    ],
)
def test_silence_is_named(server, path, said):
    seconds = 0.3 if "sends no complete answer" in said else 10
    assert probe(server, path).find_fault(seconds).startswith(said)


def test_an_endless_answer_is_given_up(server, monkeypatch):
    monkeypatch.setattr(single_request, "MOST_BYTES", 2**20)
    with pytest.raises(NotReady, match="answers GET /endless with more than 1 MB: does its answer ever end"):
        probe(server, "/endless").find_fault(20)


LYING = {  # what an answer claims of its length
    b"Content-Length: 1000000000000000": "with more than 64 MB",
    b"Content-Length: 1" + 30 * b"0": "with more than 64 MB",
    b"Content-Length: 1000": "it closes the connection in the middle of its answer",
    b"Transfer-Encoding: chunked\r\n\r\nfffffffffffff\r\n": "it closes the connection in the middle of its answer",
    b"Transfer-Encoding: chunked\r\n\r\n-1\r\n": "it closes the connection in the middle of its answer",
    b"Transfer-Encoding: chunked\r\n\r\n-5\r\n": "what it sends is not HTTP",
}


@pytest.mark.parametrize("claim", LYING)
def test_no_room_is_made_for_what_an_answer_only_claims(server, claim, monkeypatch):
    monkeypatch.setitem(misbehaving.ANSWERS, "/lying", (b"HTTP/1.1 200 OK\r\n%b\r\n\r\nok" % claim, misbehaving.CLOSE))
    try:
        said = probe(server, "/lying").find_fault(10)
    except NotReady as given_up:
        said = str(given_up)
    assert LYING[claim] in said


def test_nobody_listens():
    assert Probe(f"http://127.0.0.1:{free_port(set())}/", parse_line("/")).find_fault(1) == "nothing listens there"


def test_silence_does_not_hide_the_answer_before_it(server, monkeypatch):
    asked = probe(server, "/503")
    asked.find_fault(1)
    monkeypatch.setattr(probes, "exchange", lambda request, seconds: (_ for _ in ()).throw(TimeoutError("timed out")))
    assert asked.find_fault(1) == "status 503: starting; then it accepts connections but sends no complete answer"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/500", "one answers GET /500 with status 500: oops\n    its log"),
        ("/503", "one did not answer GET /503 on port {port} correctly within 1 s (status 503: starting)\n    its log"),
    ],
)
def test_the_end_of_its_log_is_shown(server, monkeypatch, path, said):
    monkeypatch.setattr(process, "READY_SECONDS", 1.0)
    log = {"log_size": lambda: 0, "lines_since": lambda size: [], "log_tail": lambda: "\n    its log"}
    one = SimpleNamespace(name="one", exit_code=lambda: None, **log)
    with pytest.raises(NotReady) as fault:
        wait_until_ok([one], "127.0.0.1", server.port, parse_line(path))
    assert str(fault.value) == said.format(port=server.port)


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("uwsgi", "uwsgi is not installed: ./run_all.sh installs it"),
        ("psycopg", "psycopg is not installed: ./run_all.sh installs it"),
        ("uv", "uv is not installed: requirements.txt does not name it; add its package there, or install it where PATH finds it"),
        ("nginx", "nginx is not installed: on Debian: "),
        ("mod_wsgi-express", "mod_wsgi-express is not installed: on Debian: apt-get install apache2-dev"),
        ("waitress-serve", "waitress-serve is not installed: ./run_all.sh installs it"),
    ],
)
def test_how_to_install_is_true(monkeypatch, program, said):
    monkeypatch.setattr(process.shutil, "which", lambda name, path=None: None)
    with pytest.raises(NotInstalled) as missing:
        process.find_program(program)
    assert str(missing.value).startswith(said)


def test_a_line_is_shown_when_it_is_complete(tmp_path, capsys):
    path = tmp_path / "log"
    path.write_text("from before\nhal")
    with Follower() as logs:
        logs.add(path, "one | ")
        assert said_until("before", capsys) == "one | from before\n"
        with path.open("a") as log:
            log.write("ves\nthe end")
        assert said_until("halves", capsys) == "one | halves\n"
    assert capsys.readouterr().err == "one | the end\n"


def test_a_log_does_not_move_the_cursor_and_its_lines_may_be_endless(tmp_path, capsys):
    path = tmp_path / "log"
    path.write_text(f"\x1b[2J\ta tab\n{LONGEST_LINE * 'x'}yy")
    with Follower() as logs:
        logs.add(path, "")
        assert said_until("xxx", capsys) == f"\\x1b[2J    a tab\n{LONGEST_LINE * 'x'}\n"
    assert capsys.readouterr().err == "yy\n"


def said_until(word: str, capsys) -> str:
    """What is on stderr once it holds this."""
    said, deadline = "", time.monotonic() + 10
    while word not in said and time.monotonic() < deadline:
        time.sleep(0.05)
        said += capsys.readouterr().err
    return said


# By the whole program

WRONG = changed(
    ("8099", "8096"),
    ("    asked += 1\n", '    asked += 1\n    print("asked for", scope["path"], flush=True)\n'),
    ('"status": 200', '"status": 404'),
    ('"body": b"ok"', '"body": b"no"'),
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return copy_tree(tmp_path_factory.mktemp("project"), {"wrong": WRONG, "tiny": changed(("8099", "8098"), source=TINY)})


def test_a_server_that_answers_wrongly_is_named_within_seconds(tree):
    began = time.monotonic()
    program = run(tree, "scenarios/wrong.py")
    assert time.monotonic() - began < process.READY_SECONDS / 2
    assert program.process.returncode == 1
    first, *log = program.stderr.splitlines()
    assert first == "wrong failed: wrong answers GET / with status 404: no"
    assert log
    assert set(log) == {"    asked for /"}


def test_by_hand_it_is_served_all_the_same(tree):
    with Program(tree, "-m", "common.suite", "--serve", "wrong", "tiny") as program:
        said = [program.process.stdout.readline()]
        while "Ctrl-C" not in said[-1]:
            said.append(program.process.stdout.readline())
            assert said[-1], program.process.communicate()
        assert get("http://127.0.0.1:8096/asked-by-hand") == (404, "no")
        assert get("http://127.0.0.1:8098/") == (200, "ok")
        program.process.terminate()
        assert program.finish() == 130
        assert program.left_over() == []
    assert sum("starting on port" in line for line in said) == 2
    assert said[0].startswith("wrong: starting on port 8096: uvicorn {app} ")
    lines = program.stderr.splitlines()
    assert "wrong answers GET / with status 404: no; serving it anyway" in lines
    assert "wrong | asked for /asked-by-hand" in lines
    assert lines[-1] == "run_all.sh: stopped"
    assert "Traceback" not in program.stderr


HELP = {
    "scenarios/tiny.py": "python scenarios/tiny.py",
    "-m common.suite": "./run_all.sh",
    "-m common.loadgen": "python -m common.loadgen",
    "-m common.compare": "python -m common.compare",
    "-m common.page": "python -m common.page",
}


@pytest.mark.parametrize("command", HELP)
def test_help_begins_with_examples(tree, command):
    program = run(tree, *command.split(), "--help")
    assert program.process.returncode == 0
    assert program.stdout.startswith(f"examples:\n  {HELP[command]} ")
    assert f"\nusage: {HELP[command]} [-h] " in program.stdout
    sizes = " ".join(program.stdout.split())
    assert ("requests in all (default 1" in sizes) is (command == "-m common.loadgen")
    assert ("in place of each load's own" in sizes) is (command in ("scenarios/tiny.py", "-m common.suite"))
