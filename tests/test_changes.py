"""One change at a time: its ratios and verdicts from made-up records, and whether scenarios differ in what they say."""

import ast
import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from common.report.tables import draw_changes
from common.results.bottleneck import WAITING
from common.results.changes import changes_of_study, diff_sources
from common.results.record import ScenarioRun
from common.serving import scenario
from tests.made_up import make_measured, make_run, make_sent, make_steady
from tests.test_suite import one_second
from tests.tracked import tracked_scenarios

FILES = tracked_scenarios()
PAIRS = [(name, base) for name, path in FILES.items() for base in scenario.read(path).differs_from]
SETTINGS = ("PAGE", "LOADER", "MIDDLEWARE", "DATABASE", "POOL")
LAUNCH = ("SERVER", "NGINX", "MAX_CONNECTIONS")
FREE = ("STUDY", "DIFFERS_FROM", "PORTS", "LOAD", "LOAD_FULL", "LATENCIES_MS", "LATENCIES_MS_FULL")


def make_runs(*rates: int, least_seconds: float | None = None, study: str = "tests") -> list[ScenarioRun]:
    """Of a base, and of one that differs from it, one round after the other."""
    runs = []
    for at, rate in enumerate(rates):
        name, differs_from = ("other", {"base": "a thing"}) if at % 2 else ("base", {})
        loads = one_second(name, rate, least_seconds=least_seconds).loads
        runs.append(make_run(name, *loads, study=study, round=at // 2 + 1, differs_from=differs_from))
    return runs


def test_a_change_is_a_ratio():
    [one] = changes_of_study("tests", make_runs(20, 80))
    assert (one.scenario, one.base, one.what) == ("other", "base", "a thing")
    assert one.ratios["req/s"].middle == pytest.approx(4.0)
    assert one.ratios["req/s"].low is None
    assert one.verdict == ""


def test_what_is_near_is_no_difference():
    [one] = changes_of_study("tests", make_runs(20, 22))
    assert one.verdict == "no difference shown: single runs only show 1.20x or more"


def test_rounds_give_an_interval_and_may_show_little():
    [little] = changes_of_study("tests", make_runs(100, 110, 101, 111, 99, 109, 100, 110))
    assert little.verdict == ""
    assert little.ratios["req/s"].low > 1.05
    [none] = changes_of_study("tests", make_runs(100, 110, 130, 95, 90, 120, 100, 101))
    assert re.fullmatch(r"no difference shown: at most \d\d% either way", none.verdict)
    [same] = changes_of_study("tests", make_runs(100, 101, 101, 100, 99, 101, 100, 100))
    assert same.verdict == "the same within 5%"


def test_the_intervals_of_a_table_are_corrected_for_how_many_it_holds():
    """One of two ratios is shown by more than one of a hundred is."""
    rates = (100, 110, 101, 111, 99, 109, 100, 110)
    [alone] = changes_of_study("tests", make_runs(*rates))
    others = [replace(run, scenario=f"other {number}") for number in range(20) for run in make_runs(*rates)[1::2]]
    among = next(change for change in changes_of_study("tests", [*make_runs(*rates), *others]) if change.scenario == "other")
    assert among.ratios["req/s"].low < alone.ratios["req/s"].low
    assert among.ratios["req/s"].middle == alone.ratios["req/s"].middle


def test_where_both_waited_only_the_cost_can_differ():
    [one] = changes_of_study("tests", make_runs(90, 99, least_seconds=0.01))
    assert one.verdict == "both only waited: compare their CPU"
    [one] = changes_of_study("tests", make_runs(40, 99, least_seconds=0.01))
    assert one.verdict == ""


def test_an_interval_shows_what_differs_though_both_waited():
    """From 0.86 to 0.99 of the ideal is a difference of 15%."""
    rates = [rate for pair in zip((86, 87, 88, 86, 87), (98, 99, 98, 99, 98), strict=True) for rate in pair]
    runs = make_runs(*rates, least_seconds=0.01)
    assert {load.bottleneck.by for run in runs for load in run.loads} == {WAITING}
    [one] = changes_of_study("tests", runs)
    assert one.verdict == ""
    assert one.ratios["req/s"].low > 1.1


def test_without_its_base_there_is_nothing_to_compare():
    base, other = make_runs(20, 80)
    assert changes_of_study("tests", [other]) == []
    assert changes_of_study("tests", [replace(base, study="another"), other]) == []
    base.loads[0].fault = "it fell over"
    assert changes_of_study("tests", [base, other]) == []


def test_what_answers_nothing_has_no_ratio():
    [one] = changes_of_study("tests", make_runs(20, 0))
    assert one.ratios["req/s"] is None
    assert one.verdict == "other: too short to tell: nothing was answered correctly"


def test_what_fails_has_no_ratio():
    base, other = make_runs(20, 80)
    other.loads[0] = make_measured(make_sent(make_steady(80, 1.0, failed=20), "-n 9 /"), cost=None)
    [one] = changes_of_study("tests", [base, other])
    assert (one.ratios["req/s"], one.verdict) == (None, "other: failed 20% of its requests")
    assert one.factor == 0  # it does not come first, either


def test_some_runs_without_an_answer_turn_nothing_round():
    rates = [rate for pair in zip([20] * 10, [*[10] * 9, 0], strict=True) for rate in pair]
    [one] = changes_of_study("tests", make_runs(*rates))
    assert (one.ratios["req/s"].middle, one.ratios["req/s"].low) == (pytest.approx(0.5), None)
    assert one.verdict == "1 of 10 runs of other answered nothing"


def test_where_some_runs_without_an_answer_leave_it_open_that_is_said():
    [one] = changes_of_study("tests", make_runs(50, 100, 52, 110, 51, 0))
    assert one.verdict == "no difference shown: 1 of 3 runs of other answered nothing"


def test_the_farthest_apart_come_first():
    third = replace(one_second("third", 90), differs_from={"base": "a lot", "other": "less"})
    last = replace(one_second("last", 200), differs_from={"base": "the most"})
    assert [change.what for change in changes_of_study("tests", [*make_runs(20, 30), third, last])] == [
        "the most",
        "a lot",
        "less",
        "a thing",
    ]


def test_the_table_names_both_and_what_differs():
    console = Console(file=io.StringIO(), width=140)
    console.print(draw_changes("tests", make_runs(20, 80)))
    title, heading, row, _ = console.file.getvalue().splitlines()
    assert title == "tests · one change at a time"
    assert heading == "other against base: a thing"
    assert row.split()[:2] == ["GET", "/"]
    assert "req/s 4.00x" in row
    assert draw_changes("tests", [one_second("alone", 3)]) is None


def test_lines_that_differ_are_shown():
    assert diff_sources("a\nb\nc\nd\n", "a\nB\nc\nd\n").splitlines() == ["@@ -1,3 +1,3 @@", " a", "-b", "+B", " c"]
    assert diff_sources("same\n", "same\n") == ""


def parts(path: Path) -> dict[str, list[str]]:
    """What a file consists of, without its docstring and its tail."""
    found: dict[str, list[str]] = {"settings": [], "launch": [], "code": [], "rest": []}
    for node in ast.parse(path.read_text()).body[1:-1]:
        name = node.targets[0].id if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) else ""
        if name in FREE:
            continue
        text = ast.unparse(node)
        if name in SETTINGS or text.startswith("settings.configure"):
            found["settings"].append(text)
        elif name in LAUNCH:
            found["launch"].append(text)
        else:
            found["rest" if name.isupper() and name in scenario.KINDS else "code"].append(text)
    return found


@pytest.mark.parametrize(("name", "base"), PAIRS)
def test_scenarios_differ_in_one_part_alone(name, base):
    """Async/await is another server too: there, the views and the launch line differ together, and nothing else."""
    one, other = parts(FILES[name]), parts(FILES[base])
    differing = {part for part in one if one[part] != other[part]}
    both_kinds = {"get_asgi_application" in " ".join(part["code"]) for part in (one, other)} == {True, False}
    assert differing == {"code", "launch"} if both_kinds else len(differing) == 1, differing


@pytest.mark.parametrize(("name", "base"), PAIRS)
def test_scenarios_that_differ_have_a_load_in_common(name, base):
    one, other = scenario.read(FILES[name]), scenario.read(FILES[base])
    assert one.study == other.study
    assert set(one.load) & set(other.load)
    assert set(one.load_full) <= {*other.load, *other.load_full}
    assert set(one.latencies_ms) <= set(other.latencies_ms)


def test_there_are_such_scenarios():
    assert len(PAIRS) > 10
