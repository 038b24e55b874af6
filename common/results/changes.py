"""One change at a time: what each scenario gains or loses by the one thing that sets it apart from another."""

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from common.results.bottleneck import WAITING
from common.results.comparison import FIGURES, Group, apart, groups, ratio_of
from common.results.intervals import Estimate
from common.results.words import brief

RATIOS = ("req/s", "CPU ms/req", "MB")
NO_DIFFERENCE, BOTH_WAITED, NO_RATIO = "no difference shown", "both only waited: compare their CPU", "one answered nothing"


@dataclass(frozen=True)
class Change:
    """Of one load: the ratios of the scenario's figures to those of the one that it differs from."""

    scenario: str
    base: str
    what: str
    load: str
    ratios: dict[str, Estimate | None]
    verdict: str  # '' where req/s show a difference

    @property
    def factor(self) -> float:
        """How far apart their req/s are, whichever has more."""
        found = self.ratios["req/s"]
        return apart(found) if found else math.inf


def of_study(study: str, results: Sequence[dict[str, Any]]) -> list[Change]:
    """The farthest apart first."""
    ours = [one for one in results if one["study"] == study]
    differing = {one["scenario"]: one.get("differs_from", {}) for one in ours}
    compared = [group for group in groups(ours) if group.labels]
    found = [
        change(group, load, scenario, base, what)
        for group, load in zip(compared, brief([group.sent for group in compared]), strict=True)
        for scenario in group.labels
        for base, what in differing[scenario].items()
        if group.kept[scenario] and group.kept.get(base)
    ]
    return sorted(found, key=lambda one: -one.factor)


def change(group: Group, load: str, scenario: str, base: str, what: str) -> Change:
    ratios = {name: ratio_of(FIGURES[name], group.kept[scenario], group.kept[base]) for name in RATIOS}
    return Change(scenario, base, what, load, ratios, verdict(group, scenario, base, ratios["req/s"]))


def lines(before: str, after: str) -> str:
    """What differs in the files, as a diff."""
    changed = difflib.unified_diff(before.splitlines(), after.splitlines(), n=1, lineterm="")
    return "\n".join(list(changed)[2:])


def verdict(group: Group, scenario: str, base: str, found: Estimate | None) -> str:
    """Where the load was the limit of both, their req/s cannot differ: what they cost can."""
    if {group.row(scenario).limit, group.row(base).limit} == {WAITING}:
        return BOTH_WAITED
    if found is None:
        return NO_RATIO
    return "" if group.differ(found) else NO_DIFFERENCE
