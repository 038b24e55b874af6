"""What a request asks of a server, from its records: CPU time under load, the time it waits, memory, and what it asks of others."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from common.client.sent import Column
from common.results.bottleneck import DATABASE, MANY_FAILED, OFFERED, OTHERS, UNKNOWN
from common.results.record import Measured
from common.results.simulation import bounds

NOTHING_WAS_FULL = (OFFERED, OTHERS, UNKNOWN, DATABASE)
MISFIT = 1.25  # a rate this far below the bounds, and the record is not that of a server that only computes and waits
MB = 2**20


@dataclass(frozen=True)
class Server:
    """What was measured, and what of it can be changed."""

    scenario: str
    kind: str  # how a process works on several requests: sync (not at all), threads, greenlets, loop, unknown
    processes: int
    at_a_time: int | None  # requests that a process works on at a time; None: as many as come
    one_process: bool = False  # it cannot have more
    numbered: bool = True  # a number at a time can be set
    family: str = ""  # of those that serve the same site with other numbers; '': it has none

    @property
    def is_sync(self) -> bool:
        """One request at a time, from a queue that all processes share."""
        return self.at_a_time == 1 and self.kind == "sync"

    @property
    def most_inside(self) -> float:
        return float("inf") if self.at_a_time is None else self.processes * self.at_a_time


@dataclass(frozen=True)
class Memory:
    rest_mb: float  # of what is no worker process
    process_mb: float
    each_mb: float  # for each request that a process works on at a time


@dataclass(frozen=True, eq=False)  # its columns cannot be compared
class Demand:
    server: Server
    cpu_ms: float  # of a request under load
    cpu_is_bound: bool  # it is at most this
    worker_share: float  # of that time, what its worker process uses; the rest is other processes', such as a router's
    in_flight: float  # when that was measured
    per_second: float  # served then
    limited_by: str  # then
    alone_ms: Column  # response times of one request at a time
    wait_ms: float  # of a request alone, on average: what is not CPU time
    memory: Memory
    with_database: bool
    beside_ms: dict[str, float]  # CPU time of a request in each process beside the server
    doubts: Sequence[str]
    allowed: tuple[float, float] | None = None  # between which the model has what it served per second; None: it came at a rate
    wider: Mapping[int, float] = field(default_factory=dict)  # what it served per second with other numbers of processes, where measured
    also_measured: frozenset[tuple[int, int | None]] = frozenset()  # numbers of processes, and at a time

    @property
    def scenario(self) -> str:
        return self.server.scenario

    @property
    def computing(self) -> Column:
        """The seconds that requests compute in their worker process, as unequal as their response times alone."""
        return self._as_unequal(self.worker_ms / 1000)

    @property
    def waiting(self) -> Column:
        return self._as_unequal(self.apart_ms / 1000)

    @property
    def worker_ms(self) -> float:
        """What a request computes in its worker process: no two of that process can at once."""
        return self.cpu_ms * self.worker_share

    @property
    def apart_ms(self) -> float:
        """What it waits for, and what other processes do for it."""
        return self.wait_ms + self.cpu_ms - self.worker_ms

    def _as_unequal(self, mean: float) -> Column:
        return np.multiply(self.alone_ms, mean / float(self.alone_ms.mean()))


def is_alone(load: Measured) -> bool:
    return load.sent.load.concurrency == 1 and not load.sent.load.is_open


def find_demand(server: Server, loads: Sequence[Measured]) -> Demand | str:
    """From its loads on one path; or the reason why they bear no advice."""
    alone, busy = [load for load in loads if is_alone(load)], [load for load in loads if not is_alone(load) or server.most_inside == 1]
    for kind, of_it, missing in (("one request at a time", alone, "-c 1"), ("many at a time", busy, "-c 50")):
        if not of_it:
            return f"it has no load of {kind} ({missing})"
        reasons = [why_unusable(load) for load in of_it]
        if all(reasons):
            return f"its load of {kind} cannot be used: {reasons[0]}"
    alone, busy = ([load for load in of_it if not why_unusable(load)] for of_it in (alone, busy))
    most = max(load.metrics.in_flight for load in busy)
    return from_loads(server, alone, [load for load in busy if load.metrics.in_flight == most])


def why_unusable(load: Measured) -> str:
    metrics = load.metrics
    if load.invalid:
        return f"{load.invalid}: {load.fault}" if load.fault else load.invalid
    if metrics.failed > MANY_FAILED * max(metrics.complete, 1):
        return f"{metrics.failed:,} of {metrics.complete:,} requests failed"
    if load.noise.disturbed:
        return f"it was disturbed: {load.noise.disturbed}"
    if metrics.rate.too_short:
        return f"it is too short to tell: {metrics.rate.too_short}"
    return "" if metrics.cpu_ms else "the server's CPU time is not known"


def from_loads(server: Server, alone: Sequence[Measured], busy: Sequence[Measured]) -> Demand | str:
    """The middle of several runs; of their requests alone, all."""
    shown = busy[0]
    cpu_ms = statistics.median(load.metrics.cpu_ms or 0.0 for load in busy)
    alone_ms = np.concatenate([load.metrics.latencies for load in alone])
    cpu_ms_alone = statistics.median(load.metrics.cpu_ms or 0.0 for load in alone)
    demand = Demand(
        server=server,
        cpu_ms=cpu_ms,
        worker_share=statistics.median(map(worker_share, busy)) if server.processes == 1 else 1.0,
        cpu_is_bound=any(load.metrics.cpu_is_bound for load in busy),
        in_flight=shown.metrics.in_flight,
        per_second=statistics.median(load.metrics.per_second for load in busy),
        limited_by=shown.bottleneck.by,
        alone_ms=alone_ms,
        wait_ms=max(0.0, float(alone_ms.mean()) - cpu_ms_alone),
        memory=memory_of(server, alone[0], shown),
        with_database=bool(shown.postgres),
        beside_ms={name: seconds * 1000 / shown.metrics.ok for name, seconds in shown.cpu_seconds_beside.items()},
        doubts=[],
    )
    return with_doubts(demand, len(shown.pinned.server) if shown.pinned else server.processes, shown.sent.load.is_open)


def worker_share(load: Measured) -> float:
    """How much of a single worker's server is that worker."""
    return load.cost.busiest_process_cpu_seconds / load.cost.cpu_seconds if load.cost and load.cost.cpu_seconds else 1.0


def memory_of(server: Server, alone: Measured, busy: Measured) -> Memory:
    """A line through the two: what a process takes, and what each request inside adds."""
    if not alone.cost or not busy.cost:
        return Memory(0.0, 0.0, 0.0)
    few, many = inside_each(server, alone), inside_each(server, busy)
    small, large = alone.cost.largest_process_bytes / MB, busy.cost.largest_process_bytes / MB
    each = max(0.0, (large - small) / (many - few)) if many > few else 0.0
    rest = max(0.0, busy.cost.peak_memory_bytes / MB - server.processes * large)
    return Memory(rest, max(0.0, large - each * many), each)


def inside_each(server: Server, load: Measured) -> float:
    """The most that a process ever worked on at a time, in the warm-up too: threads stay once they are there."""
    most = max(load.sent.load.concurrency, load.warm_up.at_once or sum(load.warm_up.outcomes.values())) / server.processes
    return most if server.at_a_time is None else min(most, server.at_a_time)


def with_doubts(demand: Demand, cores: int, is_open: bool) -> Demand | str:
    """Does the model fit the load that it was made from? If not at all, the reason."""
    server, doubts = demand.server, []
    if demand.cpu_is_bound:
        doubts.append("its CPU time includes that of requests that were cut off: it is at most this")
    if demand.limited_by in NOTHING_WAS_FULL:
        full = demand.limited_by == DATABASE
        what = "the database was the limit: its queue is not in the model" if full else "neither its cores nor its threads were full"
        doubts.append(f"when its CPU time was taken, {what}")
    if is_open:
        return replace(demand, doubts=tuple(doubts))
    inside = min(demand.in_flight, server.most_inside) / server.processes
    least, most = bounds(server.processes, inside, demand.worker_ms / 1000, demand.apart_ms / 1000, cores)
    if demand.per_second * MISFIT < least:
        served = f"{demand.in_flight:.0f} at a time, it served {demand.per_second:.3g} a second"
        return f"it does not fit the model: {served}, where it should at least {least:.3g}; something else queues"
    if not least * 0.95 <= demand.per_second <= most * 1.05:
        doubts.append(f"it served {demand.per_second:.3g} a second where the model allows {least:.3g} to {most:.3g}")
    return replace(demand, doubts=tuple(doubts), allowed=(least, most))
