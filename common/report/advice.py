"""The text of advice: the answer, the table of what was weighed, what it rests on and what to doubt; and whether it was kept."""

import math
from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from common.client.percentiles import beyond
from common.results.advice import MB_OF_A_CORE, TEN, Advice, Candidate, Forecast, value_of
from common.results.demand import Demand
from common.results.record import Measured
from common.results.targets import Target
from common.results.words import join_words, write_number

ADVISED = ">"
NOUNS = {"threads": "thread", "sync": "thread", "greenlets": "greenlet", "loop": "connection"}
NEAR = 0.8  # of the target's limit


def draw(advice: Advice, refused: Sequence[str]) -> Group:
    parts: list[RenderableType] = [draw_table(advice), Text(explain_table(advice), style="dim"), Text()]
    parts += [Text(line) for line in rests_on(advice)]
    parts += [Text(f"Doubt: {line}") for line in doubts(advice)]
    parts += [Text(f"Not weighed: {line}") for line in refused]
    return Group(*parts)


def say(advice: Advice) -> str:
    wanted, advised = advice.wanted, advice.advised
    asked = f"{wanted.target.text} at {wanted.rate:,g} requests a second on {count(wanted.cores, 'core')}"
    if advised is None:
        return f"Nothing that was measured keeps {asked}: {why_nothing(advice)}."
    share = (
        f"on each of {count(advice.machines, 'machine')}, which serve {write_number(advised.rate)} each, " if advice.machines > 1 else ""
    )
    what = f"{advised.shape.demand.scenario} with {describe(advised.shape)}"
    result = f"{wanted.target.metric} about {write_number(advised.ms)} ms, {write_number(advised.cores)} cores busy, {advised.mb:,.0f} MB"
    database = f", {advised.connections:,} database connections" if advised.connections is not None else ""
    return f"To keep {asked}, run {what}: {share}{result}{database}. {say_ten(advice)}"


def say_ten(advice: Advice) -> str:
    if advice.at_ten is None:
        return f"For {TEN} times the rate no number of machines was found."
    machines, forecast = advice.at_ten
    return f"{TEN} times the rate needs {count(machines, 'machine')}{', each' * (machines > 1)} with {describe(forecast.shape)}."


def why_nothing(advice: Advice) -> str:
    nearest = advice.rows[0]
    target, times = advice.wanted.target, [value_of(advice.wanted.target, row.shape.demand.alone_ms) for row in advice.rows]
    if min(times) > target.limit_ms:
        return f"a request alone takes more: {write_number(min(times))} ms at least"
    if math.isinf(nearest.ms):
        return "each needs more than any number of such machines that was tried"
    alone = f"a request alone takes {write_number(float(nearest.shape.demand.alone_ms.mean()))} ms on average"
    return f"the nearest is {nearest.shape.demand.scenario} with {write_number(nearest.ms)} ms; {alone}"


def describe(shape: Candidate) -> str:
    kind = shape.demand.server.kind
    if shape.is_pooled:
        return count(shape.processes, "sync worker")
    processes = count(shape.processes, "process", "processes")
    if shape.at_a_time is None:
        return processes
    return f"{processes} {'of' if kind != 'loop' else 'with a pool of'} {count(shape.at_a_time, NOUNS.get(kind, 'request'))}"


def count(number: int, noun: str, several: str = "") -> str:
    return f"{number:,} {noun if number == 1 else several or noun + 's'}"


def draw_table(advice: Advice) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    with_database = any(forecast.connections is not None for forecast in advice.rows)
    heads = ["", "scenario", "processes", "at a time", f"{advice.wanted.target.metric} ms", "kept", "cores busy", "MB"]
    for head in [*heads, *(["connections"] if with_database else []), "shape"]:
        table.add_column(head, justify="left" if head in ("", "scenario", "kept", "shape") else "right")
    for forecast in advice.rows:
        table.add_row(*cells(forecast, forecast is advice.advised, with_database), style="bold" if forecast is advice.advised else "")
    return table


def cells(forecast: Forecast, advised: bool, with_database: bool) -> list[str]:
    shape = forecast.shape
    return [
        ADVISED if advised else "",
        shape.demand.scenario,
        f"{shape.processes:,}",
        "all" if shape.at_a_time is None else f"{shape.at_a_time:,}",
        "queue grows" if math.isinf(forecast.ms) else write_number(forecast.ms),
        "yes" if forecast.kept else "no",
        write_number(forecast.cores),
        f"{forecast.mb:,.0f}",
        *([f"{forecast.connections:,}" if forecast.connections is not None else "-"] if with_database else []),
        "as measured" if shape.is_measured else "extrapolated",
    ]


def explain_table(advice: Advice) -> str:
    by_cost = f"By cost: a busy core counts as much as {MB_OF_A_CORE / 1024:g} GB of memory."
    connections = " Connections are taken to be one for each request at a time." if any(row.connections for row in advice.rows) else ""
    return f"{by_cost} Times are simulated. Kept: with a tenth more requests than asked for, too.{connections}"


def rests_on(advice: Advice) -> Iterator[str]:
    """Of each server in the table, what was measured."""
    for demand in demands_of(advice):
        memory, server = demand.memory, demand.server
        taken = f"{demand.in_flight:.0f} in flight, {write_number(demand.per_second)} a second{say_allowed(demand)}"
        cpu = f"CPU {'at most ' * demand.cpu_is_bound}{write_number(demand.cpu_ms)} ms a request ({taken})"
        waits = f"waits {write_number(demand.wait_ms)} ms ({len(demand.alone_ms):,} requests alone)"
        each = f" and {memory.each_mb:.2f} MB for each at a time" if memory.each_mb else ""
        more = "".join(f"; {processes} processes served {write_number(rate)} a second" for processes, rate in demand.wider.items())
        beside = f"{memory.rest_mb:.0f} MB beside{more}"
        yield f"{server.scenario}, measured: {cpu}; {waits}; {memory.process_mb:.0f} MB a process{each}, {beside}."


def say_allowed(demand: Demand) -> str:
    if demand.allowed is None:
        return ""
    least, most = demand.allowed
    return f", where the model has {write_number(least)} to {write_number(most)}"


def doubts(advice: Advice) -> Iterator[str]:
    advised = advice.advised
    if advised is None:
        return
    demand, shape = advised.shape.demand, advised.shape
    yield from demand.doubts
    if shape.processes > max(1, demand.server.processes) and shape.processes not in demand.wider:
        yield f"{shape.processes} processes were not measured: they are taken to share nothing, neither a lock nor the database's time."
    if demand.server.is_sync and not shape.is_pooled:
        yield "threads were not measured: they are taken to cost the CPU that a sync worker costs, and 0.1 MB each."
    if advised.rate > demand.per_second:
        yield f"no more than {write_number(demand.per_second)} requests a second were measured."
    if advised.ms > NEAR * advice.wanted.target.limit_ms:
        yield f"{write_number(advised.ms)} ms is near the {advice.wanted.target.limit_ms:,g} ms promised."
    if has_pool(shape):
        yield "the pool's size stands in the settings, not in the launch line: see DATABASES, OPTIONS, pool, max_size."
    if not beyond(len(demand.alone_ms), advice.wanted.target.percent):
        yield f"of {len(demand.alone_ms):,} requests alone none lies beyond {advice.wanted.target.metric}: send more with -c 1."
    needy = {name: demand_ms * advised.rate / 1000 for name, demand_ms in demand.beside_ms.items() if demand_ms * advised.rate > 100}
    if needy:
        said = join_words([f"{name} {write_number(cores)}" for name, cores in needy.items()])
        yield f"what stands beside the server keeps cores busy too, and its queue is not in the model: {said}."


def has_pool(shape: Candidate) -> bool:
    """Of database connections: nothing else bounds what a loop works on at a time."""
    return shape.demand.server.kind == "loop" and shape.at_a_time is not None


def demands_of(advice: Advice) -> list[Demand]:
    return list({forecast.shape.demand.scenario: forecast.shape.demand for forecast in advice.rows}.values())


def verdict(forecast: Forecast, target: Target, measured: Measured, judged: tuple[str, str]) -> tuple[bool, str]:
    """Was the promise kept, and beside what was forecast."""
    metrics, (decision, because) = measured.metrics, judged
    kept = decision == "held" and not measured.fault
    taken = metrics.percentile_of_due(target.percent)
    times = f"{target.metric} {'unanswered' if math.isinf(taken) else f'{write_number(taken)} ms'} (forecast {write_number(forecast.ms)})"
    busy = metrics.cost.cpu_seconds / metrics.seconds if metrics.cost and metrics.seconds else None
    said = [
        f"{'Kept' if kept else 'Not decided' if decision == 'void' else 'Not kept'}: {times}, promised {target.limit_ms:,g} ms",
        f"{metrics.failed + metrics.unsent + metrics.cut_off:,} of {metrics.due:,} requests failed",
        f"{write_number(busy)} cores busy (forecast {write_number(forecast.cores)})",
        *([because] if because else []),
        *([measured.fault] if measured.fault else []),
        *(["served without its pool, which stands in the settings"] if has_pool(forecast.shape) else []),
        *([f"disturbed: {measured.noise.disturbed}"] if measured.noise.disturbed else []),
    ]
    return kept, f"{'; '.join(said)}."
