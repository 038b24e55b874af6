"""Several rounds: their order, their intervals, what is left out of them, and a small run of two."""

import json
import random
import signal
import statistics
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as some
from scipy import stats as scipy_stats

from benchmarks import false_positives
from common.results import files
from common.results.facts import Noise
from common.results.intervals import estimate, no_difference_shown, ratio
from common.results.record import ScenarioRun
from common.running import noise
from common.running.rounds import plan_turns
from common.serving import cores
from common.serving.scenario import Scenario
from common.suite import exit_code
from tests.made_up import make_run
from tests.processes import TINY, Program, copy_tree, one_line, records, run
from tests.test_suite import one_second, printed

rates = some.lists(some.floats(1, 1e6), min_size=3, max_size=20)


@given(rates)
def test_an_interval_is_students_of_the_logarithms(values):
    found = estimate(values)
    logs = np.log(values)
    assert found.middle == statistics.median(values)
    if len(set(values)) > 1:
        low, high = scipy_stats.t.interval(0.95, len(logs) - 1, statistics.fmean(logs), scipy_stats.sem(logs))
        assert [found.low, found.high] == pytest.approx([np.exp(low), np.exp(high)], rel=1e-6)


@given(rates, rates)
def test_a_ratio_is_welchs(values, baseline):
    found = ratio(values, baseline)
    if len(set(values)) > 1 and len(set(baseline)) > 1:
        interval = scipy_stats.ttest_ind(np.log(values), np.log(baseline), equal_var=False).confidence_interval(0.95)
        assert [found.low, found.high] == pytest.approx([np.exp(interval.low), np.exp(interval.high)], rel=1e-6)


@pytest.mark.parametrize("values", [[10.0], [10.0, 12.0], [10.0, 12.0, 0.0]])
def test_no_interval_is_made_of_too_little(values):
    found = estimate(values)
    assert (found.low, found.high, found.runs) == (None, None, len(values))


def test_of_nothing_there_is_nothing():
    assert estimate([]) is None
    assert ratio([], [1.0]) is None
    assert ratio([1.0, 2.0, 3.0], [0.0, 1.0, 2.0]) is None


def test_a_clear_difference_is_shown_and_none_is_not():
    chance = random.Random(1)
    one, other = ([chance.gauss(100, 5) for _ in range(10)] for _ in range(2))
    assert no_difference_shown(ratio(one, other))
    assert not no_difference_shown(ratio([value * 1.5 for value in one], other))


def test_one_configuration_seldom_differs_from_itself():
    chance = random.Random(2)
    draws = [[chance.lognormvariate(0, 0.2) for _ in range(10)] for _ in range(4000)]
    differing = sum(not no_difference_shown(ratio(one, other)) for one, other in zip(draws[::2], draws[1::2], strict=True))
    assert differing / 2000 <= 0.06


@pytest.mark.parametrize("figure", false_positives.FIGURES_DRAWN)
def test_recorded_runs_seldom_differ_from_each_other(figure):
    chance, runs = random.Random(3), false_positives.draws(json.loads(false_positives.RECORDED.read_text()))
    [draw] = [draw for name, draw in runs.items() if name.startswith(figure)]
    sides = [[draw(chance) for _ in range(10)] for _ in range(4000)]
    differing = sum(false_positives.ours_differs(one, other) for one, other in zip(sides[::2], sides[1::2], strict=True))
    assert 0 < differing / 2000 <= 0.06


NO_BASELINES = {"tests": [], "other": []}


def scenario(name: str, study: str = "tests") -> Scenario:
    return Scenario(path=Path(f"scenarios/{name}.py").resolve(), question="", study=study, server="", ports={}, load=["/"])


def test_every_round_has_every_scenario_once_and_a_control_of_each_study():
    three = [scenario("a"), scenario("b"), scenario("c", "other")]
    planned = plan_turns(three, 5, 3, NO_BASELINES)
    for number in range(1, 6):
        turns = sorted((turn.scenario.name, turn.control) for turn in planned if turn.round == number)
        assert turns == [("a", False), ("a", True), ("b", False), ("c", False), ("c", True)]
    assert planned == plan_turns(three, 5, 3, NO_BASELINES)
    assert planned != plan_turns(three, 5, 4, NO_BASELINES)
    assert len({(turn.folder, turn.scenario.name) for turn in planned}) == len(planned)  # no record overwrites another


def test_the_control_is_the_first_baseline_of_its_study_that_runs():
    planned = plan_turns([scenario("a"), scenario("b"), scenario("c")], 1, 3, {"tests": ["missing", "c", "a"]})
    assert [turn.scenario.name for turn in planned if turn.control] == ["c"]


def test_one_round_goes_by_name_and_sends_the_controls_first_load_again():
    two, alone = replace(scenario("a"), load=["-n 5 /", "-n 6 /"], latencies_ms=[0, 100]), scenario("c", "other")
    planned = plan_turns([two, scenario("b"), alone], 1, 3, NO_BASELINES)
    assert [(turn.scenario.name, turn.control) for turn in planned] == [("a", False), ("b", False), ("c", False), ("a", True)]
    assert (planned[0].scenario.load, planned[0].scenario.latencies_ms) == (["-n 5 /", "-n 6 /"], [0, 100])
    assert (planned[3].scenario.load, planned[3].scenario.latencies_ms) == (["-n 5 /"], [0])
    assert len({(turn.folder, turn.scenario.name) for turn in planned}) == len(planned)


def test_one_round_says_what_two_equal_runs_differ_by():
    text = shown(of_rounds("a", [100]), of_rounds("b", [200]), of_rounds("a", [110], control=True))
    assert "A/A  a twice: 1.10x (single runs: a difference this size is noise)" in text
    assert [line.split()[0] for line in text.splitlines()][2:] == ["b", "a", "A/A"]  # it has no row


def of_rounds(
    name: str, rates: list[int], contaminated: str = "", busiest: float = 0.2, fault: str = "", control: bool = False
) -> list[ScenarioRun]:
    about = {"noise": Noise(available=True, contaminated=contaminated), "fault": fault}
    return [make_run(name, *one_second(name, rate, busiest, **about).loads, control=control) for rate in rates]


def shown(*runs: list[ScenarioRun]) -> str:
    return "\n".join(printed(*[run for part in runs for run in part]))


def test_the_table_has_intervals_ratios_and_the_control():
    text = shown(
        of_rounds("a", [100, 104, 98, 101]), of_rounds("b", [200, 210, 190, 205]), of_rounds("a", [101, 99, 103, 100], control=True)
    )
    lines = [line.split() for line in text.splitlines()]
    assert [line[0] for line in lines[2:4]] == ["b", "a"]
    assert "[" in text.splitlines()[2]
    assert "A/A  a twice: " in text
    assert "no difference shown" in text


def test_a_control_that_differs_is_not_passed_over():
    text = shown(of_rounds("a", [100, 104, 98, 101]), of_rounds("a", [201, 199, 203, 200], control=True))
    assert "these identical runs differ significantly: don't trust this table" in text


@pytest.mark.parametrize(
    ("spoilt", "why"),
    [({"contaminated": "other processes"}, "other processes"), ({"busiest": 0.95}, "client-bound"), ({"fault": "it died"}, "it failed")],
)
def test_spoilt_runs_are_left_out_and_said(spoilt, why):
    text = shown(of_rounds("a", [100, 104, 98]), of_rounds("a", [900, 910], **spoilt))
    assert f"left out: 2 runs of a ({why})" in text
    head, row = text.splitlines()[1:3]
    assert row[: head.index("runs") + 4].split()[-1] == "3"


BEFORE = {"busy": 100.0, "stolen": 1.0, "all": 1000.0}


@pytest.mark.parametrize(
    ("after", "own", "contaminated"),
    [
        ({"busy": 110.0, "stolen": 1.0, "all": 1020.0}, 9.0, False),  # 5 % were not ours
        ({"busy": 110.0, "stolen": 1.0, "all": 1020.0}, 7.0, True),  # 15 %
        ({"busy": 101.0, "stolen": 1.5, "all": 1020.0}, 1.0, True),  # 2.5 % stolen
        ({"busy": 101.0, "stolen": 1.3, "all": 1020.0}, 1.0, False),
    ],
)
def test_the_rule_of_contamination(after, own, contaminated):
    assert bool(noise.compare(BEFORE, after, own).contaminated) is contaminated


def test_a_system_that_says_nothing_is_said():
    assert noise.compare({}, {}, 1.0) == Noise(available=False, contaminated="")


def test_cores_are_shared_out_whole(monkeypatch):
    for available, server, others in (([0], [], []), ([0, 1], [0], [1]), ([2, 3, 5, 7, 9], [2, 3], [5, 7, 9]), ([], [], [])):
        monkeypatch.setattr(cores, "AVAILABLE", available)
        assert cores.split() == (server, others)


@pytest.mark.parametrize(("statuses", "code"), [({"ok"}, 0), ({"ok", "skipped"}, 0), ({"skipped"}, 77), ({"ok", "failed"}, 1)])
def test_the_exit_code_of_a_suite(statuses, code):
    assert exit_code([make_run("one", status=status) for status in statuses], {}) == code


def test_a_scenario_that_cannot_be_read_fails_the_suite():
    assert exit_code([make_run("one")], {"two": "scenarios/two.py:1: invalid syntax"}) == 1


def test_two_rounds_of_two(tmp_path):
    tree = copy_tree(tmp_path, {"one": TINY, "two": TINY})
    program = run(tree, "-m", "common.suite", "--rounds", "2", "--seed", "7")
    assert program.process.returncode == 0, program.stderr
    assert "A/A  one twice: " in program.stdout
    kept = sorted(str(path.relative_to(next((tree / "results").iterdir()))) for path in (tree / "results").rglob("*.json.gz"))
    assert kept == sorted(f"round-0{number}/{name}.json.gz" for number in (1, 2) for name in ("one", "two", "again/one"))
    two = records(tree)["two"]
    assert (two["seed"], two["round"]) == (7, 2)
    assert two["loads"][0]["noise"]["available"] in (True, False)


def test_a_run_that_was_stopped_goes_on(tmp_path):
    tree = copy_tree(tmp_path, {"one": TINY, "two": TINY})
    with Program(tree, "-m", "common.suite", "--rounds", "2", "--seed", "3", "-n", "7") as program:
        deadline = time.monotonic() + 30
        while len(list((tree / "results").glob("*/**/*.json.gz"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        program.process.send_signal(signal.SIGINT)
        assert program.finish() == 130
    directory = next((tree / "results").iterdir())
    assert f"--resume results/{directory.name}" in program.stderr
    before = {path: path.read_bytes() for path in directory.rglob("*.json.gz") if files.read(path, ScenarioRun).status == "ok"}
    assert 1 <= len(before) < 6
    program = run(tree, "-m", "common.suite", "--resume", str(directory))
    assert program.process.returncode == 0, program.stderr
    runs = files.read_directory(directory)
    planned = plan_turns([scenario("one"), scenario("two")], 2, 3, NO_BASELINES)
    assert {(run.scenario, run.control, run.round) for run in runs} == {(turn.scenario.name, turn.control, turn.round) for turn in planned}
    assert len(runs) == len(planned)
    assert {run.status for run in runs} == {"ok"}
    assert {run.seed for run in runs} == {3}
    assert {load.sent.load.requests for run in runs for load in run.loads} == {7}
    assert {path: path.read_bytes() for path in before} == before
    assert "A/A  one twice" in program.stdout

    program = run(tree, "-m", "common.suite", "--resume", str(directory), "-n", "9")
    assert (program.process.returncode, one_line(program.stderr)) == (2, True)
    (tree / "scenarios" / "two.py").write_text(TINY + "# otherwise\n")
    program = run(tree, "-m", "common.suite", "--resume", str(directory))
    assert (program.process.returncode, one_line(program.stderr)) == (2, True)
    assert "changed since" in program.stderr
    assert "two" in program.stderr


def test_a_run_that_was_stopped_before_its_first_record_goes_on(tmp_path):
    tree = copy_tree(tmp_path, {"one": TINY})
    program = run(tree, "-m", "common.suite", "-n", "7")
    [path] = (tree / "results").rglob("*.json.gz")
    path.unlink()
    program = run(tree, "-m", "common.suite", "--resume", str(path.parent))
    assert program.process.returncode == 0, program.stderr
    assert records(tree)["one"]["loads"][0]["sent"]["outcomes"] == {"ok": 7}


def test_only_a_run_of_the_suite_can_go_on(tmp_path):
    program = run(copy_tree(tmp_path, {"one": TINY}), "-m", "common.suite", "--resume", str(tmp_path))
    assert program.process.returncode == 1
    assert one_line(program.stderr)
    assert "is not a run of ./run_all.sh" in program.stderr


def test_the_server_has_cores_of_its_own_unless_told(tmp_path):
    tree = copy_tree(tmp_path, {"one": TINY})
    run(tree, "scenarios/one.py")
    pinned = records(tree)["one"]["loads"][0]["pinned"]
    server, others = cores.split()
    assert pinned == ({"server": server, "others": others} if others else None)
    run(tree, "scenarios/one.py", "--no-pin")
    newest = max((tree / "results").rglob("*.json.gz"), key=lambda path: path.stat().st_mtime)
    assert files.read(newest, ScenarioRun).loads[0].pinned is None


def test_what_is_measured_runs_on_the_cores_that_the_record_names(tmp_path):
    """The server, and each load generator: the driver runs anywhere once its load is over, and starts none from there."""
    server, others = cores.split()
    if not others:
        pytest.skip("a single core")
    seen: dict[str, list[list[int]]] = {"uvicorn": [], "common.loadgen": []}
    with Program(copy_tree(tmp_path, {"one": TINY, "two": TINY}), "-m", "common.suite", "-n", "1000000", "-k", "-t", "1") as program:
        while program.process.poll() is None:
            for process in program.running():
                with suppress(psutil.Error):
                    command = " ".join(process.cmdline())
                    for name in seen:
                        if name in command and "guard.py" not in command:
                            seen[name].append(process.cpu_affinity())
        assert program.finish() == 0, program.stderr
    for name, cores_of_it in (("uvicorn", server), ("common.loadgen", others)):
        assert len(seen[name]) >= 4
        assert all(on == cores_of_it for on in seen[name]), name
