"""One change at a time: what each scenario gains or loses by the one thing that sets it apart from another."""

import difflib
import math
from collections.abc import Iterable
from dataclasses import dataclass

from common.results.bottleneck import WAITING
from common.results.comparison import METRICS, LoadComparison, compare_loads, factor, ratio_of
from common.results.intervals import Estimate
from common.results.record import ScenarioRun
from common.results.words import NO_DIFFERENCE, brief

RATIOS = ("req/s", "CPU ms/req", "MB")
BOTH_WAITED, NO_RATIO = "both only waited: compare their CPU", "one answered nothing"


@dataclass(frozen=True)
class Change:
    """Of one load: the ratios of the scenario's metrics to those of the one that it differs from."""

    scenario: str
    base: str
    what: str
    load: str
    ratios: dict[str, Estimate | None]
    verdict: str  # '' where req/s show a difference

    @property
    def factor(self) -> float:
        """How far apart their req/s are, whichever has more."""
        ratio = self.ratios["req/s"]
        return factor(ratio) if ratio else math.inf


def changes_of_study(study: str, runs: Iterable[ScenarioRun]) -> list[Change]:
    """The farthest apart first."""
    runs = [run for run in runs if run.study == study]
    differs_from = {run.scenario: run.differs_from for run in runs}
    comparisons = compare_loads(runs)
    changes = [
        compare_change(comparison, load, scenario, base, what)
        for comparison, load in zip(comparisons, brief([comparison.parts for comparison in comparisons]), strict=True)
        for scenario in comparison.scenarios
        for base, what in differs_from[scenario].items()
        if comparison.counted(scenario) and comparison.counted(base)
    ]
    return sorted(changes, key=lambda change: -change.factor)


def compare_change(comparison: LoadComparison, load: str, scenario: str, base: str, what: str) -> Change:
    changed, before = comparison.counted(scenario), comparison.counted(base)
    ratios = {name: ratio_of(METRICS[name], changed, before) for name in RATIOS}
    return Change(scenario, base, what, load, ratios, judge_change(comparison, scenario, base, ratios["req/s"]))


def judge_change(comparison: LoadComparison, scenario: str, base: str, ratio: Estimate | None) -> str:
    """Where the load was the limit of both, their req/s cannot differ: what they cost can."""
    if {bottleneck for name in (scenario, base) for bottleneck in comparison.row(name).bottlenecks} == {WAITING}:
        return BOTH_WAITED
    if ratio is None:
        return NO_RATIO
    return "" if comparison.differ(ratio) else NO_DIFFERENCE


def diff_sources(before: str, after: str) -> str:
    """What differs in the files, without the names of a diff."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=1, lineterm="")
    return "\n".join(list(lines)[2:])
