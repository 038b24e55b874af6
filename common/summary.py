"""The figures of one load, derived from its raw requests: nothing here is stored."""

import math
from typing import Any

import numpy as np

from common import stats
from common.outcomes import OK, failures


class Summary:
    def __init__(self, load: dict[str, Any]) -> None:
        rows = {name: np.asarray(column) for name, column in load["requests"].items()}
        ok = rows["outcome"] == OK
        self.seconds: float = load["seconds"]
        self.sent = len(ok)
        self.ok = int(ok.sum())
        self.failed = failures(load["outcomes"])
        self.reused = int((rows["connected"] == rows["start"]).sum())
        self.cut_off = load["outcomes"].get("cut off", 0) + load["outcomes"].get("cancelled", 0)
        self.complete = self.ok + self.failed
        self.per_second = self.ok / self.seconds if self.seconds else 0.0
        # milliseconds, ascending
        self.connect = between(rows["start"], rows["connected"], ok)
        self.processing = between(rows["connected"], rows["end"], ok)
        self.waiting = between(rows["sent"], rows["first_byte"], ok)
        self.total = between(rows["start"], rows["end"], ok)
        self.ends = np.sort(rows["end"][ok]) / 1000  # after the start of the load
        lengths = rows["body_bytes"][ok]
        self.length, self.shortest, self.longest = (int(lengths[0]), int(lengths.min()), int(lengths.max())) if self.ok else (0, 0, 0)
        self.body_bytes = int(rows["body_bytes"].sum())
        self.received_bytes = int(rows["received_bytes"].sum())
        first_wave = np.argsort(rows["start"], kind="stable")[: load["load"]["concurrency"]]
        sent = rows["sent"][first_wave][rows["first_byte"][first_wave] > 0]
        self.send_skew_ms = float(np.ptp(sent)) / 1000 if len(sent) else None

        self.ideal_per_second = ideal_per_second(load)
        self.of_ideal = self.per_second / self.ideal_per_second if self.ideal_per_second else None
        cost = load.get("server_cost")
        self.cpu_ms = cost["cpu_seconds"] * 1000 / self.ok if cost and self.ok else None
        self.one_core_per_second = 1000 / self.cpu_ms if self.cpu_ms else None  # what one core has CPU time for
        self.peak_mb = cost["peak_memory_bytes"] / 2**20 if cost else None

    def latency(self, percent: float) -> float | None:
        return float(stats.percentile(self.total, percent)) if self.ok else None


def ideal_per_second(load: dict[str, Any]) -> float | None:
    """What the load could at most be answered, if every answer took no longer than it must."""
    least, requests, users = load.get("least_seconds"), load["load"]["requests"], load["load"]["concurrency"]
    if not least:
        return None
    if requests and not load["stopped"]:
        return float(requests / (math.ceil(requests / users) * least))  # the last wave may be a small one
    return in_flight(load) / float(least)


def in_flight(load: dict[str, Any]) -> float:
    """The requests that the load keeps in flight, at most: the mean over a ramp, whose users arrive one by one."""
    users, rate, seconds = load["load"]["concurrency"], load["load"]["spawn_rate"], load["seconds"]
    if rate is None or not seconds:
        return float(users)
    arriving = min(users / rate, seconds)
    return float((arriving * min(users, arriving * rate) / 2 + (seconds - arriving) * users) / seconds)


def between(earlier: Any, later: Any, which: Any) -> Any:
    """From one moment to another, in ms, ascending; never below 0 (moments are rounded one by one)."""
    microseconds = later[which].astype(np.int64) - earlier[which].astype(np.int64)
    return np.sort(np.maximum(microseconds, 0)) / 1000
