"""Which processor cores a run uses: the server has its own, all else shares the others, where the system allows it.

Cores are given whole: the threads of one core are never on both sides, unless it is the only one. The server has half
of them; more if it has more processes that work, as long as one is left for all else. On two cores, a server of several
processes has both, and all share them: it could not show what its second process brings otherwise.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from common.results.facts import Pinned

AVAILABLE = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
AFTERWARDS = "CORES_AFTER_THE_LOAD"
TOPOLOGY = Path("/sys/devices/system/cpu")


def count() -> int:
    return len(AVAILABLE) or os.cpu_count() or 1


def split() -> tuple[list[int], list[int]]:
    """For a server of one process: its cores and those of all else; none where they cannot be told apart."""
    pinned = share_out()
    return (pinned.server, pinned.others) if pinned else ([], [])


def share_out(workers: int = 1) -> Pinned | None:
    """For a server of so many working processes; None where there is a single core or no way to choose."""
    whole = physical()
    if len(whole) < 2:
        return None
    if len(whole) == 2 and workers > 1:
        return Pinned(AVAILABLE, AVAILABLE, shared=True)
    for_server = max(len(whole) // 2, min(workers, len(whole) - 1))
    server, others = (sorted(number for core in part for number in core) for part in (whole[:for_server], whole[for_server:]))
    return Pinned(server, others)


def physical() -> list[list[int]]:
    """What we may use, by cores: the numbers that are threads of one stand together, unless there is only one."""
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
    """Let a process run wherever this program may: what it does from here on is not measured."""
    if AVAILABLE:
        with suppress(ProcessLookupError):  # it has ended
            os.sched_setaffinity(pid, AVAILABLE)


def told_for_afterwards() -> dict[str, str]:
    """The variable by which a load generator knows where it may run once its load is over: it alone knows when that is."""
    return {AFTERWARDS: ",".join(map(str, AVAILABLE))} if AVAILABLE else {}


def run_where_told() -> None:
    """In a load generator that was started with that variable: what it does from here on is not measured."""
    if told := os.environ.get(AFTERWARDS):
        with suppress(OSError):
            os.sched_setaffinity(0, map(int, told.split(",")))


@contextmanager
def only_on(cores: list[int]) -> Iterator[None]:
    """What is started inside runs on these cores; with none, wherever this process runs."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
