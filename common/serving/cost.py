"""What a server and all its children use: CPU and switches by the kernel's accounting, memory and threads by looking."""

import re
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from common.results.facts import Cost

SWITCHES = re.compile(r"^(non|)voluntary_ctxt_switches:\s+(\d+)", re.MULTILINE)
Samples = list[tuple[float, float]]  # (clock, CPU seconds until then)


class CostMeter:
    """Begins when it is made; `look` now and then while the load lasts, `end` after it."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._together: Samples = []
        self._each: dict[int, Samples] = {}  # process alone
        self._memory = self._largest = self._threads = 0  # at their peaks
        self._measure = "pss" if sys.platform == "linux" else "rss"
        self._switches_before = switches(pid)
        self._switches = (0, 0)
        self.look()

    def look(self) -> None:
        clock, cpu, memory, threads = time.time(), 0.0, [], 0
        try:
            for process in tree(self._pid):
                with process.oneshot():
                    used = process.cpu_times()
                    cpu += with_outlived(used)
                    self._each.setdefault(process.pid, []).append((time.time(), used.user + used.system))
                    memory.append(process.memory_full_info().pss if self._measure == "pss" else process.memory_info().rss)
                    threads += process.num_threads()
        except psutil.Error:
            return  # a process ended while we looked: the next look counts
        self._together.append((clock, cpu))
        self._memory = max(self._memory, sum(memory))
        self._largest = max(self._largest, *memory)
        self._threads = max(self._threads, threads)

    def end(self) -> None:
        """The last look, after the load."""
        self.look()
        try:
            after = switches(self._pid)
        except psutil.Error:
            return
        grown = [
            [count - before for count, before in zip(counts, self._switches_before.get(thread, (0, 0)), strict=True)]
            for thread, counts in after.items()
        ]
        self._switches = (sum(voluntary for voluntary, _ in grown), sum(involuntary for _, involuntary in grown))

    def cost_between(self, start: float, end: float) -> Cost | None:
        """Of the load alone, between two clock times; None if the server was never seen alive."""
        if not self._together:
            return None
        return Cost(
            cpu_seconds=round(grown_between(start, end, self._together), 3),
            busiest_process_cpu_seconds=round(max(grown_between(start, end, samples) for samples in self._each.values()), 3),
            voluntary_switches=self._switches[0],
            involuntary_switches=self._switches[1],
            peak_memory_bytes=self._memory,
            largest_process_bytes=self._largest,
            memory_measure=self._measure,
            peak_threads=self._threads,
        )


def grown_between(start: float, end: float, samples: Samples) -> float:
    return value_at(end, samples) - value_at(start, samples)


def value_at(clock: float, samples: Samples) -> float:
    """Between two samples, as if it had grown evenly."""
    before = max((sample for sample in samples if sample[0] <= clock), default=samples[0])
    after = min((sample for sample in samples if sample[0] >= clock), default=samples[-1])
    if after[0] == before[0]:
        return before[1]
    return before[1] + (after[1] - before[1]) * (clock - before[0]) / (after[0] - before[0])


def tree(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def cpu_seconds(pid: int) -> float:
    """Of a process, its children and those that they have outlived, by the kernel's accounting."""
    total = 0.0
    for process in tree(pid):
        with suppress(psutil.NoSuchProcess):
            total += with_outlived(process.cpu_times())
    return total


def with_outlived(times: Any) -> float:
    return float(times.user + times.system + times.children_user + times.children_system)


def switches(pid: int) -> dict[int, tuple[int, int]]:
    """Voluntary and involuntary context switches: of each thread where the system tells, else of each process."""
    counted = {}
    for process in tree(pid):
        threads = list(Path(f"/proc/{process.pid}/task").glob("*"))
        if not threads:
            with suppress(psutil.Error):
                counted[process.pid] = (process.num_ctx_switches().voluntary, process.num_ctx_switches().involuntary)
        for thread in threads:
            with suppress(OSError):  # it ended meanwhile
                counted[int(thread.name)] = switches_in(thread.joinpath("status").read_text())
    return counted


def switches_in(status: str) -> tuple[int, int]:
    """By name, as some kernels write lines of their own after them; 0 where they are left out."""
    counts = {kind: int(count) for kind, count in SWITCHES.findall(status)}
    return counts.get("", 0), counts.get("non", 0)
