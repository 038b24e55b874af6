"""How sure we are: 95% intervals over runs (never over requests), and ratios of one scenario to another.

Rates, times and costs spread by factors, so the intervals are Student's t on the logarithms
of the runs' values. A table has several ratios, and its intervals all hold together 95 times in 100
(Bonferroni's correction: simple, and right for runs that spread differently). benchmarks/false_positives.py measures
how often they see a difference that is not there.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

CONFIDENCE = 0.95
FEWEST_RUNS = 3
SAME = 0.05  # a smaller difference counts as the same


@dataclass(frozen=True)
class Over:
    """More than this value: it was cut off before it ended."""

    value: float


@dataclass(frozen=True)
class AtMost:
    """At most this value: a cost that includes work without an answer."""

    value: float


Value = float | Over | AtMost


@dataclass(frozen=True)
class Estimate:
    """The middle of several runs and its bounds, which are missing if there are too few runs."""

    middle: float
    low: float | None
    high: float | None
    runs: int
    bound: str = ""  # '>' or '<=': the middle is only a bound


def estimate(values: Sequence[Value], confidence: float = CONFIDENCE) -> Estimate | None:
    """Estimate from one scenario's runs; None if there are none."""
    if not values:
        return None
    runs = len(values)
    if any(isinstance(value, AtMost) for value in values):
        return Estimate(statistics.median(map(number_of, values)), None, None, runs, "<=")
    if any(isinstance(value, Over) for value in values):
        ascending = sorted(values, key=lambda value: (number_of(value), isinstance(value, Over)))
        is_bound = any(isinstance(value, Over) for value in ascending[: runs // 2 + 1])
        return Estimate(statistics.median(map(number_of, ascending)), None, None, runs, ">" if is_bound else "")
    known = [number_of(value) for value in values]
    middle = statistics.median(known)
    if runs < FEWEST_RUNS or min(known) <= 0:
        return Estimate(middle, None, None, runs)
    logs = [math.log(value) for value in known]
    reach = statistics.stdev(logs) / math.sqrt(runs) * quantile(runs - 1, confidence)
    return between(middle, statistics.fmean(logs), reach, runs)


def ratio(values: Sequence[Value], baseline: Sequence[Value], confidence: float = CONFIDENCE) -> Estimate | None:
    """The ratio of two scenarios' runs, with Welch's interval.

    None if one has no runs, a middle of 0, or only a bound. If some
    runs answered nothing, their logarithms do not exist: then it is the ratio of the medians, without an interval.
    """
    if not values or not baseline or not all(isinstance(value, (int, float)) for value in (*values, *baseline)):
        return None
    sides = [[number_of(value) for value in side] for side in (values, baseline)]
    medians = [statistics.median(side) for side in sides]
    if min(medians) <= 0:
        return None
    middle = medians[0] / medians[1]
    runs = min(map(len, sides))
    if runs < FEWEST_RUNS or min(map(min, sides)) <= 0:
        return Estimate(middle, None, None, runs)
    logs = [[math.log(value) for value in side] for side in sides]
    centre = statistics.fmean(logs[0]) - statistics.fmean(logs[1])
    parts = [statistics.variance(side) / len(side) for side in logs]
    if sum(parts) == 0:
        return between(middle, centre, 0.0, runs)
    freedom = sum(parts) ** 2 / sum(part**2 / (len(side) - 1) for part, side in zip(parts, logs, strict=True))
    found = between(middle, centre, math.sqrt(sum(parts)) * quantile(freedom, confidence), runs)
    agrees = found.low is not None and found.high is not None and found.low <= middle <= found.high
    return found if agrees else replace(found, middle=math.exp(centre))  # so that middle and interval always agree on which has more


def ranks_differ(values: Sequence[float], others: Sequence[float], confidence: float = CONFIDENCE) -> bool:
    """Mann and Whitney's test, for runs of which some answered nothing: ranks need no logarithms."""
    from scipy.stats import mannwhitneyu  # imported late: it takes a second, and is seldom needed

    return float(mannwhitneyu(values, others).pvalue) <= 1 - confidence


def number_of(value: Value) -> float:
    return value.value if isinstance(value, (Over, AtMost)) else float(value)


def between(middle: float, centre: float, reach: float, runs: int) -> Estimate:
    """The estimate with the interval of the geometric mean."""
    if reach == 0:
        return Estimate(middle, middle, middle, runs)
    return Estimate(middle, math.exp(centre - reach), math.exp(centre + reach), runs)


def confidence_of_each(number: int) -> float:
    """The confidence that each of this many intervals needs for all to hold together."""
    return 1 - (1 - CONFIDENCE) / max(1, number)


def no_difference_shown(ratio: Estimate) -> bool:
    return ratio.low is None or ratio.high is None or ratio.low <= 1 <= ratio.high


def is_the_same(ratio: Estimate, within: float = SAME) -> bool:
    """The whole interval lies this near to 1."""
    return ratio.low is not None and ratio.high is not None and ratio.low >= 1 / (1 + within) and ratio.high <= 1 + within


def can_hide(ratio: Estimate) -> float | None:
    """The largest factor that may still lie between the two; None without an interval."""
    return None if ratio.low is None or ratio.high is None or ratio.low <= 0 else max(ratio.high, 1 / ratio.low)


def quantile(freedom: float, confidence: float = CONFIDENCE) -> float:
    from scipy.special import stdtrit  # imported late: a single scenario starts without it

    return float(stdtrit(freedom, (1 + confidence) / 2))  # of Student's t; scipy.stats has it too, but takes a second to import
