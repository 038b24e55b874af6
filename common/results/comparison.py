"""What can be compared, as plain data: the runs of each load that a study's scenarios share."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from common.results.intervals import FEWEST_RUNS, Estimate, confidence_of_each, no_difference_shown, number_of, ranks_differ
from common.results.record import CLIENT_BOUND, Measured, ScenarioRun
from common.results.rows import Row
from common.results.samples import (
    METRICS,
    OF_ALL_RUNS,
    Sample,
    estimate_of,
    known_values,
    least_factor,
    ratio_of,
    share_that_failed,
    why_too_short,
)

TELLS_IN_ONE_ROUND = 1.2  # smaller ratios between single runs mean nothing
RATIOS_OF_A_CONTROL = 2  # of requests per second, and of CPU
CALM_RUNS = FEWEST_RUNS  # with this many of a scenario, rates and times leave out its disturbed runs


@dataclass(frozen=True)
class Control:
    """A/A: a scenario's second samples beside its first, which must show no difference."""

    scenario: str
    samples: Sequence[Sample]
    ratio: Estimate | None  # of requests per second
    cpu_ratio: Estimate | None


@dataclass(frozen=True)
class LoadComparison:
    study: str
    samples: Sequence[Sample]
    controlled: int = 1  # loads of its study that have a control: the ratios of all of these hold together

    @property
    def load(self) -> Measured:
        """The first of its loads: all sent the same."""
        return self.samples[0].load

    @property
    def ideal(self) -> float | None:
        return self.load.metrics.ideal_per_second

    @property
    def parts(self) -> list[str]:
        """Its load in words, with the ideal, which tells apart loads with different least times."""
        return [*self.load.sent.load.parts, *self._about]

    @property
    def _about(self) -> list[str]:
        added = [f"{self.load.latency_ms} ms added"] if self.load.latency_ms else []
        return [*added, *([f"ideal {self.ideal:.1f} req/s"] if self.ideal else [])]

    @property
    def load_in_words(self) -> str:
        return " · ".join([self.load.sent.load.describe(), *self._about])

    @property
    def title(self) -> str:
        return f"{self.study} · {self.load_in_words}"

    @cached_property
    def scenarios(self) -> list[str]:
        return sorted({sample.scenario for sample in self.samples if not sample.run.control})

    @cached_property
    def baseline(self) -> str:
        """The scenario that the others are compared with: the first present that the study names, or else the first."""
        wanted = self.samples[0].run.baselines
        return next((name for name in wanted if name in self.scenarios), self.scenarios[0])

    @property
    def place_in_baseline(self) -> int:
        """The number of this load among those that the baseline sent."""
        first = next(sample for sample in self.samples if sample.scenario == self.baseline)
        return next(number for number, load in enumerate(first.run.loads) if load is first.load)

    @cached_property
    def rounds(self) -> int:
        return max(Counter((sample.scenario, sample.run.control) for sample in self.samples).values())

    @property
    def one_round(self) -> bool:
        """Then there are no intervals."""
        return self.rounds == 1

    def valid(self, scenario: str, control: bool = False) -> list[Sample]:
        """A scenario's runs that show the server."""
        return [
            sample for sample in self.samples if (sample.scenario, sample.run.control) == (scenario, control) and not sample.load.invalid
        ]

    def counted(self, scenario: str, control: bool = False) -> list[Sample]:
        """The runs behind rates and times: the calm ones if there are enough, or else all."""
        valid = self.valid(scenario, control)
        calm = [sample for sample in valid if not sample.disturbed]
        return calm if len(calm) >= CALM_RUNS else valid

    def left_out(self, sample: Sample) -> str:
        """Why rates and times leave it out; '' if they do not."""
        if sample.load.invalid:
            return sample.load.invalid
        is_counted = any(counted is sample for counted in self.counted(sample.scenario, sample.run.control))
        return "" if is_counted else sample.disturbed

    @cached_property
    def rows(self) -> list[Row]:
        """The ranked ones, best first; then those that fail; then those whose load was too short to tell."""
        rows = [self.row(scenario) for scenario in self.scenarios if self.counted(scenario)]
        return sorted(rows, key=lambda row: (not row.is_ranked, bool(row.too_short), -row.per_second, row.scenario))

    @property
    def ranked(self) -> list[Row]:
        return [row for row in self.rows if row.is_ranked]

    @property
    def failing(self) -> list[Row]:
        return [row for row in self.rows if row.is_failing]

    @property
    def too_short(self) -> list[Row]:
        return [row for row in self.rows if row.too_short]

    @property
    def drawn(self) -> list[Row]:
        """Those that have a rate, ranked or not."""
        return [row for row in self.rows if not row.too_short]

    def row(self, scenario: str) -> Row:
        samples, valid = self.counted(scenario), self.valid(scenario)
        too_short = why_too_short(samples)
        return Row(
            scenario=scenario,
            samples=samples,
            valid=valid,
            estimates={name: estimate_of(metric, valid if name in OF_ALL_RUNS else samples) for name, metric in METRICS.items()}
            | (dict.fromkeys(["req/s", "CPU ms/req"]) if too_short else {}),
            failed=sum(sample.load.metrics.failed for sample in samples),
            cut_off=sum(sample.load.metrics.cut_off for sample in samples),
            bottlenecks=Counter(sample.load.bottleneck.by for sample in samples),
            too_short=too_short,
            failed_share=share_that_failed(samples),
            to_baseline=None if scenario == self.baseline else self.ratio(scenario, self.baseline),
        )

    def ratio(self, scenario: str, other: str, metric: str = "req/s", of: int = 0) -> Estimate | None:
        """The ratio of two scenarios; None if one has no rank.

        It is one of `of` ratios (by default one for each scenario but the baseline), which all hold together 95 times in 100.
        """
        return ratio_of(
            METRICS[metric], self.pick(scenario, metric), self.pick(other, metric), confidence_of_each(of or len(self.scenarios) - 1)
        )

    def pick(self, scenario: str, metric: str, control: bool = False) -> list[Sample]:
        return self.valid(scenario, control) if metric in OF_ALL_RUNS else self.counted(scenario, control)

    @cached_property
    def controls(self) -> list[Control]:
        twice = sorted({sample.scenario for sample in self.samples if sample.run.control})

        def ratio(scenario: str, metric: str) -> Estimate | None:
            sides = self.pick(scenario, metric, control=True), self.pick(scenario, metric)
            return ratio_of(METRICS[metric], *sides, confidence_of_each(RATIOS_OF_A_CONTROL * self.controlled))

        return [
            Control(scenario, self.counted(scenario, control=True), ratio(scenario, "req/s"), ratio(scenario, "CPU ms/req"))
            for scenario in twice
        ]

    def differ(self, ratio: Estimate | None, one: str, other: str) -> bool:
        """Without an interval, only a large ratio counts: beyond that of two identical runs, and beyond the error of each."""
        if ratio is None:
            return False
        if ratio.low is None and ratio.runs >= FEWEST_RUNS:  # some runs answered nothing
            rates, others = ([number_of(value) for value in known_values(METRICS["req/s"], self.counted(name))] for name in (one, other))
            return ranks_differ(rates, others, confidence_of_each(len(self.scenarios) - 1))
        if ratio.low is None:
            return factor(ratio) >= self.least_factor(one, other)
        return not no_difference_shown(ratio)

    def least_factor(self, one: str, other: str) -> float:
        """The smallest ratio of these two that means anything without an interval."""
        return max(self.margin, least_factor(self.counted(one), self.counted(other)))

    @property
    def margin(self) -> float:
        """The smallest ratio of single runs that means anything."""
        return max([TELLS_IN_ONE_ROUND, *(factor(control.ratio) for control in self.controls if control.ratio)])

    @property
    def client_bound(self) -> list[tuple[str, float]]:
        """The least that servers can do, as runs that the client limited show it."""
        most: dict[str, float] = {}
        for sample in self.samples:
            if sample.load.invalid == CLIENT_BOUND and not sample.run.control:
                most[sample.scenario] = max(sample.per_second, most.get(sample.scenario, 0.0))
        return sorted(most.items(), key=lambda item: -item[1])


def compare_loads(runs: Iterable[ScenarioRun]) -> list[LoadComparison]:
    """A comparison for each load, without loads that only a control had.

    Study by study as they were first sent, and within one in the order in which its baseline sends them.
    """
    samples: dict[tuple[str, str, int, float | None], list[Sample]] = {}
    for run in runs:
        for load in run.loads:
            samples.setdefault((run.study, load.identity, load.latency_ms, load.least_seconds), []).append(Sample(run, load))
    controlled = Counter(study for (study, *_), found in samples.items() if any(sample.run.control for sample in found))
    comparisons = [LoadComparison(study, found, max(1, controlled[study])) for (study, *_), found in samples.items()]
    studies = list(dict.fromkeys(comparison.study for comparison in comparisons))
    return sorted(
        (comparison for comparison in comparisons if comparison.scenarios),
        key=lambda comparison: (studies.index(comparison.study), comparison.place_in_baseline),
    )


def factor(ratio: Estimate) -> float:
    """How far apart the two are, whichever has more."""
    return max(ratio.middle, 1 / ratio.middle)
