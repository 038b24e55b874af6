"""What a study claimed and what a run says about it: the parts that the rules in studies/ are made of.

A rule says where a ratio or a value must lie. The claim is reproduced if the whole interval of what was measured lies
there, not reproduced if all of it lies elsewhere, and else not decided. With too few runs for an interval, a margin takes its
place: 1.2 times, or what two identical runs (A/A) differ by, or a run's error of its own rate, whichever is largest.
"""

import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from common.results import intervals
from common.results.bottleneck import MANY_FAILED
from common.results.comparison import LoadComparison, compare_loads
from common.results.intervals import Estimate
from common.results.record import Measured, ScenarioRun
from common.results.samples import Sample, least_factor, share_that_failed, why_too_short
from common.results.words import join_words, write_exactly

REPRODUCED, NOT_REPRODUCED, UNDECIDED = "reproduced", "not reproduced", "not decided by this run"
NEEDS_FULL = "needs --full"

Of = Callable[[Measured], float | None]


@dataclass(frozen=True)
class Claim:
    text: str
    verdict: str
    evidence: str


@dataclass(frozen=True)
class Judgement:
    """What a study's file concludes from a run."""

    claims: Sequence[Claim] = ()
    answers: Sequence[str] = ()  # to its questions, one sentence each


@dataclass(frozen=True)
class Place:
    """Where a value is measured."""

    scenario: str
    path: str
    latency_ms: int = 0


@dataclass(frozen=True)
class Finding:
    """What was measured: a value and where it may lie, or why nothing is known."""

    said: str
    low: float = math.nan
    high: float = math.nan
    middle: float = math.nan
    by: str = ""  # which load: 'published', 'full-length' or 'default'

    @property
    def is_known(self) -> bool:
        return not math.isnan(self.middle)


@dataclass(frozen=True)
class Rule:
    """Where a finding must lie."""

    name: str
    finding: Finding
    at_least: float = -math.inf
    at_most: float = math.inf

    @property
    def holds(self) -> bool | None:
        """None if it is not decided."""
        if not self.finding.is_known:
            return None
        if self.at_least <= self.finding.low and self.finding.high <= self.at_most:
            return True
        return False if self.finding.high < self.at_least or self.finding.low > self.at_most else None


@dataclass(frozen=True)
class Found:
    """The runs of a place."""

    comparison: LoadComparison
    place: Place

    @property
    def samples(self) -> list[Sample]:
        return self.comparison.counted(self.place.scenario)

    @property
    def doubt(self) -> str:
        """Why nothing can be concluded from its rates and times; '' if something can."""
        failed = share_that_failed(self.samples)
        if failed > MANY_FAILED:
            return f"{self.place.scenario} failed {failed:.0%} of its requests"
        too_short = why_too_short(self.samples)
        return f"the load of {self.place.scenario} was too short to tell: {too_short}" if too_short else ""


def any_load(load: Measured) -> bool:
    return True


class Runs:
    """The measured loads that can decide a claim: declared or published ones, of runs that tables count."""

    def __init__(self, runs: Iterable[ScenarioRun]) -> None:
        self._comparisons = compare_loads(replace(run, loads=[load for load in run.loads if load.size != "changed"]) for run in runs)

    def find(self, places: Sequence[Place], fits: Callable[[Measured], bool] = any_load) -> list[Found] | str:
        """The runs of each place, all under published or all under default loads, the same for one path; else why there are none."""
        for published in (True, False):
            matches = {place: self._matches(place, published, fits) for place in places}
            found = []
            for place in places:
                same_path = [matches[other] for other in places if other.path == place.path]
                shared = [one for identity, one in matches[place].items() if all(identity in others for others in same_path)]
                found += [Found(shared[0], place)] if shared else []
            if len(found) == len(places):
                return found
        missing = [name_place(place) for place in places if not any(was_measured(place, one) for one in self._comparisons)]
        return f"nothing was measured that can decide it: {join_words(missing)}" if missing else NEEDS_FULL

    def _matches(self, place: Place, published: bool, fits: Callable[[Measured], bool]) -> dict[str, LoadComparison]:
        """Its comparisons, by the identity of the load."""
        here = [comparison for comparison in self._comparisons if was_measured(place, comparison)]
        loads = [(comparison.counted(place.scenario)[0].load, comparison) for comparison in here]
        return {load.identity: comparison for load, comparison in loads if is_published(load) == published and fits(load)}

    def ratio(self, of: Of, one: tuple[str, Place], other: tuple[str, Place], fits: Callable[[Measured], bool] = any_load) -> Finding:
        """The ratio of one place's value to another's; each has a name."""
        (name, place), (other_name, other_place) = one, other
        found = self.find([place, other_place], fits)
        if isinstance(found, str):
            return Finding(found)
        values, others = (known_values(of, side) for side in found)
        doubts = [doubt for side in found if (doubt := side.doubt)]
        ratio = intervals.ratio(values, others)
        if doubts or ratio is None:
            return Finding("; ".join(doubts) or f"one of {name} and {other_name} answered nothing, or it is not known")
        evidence = f"{name} {write_middle(values)}, {other_name} {write_middle(others)}"
        if ratio.low is None and ratio.runs >= intervals.FEWEST_RUNS and not intervals.ranks_differ(values, others):
            return Finding(f"in some runs of {name} or {other_name} nothing was answered: {evidence}")
        margin = max(least_factor(*(side.samples for side in found)), *(side.comparison.margin for side in found))
        return finding_of(ratio, evidence, margin, found[0], "x")

    def value(self, of: Of, name: str, place: Place, fits: Callable[[Measured], bool] = any_load, is_time: bool = False) -> Finding:
        """A count, a share or a time within one run; the machine's speed does not affect it, so it needs no margin."""
        found = self.find([place], fits)
        if isinstance(found, str):
            return Finding(found)
        [side] = found
        values = known_values(of, side)
        if why_too_short(side.samples):
            return Finding(side.doubt)
        if is_time and any(sample.load.client_was_late for sample in side.samples):
            return Finding(f"the load generator was kept waiting: times of {place.scenario} include that")
        estimate = intervals.estimate(values)
        if estimate is None:
            return Finding(f"{name} is not known")
        return finding_of(estimate, f"{name} {write_middle(values)}", 1.0, side)


def was_measured(place: Place, comparison: LoadComparison) -> bool:
    """It was measured under this load."""
    here = (comparison.load.sent.path, comparison.load.latency_ms) == (place.path, place.latency_ms)
    return here and bool(comparison.counted(place.scenario))


def name_place(place: Place) -> str:
    return f"{place.scenario} {place.path}{f' at {place.latency_ms} ms' if place.latency_ms else ''}"


def is_published(load: Measured) -> bool:
    """It is the load whose metrics the study published."""
    return any(value is not None for value in load.published.values())


def known_values(of: Of, found: Found) -> list[float]:
    return [value for sample in found.samples if (value := of(sample.load)) is not None]


def finding_of(estimate: Estimate, evidence: str, margin: float, found: Found, unit: str = "") -> Finding:
    decisive = found.samples[0]
    by = "published" if is_published(decisive.load) else "full-length" if decisive.run.mode == "full" else "default"
    if estimate.low is not None and estimate.high is not None:
        bounds = f" [{write_exactly(estimate.low)}, {write_exactly(estimate.high)}]"
        said = f"{evidence}: {write_exactly(estimate.middle)}{unit}{bounds}" if unit else f"{evidence}{bounds}"
        return Finding(said, estimate.low, estimate.high, estimate.middle, by)
    said = f"{evidence}: {write_exactly(estimate.middle)}{unit}" if unit else evidence
    said += f", to within {margin:.2g}x" if margin > 1 else ""
    return Finding(said, estimate.middle / margin, estimate.middle * margin, estimate.middle, by)


def write_middle(values: Sequence[float]) -> str:
    return write_exactly(statistics.median(values))


def per_second(load: Measured) -> float:
    return load.metrics.per_second


def decide(text: str, *rules: Rule) -> Claim:
    """Decide a claim by all its rules."""
    unknown = list(dict.fromkeys(rule.finding.said for rule in rules if not rule.finding.is_known))
    if unknown:
        return Claim(text, UNDECIDED, "; ".join(unknown))
    loads = " and ".join(dict.fromkeys(rule.finding.by for rule in rules))
    evidence = f"{'; '.join(rule.finding.said for rule in rules)} (by the {loads} load)"
    held = [rule.holds for rule in rules]
    if False in held:
        return Claim(text, NOT_REPRODUCED, evidence)
    if None in held:
        open_rules = join_words([f"{rule.name} {write_range(rule)}" for rule in rules if rule.holds is None])
        return Claim(text, UNDECIDED, f"too close to tell whether {open_rules}: {evidence}")
    return Claim(text, REPRODUCED, evidence)


def write_range(rule: Rule) -> str:
    if rule.at_least == -math.inf:
        return f"is at most {write_exactly(rule.at_most)}"
    if rule.at_most == math.inf:
        return f"is at least {write_exactly(rule.at_least)}"
    return f"lies between {write_exactly(rule.at_least)} and {write_exactly(rule.at_most)}"


def tell_verdicts(claims: Sequence[Claim]) -> str:
    """How many of a study's claims got which verdict."""
    counted = Counter(claim.verdict for claim in claims)
    return f"Of {len(claims)} claims: {', '.join(f'{number} {verdict}' for verdict, number in counted.most_common())}." if claims else ""
