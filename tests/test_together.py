"""Is what several processes send one load, and its record that of one load?"""

import multiprocessing
import signal
import subprocess
import time

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import loadgen
from common.cli import Failed
from common.client import many_processes
from common.client.many_processes import merge, shares
from common.client.options import parse_line
from common.client.sent import Sent
from common.results import files
from common.results.metrics import Metrics
from tests.made_up import make_client, make_requests, make_sent
from tests.processes import ROOT, one_line
from tests.test_loadgen import LOADGEN, wait_for


@given(st.integers(1, 16), st.integers(0, 500), st.integers(0, 5000))
def test_shares_sum_to_the_load(processes, more_users, more_requests):
    users = processes + more_users
    load = parse_line(f"-n {users + more_requests} -c {users} -k /")
    parts = shares(load, processes)
    assert len(parts) == processes
    assert (sum(part.requests for part in parts), sum(part.concurrency for part in parts)) == (load.requests, load.concurrency)
    assert all(part.requests >= part.concurrency >= 1 for part in parts)
    assert {part.concurrency - users // processes for part in parts} <= {0, 1}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--rate 5 -t 1", "leave out --users, --rate and --stages"),
        ("--stages 1s@5", "leave out --users, --rate and --stages"),
        ("--users 4 --spawn-rate 2 -t 3", "leave out --users, --rate and --stages"),
        ("-n 5 -c 1", "--processes 2 needs a user for each: give -c 2 or more"),
        ("--find-rate p99<=1s", "--find-rate sends from one process"),
    ],
)
def test_what_cannot_be_split_is_refused(words, said, capsys):
    assert loadgen.main([*words.split(), "--processes", "2", "http://127.0.0.1/"]) == 2
    stderr = capsys.readouterr().err
    assert said in stderr
    assert one_line(stderr)


def test_moments_count_from_the_first_start():
    """The second process began 1.5 ms after the first."""
    row, silent = (0, 0, 0.001, 0.008, 0.010, "ok", 200, 2, 100), (0, 0.001, 0.001, 0, 0.009, "reset", 0, 0, 0)
    one = make_sent(make_requests([row]), "-n 1 -c 1 /", 0.010, client=make_client(1.0, busiest=0.3))
    other = make_sent(make_requests([silent, row]), "-n 2 -c 1 /", 0.010, client=make_client(1.0, busiest=0.9), stopped="cut off")
    load = parse_line("-n 3 -c 2 /")
    sent = merge(load, [(other, 100.0015), (one, 100.0)])
    assert sent.requests.end.tolist() == [10_000, 10_500, 11_500]
    assert sent.requests.start.tolist() == [0, 1500, 1500]
    assert sent.requests.first_byte.tolist() == [8000, 0, 9500]
    assert (sent.outcomes, sent.load, sent.stopped) == ({"ok": 2, "reset": 1}, load, "cut off")
    assert sent.seconds == pytest.approx(0.0115)
    assert sent.client.busiest_second_share == 0.9
    assert sent.client.cpu_seconds == pytest.approx(one.client.cpu_seconds + other.client.cpu_seconds)


def test_all_users_are_there_at_once(server, fire):
    """The server answers only when all six wait."""
    done = fire("-n", 12, "-c", 6, "-k", "--processes", 3, server.url("/together?n=6"))
    assert (done.code, done.outcomes, done.record["connections"]) == (0, {"ok": 12}, 6)
    assert server.max_in_flight == 6
    assert len(done.record["client"]["peak_memory_bytes"]) == 3
    assert min(done.record["client"]["peak_memory_bytes"]) > 2**20
    assert "Complete requests:      12" in done.stdout


def test_outcomes_sum_and_percentiles_are_over_all(server, fire):
    done = fire("-n", 40, "-c", 5, "--processes", 2, "-d", "a=1", server.url("/reset-every-7"))
    assert (done.code, done.outcomes) == (1, {"ok": 35, "reset": 5})
    metrics = Metrics(done.sent)
    assert (metrics.due, len(metrics.latencies), done.sent.load.concurrency) == (40, 35, 5)
    assert np.all(np.diff(done.sent.requests.end) >= 0)
    assert server.requests[0].endswith(b"\r\n\r\na=1")


def started(server, saved):
    command = [*LOADGEN, "-q", "-t", "30", "-c", "4", "--processes", "2", "--json", str(saved), server.url("/slow?ms=20")]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_person_ends_all_of_them(server, tmp_path):
    saved = tmp_path / "record.json"
    with started(server, saved) as process:
        wait_for(lambda: server.max_in_flight == 4)
        children = psutil.Process(process.pid).children()
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=20)
    assert (process.returncode, stderr, len(children)) == (130, "", 2)
    assert not any(child.is_running() for child in children)
    sent = files.read(saved, Sent)
    assert (sent.stopped, sent.outcomes["cancelled"] > 0) == ("cancelled", True)


def test_one_that_dies_is_no_result(server, tmp_path):
    saved = tmp_path / "record.json"
    with started(server, saved) as process:
        wait_for(lambda: server.max_in_flight == 4)
        children = psutil.Process(process.pid).children()
        children[0].kill()
        _, stderr = process.communicate(timeout=20)
    assert process.returncode == 1
    assert stderr == "loadgen: one of the 2 processes of the load generator ended before its load did\n"
    assert not saved.exists()
    assert not any(child.is_running() for child in children)


def test_none_goes_on_without_their_parent(server, tmp_path):
    with started(server, tmp_path / "record.json") as process:
        wait_for(lambda: server.max_in_flight == 4)
        children = psutil.Process(process.pid).children()
        process.kill()
        assert psutil.wait_procs(children, timeout=10)[1] == []


def test_one_that_is_stopped_is_ended_too(server, tmp_path):
    with started(server, tmp_path / "record.json") as process:
        wait_for(lambda: server.max_in_flight == 4)
        killed, stopped = psutil.Process(process.pid).children()
        stopped.suspend()
        killed.kill()
        process.communicate(timeout=20)
    assert not stopped.is_running()


def test_one_that_never_says_anything_is_given_up(monkeypatch):
    monkeypatch.setattr(many_processes, "LOOK_EVERY", 0.05)
    ours, theirs = multiprocessing.Pipe(duplex=False)
    with ours, theirs, pytest.raises(Failed, match="did not end in its time"):
        many_processes.hear(ours, time.monotonic())
