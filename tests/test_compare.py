"""Is what got worse between two directories found, and only that? And are gates judged by the last one?"""

import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from common.compare import main
from common.results import files, targets
from common.results.facts import Cost
from common.results.metrics import Metrics
from common.results.record import Measured
from tests.made_up import ENVIRONMENT, make_cost, make_measured, make_requests, make_run, make_sent
from tests.processes import ROOT, one_line


def rates(middle: float, spread: float = 0.02, runs: int = 10, seed: int = 1) -> list[int]:
    chance = random.Random(seed)
    return [round(middle * chance.lognormvariate(0, spread)) for _ in range(runs)]


def make_load(per_second: int, latency_ms: float = 20, reset: int = 0, cost: Cost | None = None, line: str = "-n 9 /") -> Measured:
    """A second in which so many were answered, each in that time."""
    starts = [place / 1000 for place in range(per_second + reset)]
    outcomes = ["ok"] * per_second + ["reset"] * reset
    rows = [
        (start, start, start, start, start + latency_ms / 1000, outcome, 0, 0, 0) for start, outcome in zip(starts, outcomes, strict=True)
    ]
    return make_measured(make_sent(make_requests(rows), line), cost=cost)


def saved(folder: Path, scenarios: dict[str, list[int]], latency_ms: float = 20, **environment: object) -> Path:
    """A directory of results in which each scenario answered so many a second, each run."""
    for name, values in scenarios.items():
        for number, rate in enumerate(values, 1):
            run = make_run(name, make_load(rate, latency_ms), round=number, environment=replace(ENVIRONMENT, **environment))
            files.write(folder / f"{number}-{name}.json.gz", run)
    return folder


@pytest.fixture
def compare(capsys):
    """The command, without a process of its own."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        code = main([str(word) for word in arguments])
        return subprocess.CompletedProcess(arguments, code, *capsys.readouterr())

    return run


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
    assert said["same"].rstrip().endswith("no difference shown")
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
    before = saved(tmp_path / "a", {"one": rates(100), "gone": rates(100)})
    after = saved(tmp_path / "b", {"one": rates(100)}, python="CPython 3.13", packages={"django": "6.0"})
    said = compare(before, after).stdout
    assert "python: CPython 3.11.7 -> CPython 3.13" in said
    assert "django: 5.2.19 -> 6.0" in said
    assert "only before, or invalid: gone" in said
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
        ("one cpu<=5ms", 1, "nothing was measured"),
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
        (["nowhere", "nowhere"], 1, "is no directory"),
        (["tests", "tests"], 1, "holds no results"),
        (["tests"], 2, "nothing to compare with"),
        (["a", "b", "c"], 2, "takes one directory, or two"),
        (["a", "b", "--tolerance", "x"], 2, "is not a percentage"),
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
    assert list(measured.values()) == pytest.approx([20, 20, 100, 20, 5])
