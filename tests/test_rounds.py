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
from common.results.answers import answer_study
from common.results.circumstances import Noise
from common.results.comparison import compare_loads
from common.results.intervals import AtMost, Estimate, Over, estimate, no_difference_shown, ratio
from common.results.record import ScenarioRun
from common.results.words import write_estimate, write_no_difference
from common.running.rounds import plan_turns
from common.series import exit_code
from common.serving import cores
from common.serving.scenario import Scenario
from tests.made_up import make_run
from tests.processes import TINY, Program, changed, copy_tree, one_line, records, run
from tests.test_suite import below_heads, one_second, printed

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
    assert ratio([1.0, 2.0, 3.0], [0.0, 0.0, 2.0]) is None
    assert ratio([1.0, 2.0, 3.0], [Over(9.0), 1.0, 2.0]) is None


def test_half_a_dozen_zeros_leave_the_ratio_of_the_medians_without_an_interval():
    """One run of ten without an answer turns nothing round."""
    found = ratio([10.0] * 9 + [0.0], [20.0] * 10)
    assert (found.middle, found.low, found.high, found.runs) == (0.5, None, None, 10)


def test_figure_and_interval_of_a_ratio_agree_on_who_has_more():
    """The medians say less, the means more: the figure goes with the interval."""
    one, other = [1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0] * 5, [1.01] * 35
    found = ratio(one, other)
    assert statistics.median(one) / statistics.median(other) < 1 < found.low <= found.middle <= found.high


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.98, 1.03, "the same within 5%"),
        (0.96, 1.06, "no difference shown: at most 6% either way"),
        (0.80, 1.10, "no difference shown: at most 25% either way"),
        (0.20, 1.10, "no difference shown: at most 5.00x either way"),
        (None, None, "no difference shown"),
    ],
)
def test_no_difference_is_never_taken_for_sameness(low, high, said):
    assert write_no_difference(Estimate(1.0, low, high, 5)) == said


@pytest.mark.parametrize(
    ("values", "middle", "bound", "text"),
    [
        ([5.0, Over(9000.0), Over(9000.0)], 9000.0, ">", "over 9 s"),
        ([5.0, 6.0, Over(9000.0)], 6.0, "", "6.00"),
        ([900.0, 950.0, Over(5000.0), Over(5000.0)], 2975.0, ">", "over 2.98 s"),
        ([8.0, 12.0, Over(10.0)], 10.0, ">", "over 10 ms"),
        ([AtMost(6.5), AtMost(6.7), 6.6], 6.6, "<=", "<= 6.60"),
    ],
)
def test_a_bound_is_written_as_one(values, middle, bound, text):
    found = estimate(values)
    assert (found.middle, found.bound, found.low, write_estimate(found)) == (middle, bound, None, text)
    assert text == "6.00" or ratio(values, values) is None


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


@pytest.mark.parametrize(("scenarios", "runs"), [(2, 10), (6, 10), (6, 3)])
def test_a_table_of_equal_scenarios_seldom_says_that_one_differs(scenarios, runs):
    """Nor that one serves most, or least; without the correction it would, in one of six."""
    said = false_positives.try_tables(lambda chance: chance.lognormvariate(0, 0.1), scenarios, runs, 400, random.Random(4))
    assert max(said.differs, said.most, said.least) <= 0.07 * 400  # 0.05 and two standard deviations
    assert scenarios == 2 or runs == 3 or said.uncorrected > 0.1 * 400


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
    runs = [*of_rounds("a", [100]), *of_rounds("b", [200]), *of_rounds("a", [110], control=True)]
    assert [line.split()[0] for line in below_heads(shown(runs).splitlines())] == ["b", "a"]  # it has no row
    assert "Two equal ones (A/A, /) were 1.10x apart." in answer_study(compare_loads(runs)).sure


def of_rounds(
    name: str, rates: list[int], disturbed: str = "", busiest: float = 0.2, fault: str = "", control: bool = False
) -> list[ScenarioRun]:
    about = {"noise": Noise(available=True, disturbed=disturbed, foreign_programs={"chromium": 0.7} if disturbed else {}), "fault": fault}
    return [make_run(name, *one_second(name, rate, busiest, **about).loads, control=control) for rate in rates]


def shown(*runs: list[ScenarioRun]) -> str:
    return "\n".join(printed(*[run for part in runs for run in part]))


def test_the_table_has_intervals_ratios_and_the_control():
    text = shown(
        of_rounds("a", [100, 104, 98, 101]), of_rounds("b", [200, 210, 190, 205]), of_rounds("a", [101, 99, 103, 100], control=True)
    )
    rows = below_heads(text.splitlines())
    assert [line.split()[0] for line in rows[:2]] == ["b", "a"]
    assert "[" in rows[0]
    assert "A/A: a twice: " in text
    assert "the same within 5%" in text


def test_all_controls_of_a_study_hold_together():
    """Of several loads, as of one load's rates and CPU: else one of many equal pairs is soon said to differ."""
    runs = [*of_rounds("a", [100, 104, 98, 101]), *of_rounds("a", [101, 99, 103, 100], control=True)]
    [alone] = compare_loads(runs)
    both = compare_loads([replace(run, loads=[*run.loads, replace(run.loads[0], latency_ms=200)]) for run in runs])
    widths = [one.controls[0].ratio.high / one.controls[0].ratio.low for one in (alone, *both)]
    assert widths[0] < widths[1] == widths[2]


def test_a_control_that_differs_is_not_passed_over():
    text = shown(of_rounds("a", [100, 104, 98, 101]), of_rounds("a", [201, 199, 203, 200], control=True))
    assert "these identical runs differ significantly: don't trust this table" in text


@pytest.mark.parametrize(
    ("spoilt", "why"),
    [
        ({"disturbed": "other programs"}, "~ disturbed: a 2 of 5 runs, not in its rates and times (other programs)"),
        ({"busiest": 0.95}, "left out: 2 runs of a (client-bound)"),
        ({"fault": "it died"}, "left out: 2 runs of a (it failed)"),
    ],
)
def test_spoilt_runs_are_left_out_and_said(spoilt, why):
    runs = of_rounds("a", [100, 104, 98]), of_rounds("a", [900, 910], **spoilt)
    assert why in shown(*runs)
    [comparison] = compare_loads([run for part in runs for run in part])
    assert len(comparison.rows[0].samples) == 3


@pytest.mark.parametrize(("statuses", "code"), [({"ok"}, 0), ({"ok", "skipped"}, 0), ({"skipped"}, 77), ({"ok", "failed"}, 1)])
def test_the_exit_code_of_a_suite(statuses, code):
    assert exit_code([make_run("one", status=status) for status in statuses], {}) == code


def test_a_scenario_that_cannot_be_read_fails_the_suite():
    assert exit_code([make_run("one")], {"two": "scenarios/two.py:1: invalid syntax"}) == 1


def test_two_rounds_of_two(tmp_path):
    tree = copy_tree(tmp_path, {"one": TINY, "two": TINY})
    program = run(tree, "-m", "common.suite", "--rounds", "2", "--seed", "7")
    assert program.process.returncode == 0, program.stderr
    assert "A/A: one twice: " in program.stdout
    kept = sorted(str(path.relative_to(next((tree / "results").iterdir()))) for path in (tree / "results").rglob("*.json.gz"))
    assert kept == sorted(f"round-0{number}/{name}.json.gz" for number in (1, 2) for name in ("one", "two", "again/one"))
    two = records(tree)["two"]
    assert (two["seed"], two["round"]) == (7, 2)
    assert two["loads"][0]["noise"]["available"] == Path("/proc/stat").exists()


def test_a_run_that_was_stopped_goes_on(tmp_path):
    tree = copy_tree(tmp_path, {"one": TINY, "two": TINY}, page=True)
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
    assert "A/A: one twice" in program.stdout

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
    assert pinned == ({"server": server, "others": others, "shared": False} if others else None)
    run(tree, "scenarios/one.py", "--no-pin")
    newest = max((tree / "results").rglob("*.json.gz"), key=lambda path: path.stat().st_mtime)
    assert files.read(newest, ScenarioRun).loads[0].pinned is None


def test_what_is_measured_runs_on_the_cores_that_the_record_names(tmp_path):
    """The server, and each load generator until its load is over: then it and the driver run anywhere, which starts none from there."""
    server, others = cores.split()
    if not others:
        pytest.skip("a single core")
    seen: dict[str, dict[int, list[list[int]]]] = {"uvicorn": {}, "common.loadgen": {}}  # by process
    tree = copy_tree(tmp_path, {"one": changed((' /"]', ' /", "-n 20 -c 3 --expect ok /"]'))})
    slow_start = "import sys, time\nif 'common.loadgen' in sys.orig_argv:\n    time.sleep(1)\n"  # the load is not over the sooner
    (tree / "sitecustomize.py").write_text(slow_start)
    with Program(tree, "-m", "common.suite", "-n", "1000000", "-k", "-t", "1") as program:
        while program.process.poll() is None:
            for process in program.running():
                with suppress(psutil.Error):
                    command = " ".join(process.cmdline())
                    for name in seen:
                        if name in command and "guard.py" not in command:
                            seen[name].setdefault(process.pid, []).append(process.cpu_affinity())
            time.sleep(0.05)  # the rest of the time is for what is looked at
        assert program.finish() == 0, program.stderr
    assert all(on == server for looks in seen["uvicorn"].values() for on in looks)
    assert sum(len(looks) for looks in seen["uvicorn"].values()) >= 4
    for looks in seen["common.loadgen"].values():
        assert looks == sorted(looks, key=lambda on: on != others)  # it never comes back
    longest = sorted(seen["common.loadgen"].values(), key=len)[-2:]  # the loads; the others warmed up
    assert all(looks.count(others) > len(looks) / 2 for looks in longest)
