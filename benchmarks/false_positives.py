"""How often do our intervals see a difference that is not there? At 95% it should be 5 times in 100.

    python -m benchmarks.false_positives [results/RUN]

Simulates A/A comparisons: both sides are drawn from one distribution, ten runs each. It uses three
made-up shapes and recorded runs, relative to their scenario's median: those of
recorded_runs.json (12 rounds of gunicorn_gthread, its control and uvicorn_asgi, -n 60 -c 30),
or those of a results directory. It shows the percentile bootstrap of medians beside our interval.

Then whole tables of equal scenarios: how often does some scenario differ from the baseline, or is one
said to serve most or least? A table promises 5 in 100 too, whatever its number of scenarios.
"""

import json
import math
import random
import statistics
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.results import files
from common.results.intervals import Estimate, confidence_of_each, no_difference_shown, number_of, ratio
from common.results.samples import METRICS

RECORDED = Path(__file__).with_name("recorded_runs.json")
FIGURES_DRAWN = ("req/s", "p50 ms", "p99 ms", "CPU ms/req")
RUNS, COMPARISONS, RESAMPLES = 10, 4000, 400
TABLES, SIZES = 2000, ((2, 10), (6, 10), (12, 10), (6, 3))  # scenarios, and runs of each
FEWEST = 10  # recorded runs for a distribution
WANTED = 0.06

Draw = Callable[[random.Random], float]
Recorded = dict[str, dict[str, list[float]]]  # by scenario and load, by metric: one value for each run

MADE_UP: dict[str, Draw] = {
    "lognormal, CV 20%": lambda chance: math.exp(chance.gauss(0, 0.2)),
    "normal, CV 10%": lambda chance: max(0.01, chance.gauss(1, 0.1)),
    "one run in ten 40% slower": lambda chance: math.exp(chance.gauss(0, 0.08)) * (0.6 if chance.random() < 0.1 else 1),
}


def read_runs(directory: Path) -> Recorded:
    """The metrics of each run that counts; a control's runs count as its scenario's."""
    recorded: Recorded = {}
    for run in files.read_directory(directory):
        for load in run.loads:
            if load.invalid or load.noise.disturbed:
                continue
            values = recorded.setdefault(f"{run.scenario} {load.identity} {load.latency_ms}", {})
            for name in FIGURES_DRAWN:
                if value := METRICS[name](load.metrics):
                    values.setdefault(name, []).append(number_of(value))
    return recorded


def draws(runs: Recorded) -> dict[str, Draw]:
    """One distribution for each metric: all scenarios' runs relative to their own median."""
    pools: dict[str, list[float]] = {}
    for metrics in runs.values():
        for name, values in metrics.items():
            if len(values) >= FEWEST:
                middle = statistics.median(values)
                pools.setdefault(name, []).extend(value / middle for value in values)
    return {f"{name} of {len(pool)} recorded runs": lambda chance, pool=pool: chance.choice(pool) for name, pool in pools.items()}


def ours_differs(one: list[float], other: list[float]) -> bool:
    return shown(ratio(one, other))


def bootstrap_differs(one: list[float], other: list[float], generator: np.random.Generator) -> bool:
    picks = generator.integers(0, RUNS, (2, RESAMPLES, RUNS))
    ratios = np.median(np.asarray(one)[picks[0]], axis=1) / np.median(np.asarray(other)[picks[1]], axis=1)
    low, high = np.percentile(ratios, (2.5, 97.5))
    return bool(low > 1 or high < 1)


@dataclass(frozen=True)
class Said:
    """In how many tables something untrue was said."""

    differs: int  # from the baseline
    most: int  # one is said to serve most, against all others
    least: int
    any_of_these: int
    uncorrected: int  # differs, if every ratio alone had 95%


def try_tables(draw: Draw, scenarios: int, runs: int, tables: int, chance: random.Random) -> Said:
    counts = Counter[str]()
    confidence = confidence_of_each(scenarios - 1)
    for _ in range(tables):
        rows = [[draw(chance) for _ in range(runs)] for _ in range(scenarios)]
        ordered = sorted(rows, key=statistics.median)
        said = {
            "differs": any(shown(ratio(row, rows[0], confidence)) for row in rows[1:]),
            "most": all(shown(ratio(ordered[-1], row, confidence)) for row in ordered[:-1]),
            "least": all(shown(ratio(ordered[0], row, confidence)) for row in ordered[1:]),
        }
        counts.update(name for name, is_said in said.items() if is_said)
        counts["any"] += any(said.values())
        counts["uncorrected"] += any(shown(ratio(row, rows[0])) for row in rows[1:])
    return Said(counts["differs"], counts["most"], counts["least"], counts["any"], counts["uncorrected"])


def shown(estimate: Estimate | None) -> bool:
    return estimate is not None and not no_difference_shown(estimate)


def print_tables(shapes: dict[str, Draw]) -> float:
    """Print and return the largest share of tables in which a scenario differs, or is said to serve most or least."""
    worst = 0.0
    print(f"\n{TABLES:,} tables of equal scenarios: share of them in which one differs, or is said to serve most or least")
    for name, draw in shapes.items():
        for scenarios, runs in SIZES:
            said = try_tables(draw, scenarios, runs, TABLES, random.Random(1))
            worst = max(worst, said.differs / TABLES, said.most / TABLES, said.least / TABLES)
            parts = (f"{label} {number / TABLES:.1%}" for label, number in vars(said).items())
            print(f"  {name:<32} {scenarios:>2} x {runs:>2}  {', '.join(parts).replace('_', ' ')}")
    return worst


def main(arguments: list[str]) -> int:
    runs = read_runs(Path(arguments[0])) if arguments else json.loads(RECORDED.read_text())
    shapes = draws(runs) if arguments else {**MADE_UP, **draws(runs)}
    if not shapes:
        raise SystemExit(f"{arguments[0]} has no scenario with {FEWEST} runs or more that count")
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
    worst = max(worst, print_tables(shapes))
    return int(worst > WANTED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
