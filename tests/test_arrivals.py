"""Does an open loop start its requests on schedule whatever the server does, and hide nothing of what became of them?"""

import asyncio
import json
import signal
import subprocess
import time

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from common import loadgen
from common.cli import UsageError
from common.client.load import Sizes
from common.client.options import parse_line
from common.client.outcomes import OUTCOMES, failures
from common.client.percentiles import percentile
from common.client.schedule import due_times
from common.report import ab
from common.results.bottleneck import find_bottleneck
from common.results.metrics import Metrics
from common.results.timeline import slice_load
from common.running.by_locust import locust_command
from common.running.sizing import PlannedLoad, RunOptions
from tests.made_up import make_cost, make_open
from tests.processes import ROOT, changed, copy_tree, records, run
from tests.test_loadgen import LOADGEN, send, wait_for

TRIES = 5  # a machine that is busy with other tests holds a client up now and then


# The schedule is kept


@pytest.mark.parametrize("keep_alive", [[], ["-k"]])
def test_requests_start_when_they_are_due(keep_alive, server, fire):
    done = fire("--rate", 50, "-n", 40, *keep_alive, server.url("/ok"))
    assert (done.code, done.outcomes, server.received) == (0, {"ok": 40}, 40)
    rows = done.record["requests"]
    assert sorted(rows["due"]) == [number * 20_000 for number in range(40)]
    assert all(due <= start <= connected for due, start, connected in zip(rows["due"], rows["start"], rows["connected"], strict=True))
    assert done.record["seconds"] >= 0.8
    assert done.record["connections"] == server.connections
    assert (server.connections == 40) is not bool(keep_alive)
    assert "Offered:                50.00 requests per second, 40 due" in done.stdout
    assert "Late:" in done.stdout
    assert "from the intended start and from the send" in done.stdout


def test_a_slow_server_does_not_hold_back_what_is_due(server, fire):
    """A hundred at a time would be answered in one; one at a time they would take a minute."""
    done = fire("--rate", 200, "-t", 0.5, server.url("/together?n=100"))
    assert (done.outcomes, server.max_in_flight) == ({"ok": 100}, 100)


def test_an_end_by_time_and_number_is_whichever_is_first(server, fire):
    assert fire("--rate", 100, "-t", 0.2, "-n", 500, server.url("/ok")).outcomes == {"ok": 20}
    assert fire("--rate", 100, "-t", 20, "-n", 10, server.url("/ok")).outcomes == {"ok": 10}


def test_stages_one_after_the_other(server, fire):
    done = fire("--stages", "1s@20,1s@60", server.url("/ok"))
    assert done.outcomes == {"ok": 80}
    parts = slice_load(done.sent)
    assert [part.due for part in parts] == [20, 60]
    assert sum(part.sent for part in parts) == sum(part.ok for part in parts) == 80
    assert "Timeline\n    second       due      sent" in done.stdout


# Every request that was due has one outcome


def test_what_is_due_while_too_many_are_in_flight_is_never_sent(server, fire):
    done = fire("--rate", 50, "-n", 20, "-c", 3, "-s", 1, server.url("/silent"))
    assert (done.code, done.outcomes) == (1, {"read timeout": 3, "unsent": 17})
    assert (server.received, server.max_in_flight) == (3, 3)
    assert len(done.record["requests"]["due"]) == 20
    assert "read timeout 3, unsent 17 (of 20 due)" in done.stdout
    assert "Unsent:                 17: 3 were in flight" in done.stdout
    assert "Failed requests:        3" in done.stdout
    assert "3 created, 0 requests on a reused one" in done.stdout


def test_unsent_alone_is_no_success(server, fire):
    done = fire("--rate", 50, "-n", 10, "-c", 1, server.url("/slow?ms=500"))
    assert done.code == 1
    assert done.outcomes["ok"] + done.outcomes["unsent"] == 10
    assert failures(done.outcomes) == 0


@pytest.mark.parametrize("keep_alive", [[], ["-k"]])
def test_failures_are_counted_and_nothing_is_sent_again(keep_alive, server, fire):
    done = fire("--rate", 100, "-n", 30, *keep_alive, server.url("/reset-every-7"))
    assert (done.code, done.outcomes, server.received) == (1, {"ok": 26, "reset": 4}, 30)


def test_a_connection_that_the_server_closed_meanwhile_is_not_used(server, fire):
    done = fire("--rate", 10, "-n", 5, "-k", server.url("/idle-close"))
    assert done.outcomes == {"ok": 5}
    assert done.record["connections"] == server.connections == 5


def test_refused(fire):
    assert fire("--rate", 100, "-n", 10, "http://127.0.0.1:1/").outcomes == {"refused": 10}


def test_requests_start_at_random_moments(server, fire):
    done = fire("--rate", 50, "-n", 40, "--poisson", server.url("/ok"))
    assert (done.code, done.outcomes) == (0, {"ok": 40})
    assert sorted(done.record["requests"]["due"]) == [round(due * 1e6) for due in due_times(((0.8, 50.0),), poisson=True)]


def test_the_grace_ends_what_the_schedule_began(server, fire):
    done = fire("--rate", 50, "-t", 0.2, "--grace", 0.3, server.url("/silent"))
    assert (done.code, done.outcomes, done.record["stopped"]) == (1, {"cut off": 10}, "cut off")  # nothing was answered
    assert "with 10 in flight\n" in done.stdout
    done = fire("--rate", 50, "-t", 0.2, server.url("/slow?ms=500"))
    assert (done.outcomes, done.record["stopped"]) == ({"ok": 10}, "")
    assert done.record["seconds"] > 0.6


def test_a_person_ends_it(server, tmp_path):
    saved = tmp_path / "record.json"
    options = ["--rate", "50", "-t", "30", "--json", str(saved), server.url("/silent")]
    with subprocess.Popen([*LOADGEN, *options], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_for(lambda: server.in_flight >= 3)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=10)
    assert (process.returncode, "Traceback" in stderr) == (130, False)
    record = json.loads(saved.read_text())
    assert set(record["outcomes"]) == {"cancelled"}
    assert record["outcomes"]["cancelled"] == len(record["requests"]["due"]) >= 3


# A stall is not hidden


def test_a_stall_shows_in_an_open_loop_and_not_in_a_closed_one(server, fire):
    """While the server does nothing for a second, a hundred requests are due; the one user of a closed loop waits."""
    for received in range(0, 600 * TRIES, 600):
        stalled = Metrics(fire("--rate", 100, "-t", 3, "-k", server.url(f"/stall-at?n={received + 100}")).sent)
        assert (stalled.due, stalled.ok) == (300, 300)
        assert stalled.latency(99) >= 700
        closed = Metrics(fire("-n", 300, "-k", server.url(f"/stall-at?n={received + 450}")).sent)
        assert closed.latencies[-1] >= 990
        if stalled.latency(50) <= 300 and closed.latency(99) <= 300:
            return
    pytest.fail(f"half of the open loop took {stalled.latency(50)} ms, nearly all of the closed one {closed.latency(99)}")


def test_a_client_that_is_held_up_is_late_and_says_so(server):
    async def hindered():
        loop = asyncio.get_running_loop()
        loop.call_later(0.2, time.sleep, 0.3)
        return await send("--rate", 100, "-n", 60, "-k", server.url("/ok"))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        metrics = Metrics(runner.run(hindered()))
    assert (metrics.ok, metrics.unsent) == (60, 0)
    assert 25 <= metrics.late <= 60
    assert metrics.latency(99) >= 250
    assert percentile(metrics.from_send, 99) < percentile(metrics.latencies, 99) - 100


# What is derived from the record


def steady(count=1000, rate=100.0, took=0.2, outcome="ok"):
    return [(number / rate, 0.0, took, outcome) for number in range(count)]


def test_the_summary_of_an_open_loop():
    rows = [*steady(96), (0.96, 0.0015, 0.5, "ok"), (0.97, 0.0021, 0.6, "ok"), (0.98, 0.0, 0.0, "unsent"), (0.99, 0.3, 0.4, "reset")]
    sent = make_open(rows, 1.57, [[1.0, 100.0]])
    metrics = Metrics(sent)
    assert (metrics.due, metrics.started, metrics.unsent, metrics.ok, metrics.failed, metrics.late) == (100, 99, 1, 98, 1, 2)
    assert metrics.latency(100) == pytest.approx(600)
    assert percentile(metrics.from_send, 100) == pytest.approx(597.9)
    assert metrics.ideal_per_second == 100
    text = ab.text(sent)
    assert "Late:                   2 of 99 started over 2 ms after they were due (0.000 ms in the median, 300.000 at most)" in text
    assert " 100%  600.000  597.900 (longest request)" in text
    assert "Time per request:       16.020 [ms] (mean, across" in text
    assert "reset 1, unsent 1 (of 100 due)" in text


@pytest.mark.parametrize("took", [0.001, 0.2, 3.0, 9.0, 12.0])
def test_however_long_each_answer_takes_all_is_answered_in_time(took):
    metrics = Metrics(make_open(steady(took=took), 10 + took, [[10.0, 100.0]]))
    assert metrics.of_ideal == pytest.approx(1.0, abs=0.011)
    assert metrics.in_flight == pytest.approx(100 * took * 10 / (10 + took), rel=0.01)
    assert find_bottleneck(metrics, "", None, {}).by == "offered load"


@pytest.mark.parametrize("capacity", [10, 50, 90])
def test_a_server_that_can_do_less_falls_behind(capacity):
    rows = [(number / 100, 0.0, (number + 1) / capacity - number / 100, "ok") for number in range(1000)]
    sent = make_open(rows, 1000 / capacity, [[10.0, 100.0]])
    assert Metrics(sent).of_ideal == pytest.approx(capacity / 100, rel=0.05)
    cost = make_cost(cpu_seconds=9.9 * sent.seconds / 10, busiest=0.99 * sent.seconds)
    assert find_bottleneck(Metrics(sent, cost=cost), "", None, {}).by == "server CPU"


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, 1), st.floats(1, 5), st.sampled_from(OUTCOMES)), min_size=1, max_size=40))
def test_sums_hold(rows):
    sent = make_open(rows, 10.0, [[5.0, len(rows) / 5]])
    metrics = Metrics(sent)
    assert metrics.ok + metrics.failed + metrics.cut_off + metrics.unsent == metrics.due == len(rows)
    parts = slice_load(sent)
    assert sum(part.due for part in parts) == metrics.due
    assert sum(part.sent for part in parts) == metrics.started
    ab.text(sent)


# As a scenario's load


def test_a_scenario_offers_a_rate(tmp_path):
    tree = copy_tree(tmp_path, {"tiny": changed(("-n 20 -c 2", "--rate 50 -t 2"))})
    program = run(tree, "scenarios/tiny.py")
    assert program.process.returncode == 0, program.stderr
    [load] = records(tree)["tiny"]["loads"]
    assert (load["sent"]["outcomes"], load["size"], len(load["sent"]["requests"]["due"])) == ({"ok": 100}, "declared", 100)
    assert "tiny · GET /, 50 per second for 2 s, at most 1,000 in flight, close" in program.stdout
    assert "of 50.0 requests per second (all that was due, in time)" in program.stdout
    assert "Limited by:             " in program.stdout


def planned(line, full=False, **sizes):
    return PlannedLoad(line, parse_line(line), 0, None, RunOptions(Sizes(**sizes), full=full))


@pytest.mark.parametrize(
    ("line", "sizes", "expected"),
    [
        ("--rate 50 -t 30 /", {}, "--rate 50 -t 30 /"),
        ("--rate 50 -t 30 /", {"seconds": 20.0}, "--rate 50 -t 20 /"),
        ("--rate 50 -t 30 /", {"requests": 70, "concurrency": 50}, "--rate 50 -t 30 -n 70 -c 50 /"),
        ("--rate 50 -n 900 /", {}, "--rate 50 -n 900 /"),
        ("--stages 10s@50,30s@100 /", {}, "--stages 10s@50,30s@100 /"),
        ("--stages 10s@50,30s@100 /", {"seconds": 25.0, "requests": 9}, "--stages 10s@50,15s@100 /"),
        ("--stages 10s@50,30s@100 /", {"seconds": 80.0}, "--stages 10s@50,30s@100 /"),
        ("-n 300 -c 300 /", {}, "-n 300 -c 300 /"),
        ("--users 500 --spawn-rate 5 -t 180 /", {}, "--users 500 --spawn-rate 5 -t 180 /"),
        ("--users 500 --spawn-rate 5 -t 180 /", {"seconds": 6.0}, "--users 500 --spawn-rate 5 -t 6 /"),
    ],
)
def test_a_load_is_what_it_says_and_time_only_cuts_it_off(line, sizes, expected):
    for full in (False, True):
        plan = planned(line, full, **sizes)
        assert plan.load == parse_line(expected)
        assert plan.size == ("declared" if expected == line else "changed")


def test_locust_sends_no_rates(tmp_path):
    with pytest.raises(UsageError, match="users, not rates"):
        locust_command(parse_line("--rate 50 -t 3 /"), "http://127.0.0.1/", tmp_path, web=False)


# What contradicts itself

URL = "http://127.0.0.1/"
WRONG = [
    ["--rate", "0", "-t", "1"],
    ["--rate", "-5", "-t", "1"],
    ["--rate", "nan", "-t", "1"],
    ["--rate", "x", "-t", "1"],
    ["--rate", "5"],
    ["--rate", "5", "-n", "3", "-c", "4"],
    ["--rate", "5", "-t", "1", "--users", "3", "--spawn-rate", "1"],
    ["--rate", "5", "-t", "1", "--stages", "1s@5"],
    ["--rate", "5", "-t", "1", "--grace", "0"],
    ["--stages", "1s@5", "-t", "1"],
    ["--stages", "1s@5", "-n", "1"],
    ["--stages", "1s@5", "--users", "3", "--spawn-rate", "1", "-t", "1"],
    ["--stages", "nonsense"],
    ["--stages", "10s@50,"],
    ["--stages", ""],
    ["--grace", "1"],
    ["--poisson"],
    ["-t", "1", "--grace", "1"],
]


@pytest.mark.parametrize("arguments", WRONG, ids=" ".join)
def test_wrong_usage_is_said_in_one_line(arguments, capsys):
    assert loadgen.main([*arguments, URL]) == 2
    stdout, stderr = capsys.readouterr()
    assert stdout == ""
    assert stderr.startswith("loadgen: ")
    assert stderr.count("\n") == 1
