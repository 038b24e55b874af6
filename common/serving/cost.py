"""What a server and the processes beside it use: CPU and switches by the kernel's accounting, memory and threads by looking.

Looking takes time from a core that something else needs: clocks are read at each look; what takes longer (finding processes,
their memory) is done seldom enough to stay below a share of a core.
"""

import math
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from common.results.circumstances import Cost
from common.serving import accounting
from common.serving.accounting import COUNTS_TICKS, FEWEST_TICKS, TICKS, Seen
from common.serving.priority import give_way_as_thread

LOOK_EVERY = 0.25
SELDOM_ENOUGH = 2.0  # seconds between looks, however long one takes: more often, 500 sessions would cost over a hundredth of a core
LOOKS_OF_A_CORE = 0.008  # looking may take this much of a core; above it, it is done less often
MOST_OF_A_CORE = 0.0015  # for finding processes, and as much again for their memory
SWITCHES = re.compile(r"^(non|)voluntary_ctxt_switches:\s+(\d+)", re.MULTILINE)
Samples = list[tuple[float, float]]  # (clock, CPU seconds until then)


class Seldom:
    """Limits how often something is done, so that it takes no more than its share of the time."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._began = self._next = 0.0

    @property
    def is_due(self) -> bool:
        return time.monotonic() >= self._next

    @contextmanager
    def timed(self) -> Iterator[None]:
        self._began, used = time.monotonic(), time.thread_time()
        yield
        self._next = self._began + (time.thread_time() - used) / self._share

    def hurry(self) -> None:
        """Do it again soon after the last time, though that takes more than its share."""
        self._next = min(self._next, self._began + SELDOM_ENOUGH)


class Group:
    """A process tree and the CPU it has used, look by look."""

    def __init__(self, root: int) -> None:
        self.root = root
        self.alive: list[int] = []
        self.ended_children: dict[int, float] = {}  # by process, where there may be any
        self.together: Samples = []
        self.by_ticks: Samples = []  # the part that is known in whole ticks only

    def find(self, everyone: Mapping[int, Seen]) -> None:
        self.alive = accounting.trees([self.root], everyone)
        self.ended_children = {pid: everyone[pid].ended_children for pid in self.alive}

    def look(self, now: float, clocks: Mapping[int, float]) -> None:
        """A parent knows what an ended child used once it has waited for it."""
        if self.root not in clocks:
            return
        found = [pid for pid in self.alive if pid in clocks]
        for pid in found:
            if pid == self.root or len(found) < len(self.alive) or self.ended_children.get(pid):
                with suppress(OSError):
                    self.ended_children[pid] = accounting.see(pid).ended_children
        self.alive = found
        ended = sum(self.ended_children.get(pid, 0.0) for pid in found)
        total = ended + sum(clocks[pid] for pid in found)
        if self.together and total < self.together[-1][1]:  # a process that ended between two readings was counted twice
            self.together[-1] = (self.together[-1][0], total)
        self.together.append((now, total))
        self.by_ticks.append((now, total if COUNTS_TICKS else ended))


class CostMeter:
    """Starts measuring when created; call `look` now and then during the load, and `end` after it.

    `guard` is the server's: it adopts the processes that a server leaves behind (a daemon's), and reaps them. It does nothing else
    meanwhile, so its tree uses what the server does.
    """

    def __init__(self, pid: int, beside: Mapping[str, int] | None = None, guard: int = 0) -> None:
        self._pid = pid
        self._guard = guard
        self._server, self._us = Group(guard or pid), Group(os.getpid())
        self._beside = {name: Group(root) for name, root in (beside or {}).items()}
        self._groups = [self._server, self._us, *self._beside.values()]
        self._each: dict[int, Samples] = {}  # each of the server's processes alone
        self._finding, self._weighing = Seldom(MOST_OF_A_CORE), Seldom(MOST_OF_A_CORE)
        self._memory = self._largest = self._threads = 0  # at their peaks
        self._switches_before = self._read_switches()
        self._switches = (0, 0)
        self.look()

    def look(self, everything: bool = False) -> None:
        if everything or self._finding.is_due:
            with self._finding.timed():
                self._find()
        had = len(self._server.alive)
        self._read_clocks()
        if len(self._server.alive) < had:  # a worker has ended: another may be in its place
            self._finding.hurry()
        if everything or self._weighing.is_due:
            with self._weighing.timed():
                self._weigh()

    def _find(self) -> None:
        everyone = accounting.see_all()
        for group in self._groups:
            group.find(everyone)
        self._threads = max(self._threads, sum(everyone[pid].threads for pid in self._of_server()))

    def _of_server(self) -> list[int]:
        return [pid for pid in self._server.alive if pid != self._guard]

    def _read_clocks(self) -> None:
        clocks = accounting.cpu_clocks({pid for group in self._groups for pid in group.alive})
        now = time.time()
        last = self._server.together[-1][0] if self._server.together else None
        for group in self._groups:
            group.look(now, clocks)
        for pid in self._of_server():
            if pid in clocks:
                samples = self._each.setdefault(pid, [] if last is None else [(last, 0.0)])  # a new process had used nothing by then
                samples.append((now, clocks[pid]))

    def _read_switches(self) -> dict[int, tuple[int, int]]:
        """Of the server, and of what its guard has adopted."""
        counted = switches(self._pid)
        for adopted in psutil.Process(self._guard).children() if self._guard else []:
            if adopted.pid != self._pid:
                with suppress(psutil.Error):
                    counted |= switches(adopted.pid)
        return counted

    def _weigh(self) -> None:
        memory = [0]
        for pid in self._of_server():
            with suppress(psutil.Error):
                memory.append(accounting.memory(pid))
        self._memory = max(self._memory, sum(memory))
        self._largest = max(self._largest, *memory)

    def end(self) -> None:
        """The last look, after the load."""
        self.look(everything=True)
        try:
            after = self._read_switches()
        except psutil.Error:
            return
        grown = [
            [count - before for count, before in zip(counts, self._switches_before.get(thread, (0, 0)), strict=True)]
            for thread, counts in after.items()
        ]
        self._switches = (sum(voluntary for voluntary, _ in grown), sum(involuntary for _, involuntary in grown))

    def cost_between(self, start: float, end: float) -> Cost | None:
        """The cost between two clock times, for the load alone; None if the server was never seen running."""
        if not self._server.together or not self._each:
            return None
        used = grown_between(start, end, self._server.together)
        return Cost(
            cpu_seconds=round(used, 6),
            cpu_known=not grown_between(start, end, self._server.by_ticks) or used * TICKS >= FEWEST_TICKS,
            busiest_process_cpu_seconds=round(max(grown_between(start, end, samples) for samples in self._each.values()), 6),
            voluntary_switches=self._switches[0],
            involuntary_switches=self._switches[1],
            peak_memory_bytes=self._memory,
            largest_process_bytes=self._largest,
            memory_measure="pss" if sys.platform == "linux" else "rss",
            peak_threads=self._threads,
        )

    def cpu_beside(self, start: float, end: float) -> dict[str, float]:
        """CPU seconds of each process tree beside the server, in the same time."""
        return {name: round(grown_between(start, end, group.together), 6) for name, group in self._beside.items()}

    def processes_of(self, names: Iterable[str]) -> list[int]:
        """All processes in the trees of these names beside the server."""
        return [pid for name in names for pid in self._beside[name].alive]

    def cpu_on_sides(self, start: float, end: float, all_here: bool) -> tuple[float, float]:
        """CPU seconds of everything ours: on the server's cores (`all_here`: all of it ran there, else only the server), and elsewhere."""
        server = grown_between(start, end, self._server.together)
        ours = grown_between(start, end, self._us.together)
        ours += sum(grown_between(start, end, group.together) for group in self._beside.values() if group.root not in self._us.alive)
        return (ours, 0.0) if all_here else (server, ours - server)


@contextmanager
def looking(looks: Sequence[Callable[[], None]]) -> Iterator[None]:
    """Look four times a second, less often if that takes too much of a core, in a thread of low priority."""
    over = threading.Event()
    problems: list[Exception] = []

    def work() -> None:
        give_way_as_thread()
        began, used_before = time.monotonic(), time.thread_time()
        pause = LOOK_EVERY
        try:
            while not over.wait(pause):
                for look in looks:
                    look()
                owed = (time.thread_time() - used_before) / LOOKS_OF_A_CORE - (time.monotonic() - began)
                pause = min(max(LOOK_EVERY, owed), SELDOM_ENOUGH)
        except Exception as problem:
            problems.append(problem)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    if problems:
        raise problems[0]


def grown_between(start: float, end: float, samples: Samples) -> float:
    return value_at(end, samples) - value_at(start, samples) if samples else 0.0


def value_at(clock: float, samples: Samples) -> float:
    """The value at a clock time, as if it grew evenly between samples."""
    if math.isinf(clock):
        return samples[-1 if clock > 0 else 0][1]  # in the order they were taken: the machine's clock may have been set back
    before = max((sample for sample in samples if sample[0] <= clock), default=samples[0])
    after = min((sample for sample in samples if sample[0] >= clock), default=samples[-1])
    if after[0] == before[0]:
        return before[1]
    return before[1] + (after[1] - before[1]) * (clock - before[0]) / (after[0] - before[0])


def cpu_seconds(pid: int) -> float:
    """CPU seconds of a process and its descendants, including ended ones, by the kernel's accounting."""
    group = Group(pid)
    group.find(accounting.see_all())
    group.look(time.time(), accounting.cpu_clocks(group.alive))
    return group.together[-1][1] if group.together else 0.0


def switches(pid: int) -> dict[int, tuple[int, int]]:
    """Voluntary and involuntary context switches, by thread where the system says so, else by process."""
    counted = {}
    for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        threads = list(Path(f"/proc/{process.pid}/task").glob("*"))
        if not threads:
            with suppress(psutil.Error):
                counted[process.pid] = (process.num_ctx_switches().voluntary, process.num_ctx_switches().involuntary)
        for thread in threads:
            with suppress(OSError):  # it ended meanwhile
                counted[int(thread.name)] = switches_in(thread.joinpath("status").read_text())
    return counted


def switches_in(status: str) -> tuple[int, int]:
    """Read by name, because some kernels add lines of their own after them; 0 where they are missing."""
    counts = {kind: int(count) for kind, count in SWITCHES.findall(status)}
    return counts.get("", 0), counts.get("non", 0)
