"""Targets that a run must keep: 'p99<=800ms', 'req/s>=100', 'failed<=1%', 'cpu<=5ms'."""

import re
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from common.cli import UsageError
from common.results.bottleneck import MANY_FAILED
from common.results.intervals import AtMost, Over, Value, number_of
from common.results.metrics import Metrics
from common.results.record import Measured

KNOWN = "p50 to p99.9, mean or max in ms or s; req/s; failed in %; cpu in ms per request"
FORM = re.compile(r"(p100|p\d{1,2}(?:\.\d+)?|mean|max|req/s|failed|cpu)\s*(<=|>=)\s*(\d+(?:\.\d+)?)\s*(ms|s|%|)")
UNITS = {"req/s": {"": 1.0}, "failed": {"%": 1.0}, "cpu": {"ms": 1.0, "s": 1000.0}}
TIMES = {"ms": 1.0, "s": 1000.0}
KEPT, BROKEN, UNDECIDED = "kept", "BROKEN", "not decided"


@dataclass(frozen=True)
class Target:
    text: str
    metric: str
    at_most: bool
    value: float  # in ms, percent, or requests per second

    @property
    def percent(self) -> float:
        """The percent of a percentile."""
        return 100.0 if self.metric == "max" else float(self.metric.removeprefix("p"))

    @property
    def limit_ms(self) -> float:
        return self.value

    def measure(self, metrics: Metrics) -> Value | None:
        """The metric's value; None if nothing was measured."""
        match self.metric:
            case "req/s":
                return metrics.per_second
            case "failed":
                return 100 * metrics.failed / metrics.complete if metrics.complete else None
            case "cpu":
                return AtMost(metrics.cpu_ms) if metrics.cpu_ms is not None and metrics.cpu_is_bound else metrics.cpu_ms
            case "mean":
                return metrics.least_mean_ms
        return metrics.percentile(self.percent)

    def keeps(self, value: float) -> bool:
        return value <= self.value if self.at_most else value >= self.value


@dataclass(frozen=True)
class GateVerdict:
    """Whether a target was kept, and the evidence."""

    verdict: str
    evidence: str


def judge_target(target: Target, loads: Sequence[Measured], why_none: str) -> GateVerdict:
    """Judge by the median of the runs, or by most runs' verdict if one has only a bound; undecided counts as not kept."""
    judged = [(judge_load(target, load.metrics), target.measure(load.metrics)) for load in loads]
    known = [value for (verdict, _), value in judged if verdict != UNDECIDED and value is not None]
    if not known:
        reasons = Counter(reason for (_, reason), _ in judged)
        return GateVerdict(UNDECIDED, reasons.most_common(1)[0][0] if reasons else why_none)
    runs = f"{len(known)} run{'s' * (len(known) > 1)}"
    if len(known) == len(judged) and all(isinstance(value, (int, float)) for value in known):
        middle = statistics.median(map(number_of, known))
        return GateVerdict(KEPT if target.keeps(middle) else BROKEN, f"{middle:,.4g} ({runs})")
    verdicts = Counter(verdict for (verdict, _), _ in judged)
    most = next((verdict for verdict in (KEPT, BROKEN) if verdicts[verdict] > len(judged) / 2), UNDECIDED)
    said = Counter(reason for (verdict, reason), _ in judged if verdict == most).most_common(1)
    return GateVerdict(most, f"{said[0][0] if said else 'the runs disagree'} ({len(judged)} run{'s' * (len(judged) > 1)})")


def judge_load(target: Target, metrics: Metrics) -> tuple[str, str]:
    """Kept, broken or not decided, and why. What many were not answered for, or never asked, is not kept."""
    verdict, why = judge_value(target, metrics)
    doubt = why_not_kept(target, metrics) if verdict == KEPT else ""
    return (UNDECIDED, doubt) if doubt else (verdict, why)


def why_not_kept(target: Target, metrics: Metrics) -> str:
    if metrics.unsent > MANY_FAILED * metrics.due:
        return f"{metrics.unsent:,} of {metrics.due:,} due were never sent"
    if target.metric != "failed" and metrics.failed > MANY_FAILED * max(metrics.complete, 1):
        return f"{metrics.failed:,} of {metrics.complete:,} requests failed"
    return ""


def judge_value(target: Target, metrics: Metrics) -> tuple[str, str]:
    value = target.measure(metrics)
    unfinished = metrics.cut_off > metrics.complete  # it was cut off before half of its requests had ended
    half = f"{metrics.cut_off:,} of {metrics.started:,} requests were cut off"
    if target.metric == "req/s" and metrics.rate.too_short and metrics.failed <= MANY_FAILED * metrics.complete:
        return UNDECIDED, f"the load is too short to tell: {metrics.rate.too_short}"
    if value is None:
        return (
            UNDECIDED,
            "the server's CPU is not known" if target.metric == "cpu" and metrics.ok else "nothing was answered correctly",
        )
    number = number_of(value)
    if isinstance(value, Over):  # more than this: enough to break an upper limit
        decided = BROKEN if target.at_most else KEPT
        return (decided, f"over {number:,.4g}") if number >= target.value else (UNDECIDED, f"{half}, none older than {number:,.4g} ms")
    if isinstance(value, AtMost):
        decided = KEPT if target.at_most else BROKEN
        return (
            (decided, f"<= {number:,.4g}")
            if target.keeps(number) == target.at_most
            else (
                UNDECIDED,
                f"<= {number:,.4g}: {metrics.cut_off + metrics.failed:,} of {metrics.started:,} requests failed or were cut off",
            )
        )
    kept = target.keeps(number)
    if unfinished and kept and target.at_most and target.metric != "req/s":
        return UNDECIDED, half
    return KEPT if kept else BROKEN, f"{number:,.4g}"


def parse(text: str) -> Target:
    match = FORM.fullmatch(text.strip())
    if not match:
        raise UsageError(f"{text!r} is not a target: write METRIC<=VALUE or METRIC>=VALUE, where METRIC is {KNOWN}")
    metric, sign, value, unit = match.groups()
    units = UNITS.get(metric, TIMES)
    if unit not in units:
        raise UsageError(f"{text!r}: {metric} is in {' or '.join(filter(None, units)) or 'requests per second, without a unit'}")
    return Target(text, metric, sign == "<=", float(value) * units[unit])


def parse_latency(text: str, option: str = "--find-rate") -> Target:
    """A percentile of the response times and its limit, in one canonical form: 'p99<=500ms'."""
    try:
        target = parse(text)
    except UsageError:
        target = None
    if target is None or not target.at_most or not target.metric.startswith("p") or not target.percent or not target.value:
        raise UsageError(f"{text!r} is not a target for {option}: write a percentile and its limit, such as 'p99<=500ms'")
    return parse(f"p{target.percent:.15g}<={target.limit_ms:.15g}ms")
