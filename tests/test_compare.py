"""Is what got worse between two directories found, and only that? And are gates judged by the last one?"""

import random
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from common.compare import main
from common.results import files, targets
from common.results.before_after import judge
from common.results.circumstances import Cost, Noise
from common.results.intervals import AtMost, Estimate
from common.results.metrics import Metrics
from common.results.record import Measured
from tests.made_up import ENVIRONMENT, make_client, make_cost, make_measured, make_open, make_requests, make_run, make_sent
from tests.processes import ROOT, one_line


def rates(middle: float, spread: float = 0.02, runs: int = 10, seed: int = 1) -> list[int]:
    chance = random.Random(seed)
    return [round(middle * chance.lognormvariate(0, spread)) for _ in range(runs)]


def make_load(per_second: int, latency_ms: float = 20, reset: int = 0, cost: Cost | None = None, line: str = "-n 9 /", **more) -> Measured:
    """A second in which so many were answered, evenly, each in that time; and some that were reset."""
    rows = []
    for place in range(per_second):
        end = (place + 1) / per_second
        rows.append((max(0.0, end - latency_ms / 1000),) * 4 + (end, "ok", 0, 0, 0))
    rows += [(place / 1000,) * 4 + (place / 1000, "reset", 0, 0, 0) for place in range(reset)]
    return make_measured(make_sent(make_requests(rows), line, client=make_client(lag_ms=0)), cost=cost, **more)


def saved(folder: Path, scenarios: dict[str, list[int]], latency_ms: float = 20, **environment: object) -> Path:
    """A directory of results in which each scenario answered so many a second, each run."""
    for name, values in scenarios.items():
        keep(folder, name, [make_load(rate, latency_ms) for rate in values], **environment)
    return folder


def keep(folder: Path, name: str, loads: list[Measured], **environment: object) -> Path:
    """A run for each load."""
    for number, load in enumerate(loads, 1):
        run = make_run(name, load, round=number, environment=replace(ENVIRONMENT, **environment))
        files.write(folder / f"{number}-{name}.json.gz", run)
    return folder


def make_cut(answered: int, latency_ms: float, cut_off: int, age_ms: float, seconds: float = 10.0, **more) -> Measured:
    """Cut off by its time: so many answered in a time each, evenly, and so many in flight for as long in the end."""
    ends = [(place + 1) * seconds / answered for place in range(answered)]
    rows = [(max(0.0, end - latency_ms / 1000),) * 3 + (end, end, "ok", 0, 0, 0) for end in ends]
    rows += [(max(0.0, seconds - age_ms / 1000),) * 3 + (0, seconds, "cut off", 0, 0, 0)] * cut_off
    sent = make_sent(make_requests(rows), "-c 100 -t 10 /", seconds, stopped="cut off", client=make_client(lag_ms=0))
    return make_measured(sent, **more)


OVERRUN = [row for place in range(100) for row in ((place / 10, 0.0, 0.05, "ok"), (place / 10 + 0.05, 0.0, 0.0, "unsent"))]


def make_ramp(wave: float) -> Measured:
    """A hundred users arrive within 10 s; then a hundred answers a second come in waves, each of so many seconds."""
    arriving = [10 * ((place + 1) / 500) ** 0.5 for place in range(500)]
    steady = [10 + wave * (place // round(100 * wave) + 1) for place in range(2000)]
    rows = [(max(0.0, end - 1),) * 3 + (end, end, "ok", 0, 0, 0) for end in arriving + steady if end <= 30]
    sent = make_sent(make_requests(rows), "--users 100 --spawn-rate 10 -t 30 /", 30.0, stopped="cut off", client=make_client(lag_ms=0))
    return make_measured(sent)


@pytest.fixture
def compare(capsys):
    """The command, without a process of its own."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        code = main([str(word) for word in arguments])
        return subprocess.CompletedProcess(arguments, code, *capsys.readouterr())

    return run


def in_one_line(text: str) -> str:
    return " ".join(text.split())


def test_as_a_command(tmp_path):
    directory = saved(tmp_path, {"one": [100]})
    command = [sys.executable, "-m", "common.compare", str(directory), "--gate", "one req/s>=200"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True).returncode == 1


def test_what_got_worse_fails(tmp_path, compare):
    before = saved(tmp_path / "a", {"same": rates(100), "slower": rates(100, seed=2), "faster": rates(100, seed=3)})
    after = saved(tmp_path / "b", {"same": rates(100, seed=4), "slower": rates(80, seed=5), "faster": rates(130, seed=6)})
    done = compare(before, after)
    assert done.returncode == 1, done.stderr
    said = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}
    assert said["slower"].rstrip().endswith("worse: req/s")
    assert said["faster"].rstrip().endswith("better: req/s")
    assert said["same"].rstrip().endswith("the same within 5%")
    assert compare(before, after, "--tolerance", "30%").returncode == 0
    assert compare(after, before).returncode == 1  # "faster" has become slower


def test_a_slower_tail_is_worse_though_more_is_served(tmp_path, compare):
    quick = saved(tmp_path / "a", {"one": rates(100)}, latency_ms=20)
    slow = saved(tmp_path / "b", {"one": rates(130, seed=2)}, latency_ms=40)
    # the times do not vary at all here, so that the ratio is exact
    assert compare(quick, slow).stdout.count("worse: p99 ms") == 1


def test_nothing_is_shown_by_two_runs(tmp_path, compare):
    done = compare(saved(tmp_path / "a", {"one": [100, 101]}), saved(tmp_path / "b", {"one": [10, 11]}))
    assert done.returncode == 0
    assert "too few runs to say" in done.stdout


def test_a_load_is_known_by_its_whole_command_line(tmp_path, compare):
    """Not by its description, which does not tell these apart."""
    loads = [make_load(100, line=line) for line in ("-n 9 -H 'A: one' /", "-n 9 -H 'A: two' /")]
    assert loads[0].sent.load.describe() == loads[1].sent.load.describe()
    for folder, load in zip(("a", "b"), loads, strict=True):
        files.write(tmp_path / folder / "one.json.gz", make_run("one", load))
    done = compare(tmp_path / "a", tmp_path / "b")
    assert (done.returncode, one_line(done.stderr)) == (1, True)
    assert "no load in common" in done.stderr


def test_what_else_differs_is_said(tmp_path, compare):
    before = saved(tmp_path / "a", {"one": rates(100)})
    after = saved(tmp_path / "b", {"one": rates(100)}, python="CPython 3.13", packages={"django": "6.0"})
    said = compare(before, after).stdout
    assert "python: CPython 3.11.7 -> CPython 3.13" in said
    assert "django: 5.2.19 -> 6.0" in said
    assert "only after: new" in compare(after, saved(tmp_path / "c", {"one": rates(100), "new": rates(100)})).stdout
    assert "nothing else differs" in compare(before, before).stdout


@pytest.mark.parametrize(
    ("gate", "code", "said"),
    [
        ("one p99<=20ms", 0, "kept"),
        ("one p99<=19ms", 1, "BROKEN"),
        ("o* max<=0.02s", 0, "kept"),
        ("one req/s>=90", 0, "kept"),
        ("one req/s>=200", 1, "BROKEN"),
        ("one failed<=0%", 0, "kept"),
        ("one cpu<=5ms", 1, "BROKEN  one · GET /, 9 requests, 1 at a time, close: cpu<=5ms: not decided: the server's CPU is not known"),
        ("two p99<=20ms", 2, "no scenario"),
        ("one p99<20ms", 2, "is not a target"),
        ("one p99<=20", 2, "p99 is in ms or s"),
        ("one failed<=1ms", 2, "failed is in %"),
        ("one", 2, "is not a target"),
    ],
)
def test_gates(gate, code, said, tmp_path, compare):
    done = compare(saved(tmp_path, {"one": rates(100)}), "--gate", gate)
    assert done.returncode == code, done.stdout + done.stderr
    assert said in done.stdout + done.stderr
    assert code < 2 or one_line(done.stderr)


def test_a_gate_is_about_the_last_directory(tmp_path, compare):
    sides = [saved(tmp_path / name, {"one": rates(rate)}) for name, rate in (("a", 50), ("b", 100))]
    assert compare(*sides, "--gate", "one req/s>=90").returncode == 0
    assert compare(*reversed(sides), "--gate", "one req/s>=90", "--tolerance", "90%").returncode == 1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nowhere", "nowhere"], 1, "is not a results directory"),
        (["tests", "tests"], 1, "holds no results"),
        (["tests"], 2, "nothing to compare with"),
        (["a", "b", "c"], 2, "takes one directory, or two"),
        (["a", "b", "--tolerance", "x"], 2, "is not a share between 0 and 1: write 5% or 0.05"),
        ([], 2, "required"),
    ],
)
def test_wrong_words(arguments, code, said, compare):
    done = compare(*arguments)
    assert done.returncode == code
    assert one_line(done.stderr)
    assert said in done.stderr


def test_each_metric_is_what_it_says():
    load = make_load(100, latency_ms=20, reset=25, cost=make_cost(0.5))
    metrics = Metrics(load.sent, cost=load.cost)
    measured = {text: targets.parse(text).measure(metrics) for text in ("p50<=1s", "mean<=1s", "req/s>=1", "failed<=1%", "cpu<=1ms")}
    assert measured.pop("cpu<=1ms") == AtMost(pytest.approx(5))  # of which failures are a part
    assert list(measured.values()) == pytest.approx([20, 19.9, 100, 20])  # the first was answered after 10 ms


# What takes no ratio to say


def rounds_of(load: Measured, number: int = 3) -> list[Measured]:
    return [load] * number


def test_a_scenario_that_fails_afterwards_is_worse(tmp_path, compare):
    before = saved(tmp_path / "a", {"one": rates(100), "other": rates(100)})
    after = saved(tmp_path / "b", {"other": rates(100)})
    keep(after, "one", [make_load(100, fault="it ended with exit code 3")] * 3)
    done = compare(before, after)
    assert done.returncode == 1
    assert "worse: it failed: it ended with exit code 3" in in_one_line(done.stdout)
    assert done.stdout.startswith("Worse: 1 of 2")


def test_failing_more_is_worse_though_the_rest_is_faster(tmp_path, compare):
    """Half of the requests refused at once leave more time for the others."""
    before, after = (tmp_path / name for name in "ab")
    keep(before, "one", rounds_of(make_load(100)))
    keep(after, "one", rounds_of(make_load(150, latency_ms=5, reset=150)))
    done = compare(before, after)
    assert (done.returncode, "worse: fails 50% of its requests" in done.stdout) == (1, True)
    assert "better" not in done.stdout.splitlines()[0]
    few = keep(tmp_path / "c", "one", rounds_of(make_load(100, reset=3)))
    assert (compare(before, few).returncode, compare(few, before).returncode) == (1, 0)


def test_what_is_missing_afterwards_is_worse(tmp_path, compare):
    before = saved(tmp_path / "a", {"one": rates(100), "gone": rates(100)})
    done = compare(before, saved(tmp_path / "b", {"one": rates(100)}))
    assert (done.returncode, "worse: missing afterwards" in done.stdout) == (1, True)


def test_only_a_whole_interval_beyond_the_tolerance_is_worse(tmp_path, compare):
    """0.945 [0.90, 0.995] is no more than a difference; so is as little in the other direction."""
    assert judge(Estimate(0.945, 0.90, 0.995, 10), True, 0.05) == "differs, but not shown to exceed 5%"
    assert judge(Estimate(0.92, 0.90, 0.945, 10), True, 0.05) == "worse"
    assert judge(Estimate(0.92, 0.90, 0.945, 10), False, 0.05) == "better"
    assert judge(Estimate(1.06, 1.01, 1.10, 10), True, 0.05) == "differs, but not shown to exceed 5%"
    assert judge(Estimate(1.01, 0.98, 1.03, 10), True, 0.05) == "the same within 5%"
    assert judge(Estimate(1.01, 0.90, 1.13, 10), True, 0.05) == "no difference shown: at most 13% either way"
    done = compare(*(saved(tmp_path / name, {"one": rates(rate, spread=0.01, seed=rate)}) for name, rate in (("a", 300), ("b", 285))))
    assert done.returncode == 0
    assert "differs, but not shown to exceed 5%" in done.stdout


def test_a_load_too_short_to_tell_is_not_compared_unless_it_can_only_be_worse(tmp_path, compare):
    before = keep(tmp_path / "a", "one", rounds_of(make_cut(1000, 900, 100, 500)))
    hardly = keep(tmp_path / "b", "one", rounds_of(make_cut(3, 900, 100, 9000)))
    done = compare(before, hardly)  # 103 in 10 s at most, of 1,000
    assert (done.returncode, "worse: req/s" in done.stdout) == (1, True)
    done = compare(hardly, hardly)
    assert (done.returncode, "too short to tell: only 3 answers" in done.stdout) == (0, True)


def test_a_ramp_that_is_too_short_to_tell_is_not_worse_than_an_equal_one_that_tells(tmp_path, compare):
    even, uneven = make_ramp(0.1), make_ramp(5.0)
    assert not even.metrics.rate.too_short
    assert uneven.metrics.rate.too_short
    done = compare(keep(tmp_path / "a", "one", rounds_of(even)), keep(tmp_path / "b", "one", rounds_of(uneven)))
    assert (done.returncode, "too short to tell" in done.stdout) == (0, True)


def test_a_time_that_was_cut_off_counts_as_the_least_that_it_can_be(tmp_path, compare):
    before = keep(tmp_path / "a", "one", rounds_of(make_cut(1000, 900, 10, 500)))
    after = keep(tmp_path / "b", "one", rounds_of(make_cut(1000, 900, 100, 9000)))
    done = compare(before, after)
    assert (done.returncode, "worse: p99 ms" in done.stdout, "over 10.0x" in done.stdout) == (1, True, True)
    assert "better: p99 ms" in compare(after, before).stdout


def test_two_directories_were_made_at_different_times(tmp_path, compare):
    """What a fixed piece of work took tells of them; beyond 3% the verdicts are marked."""

    def run(folder: str, milliseconds: float | None) -> Path:
        return keep(tmp_path / folder, "one", rounds_of(make_load(100, calibration_ms=milliseconds)))

    first, alike, slower, old = run("a", 50.0), run("b", 51.0), run("c", 55.0), run("d", None)
    done = compare(first, slower).stdout
    said = in_one_line(done)
    assert "two runs were made at different times" in said
    assert "took 1.10x as long on the server's core the second time: doubt what is marked ~" in said
    assert re.search(r"the same within 5% ~ *$", done, re.MULTILINE)
    assert "took 1.02x as long" in in_one_line(compare(first, alike).stdout)
    assert "~" not in compare(first, alike).stdout
    assert "no fixed piece of work" in in_one_line(compare(old, first).stdout)


def test_where_nothing_can_be_said_it_is_said_with_what_to_do(tmp_path, compare):
    done = compare(saved(tmp_path / "a", {"one": [100]}), saved(tmp_path / "b", {"one": [120]}))
    assert done.stdout.startswith("Too few runs to compare one · GET /, 9 requests, 1 at a time, close: each side needs 3.")
    assert "Use --rounds 10" in done.stdout
    busy = Noise(available=True, disturbed="chromium used 70% of a core", foreign_programs={"chromium": 0.7})
    disturbed = keep(tmp_path / "c", "one", rounds_of(make_load(100, noise=busy)))
    done = compare(disturbed, disturbed)
    assert done.returncode == 0
    assert "Runs were disturbed: close chromium, or use more --rounds." in done.stdout
    assert "~ disturbed: one 3 of 3 runs, counted" in done.stdout


# Gates


@pytest.mark.parametrize(
    ("loads", "gate", "code", "said"),
    [
        # 36 answered in up to 11.65 s, 100 in flight for 12 s when the load was cut off
        ([make_cut(36, 11_650, 100, 12_000, seconds=12.0)], "p99<=12s", 1, "BROKEN"),
        ([make_cut(36, 11_650, 100, 12_000, seconds=12.0)], "p99<=15s", 1, "not decided: 100 of 136 requests were cut off"),
        ([make_cut(36, 11_650, 100, 12_000, seconds=12.0)], "failed<=1%", 1, "not decided: 100 of 136 requests were cut off"),
        ([make_cut(36, 11_650, 100, 12_000, seconds=12.0)], "mean<=12s", 1, "not decided"),
        ([make_cut(3, 2000, 100, 9000)], "req/s>=1", 1, "not decided: the load is too short to tell: only 3 answers"),
        # of a steady load, those in flight at its end are as others
        ([make_cut(1000, 900, 100, 500)], "p99<=950ms", 0, "kept"),
        ([make_cut(1000, 900, 100, 500)], "failed<=1%", 0, "kept"),
        ([make_cut(1000, 900, 100, 500, cost=make_cost(5.0))], "cpu<=5ms", 0, "<= 5"),
        ([make_cut(1000, 900, 100, 500, cost=make_cost(5.0))], "cpu<=4.9ms", 1, "not decided: <= 5"),
        # the requests in flight have already taken longer than the mean may be
        ([make_cut(60, 4000, 59, 9000)], "mean<=5s", 1, "BROKEN"),
        ([make_cut(1000, 900, 100, 500)], "mean<=950ms", 0, "kept"),
        # much failed, or was never sent; a single failure decides nothing
        ([make_load(100, reset=80)], "p99<=20ms", 1, "not decided: 80 of 180 requests failed"),
        ([make_measured(make_open(OVERRUN, 10.0, [(10.0, 20.0)]))], "p99<=1.5s", 1, "not decided: 100 of 200 due were never sent"),
        ([make_measured(make_open(OVERRUN, 10.0, [(10.0, 20.0)]))], "failed<=1%", 1, "not decided: 100 of 200 due were never sent"),
        ([make_load(3, reset=1)], "req/s>=0.1", 1, "not decided: 1 of 4 requests failed"),
        ([make_load(100, noise=Noise(available=True, disturbed="chromium"))], "p99<=20ms", 0, "kept"),
        ([make_load(100, fault="it died")], "p99<=20ms", 1, "nothing was measured: it failed: it died"),
        ([replace(make_load(100), sent=replace(make_load(100).sent, client=make_client(busiest=0.95)))], "p99<=20ms", 1, "client-bound"),
    ],
)
def test_gates_know_what_was_cut_off(loads, gate, code, said, tmp_path, compare):
    done = compare(keep(tmp_path, "one", loads), "--gate", f"one {gate}")
    assert (done.returncode, said in done.stdout) == (code, True), done.stdout
