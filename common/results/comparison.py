"""What can be compared, as plain data: the runs of each load that scenarios of a study have in common."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from common.results.intervals import Estimate, estimate, no_difference_shown, ratio
from common.results.metrics import Metrics
from common.results.record import CLIENT_BOUND, Measured, ScenarioRun

TELLS_IN_ONE_ROUND = 1.2  # less means nothing between single runs

Metric = Callable[[Metrics], float | None]


def requests_per_second(metrics: Metrics) -> float:
    return metrics.per_second


METRICS: dict[str, Metric] = {
    "req/s": requests_per_second,
    "p50 ms": lambda metrics: metrics.latency(50),
    "p95 ms": lambda metrics: metrics.latency(95),
    "p99 ms": lambda metrics: metrics.latency(99),
    "CPU ms/req": lambda metrics: metrics.cpu_ms,
    "MB": lambda metrics: metrics.peak_mb,
}


@dataclass(frozen=True)
class Sample:
    """One measured load, and the run that it is of."""

    run: ScenarioRun
    load: Measured

    @property
    def scenario(self) -> str:
        return self.run.scenario

    @property
    def per_second(self) -> float:
        return self.load.metrics.per_second


@dataclass(frozen=True)
class Row:
    """One scenario under one load, over those of its samples that count."""

    scenario: str
    samples: Sequence[Sample]
    estimates: dict[str, Estimate | None]  # by the metric's name
    failed: int
    cut_off: int
    bottlenecks: Counter[str]  # what limited how many of them
    to_baseline: Estimate | None  # the ratio of its requests per second

    @property
    def bottleneck(self) -> str:
        """What limited most of them."""
        return self.bottlenecks.most_common(1)[0][0]

    @property
    def per_second(self) -> float:
        found = self.estimates["req/s"]
        return found.middle if found else 0.0

    @property
    def one_core(self) -> float | None:
        """The requests per second that a core has CPU time for."""
        cpu = self.estimates["CPU ms/req"]
        return 1000 / cpu.middle if cpu and cpu.middle else None

    @property
    def of_ideal(self) -> float | None:
        middle = estimate_of(lambda metrics: metrics.of_ideal, self.samples)
        return middle.middle if middle else None


@dataclass(frozen=True)
class Control:
    """A/A: the second samples of a scenario, beside its first: these must show no difference."""

    scenario: str
    samples: Sequence[Sample]
    ratio: Estimate | None  # of requests per second


@dataclass(frozen=True)
class LoadComparison:
    study: str
    samples: Sequence[Sample]

    @property
    def load(self) -> Measured:
        """The first of them: what was sent is the same for all."""
        return self.samples[0].load

    @property
    def ideal(self) -> float | None:
        return self.load.metrics.ideal_per_second

    @property
    def parts(self) -> list[str]:
        """Its load in words, with the ideal, which tells apart loads whose answers may take another least time."""
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
        """The first of those that the study names, or else the first: with it the others are compared."""
        wanted = self.samples[0].run.baselines
        return next((name for name in wanted if name in self.scenarios), self.scenarios[0])

    @cached_property
    def one_round(self) -> bool:
        """No interval can be given then, and so a contaminated run stands beside the others."""
        return max(Counter((sample.scenario, sample.run.control) for sample in self.samples).values()) == 1

    def left_out(self, sample: Sample) -> str:
        """Why it has no part in the comparison; '' if it has."""
        return sample.load.invalid or ("" if self.one_round else sample.load.noise.contaminated)

    def counted(self, scenario: str, control: bool = False) -> list[Sample]:
        return [
            sample for sample in self.samples if (sample.scenario, sample.run.control) == (scenario, control) and not self.left_out(sample)
        ]

    @cached_property
    def rows(self) -> list[Row]:
        """Best first."""
        rows = [self.row(scenario) for scenario in self.scenarios if self.counted(scenario)]
        return sorted(rows, key=lambda row: -row.per_second)

    def row(self, scenario: str) -> Row:
        samples = self.counted(scenario)
        return Row(
            scenario=scenario,
            samples=samples,
            estimates={name: estimate_of(metric, samples) for name, metric in METRICS.items()},
            failed=sum(sample.load.metrics.failed for sample in samples),
            cut_off=sum(sample.load.metrics.cut_off for sample in samples),
            bottlenecks=Counter(sample.load.bottleneck.by for sample in samples),
            to_baseline=None if scenario == self.baseline else ratio_of_rates(samples, self.counted(self.baseline)),
        )

    @cached_property
    def controls(self) -> list[Control]:
        twice = sorted({sample.scenario for sample in self.samples if sample.run.control})
        both = [(scenario, self.counted(scenario, control=True), self.counted(scenario)) for scenario in twice]
        return [Control(scenario, second, ratio_of_rates(second, first)) for scenario, second, first in both]

    def differ(self, ratio: Estimate | None) -> bool:
        """With too few runs for an interval, only what is far apart: farther than two equal runs are."""
        if ratio is None:
            return True
        if ratio.low is None:
            return factor(ratio) >= max([TELLS_IN_ONE_ROUND, *(factor(control.ratio) for control in self.controls if control.ratio)])
        return not no_difference_shown(ratio)

    @property
    def client_bound(self) -> list[tuple[str, float]]:
        """What such runs show is the least that the server can do."""
        most: dict[str, float] = {}
        for sample in self.samples:
            if sample.load.invalid == CLIENT_BOUND and not sample.run.control:
                most[sample.scenario] = max(sample.per_second, most.get(sample.scenario, 0.0))
        return sorted(most.items(), key=lambda item: -item[1])


def compare_loads(runs: Iterable[ScenarioRun]) -> list[LoadComparison]:
    """One for each load that was sent, in the order in which they were first; without those that only a control had."""
    samples: dict[tuple[str, str, int, float | None], list[Sample]] = {}
    for run in runs:
        for load in run.loads:
            samples.setdefault((run.study, load.identity, load.latency_ms, load.least_seconds), []).append(Sample(run, load))
    comparisons = [LoadComparison(study, found) for (study, *_), found in samples.items()]
    return [comparison for comparison in comparisons if comparison.scenarios]


def known_values(metric: Metric, samples: Iterable[Sample]) -> list[float]:
    return [value for sample in samples if (value := metric(sample.load.metrics)) is not None]


def estimate_of(metric: Metric, samples: Iterable[Sample]) -> Estimate | None:
    return estimate(known_values(metric, samples))


def ratio_of(metric: Metric, samples: Iterable[Sample], baseline: Iterable[Sample]) -> Estimate | None:
    return ratio(known_values(metric, samples), known_values(metric, baseline))


def ratio_of_rates(samples: Iterable[Sample], baseline: Iterable[Sample]) -> Estimate | None:
    return ratio_of(requests_per_second, samples, baseline)


def factor(ratio: Estimate) -> float:
    """How far apart, whichever has more."""
    return max(ratio.middle, 1 / ratio.middle)
