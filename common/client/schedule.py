"""When each request of an open loop is due: pure arithmetic over stages of constant rate."""

import math
import random
from array import array
from collections.abc import Iterable, Iterator, Sequence

LEAST_RATE = 1e-6  # a second: one in 11 days
MOST_RATE = 200_000.0  # more than a client can start; unsent requests have rows in the record too
MOST_SECONDS = 1e15  # of a stage: what is computed from it stays finite
MOST_DUE = 20_000_000  # requests of a load, also of a closed one: each has its row in memory and in the record, even if it is never sent
Stages = tuple[tuple[float, float], ...]  # seconds, requests per second


def parse(text: str) -> Stages:
    """'10s@50,1m@200' is 50 requests per second for 10 s, then 200 for a minute; ValueError for anything else."""
    return tuple(stage(part) for part in text.split(","))


def stage(text: str) -> tuple[float, float]:
    duration, at, rate = text.strip().partition("@")
    unit = {"s": 1.0, "m": 60.0}[duration[-1:]] if duration[-1:] in ("s", "m") else None
    if not at or unit is None:
        raise ValueError(f"{text!r} is not a stage")
    found = float(duration[:-1]) * unit, float(rate)
    if not (0 < found[0] <= MOST_SECONDS and LEAST_RATE <= found[1] <= MOST_RATE):
        raise ValueError(f"{text!r} is not a stage of some seconds and some requests")
    return found


def words(stages: Stages) -> str:
    """Text that `parse` reads as the same stages."""
    return ",".join(f"{float(seconds)}s@{float(rate)}" for seconds, rate in stages)


def length(stages: Iterable[Iterable[float]]) -> float:
    return sum(seconds for seconds, _ in stages)


def latest_start(stages: Stages) -> float:
    """Requests not started by then are never started: a client catches up with a second's stall, not more."""
    return length(stages) + 1.0


def due_in(seconds: float, rate: float) -> int:
    """The first is due at once, and none at the stage's end: it belongs to the next stage."""
    return max(1, math.ceil(round(seconds * rate, 6)))


def count(stages: Stages) -> int:
    return sum(due_in(seconds, rate) for seconds, rate in stages)


def due_times(stages: Stages, poisson: bool = False) -> Iterator[float]:
    """Seconds after the start."""
    return iter(random_times(stages)) if poisson else even_times(stages)


def even_times(stages: Stages) -> Iterator[float]:
    """Each computed afresh, so that errors do not add up."""
    begin = 0.0
    for seconds, rate in stages:
        yield from (begin + place / rate for place in range(due_in(seconds, rate)))
        begin += seconds


def random_times(stages: Stages) -> Sequence[float]:
    """Of a Poisson process of known number the moments are independent and evenly likely: the same ones every time.

    They are made before the load begins: sorting them meanwhile would keep requests waiting.
    """
    begin, chance, times = 0.0, random.Random(1), array("d")
    for seconds, rate in stages:
        times.extend(sorted(begin + chance.random() * seconds for _ in range(due_in(seconds, rate))))
        begin += seconds
    return times


def until(stages: Stages, seconds: float) -> Stages:
    """The time after which it is cut off."""
    kept: list[tuple[float, float]] = []
    for each, rate in stages:
        left = seconds - length(kept)
        if left > 0:
            kept.append((min(each, left), rate))
    return tuple(kept)
