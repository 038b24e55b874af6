"""What the kernel knows of processes: CPU from its nanosecond clocks; parents, threads and ended children from /proc, else from psutil."""

import os
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import psutil

TICKS = os.sysconf("SC_CLK_TCK")
FEWEST_TICKS = 50  # for a metric, which may be off by up to two of them


@dataclass(frozen=True)
class Seen:
    """One process, at one moment."""

    parent: int
    ended_children: float  # CPU seconds of the children that it has waited for, and of theirs, in whole ticks
    threads: int


def has_clocks() -> bool:
    try:
        return time.clock_gettime((~os.getpid() << 3) | 2) > 0
    except OSError:
        return False


HAS_CLOCKS = sys.platform == "linux" and has_clocks()
COUNTS_TICKS = sys.platform == "linux" and not HAS_CLOCKS


def cpu_clock(pid: int) -> float:
    """CPU seconds of a process alone; OSError if it is gone."""
    if HAS_CLOCKS:
        return time.clock_gettime((~pid << 3) | 2)  # all its threads, including ended ones
    try:
        used = psutil.Process(pid).cpu_times()
    except psutil.Error:
        raise ProcessLookupError(pid) from None
    return float(used.user + used.system)


def cpu_clocks(pids: Iterable[int]) -> dict[int, float]:
    """The CPU clocks of those that have not ended."""
    found = {}
    for pid in pids:
        try:
            found[pid] = cpu_clock(pid)
        except OSError:
            continue
    return found


def see(pid: int) -> Seen:
    """Look at one process; OSError if it has ended."""
    if sys.platform != "linux":
        return see_elsewhere(pid)
    file = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
    try:
        words = os.read(file, 4096).rpartition(b")")[2].split()
    finally:
        os.close(file)
    return Seen(int(words[1]), (int(words[13]) + int(words[14])) / TICKS, int(words[17]))


def see_elsewhere(pid: int) -> Seen:
    try:
        process = psutil.Process(pid)
        used = process.cpu_times()
        return Seen(process.ppid(), float(used.children_user + used.children_system), process.num_threads())
    except psutil.Error:
        raise ProcessLookupError(pid) from None


def see_all() -> dict[int, Seen]:
    """Look at every process that we may."""
    found = {}
    for pid in psutil.pids():
        try:
            found[pid] = see(pid)
        except OSError:
            continue  # it has ended, or is not ours to see
    return found


def trees(roots: Iterable[int], everyone: Mapping[int, Seen]) -> list[int]:
    """The roots that still run, and all their descendants."""
    children: dict[int, list[int]] = {}
    for pid, seen in everyone.items():
        children.setdefault(seen.parent, []).append(pid)
    found = [pid for pid in roots if pid in everyone]
    for pid in found:  # it grows meanwhile
        found += children.get(pid, [])
    return list(dict.fromkeys(found))


def memory(pid: int) -> int:
    """In bytes: its own memory and its part of what it shares (all of that, where the system says no more)."""
    if sys.platform != "linux":
        return int(psutil.Process(pid).memory_info().rss)
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            text = file.read()
    except OSError:  # it has ended
        return 0
    return int(text.partition(b"\nPss:")[2].split()[0]) * 1024 if b"\nPss:" in text else 0
