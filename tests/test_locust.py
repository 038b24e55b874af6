"""Does Locust run a scenario's load, here and from several machines?"""

import csv
import itertools
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import psutil
import pytest

from common import elsewhere
from common.cli import Failed
from common.client.options import parse_line
from common.client.sent import Sent
from common.results import files
from common.results.metrics import Metrics
from common.running import by_locust
from common.serving.ports import free_port
from common.serving.process import listens
from tests.processes import ROOT, TINY, Program, changed, copy_tree, get, one_line, run

MOVED = changed(
    ('"status": 200', '"status": 302'),
    ("--expect ok", "--expect-status 302"),
    ('(b"content-length"', '(b"location", b"/x"), (b"content-length"'),
)
FORM = changed(('"body": b"ok"', '"body": b"ok" if scope["method"] == "POST" else b"no"'), ("--expect ok", "-d 'a=1&b=2' --expect ok"))
RAMP = changed(('["-n 20 -c 2 --expect ok /"]', '["-n 20 -c 2 --expect ok /", "--users 4 --spawn-rate 8 -t 2 --expect ok /ramp/"]'))

TWO = changed(('["-n 20 -c 2 --expect ok /"]', '["-c 40 -t 1 --expect ok /", "-n 4 -c 1 --expect ok /other/"]'))


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    # answered rightly until the tenth time: what waits for it to be up is content
    wrong = changed(('"body": b"ok"', '"body": b"ok" if asked < 10 else b"no"'))
    return copy_tree(
        tmp_path_factory.mktemp("project"), {"tiny": TINY, "wrong": wrong, "form": FORM, "moved": MOVED, "ramp": RAMP, "two": TWO}
    )


def statistics(tree: Path, name: str) -> dict[str, str]:
    """What Locust counted in all, from the CSV of the last such run."""
    folder = max((tree / "results").glob(f"*-{name}*"))
    assert "<html" in (folder / "locust.html").read_text()
    with (folder / "locust_stats.csv").open() as file:
        return {row["Name"]: row for row in csv.DictReader(file)}["Aggregated"]


def test_a_scenario_by_locust(tree):
    program = run(tree, "scenarios/tiny.py", "--locust", "--run-time", "2s", "--users", "3")
    assert program.process.returncode == 0, program.stderr
    found = statistics(tree, "tiny")
    assert int(found["Request Count"]) > 3
    assert int(found["Failure Count"]) == 0
    assert "Locust ended with exit code 0" in program.stdout


def test_wrong_answers_make_it_fail(tree):
    program = run(tree, "scenarios/wrong.py", "--locust", "--run-time", "2s", "--users", "2")
    assert program.process.returncode == 1
    assert int(statistics(tree, "wrong")["Failure Count"]) > 0
    assert "the answer lacks the expected text" in program.stdout + program.stderr


@pytest.mark.parametrize(("name", "users"), [("ramp", 4), ("form", 2), ("moved", 2)])
def test_the_declared_load_is_sent(tree, name, users):
    program = run(tree, f"scenarios/{name}.py", "--locust", "--run-time", "2s")
    assert program.process.returncode == 0, program.stderr
    assert int(statistics(tree, name)["Request Count"]) > 0
    with max((tree / "results").glob(f"*-{name}*")).joinpath("locust_stats_history.csv").open() as file:
        assert max(int(row["User Count"]) for row in csv.DictReader(file)) == users


def test_a_ramp_says_itself_to_locust():
    words = by_locust.locust_command(
        parse_line("--users 100 --spawn-rate 10 -t 30 --expect 'a b' /x/?y=1"), "http://h:1", Path("/r"), web=False
    )
    said = dict(itertools.pairwise(words))
    assert (said["--users"], said["--spawn-rate"], said["--run-time"]) == ("100", "10", "30s")
    assert (said["--host"], said["--path"], said["--expect"]) == ("http://h:1", "/x/?y=1", "a b")
    assert "--headless" in words
    assert "--headless" not in by_locust.locust_command(parse_line("-n 5 -c 5 /"), "http://h:1", Path("/r"), web=True)


def test_its_load_can_be_started_from_its_web_page(tree):
    port = free_port(set())
    with Program(tree, "scenarios/tiny.py", "--locust-web", LOCUST_WEB_PORT=str(port)) as program:
        while not listens("127.0.0.1", port):
            assert program.process.poll() is None, program.process.communicate()
            time.sleep(0.1)
        status, page = get(f"http://127.0.0.1:{port}/")
        assert (status, "Locust" in page) == (200, True)
        program.process.terminate()
        assert program.finish() == 130
        assert program.left_over() == []


def test_without_locust_it_is_one_line(tree):
    without = "import sys; sys.modules['locust'] = None\nfrom common import bench\nsys.argv = ['tiny.py', '--locust']\n"
    program = run(tree, "-c", without + "bench.main('scenarios/tiny.py')")
    assert program.process.returncode == 77
    assert one_line(program.stderr), program.stderr
    assert "locust is not installed: ./run_all.sh installs" in program.stderr


def serving(program: Program) -> str:
    said = ""
    while "Ctrl-C" not in said:
        line = program.process.stdout.readline()
        assert line, program.process.communicate()
        said += line
    return said


@pytest.fixture
def served(tree):
    """The tiny one, by hand."""
    with Program(tree, "scenarios/tiny.py", "--serve") as program:
        serving(program)
        yield "http://127.0.0.1:8099"


def test_a_master_and_two_workers(served, tmp_path):
    """As on three machines: only the master knows the URL and the users."""
    port = str(free_port(set()))
    locust = [sys.executable, "-m", "locust", "-f", str(ROOT / "common" / "locustfile.py")]
    words = ["--master", "--expect-workers", "2", "--master-bind-port", port, "--headless", "--only-summary", "--host", served]
    words += ["--users", "4", "--run-time", "2s", "--expect", "ok", "--csv", str(tmp_path / "all")]
    started = [subprocess.Popen([*locust, *words], stderr=subprocess.PIPE, text=True, cwd=tmp_path)]
    try:
        for _ in range(2):
            worker = [*locust, "--worker", "--master-port", port]
            started.append(subprocess.Popen(worker, stderr=subprocess.PIPE, text=True, cwd=tmp_path))
        for process in started:
            said = process.communicate(timeout=40)[1]
            assert process.returncode == 0, said
    finally:
        for process in started:
            process.kill()
            process.wait()
    with (tmp_path / "all_stats.csv").open() as file:
        [total] = [row for row in csv.DictReader(file) if row["Name"] == "Aggregated"]
    assert int(total["Request Count"]) > 4
    assert int(total["Failure Count"]) == 0


# A scenario that is served elsewhere


def test_loads_go_to_a_target(tree, served):
    program = run(tree, "scenarios/tiny.py", "--target", served, "-n", "7", "-c", "3")
    assert program.process.returncode == 0, program.stderr
    assert "Complete requests:      7" in program.stdout
    assert served in program.stdout
    [saved] = max((tree / "results").iterdir()).glob("tiny-*.json")
    assert saved.stat().st_size > 0


class OneByOne(BaseHTTPRequestHandler):
    """Of a server that works 50 ms on each request, one after the other, also on those that nobody waits for any more."""

    working = threading.Lock()
    asked: ClassVar[list[str]] = []

    def do_GET(self):
        self.asked.append(self.path)
        with self.working:
            time.sleep(0.05)
        with suppress(OSError):
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


def test_a_target_is_warmed_up_and_waited_for(tree):
    """The first load is cut off with 40 in flight, two seconds of work: the second does not meet them."""
    with ThreadingHTTPServer(("127.0.0.1", 0), OneByOne) as server:
        threading.Thread(target=server.serve_forever).start()
        program = run(tree, "scenarios/two.py", "--target", f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
    assert program.process.returncode == 0, program.stderr
    assert OneByOne.asked[:22] == ["/"] * 11 + ["/other/"] * 11  # ten, and one alone
    records = max((tree / "results").iterdir())
    assert files.read(records / "two-0.json", Sent).outcomes["cut off"] == 40
    assert max(Metrics(files.read(records / "two-1.json", Sent)).latencies) < 1000


def test_a_target_is_left_with_a_record_if_somebody_stops_us(tree, served):
    """Not only a terminal's Ctrl-C, which the load generator hears too."""
    before = set((tree / "results").rglob("*.json"))
    with Program(tree, "scenarios/tiny.py", "--target", served, "-c", "2", "-t", "60", "-n", "1000000", "-k") as program:
        generator = program.wait_for("common.loadgen", "-t 60")
        while not generator.net_connections():
            time.sleep(0.02)
        time.sleep(0.3)  # some of it is sent
        program.process.terminate()
        assert program.finish() == 130
        assert program.left_over() == []
    [record] = set((tree / "results").rglob("*.json")) - before
    assert files.read(record, Sent).outcomes["ok"] > 0


def test_a_load_generator_that_is_killed_is_said():
    with pytest.raises(Failed, match="the load generator was ended by signal 9, and left no record"):
        elsewhere.run_generator([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], os.environ, 60)


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("import os; os.kill(os.getpid(), 19)", "was stopped by a signal, and was ended"),
        ("import time; time.sleep(1000)", "did not end within 1 s, and was ended"),
    ],
)
def test_a_load_generator_that_does_not_end_is_not_waited_for(does, said, monkeypatch):
    monkeypatch.setattr(elsewhere, "STOPPED_SECONDS", 0.5)
    with pytest.raises(Failed, match=said):
        elsewhere.run_generator([sys.executable, "-c", does], os.environ, 1)


def test_a_target_where_nobody_listens_fails(tree):
    program = run(tree, "scenarios/tiny.py", "--target", f"http://127.0.0.1:{free_port(set())}", "-n", "2", "-c", "1")
    assert program.process.returncode == 1
    assert "Traceback" not in program.stderr
    assert "refused 2" in program.stdout


def test_no_url_is_one_line(tree):
    program = run(tree, "scenarios/tiny.py", "--target", "ftp://nowhere", "-n", "2", "-c", "1")
    assert program.process.returncode == 2
    assert one_line(program.stderr)
    assert "not a URL" in program.stderr


def test_it_serves_other_machines(tree):
    with Program(tree, "scenarios/tiny.py", "--serve", "--host", "0.0.0.0") as program:
        said = serving(program)
        assert ":8099/" in said
        assert get("http://127.0.0.1:8099/") == (200, "ok")
        others = next((address for address in addresses() if not address.startswith("127.")), None)
        if others:
            with urllib.request.urlopen(f"http://{others}:8099/", timeout=10) as answer:
                assert answer.read() == b"ok"
        program.process.terminate()
        assert program.finish() == 130
        assert "made for measuring, not for safety" in program.stderr
        assert program.left_over() == []


def addresses() -> list[str]:
    return [entry.address for entries in psutil.net_if_addrs().values() for entry in entries if entry.family == socket.AF_INET]


@pytest.mark.parametrize("words", [["--host", "0.0.0.0"], ["--host", "10.0.0.1", "-n", "5"]])
def test_a_host_goes_with_serve(tree, words):
    program = run(tree, "scenarios/tiny.py", *words)
    assert program.process.returncode == 2
    assert one_line(program.stderr)
    assert "--host needs --serve" in program.stderr
