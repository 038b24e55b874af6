"""Which of several scenarios holds the highest rate, and is nothing said that was not seen?"""

import signal
import time

import pytest

from common import suite
from common.client.load import Load
from common.report import highest as report
from common.results import files
from common.results.circumstances import Pinned
from common.results.highest import beats, limited_by, probe_above, rank, rate_held
from common.results.record import Probe, Search
from tests.faults.attempt import project_in
from tests.made_up import make_client, make_cost, make_requests, make_sent
from tests.processes import Program, changed, copy_tree, one_line, run


def probe(rate, verdict, took_ms=50.0, cpu=0.2, failed=0):
    """One second at this rate; the server used that share of a core."""
    count = int(rate)
    rows = [
        (i / rate, i / rate, i / rate, 0, i / rate + took_ms / 1000, "ok" if i >= failed else "non-2xx", 200, 2, 100) for i in range(count)
    ]
    load = Load("/wait/", requests=None, concurrency=1000, seconds=1.0, rate=rate)
    sent = make_sent(make_requests(rows, due=[row[0] for row in rows]), load, 1.0, client=make_client(1.0))
    return Probe(sent, verdict, "" if verdict == "held" else f"p99 {took_ms:,.1f} ms", make_cost(cpu))


def search(name, ended, rate, *probes):
    pinned = Pinned([0], [1])
    return Search("p99<=200ms", 99, 200, 1.0, "http://127.0.0.1:1/wait/", ended, rate, "", list(probes), scenario=name, pinned=pinned)


def found(name, rate, above, **more):
    return search(name, "found", rate, *[probe(rate, "held")] * 3, probe(above, "broken", took_ms=300, **more))


FIRST = found("first", 640, 672, cpu=0.95)
NEAR = found("near", 625, 656)
SECOND = found("second", 320, 336)
LEAST = search("least", "client-bound", 610.0, probe(610, "held"), probe(640, "void"))
NONE = search("none", "none", None)
NONE_TRIED = search("none_tried", "none", None, probe(10, "broken", took_ms=300), probe(5, "broken", took_ms=300))
OPEN = search("open", "stopped", None, probe(80, "held"), probe(160, "held"))


def test_what_is_too_near_shares_a_rank():
    ranked = [(place, one.scenario) for place, one in rank([OPEN, NONE, SECOND, NEAR, FIRST])]
    assert ranked == [(1, "first"), (1, "near"), (3, "second"), (4, "none"), (None, "open")]


@pytest.mark.parametrize(
    ("one", "other", "does"),
    [
        (FIRST, SECOND, True),
        (FIRST, NEAR, False),
        (FIRST, LEAST, False),  # it may hold more than could be sent
        (LEAST, SECOND, True),
        (SECOND, NONE, True),
        (SECOND, NONE_TRIED, True),
        (NONE, NONE_TRIED, False),
        (FIRST, OPEN, False),
        (OPEN, NONE, False),
    ],
)
def test_one_beats_another_by_what_the_other_was_seen_to_fail(one, other, does):
    assert beats(one, other) is does


def test_the_evidence():
    assert (rate_held(OPEN), rate_held(NONE), probe_above(OPEN)) == (160, 0, None)
    assert probe_above(FIRST).sent.load.rate == 672
    assert [limited_by(one) for one in (FIRST, SECOND, LEAST, OPEN)] == ["server CPU", "not CPU", "client", ""]
    assert limited_by(found("fails", 100, 105, failed=9)) == "errors"
    again = search("again", "found", 75, *[probe(75, "held")] * 3, probe(80, "void"), probe(80, "broken", took_ms=300, cpu=0.95))
    assert (probe_above(again).verdict, limited_by(again)) == ("broken", "server CPU")


def test_the_table():
    said = report.text("GET /wait/, close", [SECOND, OPEN, NONE, LEAST, FIRST])
    assert max(map(len, said.splitlines())) <= 140
    rows = [line.split() for line in said.splitlines() if line[:2].strip().isdigit()]
    assert rows[0] == ["1", "first", "640", "50", "50", "0", "20%", "672", "300", "300", "0", "95%", "server", "CPU"]
    assert rows[1] == ["1", "least", "610+", "50", "50", "0", "20%", "640", "50", "50", "0", "20%", "client"]
    assert rows[3][:4] == ["4", "none", "none", "-"]
    assert "open" in said
    assert "160?" in said
    assert "Too near to tell apart: first, least" in said
    assert "No rate holds: none." in said
    assert "Not confirmed, because the search was ended or ran out of time: open." in said


@pytest.mark.parametrize(
    ("searches", "said"),
    [
        ([SECOND, FIRST], "first holds the most: 640 requests per second, 2.00 times what second holds."),
        ([LEAST, SECOND], "least holds the most: at least 610 requests per second, 1.91 times what second holds."),
        ([SECOND], "second holds the most: 320 requests per second."),
    ],
)
def test_the_answer(searches, said):
    assert said in report.text("GET /wait/, close", searches).splitlines()


# By the whole program


def blocking(seconds, rate):
    """One request after the other."""
    replacements = [("import os", "import os\nimport time"), ("asked += 1", f"time.sleep({seconds})\n    asked += 1")]
    return changed(*replacements, ("-n 20 -c 2", f"--rate {rate} -t 1"))


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    wrong = changed(("200,", "404,"))
    scenarios = {"late": blocking(0.2, 5), "quick": blocking(0.005, 100), "slow": blocking(0.001, 1), "wrong": wrong}
    return copy_tree(tmp_path_factory.mktemp("project"), scenarios)


def find_rate(*names):
    return ["-m", "common.suite", *names, "--find-rate", "p90<=150ms", "-t", "0.3"]


def test_several_are_searched_whatever_becomes_of_each(tree):
    program = run(tree, *find_rate("wrong", "late", "quick"))
    assert program.process.returncode == 1
    assert program.stderr.startswith("failed: wrong: wrong answers GET / with status 404: ok")
    assert "late: no rate holds p90<=150ms: a request alone took" in program.stdout
    [path] = (tree / "results").glob("*/quick.rate.json.gz")
    held = files.read(path, Search).rate
    assert f"quick holds the most: {held:,g} requests per second" in program.stdout.replace("at least ", "")
    assert "No rate holds: late." in program.stdout
    assert program.stdout.index(" 1 quick") < program.stdout.index(" 2 late")


def test_what_was_found_is_shown_when_a_person_ends_it(tree):
    with Program(tree, *find_rate("late", "slow")) as program:
        program.wait_for("common.loadgen", "--find-rate", "--rate 1.0")
        time.sleep(2)
        program.process.send_signal(signal.SIGINT)
        assert program.finish() == 130
        assert program.left_over() == []
    assert "Traceback" not in program.stderr
    assert "slow: stopped: no rate held so far" in program.stdout
    assert "No rate holds: late." in program.stdout
    assert "Not confirmed, because the search was ended or ran out of time: slow." in program.stdout


def test_each_has_its_share_of_the_time(tree):
    program = run(tree, *find_rate("slow"), "--minutes", "0.1")
    assert program.process.returncode == 1
    assert "slow: undecided when time or runs ran out: no rate held so far" in program.stdout


@pytest.mark.parametrize("more", [["--rounds", "2"], ["-n", "5"], ["--full"], ["--side-by-side"], ["--find-rate", "fast"]])
def test_what_does_not_go_with_it_is_refused(tree, more, capsys):
    with project_in(tree):
        code = suite.main([*find_rate("late")[2:], *more])
    stderr = capsys.readouterr().err
    assert code == 2
    assert one_line(stderr), stderr
    assert "--find-rate" in stderr
