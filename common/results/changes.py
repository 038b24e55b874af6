"""One change at a time: what a scenario gains or loses by the one thing that sets it apart from another."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from common.results.bottleneck import WAITING
from common.results.comparison import LoadComparison, compare_loads, factor
from common.results.intervals import Estimate
from common.results.record import ScenarioRun
from common.results.rows import Row
from common.results.words import NO_DIFFERENCE, brief, write_no_difference, write_number, write_standing

RATIOS = ("req/s", "CPU ms/req", "MB")
BOTH_WAITED = "both only waited: compare their CPU"


@dataclass(frozen=True)
class OneChange:
    """Under one load: the ratios of a scenario's metrics to those of the one that it differs from."""

    scenario: str
    base: str
    what: str
    load: str
    ratios: dict[str, Estimate | None]
    verdict: str  # '' if req/s show a difference
    marks: str  # the reasons to doubt its metrics

    @property
    def factor(self) -> float:
        """How many times as many req/s the faster one has; 0 if unknown."""
        ratio = self.ratios["req/s"]
        return factor(ratio) if ratio else 0.0


def changes_of_study(study: str, runs: Iterable[ScenarioRun]) -> list[OneChange]:
    """All changes of a study, the largest first."""
    runs = [run for run in runs if run.study == study]
    differs_from = {run.scenario: run.differs_from for run in runs}
    comparisons = compare_loads(runs)
    found = [
        (comparison, load, scenario, base, what)
        for comparison, load in zip(comparisons, brief([comparison.parts for comparison in comparisons]), strict=True)
        for scenario in comparison.scenarios
        for base, what in differs_from[scenario].items()
        if comparison.counted(scenario) and comparison.counted(base)
    ]
    changes = [compare_change(*of_it, of=len(found) * len(RATIOS)) for of_it in found]
    return sorted(changes, key=lambda change: -change.factor)


def compare_change(comparison: LoadComparison, load: str, scenario: str, base: str, what: str, of: int) -> OneChange:
    """One change, as one of `of` ratios in a table."""
    both = [comparison.row(name) for name in (scenario, base)]
    ratios = {name: comparison.ratio(scenario, base, name, of) for name in RATIOS}
    marks = "".join(dict.fromkeys(mark for row in both for mark in row.marks))
    return OneChange(scenario, base, what, load, ratios, judge_change(comparison, both, ratios["req/s"]), marks)


def judge_change(comparison: LoadComparison, both: Sequence[Row], ratio: Estimate | None) -> str:
    """The verdict; if the load limited both, their req/s hardly differ but their cost may."""
    if ratio is None:
        return "; ".join(f"{row.scenario}: {write_standing(row)}" for row in both if not row.is_ranked) or "nothing to compare"
    unanswered = "; ".join(
        f"{row.unanswered} of {len(row.samples)} runs of {row.scenario} answered nothing" for row in both if row.unanswered
    )
    if comparison.differ(ratio, *(row.scenario for row in both)):
        return unanswered
    if unanswered:
        return f"{NO_DIFFERENCE}: {unanswered}"
    if {name for row in both for name in row.bottlenecks} == {WAITING}:
        return BOTH_WAITED
    if ratio.low is None:
        least = comparison.least_factor(*(row.scenario for row in both))
        return f"{NO_DIFFERENCE}: {'single' if ratio.runs == 1 else 'too few'} runs only show {write_number(least)}x or more"
    return write_no_difference(ratio)


def diff_sources(before: str, after: str) -> str:
    """A diff of the files, without its header."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=1, lineterm="")
    return "\n".join(list(lines)[2:])
