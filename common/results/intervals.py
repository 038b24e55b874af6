"""How sure are we? 95% intervals over runs (never over requests), and ratios of one scenario to another.

Rates, times and costs spread by factors, so the intervals are Student's, of the logarithms
of the runs' values. benchmarks/false_positives.py measures how often they see a difference
where there is none.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95
FEWEST_RUNS = 3


@dataclass(frozen=True)
class Estimate:
    """The middle of several runs, and where it may lie; without bounds if there are too few."""

    middle: float
    low: float | None
    high: float | None
    runs: int


def estimate(values: Sequence[float]) -> Estimate | None:
    """Of one scenario's runs; None if there are none."""
    if not values:
        return None
    middle = statistics.median(values)
    if len(values) < FEWEST_RUNS or min(values) <= 0:
        return Estimate(middle, None, None, len(values))
    logs = [math.log(value) for value in values]
    error = statistics.stdev(logs) / math.sqrt(len(logs))
    reach = error * quantile(len(logs) - 1)
    centre = statistics.fmean(logs)
    return Estimate(middle, math.exp(centre - reach), math.exp(centre + reach), len(values))


def ratio(values: Sequence[float], baseline: Sequence[float], confidence: float = CONFIDENCE) -> Estimate | None:
    """Of two scenarios' runs, by Welch's interval; None if one has no runs or a value that is not above 0."""
    if not values or not baseline or min(*values, *baseline) <= 0:
        return None
    middle = statistics.median(values) / statistics.median(baseline)
    runs = min(len(values), len(baseline))
    if runs < FEWEST_RUNS:
        return Estimate(middle, None, None, runs)
    logs, baseline_logs = ([math.log(value) for value in side] for side in (values, baseline))
    parts = [statistics.variance(side) / len(side) for side in (logs, baseline_logs)]
    error = math.sqrt(sum(parts))
    if error == 0:
        return Estimate(middle, middle, middle, runs)
    freedom = sum(parts) ** 2 / sum(part**2 / (len(side) - 1) for part, side in zip(parts, (logs, baseline_logs), strict=True))
    centre, reach = statistics.fmean(logs) - statistics.fmean(baseline_logs), error * quantile(freedom, confidence)
    return Estimate(middle, math.exp(centre - reach), math.exp(centre + reach), runs)


def no_difference_shown(ratio: Estimate) -> bool:
    return ratio.low is None or ratio.high is None or ratio.low <= 1 <= ratio.high


def quantile(freedom: float, confidence: float = CONFIDENCE) -> float:
    from scipy.special import stdtrit  # only now: a scenario alone starts without it

    return float(stdtrit(freedom, (1 + confidence) / 2))  # of Student's t; scipy.stats has it too, and takes a second to import
