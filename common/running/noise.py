"""What else the machine did during a run: read before and after, from /proc; nothing where there is none.

A run is contaminated, by a fixed rule, if others than the processes of the run used more
than a tenth of the machine's CPU, or the hypervisor took more than a fiftieth away.
"""

import os
from pathlib import Path

from common.results.facts import Noise
from common.serving.ports import time_wait

FOREIGN_SHARE = 0.10
STOLEN_SHARE = 0.02
TICKS = os.sysconf("SC_CLK_TCK")


def look() -> dict[str, float]:
    """Counters since boot; empty where the system has no /proc."""
    try:
        cpu = [int(word) / TICKS for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        pressure = Path("/proc/pressure/cpu").read_text() if Path("/proc/pressure/cpu").exists() else ""
    except OSError:
        return {}
    found = {"busy": sum(cpu) - cpu[3] - cpu[4] - cpu[7], "stolen": cpu[7], "all": sum(cpu)}
    if pressure:
        found["waited_for_cpu"] = int(pressure.partition("total=")[2].split()[0]) / 1e6
    return {**found, **network()}


def network() -> dict[str, float]:
    found: dict[str, float] = {}
    if not Path("/proc/net/netstat").exists():
        return found
    for name, wanted in (("netstat", ("ListenOverflows", "ListenDrops")), ("snmp", ("RetransSegs",))):
        lines = Path(f"/proc/net/{name}").read_text().splitlines()
        for head, values in zip(lines[::2], lines[1::2], strict=False):
            counters = dict(zip(head.split(), values.split(), strict=False))
            found |= {key: float(counters[key]) for key in wanted if key in counters}
    return found


def compare(before: dict[str, float], after: dict[str, float], own_cpu_seconds: float) -> Noise:
    """What others did between two looks, with the verdict; nothing is known without /proc."""
    if not before or not after:
        return Noise(available=False)
    grown = {name: after[name] - value for name, value in before.items() if name in after}
    elapsed = max(grown["all"], 1e-9)
    foreign = max(0.0, grown["busy"] - own_cpu_seconds) / elapsed
    stolen = grown["stolen"] / elapsed
    reasons = []
    if foreign > FOREIGN_SHARE:
        reasons.append(f"other processes used over {FOREIGN_SHARE:.0%} of the CPU")
    if stolen > STOLEN_SHARE:
        reasons.append(f"over {STOLEN_SHARE:.0%} of the CPU was stolen")
    return Noise(
        available=True,
        contaminated="; ".join(reasons),
        foreign_cpu_share=round(foreign, 4),
        stolen_cpu_share=round(stolen, 4),
        waited_for_cpu_seconds=round(grown["waited_for_cpu"], 3) if "waited_for_cpu" in grown else None,
        load_average=round(os.getloadavg()[0], 2),
        listen_overflows=int(grown.get("ListenOverflows", 0)),
        listen_drops=int(grown.get("ListenDrops", 0)),
        retransmitted=int(grown.get("RetransSegs", 0)),
        time_wait=time_wait(),
    )
