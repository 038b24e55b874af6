"""Is what got worse between two directories found, and only that? And are gates judged by the last one?"""

import random
import subprocess
import sys
from pathlib import Path

import pytest
from test_rounds import of_rounds

from common.compare import main
from common.results import files, targets
from common.results.metrics import Summary
from tests.processes import ROOT, one_line

ENVIRONMENT = {"system": "s", "processor": "p", "cores": 2, "python": "CPython 3.11", "revision": "", "packages": {"django": "5.2"}}


def rates(middle: float, spread: float = 0.02, runs: int = 10, seed: int = 1) -> list[int]:
    chance = random.Random(seed)
    return [round(middle * chance.lognormvariate(0, spread)) for _ in range(runs)]


def saved(folder: Path, scenarios: dict[str, list[int]], latency_ms: float = 20, **environment: object) -> Path:
    """A directory of results in which each scenario answered so many a second, each run."""
    for name, values in scenarios.items():
        for number, result in enumerate(of_rounds(name, values), 1):
            load = result["loads"][0]
            load["requests"] = {column: list(values) for column, values in load["requests"].items()}
            load["requests"]["end"] = [moment + round(latency_ms * 1000) for moment in load["requests"]["start"]]
            whole = {"kind": "scenario", "round": number, "started_at": "", "status": "ok", "source": name, **result}
            files.save(folder / f"{number}-{name}.json.gz", {**whole, "environment": {**ENVIRONMENT, **environment}})
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


def test_what_else_differs_is_said(tmp_path, compare):
    before = saved(tmp_path / "a", {"one": rates(100), "gone": rates(100)})
    after = saved(tmp_path / "b", {"one": rates(100)}, python="CPython 3.13", packages={"django": "6.0"})
    said = compare(before, after).stdout
    assert "python: CPython 3.11 -> CPython 3.13" in said
    assert "django: 5.2 -> 6.0" in said
    assert "only before, or spoilt: gone" in said
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
        ("one p99<20ms", 2, "is not a promise"),
        ("one p99<=20", 2, "p99 is in ms or s"),
        ("one failed<=1ms", 2, "failed is in %"),
        ("one", 2, "is not a promise"),
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


def test_each_figure_is_what_it_says(tmp_path):
    result = files.load(next(saved(tmp_path, {"one": [100]}).iterdir()))
    load = {**result["loads"][0], "server_cost": {"cpu_seconds": 0.5, "peak_memory_bytes": 0}}
    load["outcomes"]["reset"] = 25
    summary = Summary(load)
    measured = {text: targets.parse(text).of(summary) for text in ("p50<=1s", "mean<=1s", "req/s>=1", "failed<=1%", "cpu<=1ms")}
    assert list(measured.values()) == pytest.approx([20, 20, 100, 20, 5])
