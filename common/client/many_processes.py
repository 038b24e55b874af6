"""Sends one load from several processes that start together: for a server that answers more than one core can ask."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from common.cli import Failed, UsageError
from common.client.load import Load
from common.client.outcomes import tally
from common.client.sent import CANCELLED, ClientCost, Column, Requests, Sent

START_SECONDS = 30.0  # in which all must be ready
HANDING_OVER = 60.0  # seconds, for the records of all
LOOK_EVERY = 1.0  # seconds
MOST = 64
COLUMNS = [field.name for field in fields(Requests)]
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

SendShare = Callable[[Load, Callable[[], object]], tuple[Sent, float]]  # waits for the others, then sends; also says when it began


def shares(load: Load, processes: int) -> list[Load]:
    """Each process's part of the users and of the requests."""
    if not load.is_steady:
        raise UsageError("--processes splits users who are all there from the start: leave out --users, --rate and --stages")
    if load.concurrency < processes:
        raise UsageError(f"--processes {processes} needs a user for each: give -c {processes} or more")
    return [
        replace(
            load,
            requests=None if load.requests is None else part(load.requests, n, processes),
            concurrency=part(load.concurrency, n, processes),
        )
        for n in range(processes)
    ]


def part(whole: int, number: int, parts: int) -> int:
    return whole // parts + (number < whole % parts)


def send_together(load: Load, processes: int, send_share: SendShare) -> Sent:
    """Fork them, so that they need not import everything anew; a signal ends the load and keeps its record."""
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(processes)
    started: list[tuple[Any, Connection]] = []
    alive, living = context.Pipe(duplex=False)  # the second end stays here: the kernel closes it with us
    for share in shares(load, processes):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=run_share, args=(send_share, share, barrier, theirs, alive, living), daemon=True)
        process.start()
        theirs.close()
        started.append((process, ours))
    on_stops(lambda number, _: pass_on(number, [process for process, _ in started]))
    try:
        until = time.monotonic() + START_SECONDS + load.longest_seconds + HANDING_OVER
        return merge(load, [hear(results, until) for _, results in started])
    except EOFError:
        raise Failed(f"one of the {processes} processes of the load generator ended before its load did") from None
    finally:
        for process, _ in started:
            process.kill()  # it may have been stopped
            process.join()


def hear(results: Connection, until: float) -> tuple[Sent, float]:
    while not results.poll(LOOK_EVERY):
        if time.monotonic() > until:
            raise Failed("one of the processes of the load generator did not end in its time, and all were ended")
    heard: tuple[Sent, float] = results.recv()
    return heard


def run_share(
    send_share: SendShare, share: Load, barrier: threading.Barrier, results: Connection, alive: Connection, living: Connection
) -> None:
    living.close()
    threading.Thread(target=end_with_parent, args=(alive,), daemon=True).start()
    on_stops(signal.SIG_DFL)  # until the load's own handlers are there
    results.send(send_share(share, lambda: barrier.wait(START_SECONDS)))
    results.close()


def end_with_parent(alive: Connection) -> None:
    """Or we would go on loading the server when it is killed."""
    with suppress(EOFError, OSError):
        alive.recv()
    os._exit(1)


def on_stops(do: Any) -> None:
    """As for one process: a SIGHUP that nohup ignores stays ignored."""
    for number in STOPS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, do)


def pass_on(number: int, processes: list[Any]) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)


def merge(load: Load, results: Sequence[tuple[Sent, float]]) -> Sent:
    """One record, whose moments count from the start of the first process."""
    sents, began = [sent for sent, _ in results], [moment for _, moment in results]
    later = [round((moment - min(began)) * 1e6) for moment in began]
    requests = merge_requests([sent.requests for sent in sents], later)
    stops = {sent.stopped for sent in sents}
    return replace(
        sents[0],
        load=load,
        started_at=min(sent.started_at for sent in sents),
        seconds=max(sent.seconds + late / 1e6 for sent, late in zip(sents, later, strict=True)),
        stopped=CANCELLED if CANCELLED in stops else max(stops),
        connections=sum(sent.connections for sent in sents),
        kept_alive=sum(sent.kept_alive for sent in sents),
        outcomes=tally(requests.outcome),
        client=merge_costs([sent.client for sent in sents]),
        requests=requests,
    )


def merge_requests(parts: Sequence[Requests], later: Sequence[int]) -> Requests:
    """In the order they ended; each part's moments are so many microseconds later."""
    moved = [moved_by(part, late) for part, late in zip(parts, later, strict=True)]
    order = np.argsort(np.concatenate([columns["end"] for columns in moved]), kind="stable")
    return Requests(**{name: np.concatenate([columns[name] for columns in moved])[order] for name in moved[0]})


def moved_by(requests: Requests, late: int) -> dict[str, Column]:
    columns = {name: column for name, column in vars(requests).items() if name in COLUMNS and column is not None}
    moments = {name: columns[name] + late for name in ("start", "connected", "sent", "end")}
    first_byte = np.where(columns["first_byte"] > 0, columns["first_byte"] + late, 0)
    return {**columns, **moments, "first_byte": first_byte}


def merge_costs(costs: Sequence[ClientCost]) -> ClientCost:
    """The CPU time of all; of everything else the worst, because any of them can be the limit."""
    return replace(
        costs[0],
        seconds=max(cost.seconds for cost in costs),
        cpu_seconds=round(sum(cost.cpu_seconds for cost in costs), 6),
        cpu_share=max(cost.cpu_share for cost in costs),
        busiest_second_share=max(cost.busiest_second_share for cost in costs),
        loop_lag_p99_ms=max(cost.loop_lag_p99_ms for cost in costs),
        loop_lag_max_ms=max(cost.loop_lag_max_ms for cost in costs),
        waited_share=max((cost.waited_share for cost in costs if cost.waited_share is not None), default=None),
        busiest_second_waited_share=max(
            (cost.busiest_second_waited_share for cost in costs if cost.busiest_second_waited_share is not None), default=None
        ),
        peak_memory_bytes=[number for cost in costs for number in cost.peak_memory_bytes],
    )
