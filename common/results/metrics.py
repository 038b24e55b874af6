"""The figures of one load, derived from its raw requests: nothing here is stored."""

import math
from typing import Any

import numpy as np

from common.client import percentiles, schedule
from common.client.outcomes import NUMBER, OK, failures

LATE_MS = 2.0  # more than this after it was due: twice the grain of the event loop's timers


class Summary:
    def __init__(self, load: dict[str, Any]) -> None:
        rows = {name: np.asarray(column) for name, column in load["requests"].items()}
        ok, started = rows["outcome"] == OK, rows["outcome"] != NUMBER["unsent"]
        due = rows.get("due", rows["start"])
        self.is_open = is_open(load)
        self.seconds: float = load["seconds"]
        self.due = len(ok)
        self.sent = int(started.sum())
        self.unsent = self.due - self.sent
        self.ok = int(ok.sum())
        self.failed = failures(load["outcomes"])
        self.reused = int((started & (rows["connected"] == rows["start"])).sum())
        self.cut_off = load["outcomes"].get("cut off", 0) + load["outcomes"].get("cancelled", 0)
        self.complete = self.ok + self.failed
        self.per_second = self.ok / self.seconds if self.seconds else 0.0
        # milliseconds, ascending
        self.connect = between(rows["start"], rows["connected"], ok)
        self.processing = between(rows["connected"], rows["end"], ok)
        self.waiting = between(rows["sent"], rows["first_byte"], ok)
        self.total = between(due, rows["end"], ok)  # of an open loop: from the moment that the schedule meant
        self.from_send = between(rows["sent"], rows["end"], ok)
        self.lateness = between(due, rows["start"], started)
        self.late = int((self.lateness > LATE_MS).sum())
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
        if self.is_open:
            self.of_ideal = kept_up(load, due, rows["end"][ok], float(self.total.mean()) if self.ok else 0.0)
        cost = load.get("server_cost")
        self.cpu_ms = cost["cpu_seconds"] * 1000 / self.ok if cost and self.ok else None
        self.one_core_per_second = 1000 / self.cpu_ms if self.cpu_ms else None  # what one core has CPU time for
        self.peak_mb = cost["peak_memory_bytes"] / 2**20 if cost else None

    def latency(self, percent: float) -> float | None:
        return float(percentiles.percentile(self.total, percent)) if self.ok else None


def is_open(load: dict[str, Any]) -> bool:
    """Did a schedule say when requests were due?"""
    return "due" in load["requests"]


def kept_up(load: dict[str, Any], due: Any, ends: Any, mean_ms: float) -> float | None:
    """The share of what was due that was answered in time: as fast as it came, however long each answer took.

    Answers are counted in the second half of the schedule, and requests in the same time a mean
    response time earlier: where no queue grows these are as many (Little's law). Where answers take
    longer than the schedule, how fast they came in the end says it.
    """
    if not len(due):
        return None
    end, mean = schedule.length(load["load"]["schedule"]) * 1e6, mean_ms * 1000
    if mean >= end:
        first, last = np.percentile(ends, (5, 95))
        return float(min(1.0, 0.9 * len(ends) / max(last - first, 1.0) * end / len(due)))
    width = min(end / 2, end - mean)
    expected = ((due >= end - mean - width) & (due < end - mean)).sum()
    return min(1.0, int(((ends >= end - width) & (ends < end)).sum()) / int(expected)) if expected else None


def ideal_per_second(load: dict[str, Any]) -> float | None:
    """What the load could at most be answered, if every answer took no longer than it must; of an open loop, what it offers."""
    if is_open(load):
        stages = load["load"]["schedule"]
        return float(schedule.count(stages) / schedule.length(stages))
    least, requests, users = load.get("least_seconds"), load["load"]["requests"], load["load"]["concurrency"]
    if not least:
        return None
    if requests and not load["stopped"]:
        return float(requests / (math.ceil(requests / users) * least))  # the last wave may be a small one
    return in_flight(load) / float(least)


def in_flight(load: dict[str, Any]) -> float:
    """The requests that the load keeps in flight, at most: the mean over a ramp, whose users arrive one by one, or an open loop."""
    if is_open(load):
        taken = np.asarray(load["requests"]["end"]).astype(np.int64) - np.asarray(load["requests"]["start"]).astype(np.int64)
        return float(taken.sum() / 1e6 / load["seconds"]) if load["seconds"] else 0.0
    users, rate, seconds = load["load"]["concurrency"], load["load"]["spawn_rate"], load["seconds"]
    if rate is None or not seconds:
        return float(users)
    arriving = min(users / rate, seconds)
    return float((arriving * min(users, arriving * rate) / 2 + (seconds - arriving) * users) / seconds)


def between(earlier: Any, later: Any, which: Any) -> Any:
    """From one moment to another, in ms, ascending; never below 0 (moments are rounded one by one)."""
    microseconds = later[which].astype(np.int64) - earlier[which].astype(np.int64)
    return np.sort(np.maximum(microseconds, 0)) / 1000
