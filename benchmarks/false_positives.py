"""How often do our intervals see a difference where there is none? At 95 % it should be 5 times in 100.

    python -m benchmarks.false_positives [results/RUN]

Simulates A/A comparisons: both sides drawn from one distribution, ten runs each. Drawn from the
recorded runs' own deviations where a directory of several rounds is given, else from three
made-up shapes. Beside our interval stands the percentile bootstrap of medians.
"""

import math
import random
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from common import results
from common.intervals import no_difference_shown, ratio
from common.summary import Summary

RUNS, COMPARISONS, RESAMPLES = 10, 4000, 400
WANTED = 0.06

Draw = Callable[[random.Random], float]

MADE_UP: dict[str, Draw] = {
    "lognormal, CV 20 %": lambda chance: math.exp(chance.gauss(0, 0.2)),
    "normal, CV 10 %": lambda chance: max(0.01, chance.gauss(1, 0.1)),
    "one run in ten 40 % slower": lambda chance: math.exp(chance.gauss(0, 0.08)) * (0.6 if chance.random() < 0.1 else 1),
}


def recorded(directory: Path) -> dict[str, Draw]:
    """Each scenario's runs relative to their median, pooled by study: what a run of it may deviate."""
    rates: dict[tuple[str, str, str], list[float]] = {}
    for result in results.read(directory):
        for load in result["loads"]:
            rates.setdefault((result["study"], result["scenario"], f"{load['line']} {load['latency_ms']}"), []).append(
                Summary(load).per_second
            )
    pools: dict[str, list[float]] = {}
    for (study, *_), values in rates.items():
        middle = statistics.median(values)
        if len(values) >= 3 and middle > 0:
            pools.setdefault(study, []).extend(value / middle for value in values)
    return {f"{study}, {len(pool)} recorded runs": lambda chance, pool=pool: chance.choice(pool) for study, pool in pools.items()}


def ours_differs(one: list[float], other: list[float]) -> bool:
    found = ratio(one, other)
    return found is not None and not no_difference_shown(found)


def bootstrap_differs(one: list[float], other: list[float], generator: np.random.Generator) -> bool:
    picks = generator.integers(0, RUNS, (2, RESAMPLES, RUNS))
    ratios = np.median(np.asarray(one)[picks[0]], axis=1) / np.median(np.asarray(other)[picks[1]], axis=1)
    low, high = np.percentile(ratios, (2.5, 97.5))
    return bool(low > 1 or high < 1)


def main() -> int:
    shapes = recorded(Path(sys.argv[1])) if len(sys.argv) > 1 else MADE_UP
    if not shapes:
        raise SystemExit(f"{sys.argv[1]} has no scenario with three runs or more")
    chance, generator = random.Random(1), np.random.default_rng(1)
    worst = 0.0
    print(f"{COMPARISONS:,} A/A comparisons of {RUNS} runs each: share that shows a difference (wanted: at most {WANTED:.0%})")
    for name, draw in shapes.items():
        ours = bootstrap = 0
        for _ in range(COMPARISONS):
            one, other = ([draw(chance) for _ in range(RUNS)] for _ in range(2))
            ours += ours_differs(one, other)
            bootstrap += bootstrap_differs(one, other, generator)
        worst = max(worst, ours / COMPARISONS)
        print(f"  {name:<32} ours {ours / COMPARISONS:.1%}   percentile bootstrap {bootstrap / COMPARISONS:.1%}")
    return int(worst > WANTED)


if __name__ == "__main__":
    sys.exit(main())
