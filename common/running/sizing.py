"""How much of its loads does a scenario send: as declared, in short, or in the sizes that the user gives?"""

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from common.client import schedule
from common.client.load import Load, Sizes, lasting, resized
from common.client.sent import CUT_OFF
from common.serving.scenario import Scenario

QUICK_SECONDS = 10.0
QUICK_ANSWERS = 20  # a burst whose answers take long has the time for so many of them, one after the other
QUICK_RAMP_SECONDS = 6.0
QUICK_GRACE_SECONDS = 5.0  # for what is in flight when the last request of an open loop has started
START_SECONDS = 3.0  # what a start and a warm-up take, to say how long is left


@dataclass(frozen=True)
class RunOptions:
    """What a user may lay over a scenario, as it decides figures."""

    sizes: Sizes = field(default_factory=Sizes)
    full: bool = False
    pin: bool = True


@dataclass(frozen=True)
class PlannedLoad:
    """One of a scenario's loads, at one of its latencies, in this run's size."""

    line: str
    declared: Load
    latency_ms: int
    least_seconds: float | None
    options: RunOptions

    @cached_property
    def changed(self) -> bool:
        """Is it another load than the declared one, by the user's wish?"""
        return resized(self.declared, self.options.sizes) != self.declared

    @cached_property
    def load(self) -> Load:
        """As it is sent: in short, a burst is cut off; ramps and stages keep their shape in less time."""
        load = resized(self.declared, self.options.sizes)
        if self.options.full or self.options.sizes.seconds is not None:
            return load
        if load.spawn_rate is not None and load.seconds is not None and load.seconds > QUICK_RAMP_SECONDS:
            return replace(load, seconds=QUICK_RAMP_SECONDS, spawn_rate=load.spawn_rate * load.seconds / QUICK_RAMP_SECONDS)
        if load.is_open:
            load = replace(load, grace=min(load.grace or load.timeout, QUICK_GRACE_SECONDS))
            return lasting(load, min(seconds_of(load), QUICK_SECONDS))
        return lasting(load, min(load.seconds or math.inf, max(QUICK_SECONDS, QUICK_ANSWERS * (self.least_seconds or 0))))

    @property
    def planned_seconds(self) -> float:
        """With the start of its server."""
        return seconds_of(self.load) + START_SECONDS

    def size(self, stopped: str) -> Literal["declared", "quick", "changed"]:
        """What was sent in the end."""
        if self.changed:
            return "changed"
        shorter = self.load.schedule != self.declared.schedule or self.load.spawn_rate != self.declared.spawn_rate
        return "quick" if shorter or (self.load != self.declared and stopped == CUT_OFF) else "declared"


def plan_loads(scenario: Scenario, options: RunOptions) -> list[PlannedLoad]:
    """Each load at each added latency."""
    lines, loads = scenario.load, scenario.loads
    if options.full:
        lines, loads = lines + scenario.load_full, loads + scenario.loads_full
    return [
        PlannedLoad(line, load, latency_ms, scenario.least_seconds, options)
        for latency_ms in scenario.latencies_ms
        for line, load in zip(lines, loads, strict=True)
    ]


def planned_seconds(scenario: Scenario, options: RunOptions) -> float:
    return sum(load.planned_seconds for load in plan_loads(scenario, options))


def seconds_of(load: Load) -> float:
    return schedule.length(load.schedule) if load.is_open else load.seconds or QUICK_SECONDS
