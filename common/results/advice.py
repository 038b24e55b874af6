"""What to run for a rate and a promise: the cheapest shape of a measured server that keeps it, its neighbours, how many machines.

A shape keeps the target if its simulated percentile does, also at a tenth more than the rate asked for. Of those the cheapest is
advised, by the cores that it keeps busy and its memory, of which 4 GB count as much as a core. Of threads, greenlets and connections,
which cost little, it gets half as many again as just enough: what a request waits for is not always as fast as it was alone.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from common.client import percentiles
from common.results.demand import Demand
from common.results.simulation import bounds, poisson_arrivals, resample, simulate, steady
from common.results.targets import Target

SPARE = 1.1  # of the rate
ROOM = 1.5  # of the number at a time
MB_OF_A_CORE = 4096.0
NUMBERS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 50, 64, 80, 100, 128, 160, 200, 256, 320, 400, 500, 640, 800, 1000)
EACH_MB_ASSUMED = 0.1  # of a thread, where none was measured
MOST_ROWS, OTHERS = 8, 3  # so many other servers come before the neighbours of what is advised
TEN = 10


@dataclass(frozen=True)
class Wanted:
    rate: float  # requests per second
    target: Target  # of a percentile of the response times
    cores: int  # of a machine
    memory_mb: float  # of a machine


@dataclass(frozen=True)
class Candidate:
    """A measured server with numbers of its own."""

    demand: Demand
    processes: int
    at_a_time: int | None  # of each process; for a loop with a database, the connections of its pool

    @property
    def is_pooled(self) -> bool:
        """All processes take from one queue."""
        return self.demand.server.kind == "sync" and self.at_a_time == 1

    @property
    def is_measured(self) -> bool:
        server, numbers = self.demand.server, (self.processes, self.at_a_time)
        return numbers == (server.processes, server.at_a_time) or numbers in self.demand.also_measured


@dataclass(frozen=True)
class Forecast:
    """What the model says of a shape on one machine."""

    shape: Candidate
    rate: float
    ms: float  # the target's percentile; infinite if the rate is more than it can serve
    kept: bool  # with a tenth to spare
    cores: float  # kept busy
    mb: float
    inside: int  # of a process, the most at once
    connections: int | None  # to the database; None: there is none

    @property
    def cost(self) -> float:
        return self.cores + self.mb / MB_OF_A_CORE


@dataclass(frozen=True)
class Advice:
    wanted: Wanted
    advised: Forecast | None  # None: nothing keeps it
    machines: int  # that share the rate
    at_ten: tuple[int, Forecast] | None  # machines for ten times the rate, and what each runs; None: no number was found
    rows: Sequence[Forecast]  # the advised one and its neighbours, by cost


def advise(demands: Sequence[Demand], wanted: Wanted) -> Advice:
    machines, best = share_out(demands, wanted)
    advised = min(best, key=lambda forecast: forecast.cost, default=None)
    if advised is None:
        nearest = [forecast_at(Candidate(demand, demand.server.processes, demand.server.at_a_time), wanted) for demand in demands]
        return Advice(wanted, None, 1, None, sorted(nearest, key=lambda forecast: forecast.ms)[:MOST_ROWS])
    of_each = replace(wanted, rate=wanted.rate / machines)
    best = list({name_family(forecast): forecast for forecast in sorted(best, key=lambda forecast: -forecast.cost)}.values())
    shapes = dict.fromkeys((shape.processes, shape.at_a_time) for shape in neighbours(advised.shape, wanted.cores))
    near = [forecast_at(Candidate(advised.shape.demand, *numbers), of_each) for numbers in shapes]
    others = sorted((forecast for forecast in best if forecast is not advised), key=lambda forecast: forecast.cost)
    shown = [advised, *others[:OTHERS], *near, *others[OTHERS:]][:MOST_ROWS]
    rows = sorted(shown, key=lambda forecast: forecast.cost)
    many, of_them = share_out([advised.shape.demand], replace(wanted, rate=wanted.rate * TEN))
    return Advice(wanted, advised, machines, (many, of_them[0]) if many else None, rows)


def name_family(forecast: Forecast) -> str:
    server = forecast.shape.demand.server
    return server.family or server.scenario


def share_out(demands: Sequence[Demand], wanted: Wanted) -> tuple[int, list[Forecast]]:
    """The fewest machines on which some server keeps the target, with the cheapest shape of each; 0 if none does."""
    able = [demand for demand in demands if value_of(wanted.target, demand.alone_ms) <= wanted.target.limit_ms]
    if not able:
        return 0, []
    least = math.ceil(wanted.rate * min(demand.cpu_ms for demand in able) / 1000 / wanted.cores)
    for machines in range(max(1, least), 2 * least + 3):
        kept = [cheapest(demand, replace(wanted, rate=wanted.rate / machines)) for demand in able]
        if any(kept):
            return machines, [forecast for forecast in kept if forecast is not None]
    return 0, []


def cheapest(demand: Demand, wanted: Wanted) -> Forecast | None:
    found = [first_kept(family, wanted) for family in families(demand, wanted)]
    return min((forecast for forecast in found if forecast is not None), key=lambda forecast: forecast.cost, default=None)


def families(demand: Demand, wanted: Wanted) -> Iterator[Iterable[Sequence[Candidate]]]:
    """Ways to grow: each a list, for one number of processes after the other, of shapes with more and more at a time."""
    server, enough = demand.server, wanted.rate * (demand.cpu_ms + demand.wait_ms) / 1000
    if server.kind == "sync":
        counts = [1] if server.one_process else [number for number in NUMBERS if number >= min(enough, NUMBERS[-1])]
        yield [[Candidate(demand, count, 1)] for count in counts]
        if not server.numbered:
            return
    processes = [1] if server.one_process else range(1, wanted.cores + 1)
    if not (server.numbered or demand.with_database):
        yield [[Candidate(demand, count, server.at_a_time)] for count in processes]
        return
    numbers = [number for number in NUMBERS if number > 1 or server.kind != "sync"]
    yield [
        [Candidate(demand, count, number) for number in numbers if number * count >= min(enough, count * NUMBERS[-1])]
        for count in processes
    ]


def first_kept(family: Iterable[Sequence[Candidate]], wanted: Wanted) -> Forecast | None:
    for shapes in family:
        for shape in shapes:
            ms, inside = with_spare(shape, wanted)
            if ms <= wanted.target.limit_ms:
                forecasts = (forecast_at(one, wanted) for one in (with_room(shape, wanted), shape))
                return next((forecast for forecast in forecasts if forecast.mb <= wanted.memory_mb), None)
            if shape.at_a_time and inside < shape.at_a_time and not shape.is_pooled:
                break  # more at a time would not be used
    return None


def with_room(shape: Candidate, wanted: Wanted) -> Candidate:
    if shape.at_a_time is None or shape.is_pooled:
        return shape
    more = min((number for number in NUMBERS if number >= ROOM * shape.at_a_time), default=shape.at_a_time)
    roomy = replace(shape, at_a_time=more)
    return roomy if with_spare(roomy, wanted)[0] <= wanted.target.limit_ms else shape


def forecast_at(shape: Candidate, wanted: Wanted) -> Forecast:
    demand = shape.demand
    ms, inside = simulate_shape(shape, wanted, wanted.rate)
    kept = with_spare(shape, wanted)[0] <= wanted.target.limit_ms
    of_each = shape.at_a_time or inside
    each_mb = demand.memory.each_mb or (EACH_MB_ASSUMED if demand.server.is_sync and of_each > 1 else 0.0)
    return Forecast(
        shape=shape,
        rate=wanted.rate,
        ms=ms,
        kept=kept,
        cores=wanted.rate * demand.cpu_ms / 1000,
        mb=demand.memory.rest_mb + shape.processes * (demand.memory.process_mb + each_mb * of_each),
        inside=inside,
        connections=shape.processes * of_each if demand.with_database else None,
    )


def with_spare(shape: Candidate, wanted: Wanted) -> tuple[float, int]:
    return simulate_shape(shape, wanted, wanted.rate * SPARE)


@lru_cache(maxsize=1000)
def simulate_shape(shape: Candidate, wanted: Wanted, rate: float) -> tuple[float, int]:
    """The target's percentile in ms, and the most requests at once in a process."""
    demand, at_a_time = shape.demand, shape.at_a_time
    _, most = bounds(shape.processes, at_a_time or math.inf, demand.worker_ms / 1000, demand.apart_ms / 1000, wanted.cores)
    if rate >= min(most, wanted.cores * 1000 / demand.cpu_ms):
        return math.inf, at_a_time or 0
    apart = 1 if shape.is_pooled else shape.processes
    arrivals = poisson_arrivals(rate / apart)
    inside, cores = (shape.processes, min(shape.processes, wanted.cores)) if shape.is_pooled else (at_a_time, 1)
    done = simulate(arrivals, resample(demand.computing), resample(demand.waiting), inside, cores)
    return value_of(wanted.target, steady(done.seconds) * 1000), 1 if shape.is_pooled else done.inside


def value_of(target: Target, times_ms: np.typing.NDArray[np.float64]) -> float:
    return float(percentiles.percentile(np.sort(times_ms), target.percent))


def neighbours(shape: Candidate, cores: int) -> Iterator[Candidate]:
    """One step less and one more, of each number that can be changed."""
    server = shape.demand.server
    if not server.one_process:
        counts = step(shape.processes) if shape.is_pooled else [shape.processes - 1, shape.processes + 1]
        yield from (replace(shape, processes=count) for count in counts if count and (shape.is_pooled or count <= cores))
    if shape.at_a_time is not None and not shape.is_pooled and (server.numbered or shape.demand.with_database):
        yield from (replace(shape, at_a_time=number) for number in step(shape.at_a_time) if number)
    if (shape.processes, shape.at_a_time) != (server.processes, server.at_a_time) and server.processes <= cores:
        yield replace(shape, processes=server.processes, at_a_time=server.at_a_time)


def step(number: int) -> list[int]:
    """About two thirds and half as many, 0 where there are none, and twice as many."""
    fewer = [max((one for one in NUMBERS if one <= number / part), default=0) for part in (ROOM, 2)]
    return [*(one for one in fewer if one < number), 2 * number]
