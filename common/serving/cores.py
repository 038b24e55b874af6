"""Which processor cores a run uses: the server has its own, all else shares the others, where the system allows it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

AVAILABLE = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def count() -> int:
    return len(AVAILABLE) or os.cpu_count() or 1


def split() -> tuple[list[int], list[int]]:
    """The server's cores and those of all else; none where there is a single one or no way to choose."""
    half = len(AVAILABLE) // 2
    return (AVAILABLE[:half], AVAILABLE[half:]) if half else ([], [])


def on_any(pid: int) -> None:
    """Let a process run wherever this program may: what it does from here on is not measured."""
    if AVAILABLE:
        with suppress(ProcessLookupError):  # it has ended
            os.sched_setaffinity(pid, AVAILABLE)


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
