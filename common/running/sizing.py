"""Which loads a run sends: the default or the published ones, as declared or in the user's sizes."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from common.client import schedule
from common.client.load import Load, Sizes, resized
from common.serving.scenario import Scenario

BURST_SECONDS = 10.0  # assumed for a load without a time, to say how long is left
START_SECONDS = 3.0  # assumed for a start and a warm-up, to say how long is left


@dataclass(frozen=True)
class RunOptions:
    """The user's options that affect metrics."""

    sizes: Sizes = field(default_factory=Sizes)
    full: bool = False
    pin: bool = True
    workers: int = 1  # cores are shared out as for a server of so many processes, or more


@dataclass(frozen=True)
class PlannedLoad:
    """One of a scenario's loads, at one of its latencies, in this run's size."""

    line: str
    declared: Load
    latency_ms: int
    least_seconds: float | None
    options: RunOptions
    published: bool = True  # one of those that --full sends

    @cached_property
    def load(self) -> Load:
        return resized(self.declared, self.options.sizes)

    @cached_property
    def changed(self) -> bool:
        """The user's options made it different from the declared load."""
        return self.load != self.declared

    @property
    def is_published(self) -> bool:
        return self.published and not self.changed

    @property
    def planned_seconds(self) -> float:
        """Includes the start of its server."""
        return seconds_of(self.load) + START_SECONDS

    @property
    def size(self) -> Literal["declared", "changed"]:
        return "changed" if self.changed else "declared"


def plan_loads(scenario: Scenario, options: RunOptions) -> list[PlannedLoad]:
    """Each load at each added latency; with --full, LOAD_FULL and LATENCIES_MS_FULL replace the others where a scenario has them."""
    lines, loads = scenario.load, scenario.loads
    latencies_ms = scenario.published_latencies_ms if options.full else scenario.latencies_ms
    published = scenario.load_full or scenario.load
    if options.full and scenario.load_full:
        lines, loads = scenario.load_full, scenario.loads_full
    return [
        PlannedLoad(line, load, latency_ms, scenario.least_seconds_of(load), options, published=line in published)
        for latency_ms in latencies_ms
        for line, load in zip(lines, loads, strict=True)
    ]


def planned_seconds(scenario: Scenario, options: RunOptions) -> float:
    return sum(load.planned_seconds for load in plan_loads(scenario, options))


def seconds_of(load: Load) -> float:
    return schedule.length(load.schedule) if load.is_open else load.seconds or BURST_SECONDS
