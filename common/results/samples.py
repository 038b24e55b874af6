"""What is read off measured loads: the metrics that are compared, of several loads at once and as ratios."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from common.results.bottleneck import MANY_FAILED
from common.results.circumstances import KERNEL
from common.results.intervals import CONFIDENCE, AtMost, Estimate, Value, estimate, ratio
from common.results.metrics import Metrics
from common.results.record import Measured, ScenarioRun

WORTH_CLOSING = 0.05  # of a core
UNKNOWN = 0.35  # what the rate of one burst may be off by, which has no error of its own: two equal runs often differ by a third

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
        programs = self.load.noise.foreign_programs.items()
        return [name for name, share in programs if share >= WORTH_CLOSING and not name.startswith(KERNEL)]


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


def least_factor(*sides: Iterable[Sample]) -> float:
    """What the ratio of single runs may be off by: the errors of their rates together, or what two bursts may differ by."""
    rates = [[sample.load.metrics.rate for sample in samples] for samples in sides]
    errors = [max((rate.error for rate in of_side if rate.error is not None), default=0.0) for of_side in rates]
    has_burst = any(rate.error is None and rate.answers for of_side in rates for rate in of_side)
    return max(1 + math.hypot(*errors), 1 + UNKNOWN * has_burst)
