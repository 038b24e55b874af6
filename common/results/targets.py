"""What is to be kept, in a few words: 'p99<=800ms', 'req/s>=100', 'failed<=1%', 'cpu<=5ms'."""

import re
from dataclasses import dataclass

from common.cli import UsageError
from common.results.metrics import Metrics

KNOWN = "p50 to p99.9, mean or max in ms or s; req/s; failed in %; cpu in ms per request"
FORM = re.compile(r"(p100|p\d{1,2}(?:\.\d+)?|mean|max|req/s|failed|cpu)\s*(<=|>=)\s*(\d+(?:\.\d+)?)\s*(ms|s|%|)")
UNITS = {"req/s": {"": 1.0}, "failed": {"%": 1.0}, "cpu": {"ms": 1.0, "s": 1000.0}}
TIMES = {"ms": 1.0, "s": 1000.0}


@dataclass(frozen=True)
class Target:
    text: str
    metric: str
    at_most: bool
    value: float  # in ms, percent, or requests per second

    @property
    def percent(self) -> float:
        """Of a percentile."""
        return 100.0 if self.metric == "max" else float(self.metric.removeprefix("p"))

    @property
    def limit_ms(self) -> float:
        return self.value

    def measure(self, metrics: Metrics) -> float | None:
        """None where nothing was measured."""
        match self.metric:
            case "req/s":
                return metrics.per_second
            case "failed":
                return 100 * metrics.failed / metrics.complete if metrics.complete else None
            case "cpu":
                return metrics.cpu_ms
            case "mean":
                return metrics.mean_ms
        return metrics.latency(self.percent)

    def keeps(self, value: float | None) -> bool:
        return value is not None and (value <= self.value if self.at_most else value >= self.value)


def parse(text: str) -> Target:
    match = FORM.fullmatch(text.strip())
    if not match:
        raise UsageError(f"{text!r} is not a target: write METRIC<=VALUE or METRIC>=VALUE, where METRIC is {KNOWN}")
    metric, sign, value, unit = match.groups()
    units = UNITS.get(metric, TIMES)
    if unit not in units:
        raise UsageError(f"{text!r}: {metric} is in {' or '.join(filter(None, units)) or 'requests per second, without a unit'}")
    return Target(text, metric, sign == "<=", float(value) * units[unit])


def parse_latency(text: str) -> Target:
    """A percentile of the response times and what it may be at most, written in one way: 'p99<=500ms'."""
    try:
        target = parse(text)
    except UsageError:
        target = None
    if target is None or not target.at_most or not target.metric.startswith("p") or not target.percent or not target.value:
        raise UsageError(f"{text!r} is not a target for --find-rate: write a percentile and its limit, such as 'p99<=500ms'")
    return parse(f"p{target.percent:.15g}<={target.limit_ms:.15g}ms")
