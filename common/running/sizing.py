"""Which loads does a run send: the default ones or those that were published, as they are written or in the sizes that the user gives?"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from common.client import schedule
from common.client.load import Load, Sizes, resized
from common.serving.scenario import Scenario

BURST_SECONDS = 10.0  # of a load without a time, to say how long is left
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
    published: bool = True  # it is one of those that --full sends

    @cached_property
    def load(self) -> Load:
        return resized(self.declared, self.options.sizes)

    @cached_property
    def changed(self) -> bool:
        """Is it another load than the declared one, by the user's wish?"""
        return self.load != self.declared

    @property
    def is_published(self) -> bool:
        return self.published and not self.changed

    @property
    def planned_seconds(self) -> float:
        """With the start of its server."""
        return seconds_of(self.load) + START_SECONDS

    @property
    def size(self) -> Literal["declared", "changed"]:
        return "changed" if self.changed else "declared"


def plan_loads(scenario: Scenario, options: RunOptions) -> list[PlannedLoad]:
    """Each load at each added latency; with --full those in LOAD_FULL take the place of the others, where there are any."""
    lines, loads = scenario.load, scenario.loads
    published = scenario.load_full or scenario.load
    if options.full and scenario.load_full:
        lines, loads = scenario.load_full, scenario.loads_full
    return [
        PlannedLoad(line, load, latency_ms, scenario.least_seconds_of(load), options, published=line in published)
        for latency_ms in scenario.latencies_ms
        for line, load in zip(lines, loads, strict=True)
    ]


def planned_seconds(scenario: Scenario, options: RunOptions) -> float:
    return sum(load.planned_seconds for load in plan_loads(scenario, options))


def seconds_of(load: Load) -> float:
    return schedule.length(load.schedule) if load.is_open else load.seconds or BURST_SECONDS
