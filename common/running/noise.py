"""What else the machine did during a load, read from /proc while it runs; nothing on systems without /proc.

No load is left out here: noise is recorded in numbers and, beyond fixed bounds, as a sentence.
"""

import math
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from common.cli import UsageError, printable
from common.client.progress import Tell
from common.results.circumstances import KERNEL, Noise
from common.serving import accounting
from common.serving.accounting import TICKS
from common.serving.cost import Samples, grown_between
from common.serving.limits import throttled_seconds
from common.serving.ports import time_wait

FOREIGN_HERE = 0.03  # of the server's cores: more than this changes its rate and its times
FOREIGN_THERE = 0.10  # of the other cores, where the load generator runs
STOLEN = 0.02  # of all CPU time
LEAST_FOREIGN_SECONDS = 0.05  # less is lost in the grain of the system's counters
DEVIATIONS = 2.0  # of those counters, which only sample what runs when the clock ticks: less is chance

QUIET = 0.10  # of one core: while others use more, we wait
LOOK_SECONDS = 0.1
LONGEST_WAIT = 10.0  # before one load
LONGEST_WAITS = 60.0  # before all loads of a run
PROGRAMS = 3  # the most that are named
KTHREADD = 2  # the parent of the kernel's own threads


class Patience:
    """How long a run may still wait for other programs; a busy machine gets an answer too."""

    def __init__(self) -> None:
        given = os.environ.get("WAIT_FOR_QUIET", str(LONGEST_WAITS))
        try:
            self.left = float(given)
        except ValueError:
            raise UsageError(f"WAIT_FOR_QUIET is not a number of seconds: {given!r}") from None

    def wait(self, outside: Sequence[int], tell: Tell) -> float:
        """Wait for a quiet moment and return the seconds that took."""
        began, waited = time.monotonic(), 0.0
        while waited < min(self.left, LONGEST_WAIT):
            before, looked = accounting.cpu_clocks(psutil.pids()), time.monotonic()
            time.sleep(LOOK_SECONDS)
            programs, seconds = foreign_programs(before, outside), time.monotonic() - looked
            if sum(programs.values()) < QUIET * seconds:
                break
            waited = time.monotonic() - began
            tell(f"waiting for a quiet moment; busy: {named(shares(programs, seconds))}")
        self.left -= waited
        return waited


def foreign_programs(before: Mapping[int, float], outside: Sequence[int]) -> dict[str, float]:
    """CPU seconds since then, by name, of programs that are not ours and do not work for us."""
    everyone, after = accounting.see_all(), accounting.cpu_clocks(psutil.pids())
    ours = set(accounting.trees([os.getpid(), *outside], everyone))
    found: dict[str, float] = {}
    for pid, used in after.items():
        grown = used - before.get(pid, 0.0)
        if pid not in ours and grown > 0:
            name = name_of(pid)
            found[name] = found.get(name, 0.0) + grown
    return found


def name_of(pid: int) -> str:
    try:
        process = psutil.Process(pid)
        is_kernels = process.ppid() == KTHREADD and not process.cmdline()
        return (KERNEL if is_kernels else "") + printable(process.name())
    except psutil.Error:
        return "a program that ended"


def shares(programs: Mapping[str, float], seconds: float) -> dict[str, float]:
    """The programs that used most, as shares of one core."""
    most = sorted(programs, key=lambda name: -programs[name])[:PROGRAMS]
    return {name: round(programs[name] / seconds, 4) for name in most if programs[name] >= 0.01 * seconds}


def named(programs: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {share:.0%} of a core" for name, share in programs.items())


class MachineMeter:
    """Starts measuring when created, with the server's cores (none: all are shared); call `look` during the load."""

    def __init__(self, server_cores: Sequence[int], outside: Sequence[int] = ()) -> None:
        self._here = set(server_cores)
        self._outside = outside
        self._clocks = accounting.cpu_clocks(psutil.pids())
        self._began = time.monotonic()
        self._samples: dict[str, Samples] = {"here": [], "there": [], "stolen": [], "throttled": [], "accounting": []}
        self._cores = {"here": 0, "there": 0}
        self._counters = counters()
        self.look()

    def look(self) -> None:
        try:
            now, (used, self._cores) = time.time(), used_on_sides(Path("/proc/stat").read_text(), self._here)
        except OSError:
            return
        throttled = throttled_seconds()
        for series, seconds in {**used, "accounting": time.process_time()}.items():
            self._samples[series].append((now, seconds))
        if throttled is not None:
            self._samples["throttled"].append((now, throttled))

    def noise(self, start: float, end: float, own_here: float, own_there: float) -> Noise:
        """The noise between two clock times, given our own CPU seconds on the server's cores and elsewhere."""
        if not self._samples["here"] or not self._cores["here"] or end <= start:  # a container may number its cores otherwise
            return Noise(available=False)
        programs = shares(foreign_programs(self._clocks, self._outside), time.monotonic() - self._began)
        grown = {series: grown_between(start, end, samples) for series, samples in self._samples.items()}
        here, there = max(0.0, grown["here"] - own_here), max(0.0, grown["there"] - own_there)
        cores, seconds = self._cores, end - start
        network = {name: value - self._counters.get(name, 0) for name, value in counters().items()}
        noise = Noise(
            available=True,
            foreign_cpu_share=round((here + there) / seconds / sum(cores.values()), 4),
            foreign_on_server_cores=round(here / seconds / cores["here"], 4),
            foreign_on_other_cores=round(there / seconds / cores["there"], 4) if cores["there"] else None,
            foreign_programs=programs,
            stolen_cpu_share=round(grown["stolen"] / seconds / sum(cores.values()), 4),
            accounting_share=round(grown["accounting"] / seconds, 4),
            throttled_seconds=round(grown["throttled"], 3) if self._samples["throttled"] else None,
            waited_for_cpu_seconds=round(network["waited_for_cpu"], 3) if "waited_for_cpu" in network else None,
            load_average=round(os.getloadavg()[0], 2),
            listen_overflows=int(network.get("ListenOverflows", 0)),
            listen_drops=int(network.get("ListenDrops", 0)),
            retransmitted=int(network.get("RetransSegs", 0)),
            time_wait=time_wait(),
        )
        least = {side: least_told(grown[side], seconds * cores[side]) for side in cores}
        noise.disturbed = said(noise, seconds, cores, least)
        return noise


def used_on_sides(text: str, server_cores: set[int]) -> tuple[dict[str, float], dict[str, int]]:
    """From /proc/stat: CPU seconds on the server's cores, on the others, and stolen; and how many cores each side has."""
    used, cores = {"here": 0.0, "there": 0.0, "stolen": 0.0}, {"here": 0, "there": 0}
    for line in text.splitlines()[1:]:
        name, *words = line.split()
        if not name.startswith("cpu"):
            break
        side = "here" if not server_cores or int(name.removeprefix("cpu")) in server_cores else "there"
        cores[side] += 1
        used[side] += sum(map(int, words[:3])) / TICKS  # user, nice, system; interrupts belong to no program
        used["stolen"] += int(words[7]) / TICKS if len(words) > 7 else 0.0
    return used, cores


def least_told(busy: float, available: float) -> float:
    """The least foreign CPU seconds that are not chance, given the busy and available ones: counts of ticks are binomial."""
    idle = max(0.0, 1 - busy / available) if available else 0.0
    return max(LEAST_FOREIGN_SECONDS, DEVIATIONS * math.sqrt(busy * idle / TICKS))


def said(noise: Noise, seconds: float, cores: Mapping[str, int], least: Mapping[str, float]) -> str:
    """What disturbed the load, in one sentence; '' if everything was within its bound."""
    reasons = []
    here, there = noise.foreign_on_server_cores or 0.0, noise.foreign_on_other_cores or 0.0
    if here > FOREIGN_HERE and here * seconds * cores["here"] > least["here"]:
        reasons.append(f"other programs used {here:.0%} of the server's cores")
    if there > FOREIGN_THERE and there * seconds * cores["there"] > least["there"]:
        reasons.append(f"other programs used {there:.0%} of the other cores")
    if reasons and noise.foreign_programs:
        reasons[-1] += f" ({named(noise.foreign_programs)})"
    if noise.stolen_cpu_share is not None and noise.stolen_cpu_share > STOLEN:
        reasons.append(f"a hypervisor took {noise.stolen_cpu_share:.0%} of the CPU time")
    if noise.throttled_seconds:
        reasons.append(f"this container's CPU quota held its programs up for {noise.throttled_seconds:.1f} s")
    return "; ".join(reasons)


def counters() -> dict[str, float]:
    """Counters of pressure and the network since boot; empty on systems without /proc."""
    found: dict[str, float] = {}
    try:
        pressure = Path("/proc/pressure/cpu").read_text()
        found["waited_for_cpu"] = int(pressure.partition("total=")[2].split()[0]) / 1e6
    except (OSError, IndexError, ValueError):
        pass  # the system does not say
    for name, wanted in (("netstat", ("ListenOverflows", "ListenDrops")), ("snmp", ("RetransSegs",))):
        try:
            lines = Path(f"/proc/net/{name}").read_text().splitlines()
        except OSError:
            continue
        for head, values in zip(lines[::2], lines[1::2], strict=False):
            found_here = dict(zip(head.split(), values.split(), strict=False))
            found |= {key: float(found_here[key]) for key in wanted if key in found_here}
    return found
