"""What can be compared, as plain data: the runs of each load that a study's scenarios share."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from common.results.bottleneck import MANY_FAILED
from common.results.intervals import (
    CONFIDENCE,
    FEWEST_RUNS,
    AtMost,
    Estimate,
    Value,
    confidence_of_each,
    estimate,
    no_difference_shown,
    ratio,
)
from common.results.metrics import Metrics
from common.results.record import CLIENT_BOUND, Measured, ScenarioRun

TELLS_IN_ONE_ROUND = 1.2  # smaller ratios between single runs mean nothing
DISTURBED, LATE = "~", "!"  # marks for doubtful metrics
WORTH_CLOSING = 0.05  # of a core
CALM_RUNS = FEWEST_RUNS  # with this many of a scenario, rates and times leave out its disturbed runs

Metric = Callable[[Metrics], Value | None]


def requests_per_second(metrics: Metrics) -> float:
    return metrics.per_second


def cpu_per_request(metrics: Metrics) -> Value | None:
    cpu_ms = metrics.cpu_ms
    return AtMost(cpu_ms) if cpu_ms is not None and metrics.cpu_is_bound else cpu_ms


METRICS: dict[str, Metric] = {
    "req/s": requests_per_second,
    "p50 ms": lambda metrics: metrics.percentile(50),
    "p95 ms": lambda metrics: metrics.percentile(95),
    "p99 ms": lambda metrics: metrics.percentile(99),
    "CPU ms/req": cpu_per_request,
    "MB": lambda metrics: metrics.peak_mb,
}
OF_ALL_RUNS = ("CPU ms/req", "MB")  # other programs change these little, so they include disturbed runs


@dataclass(frozen=True)
class Sample:
    """One measured load and its run."""

    run: ScenarioRun
    load: Measured

    @property
    def scenario(self) -> str:
        return self.run.scenario

    @property
    def per_second(self) -> float:
        return self.load.metrics.per_second

    @property
    def disturbed(self) -> str:
        """What disturbed it; '' if nothing did."""
        return self.load.noise.disturbed

    @property
    def disturbers(self) -> list[str]:
        """The names of programs that used enough of a core for closing them to help."""
        return [name for name, share in self.load.noise.foreign_programs.items() if share >= WORTH_CLOSING]


@dataclass(frozen=True)
class Row:
    """One scenario under one load, over its samples that count."""

    scenario: str
    samples: Sequence[Sample]  # those that rates and times are taken from
    valid: Sequence[Sample]  # these, and the disturbed ones left out of them
    estimates: dict[str, Estimate | None]  # by metric
    failed: int
    cut_off: int
    bottlenecks: Counter[str]  # how many samples each one limited
    too_short: str  # why its rate shows nothing; '' if it does
    failed_share: float  # of the requests that ended
    to_baseline: Estimate | None  # the ratio of its requests per second

    @property
    def is_failing(self) -> bool:
        """A server that refuses work has less to do for the rest, so such a rate has no rank."""
        return self.failed_share > MANY_FAILED

    @property
    def is_ranked(self) -> bool:
        return not self.is_failing and not self.too_short

    @property
    def bottleneck(self) -> str:
        """What limited most of them."""
        return self.bottlenecks.most_common(1)[0][0]

    @property
    def limited_by(self) -> str:
        """The bottleneck; if nothing was full, what came nearest in the first such sample."""
        first = next(sample.load.bottleneck for sample in self.samples if sample.load.bottleneck.by == self.bottleneck)
        return first.text

    @property
    def per_second(self) -> float:
        rate = self.estimates["req/s"]
        return rate.middle if rate else 0.0

    @property
    def unanswered(self) -> int:
        """The number of runs in which nothing was answered correctly."""
        return sum(not sample.load.metrics.ok for sample in self.samples)

    @property
    def disturbed(self) -> list[Sample]:
        return [sample for sample in self.valid if sample.disturbed]

    @property
    def is_late(self) -> bool:
        """The load generator was kept waiting in one of its runs."""
        return any(sample.load.client_was_late for sample in self.samples)

    @property
    def marks(self) -> list[str]:
        return [DISTURBED] * bool(self.disturbed) + [LATE] * self.is_late

    @property
    def one_core(self) -> float | None:
        """The requests per second that one core has CPU time for."""
        cpu = self.estimates["CPU ms/req"]
        return 1000 / cpu.middle if cpu and cpu.middle and not cpu.bound else None

    @property
    def of_ideal(self) -> float | None:
        middle = None if self.too_short else estimate_of(lambda metrics: metrics.of_ideal, self.samples)
        return middle.middle if middle else None


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
            return ratio_of(METRICS[metric], self.pick(scenario, metric, control=True), self.pick(scenario, metric))

        return [
            Control(scenario, self.counted(scenario, control=True), ratio(scenario, "req/s"), ratio(scenario, "CPU ms/req"))
            for scenario in twice
        ]

    def differ(self, ratio: Estimate | None, one: str, other: str) -> bool:
        """Without an interval, only a large ratio counts: beyond that of two identical runs, and beyond the error of each."""
        if ratio is None:
            return False
        if ratio.low is None:
            return factor(ratio) >= self.least_factor(one, other)
        return not no_difference_shown(ratio)

    def least_factor(self, one: str, other: str) -> float:
        """The smallest ratio of these two that means anything without an interval."""
        return max(self.margin, *(error_of(self.counted(name)) for name in (one, other)))

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
    """A comparison for each load, in the order they were first sent; without loads that only a control had."""
    samples: dict[tuple[str, str, int, float | None], list[Sample]] = {}
    for run in runs:
        for load in run.loads:
            samples.setdefault((run.study, load.identity, load.latency_ms, load.least_seconds), []).append(Sample(run, load))
    comparisons = [LoadComparison(study, found) for (study, *_), found in samples.items()]
    return [comparison for comparison in comparisons if comparison.scenarios]


def why_too_short(samples: Sequence[Sample]) -> str:
    """Why at least half of its runs are too short; '' if most are not, or if failures say enough."""
    reasons = [reason for sample in samples if (reason := sample.load.metrics.rate.too_short)]
    if 2 * len(reasons) < len(samples) or not reasons or share_that_failed(samples) > MANY_FAILED:
        return ""
    return Counter(reasons).most_common(1)[0][0]


def share_that_failed(samples: Iterable[Sample]) -> float:
    metrics = [sample.load.metrics for sample in samples]
    complete = sum(one.complete for one in metrics)
    return sum(one.failed for one in metrics) / complete if complete else 0.0


def known_values(metric: Metric, samples: Iterable[Sample]) -> list[Value]:
    return [value for sample in samples if (value := metric(sample.load.metrics)) is not None]


def estimate_of(metric: Metric, samples: Iterable[Sample]) -> Estimate | None:
    return estimate(known_values(metric, samples))


def ratio_of(metric: Metric, samples: Sequence[Sample], others: Sequence[Sample], confidence: float = CONFIDENCE) -> Estimate | None:
    """None if one fails, or was too short to tell."""
    if any(why_too_short(side) or share_that_failed(side) > MANY_FAILED for side in (samples, others)):
        return None
    return ratio(known_values(metric, samples), known_values(metric, others), confidence)


def error_of(samples: Iterable[Sample]) -> float:
    """The factor by which a single run's rate may be off: the largest of them."""
    return max((1 + (sample.load.metrics.rate.error or 0.0) for sample in samples), default=1.0)


def factor(ratio: Estimate) -> float:
    """How far apart the two are, whichever has more."""
    return max(ratio.middle, 1 / ratio.middle)
