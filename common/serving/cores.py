"""Which processor cores a run uses: the server has its own and everything else shares the others, if the system allows it.

Cores are given whole: a core's threads are never on both sides, unless it is the only core. The server has half
of them, or more if it has more worker processes, as long as one is left for everything else. On two cores, a server of several
processes shares both with everything else: otherwise it could not show what its second process gains.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from common.results.circumstances import Pinned

AVAILABLE = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
AFTERWARDS = "CORES_AFTER_THE_LOAD"
TOPOLOGY = Path("/sys/devices/system/cpu")


def count() -> int:
    return len(AVAILABLE) or os.cpu_count() or 1


def split() -> tuple[list[int], list[int]]:
    """The cores of a one-process server and those of everything else; both empty where they cannot be set apart."""
    pinned = share_out()
    return (pinned.server, pinned.others) if pinned else ([], [])


def share_out(workers: int = 1) -> Pinned | None:
    """For a server with this many worker processes; None on a single core, or where cores cannot be chosen."""
    whole = physical()
    if len(whole) < 2:
        return None
    if len(whole) == 2 and workers > 1:
        return Pinned(AVAILABLE, AVAILABLE, shared=True)
    for_server = max(len(whole) // 2, min(workers, len(whole) - 1))
    server, others = (sorted(number for core in part for number in core) for part in (whole[:for_server], whole[for_server:]))
    return Pinned(server, others)


def physical() -> list[list[int]]:
    """What we may use, grouped by core: a core's threads stand together, unless there is only one core."""
    cores: dict[str, list[int]] = {}
    for number in AVAILABLE:
        cores.setdefault(siblings(number), []).append(number)
    return list(cores.values()) if len(cores) > 1 else [[number] for number in AVAILABLE]


def siblings(number: int) -> str:
    try:
        return (TOPOLOGY / f"cpu{number}" / "topology" / "thread_siblings_list").read_text().strip()
    except OSError:
        return str(number)


def on_any(pid: int) -> None:
    """Let a process run wherever this program may: what it does from now on is not measured."""
    if AVAILABLE:
        with suppress(ProcessLookupError):  # it has ended
            os.sched_setaffinity(pid, AVAILABLE)


def told_for_afterwards() -> dict[str, str]:
    """The variable that tells a load generator where it may run once its load is over: only it knows when that is."""
    return {AFTERWARDS: ",".join(map(str, AVAILABLE))} if AVAILABLE else {}


def run_where_told() -> None:
    """Called in a load generator that got that variable: what it does from now on is not measured."""
    if told := os.environ.get(AFTERWARDS):
        with suppress(OSError, ValueError):
            os.sched_setaffinity(0, map(int, told.split(",")))


@contextmanager
def only_on(cores: list[int]) -> Iterator[None]:
    """Processes started inside run on these cores; with none given, wherever this process runs."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
