"""Which pairs of a run matter, and how far each is decided: by the run's rounds, or side by side.

A pair that matters is a scenario and its baseline, or one that it differs from, under a load that both were sent.
CPU per request decides it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from common.results import files
from common.results.bottleneck import MANY_FAILED
from common.results.comparison import LoadComparison, compare_loads
from common.results.intervals import AtMost, Estimate, Value, ratio
from common.results.pairs import Kind, Pair, SideBySide, judge_pair, kind_of
from common.results.record import Plan, ScenarioRun
from common.results.samples import METRICS, Sample, known_values, share_that_failed, why_too_short
from common.results.sequential import confidence_at, last_look

WAYS = 2  # of deciding a pair, each with looks of its own: in rounds, and side by side
START_SECONDS = 3.0  # about, of a server and its warm-up
CPU = METRICS["CPU ms/req"]

Step = Literal["side by side", "rounds", ""]


@dataclass(frozen=True)
class Decision:
    """What is known of a pair that matters."""

    names: tuple[str, str]
    comparison: LoadComparison
    within: float  # the difference that counts as the same
    together: int  # the number of comparisons whose intervals all hold together 95 times in 100
    pair: Pair | None  # None: it was not asked in turn

    @cached_property
    def in_turn(self) -> SideBySide | None:
        """What side by side shows; None if that cannot decide the pair."""
        if self.pair is None or self.pair.refused or self.pair.fault:
            return None
        found = judge_pair(self.pair)
        return None if found.kind == "unfair" else found

    @cached_property
    def samples(self) -> list[list[Sample]]:
        """Of each of the two: its runs up to the last look that both have reached."""
        valid = [sorted(self.comparison.valid(name), key=lambda sample: sample.run.round) for name in self.names]
        look = last_look(min(map(len, valid)))
        return [samples[: look or None] for samples in valid]

    @property
    def rounds(self) -> int:
        return min(map(len, self.samples))

    @cached_property
    def cpu(self) -> Estimate | None:
        """The ratio of CPU per request, the first to the second."""
        if self.in_turn is not None:
            return self.in_turn.cpu
        one, other = (known_values(CPU, samples) for samples in self.samples)
        return None if self.why_not else ratio(one, other, confidence_at(self.rounds, self.together))

    @cached_property
    def kind(self) -> Kind:
        return self.in_turn.kind if self.in_turn is not None else kind_of(self.cpu, self.within)

    @cached_property
    def why_not(self) -> str:
        """Why rounds give no ratio; '' if they do."""
        return next(filter(None, map(why_no_cost, self.names, self.samples)), "")

    @property
    def is_failing(self) -> bool:
        return any(share_that_failed(samples) > MANY_FAILED for samples in self.samples)

    @property
    def next_step(self) -> Step:
        """What could decide it; '' if it is decided, or if nothing can."""
        if self.kind != "undecided" or self.is_failing:
            return ""
        if self.in_turn is not None or (self.pair is None and self.comparison.load.sent.load.is_steady):
            return "side by side"
        return "" if self.why_not else "rounds"

    @property
    def seconds_of_a_round(self) -> float:
        """About, of both."""
        return sum(START_SECONDS + samples[-1].load.sent.seconds for samples in self.samples if samples)


def why_no_cost(name: str, samples: Sequence[Sample]) -> str:
    values: list[Value] = known_values(CPU, samples)
    if not samples:
        return f"no run of {name} counts"
    if share_that_failed(samples) > MANY_FAILED:
        return f"{name} failed {share_that_failed(samples):.0%} of its requests"
    if too_short := why_too_short(samples):
        return f"the load of {name} was too short to tell: {too_short}"
    if not values:
        return f"the CPU of {name} is not known"
    return (
        f"the CPU of {name} is known only as an upper bound, as requests failed or were cut off"
        if any(isinstance(one, AtMost) for one in values)
        else ""
    )


def decide_pairs(runs: Iterable[ScenarioRun], pairs: Iterable[Pair], within: float) -> list[Decision]:
    """All pairs that matter, load by load."""
    runs = list(runs)
    differs_from = {run.scenario: run.differs_from for run in runs}
    in_turn = {(tuple(pair.names), pair.identity, pair.latency_ms): pair for pair in pairs}
    both = [(names, compared) for compared in compare_loads(runs) for names in pairs_that_matter(compared, differs_from)]
    return [
        Decision(names, compared, within, WAYS * len(both), in_turn.get((names, compared.load.identity, compared.load.latency_ms)))
        for names, compared in both
    ]


def decided_in(directory: Path, runs: Iterable[ScenarioRun]) -> list[Decision]:
    """Those of a saved run; none where it was not to be decided."""
    plan = files.read(directory / files.PLAN, Plan) if (directory / files.PLAN).exists() else None
    if plan is None or plan.within is None:
        return []
    return decide_pairs([run for run in runs if run.loads], files.read_pairs(directory), plan.within)


def pairs_that_matter(compared: LoadComparison, differs_from: dict[str, dict[str, str]]) -> list[tuple[str, str]]:
    """Each scenario with its baseline and with those it differs from, each pair once."""
    found: dict[frozenset[str], tuple[str, str]] = {}
    for scenario in compared.scenarios:
        for other in (compared.baseline, *differs_from.get(scenario, {})):
            if other != scenario and other in compared.scenarios:
                found.setdefault(frozenset((scenario, other)), (scenario, other))
    return list(found.values())
