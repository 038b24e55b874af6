"""Is the rate that is found the highest that keeps the promise, and is it said why no higher one does?"""

import asyncio
import json
import signal
import subprocess
from argparse import Namespace
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import loadgen
from common.cli import UsageError
from common.client import schedule
from common.client.load import Load
from common.client.options import PROBE_SECONDS, START_RATE
from common.client.progress import silent
from common.report import rate
from common.results import files
from common.results.metrics import IDLE
from common.results.record import Search
from common.results.targets import parse_latency
from common.running import find_rate
from common.running.find_rate import MOST_PROBES, NEAR, Bisection, judge
from tests.made_up import make_client, make_open, make_requests, make_sent
from tests.processes import ROOT, TINY, changed, copy_tree, one_line, run
from tests.test_loadgen import LOADGEN, wait_for


@pytest.mark.parametrize(
    ("text", "percent", "limit_ms"),
    [("p99<=500ms", 99, 500), ("p50 <= 1.5s", 50, 1500), ("p99.9<=20ms", 99.9, 20), ("p100<=1s", 100, 1000)],
)
def test_a_target_is_read(text, percent, limit_ms):
    target = parse_latency(text)
    assert (target.percent, target.limit_ms) == (percent, limit_ms)
    assert parse_latency(target.text) == target


WRONG = [
    "",
    "p99",
    "p99<500ms",
    "p99<=500",
    "p99<=0ms",
    "p0<=5ms",
    "p101<=5ms",
    "99<=5ms",
    "p99<=-5ms",
    "p99<=nan ms",
    "mean<=5ms",
    "p99<=5ms x",
]


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_target_is_refused(text, capsys):
    with pytest.raises(UsageError, match="for --find-rate"):
        parse_latency(text)
    assert loadgen.main(["--find-rate", text, "http://127.0.0.1/"]) == 2
    stdout, stderr = capsys.readouterr()
    assert (stdout, one_line(stderr)) == ("", True)


@pytest.mark.parametrize("more", ["-n 5", "--users 3 --spawn-rate 1", "--stages 1s@5", "--grace 1", "-e x.csv", "-t 0", "--rate x"])
def test_words_of_other_loads_are_refused(more, capsys):
    assert loadgen.main(["--find-rate", "p99<=1s", *more.split(), "http://127.0.0.1/"]) == 2
    stdout, stderr = capsys.readouterr()
    assert (stdout, one_line(stderr)) == ("", True)


# The search, on servers that are made up


def searched(verdict_at, start=10.0):
    async def probe(rate):
        return verdict_at(rate)

    bisection = Bisection(probe, start)
    ended, rate = asyncio.run(bisection.find())
    return ended, rate, bisection.tried


@given(st.floats(2.1, 30_000), st.floats(1, 1000), st.sampled_from(["broken", "void"]))
def test_the_highest_rate_is_found(capacity, start, above):
    ended, rate, tried = searched(lambda rate: "held" if rate <= capacity else above, start)
    assert ended == ("client-bound" if above == "void" else "found")
    assert rate <= capacity
    assert min(one for one, verdict in tried if verdict == above) <= rate * NEAR
    assert [verdict for one, verdict in tried if one == rate] == ["held"] * 3
    assert len(tried) <= MOST_PROBES


@given(st.lists(st.sampled_from(["held", "broken", "void"]), min_size=300, max_size=300))
def test_a_server_that_answers_as_it_likes_ends_the_search_all_the_same(verdicts):
    left = iter(verdicts)
    ended, rate, tried = searched(lambda rate: next(left))
    assert len(tried) <= MOST_PROBES + 2
    assert ended in ("found", "client-bound", "none", "undecided")
    if ended == "found":
        assert [verdict for one, verdict in tried if one == rate].count("held") >= 3


def test_nothing_holds():
    ended, rate, tried = searched(lambda rate: "broken")
    assert (ended, rate) == ("none", None)
    assert tried[-1][0] == 1.25


def test_what_fails_once_is_tried_again():
    once = {160.0}
    ended, rate, _ = searched(lambda rate: "broken" if rate in once and not once.remove(rate) else "held" if rate <= 300 else "broken")
    assert (ended, 285 <= rate <= 300) == ("found", True)


def test_what_is_not_confirmed_is_not_the_answer():
    first = set()

    def flaky(rate):
        """Between 200 and 300 each rate holds the first time only."""
        again = rate in first
        first.add(rate)
        return "held" if rate <= 200 or (rate <= 300 and not again) else "broken"

    ended, rate, _ = searched(flaky)
    assert (ended, rate <= 200) == ("found", True)


# The verdict on one probe


def probe(count=1000, took_ms=50.0, late_ms=0.0, seconds=10.0, cpu=0.3, **outcomes):
    """Requests that are due evenly; those with another outcome than ok are spread over all."""
    bad = [name.replace("_", " ") for name, number in outcomes.items() for _ in range(number)]
    step = count // max(len(bad), 1)
    rows = [
        (number * seconds / count, late_ms / 1000, took_ms / 1000, bad.pop() if bad and number % step == 0 else "ok")
        for number in range(count)
    ]
    return make_open(rows, seconds, [[seconds, count / seconds]], client=make_client(busiest=cpu))


@pytest.mark.parametrize(
    ("sent", "verdict", "because"),
    [
        (probe(), "held", ""),
        (probe(took_ms=99.9), "held", ""),
        (probe(took_ms=100.1), "broken", "p99 100.1 ms"),
        (probe(took_ms=100.5, late_ms=1.5), "broken", "p99 100.5 ms"),
        (probe(reset=1), "held", ""),
        (probe(reset=2), "broken", "2 failed, 0 unsent of 1,000"),
        (probe(unsent=2), "broken", "0 failed, 2 unsent of 1,000"),
        (probe(cut_off=10), "held", ""),
        (probe(cut_off=11), "broken", "p99 was not answered in time"),
        (probe(cut_off=1000), "broken", "p99 was not answered in time"),
        (probe(cpu=0.95), "void", "the client used 95% of a core"),
        (probe(cpu=0.95, took_ms=500), "void", "the client used 95% of a core"),
        (probe(late_ms=4.9), "held", ""),
        (probe(late_ms=5.1), "void", "the client started requests 5.1 ms late (p99)"),
        (probe(count=1000, seconds=9.0, cut_off=9), "held", ""),
    ],
)
def test_the_verdict(sent, verdict, because):
    judged = judge(parse_latency("p99<=100ms"), sent)
    assert judged[0] == verdict
    assert because in judged[1]


def test_a_server_that_falls_behind_keeps_no_target_for_long():
    """It answers 200 of the 250 that come each second: after two seconds the last has waited for half a second."""
    rows = [(number / 250, 0.0, number / 200 - number / 250 + 0.005, "ok") for number in range(500)]
    assert judge(parse_latency("p99<=1s"), make_open(rows, 2.5, [[2.0, 250.0]]))[0] == "broken"
    assert judge(parse_latency("p99<=1s"), make_open([(due, 0.0, 0.3, "ok") for due, *_ in rows], 2.3, [[2.0, 250.0]]))[0] == "held"


def test_a_client_that_may_not_send_more_is_the_limit_itself():
    """Of 1,000 in 10 s 5 were not sent: where the target allows more in flight than the client may have, it is the client's limit."""
    sent = probe(unsent=5)
    few, many = (replace(sent, load=replace(sent.load, stages=(), rate=100.0, seconds=10.0, concurrency=cap)) for cap in (9, 10))
    target = parse_latency("p99<=100ms")
    assert judge(target, few) == ("void", "5 unsent of 1,000: no more than 9 may be in flight (-c)")
    assert judge(target, many) == ("broken", "0 failed, 5 unsent of 1,000")


class Queue:
    """A server that takes one request after the other, on a clock of its own, and the sender and the sleep that go by it."""

    def __init__(self, per_second, variation):
        self.clock = self.free = 0.0
        self.per_second, self.variation = per_second, variation
        self.chance = np.random.default_rng(7)
        self.alone_waited_ms = []

    def work(self):
        return self.chance.gamma(1 / self.variation**2, self.variation**2 / self.per_second) if self.variation else 1 / self.per_second

    async def sleep(self, seconds):
        self.clock += seconds

    def sender(self, load, request, tell):
        return Namespace(send=lambda: self.send(load), stop=lambda why: None)

    async def send(self, load):
        begin = self.clock
        if load.rate is None:
            self.alone_waited_ms.append(max(0.0, self.free - begin) * 1000)
            self.free = max(self.free, begin) + self.work()
            self.clock = self.free
            took = self.free - begin
            return make_sent(make_requests([(0, 0, 0, took, took, "ok", 200, 2, 100)]), load, took)
        rows, due_times, over = [], list(schedule.due_times(load.schedule)), load.seconds + load.grace
        for due in due_times:
            self.free = max(self.free, begin + due) + self.work()
            end = self.free - begin
            rows.append((due, due, due, min(end, over), min(end, over), "ok" if end <= over else "cut off", 200, 2, 100))
        taken = max(load.seconds, rows[-1][4])
        self.clock = begin + taken
        return make_sent(make_requests(rows, due=due_times), load, taken, stopped="cut off" if rows[-1][5] != "ok" else "")


def prober_of(queue, target, monkeypatch):
    monkeypatch.setattr(find_rate, "Sender", queue.sender)
    monkeypatch.setattr(find_rate.asyncio, "sleep", queue.sleep)
    load = Load("/", requests=None, concurrency=1000, seconds=PROBE_SECONDS, rate=START_RATE)
    return find_rate.Prober(load, Namespace(url="http://made.up/"), parse_latency(target), silent)


def search(per_second, variation, target, monkeypatch):
    queue = Queue(per_second, variation)
    return asyncio.run(prober_of(queue, target, monkeypatch).find()), queue


@pytest.mark.parametrize(("rate", "verdict"), [(103, "broken"), (97, "held")])
def test_an_even_server_may_answer_a_fiftieth_less_and_no_more(rate, verdict, monkeypatch):
    prober = prober_of(Queue(100, 0), "p99<=10s", monkeypatch)
    prober._fastest = 10.0
    assert asyncio.run(prober.probe(rate)) == verdict


@pytest.mark.parametrize("variation", [0, 0.3, 1])
@pytest.mark.parametrize("target", ["p99<=2s", "p99<=5s", "p50<=10s"])
@pytest.mark.parametrize("capacity", [3, 10, 40])
def test_no_rate_beyond_capacity_holds(capacity, target, variation, monkeypatch):
    """However loose the target is: a queue that only had no time to grow would keep it."""
    found, _ = search(capacity, variation, target, monkeypatch)
    assert found.rate <= 1.05 * capacity
    if variation < 1:  # else chance may keep it from an answer, or from a high one
        assert found.ended == "found"
        assert found.rate >= 0.85 * capacity


def test_the_next_probe_begins_on_an_idle_server(monkeypatch):
    """The target allows a wait of two seconds; what a probe left behind is worked off all the same."""
    found, queue = search(10, 0, "p99<=2s", monkeypatch)
    begun = [each.sent.requests.latency_ms[each.sent.requests.due == 0] for each in found.probes]
    assert max(begun) <= 100 * IDLE
    assert max(queue.alone_waited_ms) > 500  # there was something to wait for


def test_too_few_requests_for_a_percentile_are_said(monkeypatch):
    found, _ = search(10, 0, "p99<=2s", monkeypatch)
    assert found.said.startswith("only ")
    assert "requests lie beyond p99" in found.said
    assert search(10, 0, "p50<=2s", monkeypatch)[0].said == ""


# Against real servers


def test_a_search(server, fire, tmp_path):
    """At most five in flight of 20 ms each: no more than about 250 a second can be sent, and that is the client's limit."""
    done = fire("--find-rate", "p90<=1s", "-t", 0.25, "-c", 5, "--rate", 100, server.url("/slow?ms=20"))
    assert done.code == 0, done.stdout
    assert (done.record["kind"], done.record["ended"], done.record["target"]) == ("find-rate", "client-bound", "p90<=1000ms")
    assert 50 <= done.record["rate"] <= 275
    assert done.stdout.count("  held") >= 3
    assert "unsent of" in done.stdout
    assert f"client-bound: at least {done.record['rate']:g} requests per second hold p90<=1000ms" in done.stdout
    assert all(sum(probe["sent"]["outcomes"].values()) == len(probe["sent"]["requests"]["due"]) for probe in done.record["probes"])
    assert rate.text(files.read(tmp_path / "record.json", Search)) in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "path", "said"),
    [
        (["p99<=20ms"], "/slow?ms=60", "no rate holds p99<=20ms: a request alone took"),
        (["p99<=1s"], "/500", "no rate holds p99<=1000ms: a request alone was not answered correctly"),
    ],
)
def test_a_target_that_no_rate_can_keep(arguments, path, said, server, fire):
    done = fire("--find-rate", *arguments, server.url(path))
    assert (done.code, done.record["ended"], done.record["rate"]) == (1, "none", None)
    assert said in done.stdout
    assert server.received == find_rate.ALONE


BEGINS_HIGH = ("-n 20 -c 2", "--rate 80 -t 1")  # a search begins at the load's own rate: fewer runs


def test_a_scenario_finds_its_rate(tmp_path):
    """One request after the other, each 5 ms and a little: not 200 a second."""
    blocking = changed(("import os", "import os\nimport time"), ("asked += 1", "time.sleep(0.005)\n    asked += 1"), BEGINS_HIGH)
    tree = copy_tree(tmp_path, {"tiny": blocking})
    program = run(tree, "scenarios/tiny.py", "--find-rate", "p90<=150ms", "-t", "0.3")
    assert program.process.returncode == 0, program.stderr
    assert "tiny · GET /, 1 request" in program.stdout
    assert "server CPU" in program.stdout
    [path] = (tree / "results").glob("*/tiny.rate.json.gz")
    search = files.read(path, Search)
    assert search.scenario == "tiny"
    assert search.ended in ("found", "client-bound")  # on a busy machine requests start too late to tell
    assert 5 <= search.rate <= 210
    assert all(probe.cost for probe in search.probes)
    assert f"{search.rate:g} requests per second hold p90<=150ms" in program.stdout


def test_a_scenario_refuses_what_is_no_target(tmp_path):
    tree = copy_tree(tmp_path, {"tiny": TINY})
    program = run(tree, "scenarios/tiny.py", "--find-rate", "fast")
    assert (program.process.returncode, program.stdout, one_line(program.stderr)) == (2, "", True)
    assert "--find-rate" in program.stderr
    assert not (tree / "results").exists()


def test_a_person_ends_a_search(server, tmp_path):
    saved = tmp_path / "record.json"
    command = [*LOADGEN, "-q", "--find-rate", "p99<=5s", "-t", "20", "--json", str(saved), server.url("/slow?ms=10")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_for(lambda: server.received > find_rate.ALONE + 2)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=10)
    assert (process.returncode, stderr) == (130, "")
    assert json.loads(saved.read_text())["ended"] == "stopped"
    assert "stopped" in stdout
