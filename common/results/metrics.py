"""The numbers of one load, derived from its raw requests: nothing here is stored."""

import math
from functools import cached_property

import numpy as np

from common.client import percentiles, schedule
from common.client.sent import CANCELLED, CUT_OFF, Column, Sent, milliseconds
from common.results.facts import Cost

LATE_MS = 2.0  # more than this after it was due: twice the grain of the event loop's timers


class Metrics:
    """Of what was sent, with the least time that an answer takes where that is known, and what it cost."""

    def __init__(self, sent: Sent, least_seconds: float | None = None, cost: Cost | None = None) -> None:
        self.sent = sent
        self.least_seconds = least_seconds
        self.cost = cost
        self.seconds = sent.seconds
        self.due = len(sent.requests)  # of an open loop; of a closed one, all that were started
        self.started = int(sent.requests.started.sum())
        self.unsent = self.due - self.started
        self.ok = int(sent.requests.ok.sum())
        self.failed = sent.failed
        self.cut_off = sent.outcomes.get(CUT_OFF, 0) + sent.outcomes.get(CANCELLED, 0)
        self.complete = self.ok + self.failed
        self.per_second = self.ok / self.seconds if self.seconds else 0.0

    # Times in ms, ascending, of successes where nothing else is said

    @cached_property
    def latencies(self) -> Column:
        """From the moment that a request was meant to start."""
        return np.sort(self.sent.requests.latency_ms[self.sent.requests.ok])

    @cached_property
    def connecting(self) -> Column:
        return self._between("start", "connected")

    @cached_property
    def processing(self) -> Column:
        return self._between("connected", "end")

    @cached_property
    def waiting(self) -> Column:
        return self._between("sent", "first_byte")

    @cached_property
    def from_send(self) -> Column:
        return self._between("sent", "end")

    @cached_property
    def lateness(self) -> Column:
        """Of all that were started: how long after they were meant to."""
        requests = self.sent.requests
        return np.sort(milliseconds(requests.intended, requests.start)[requests.started])

    @cached_property
    def ends(self) -> Column:
        """When answers were complete, after the start of the load."""
        requests = self.sent.requests
        return np.sort(requests.end[requests.ok]) / 1000

    def _between(self, earlier: str, later: str) -> Column:
        requests = self.sent.requests
        return np.sort(milliseconds(getattr(requests, earlier), getattr(requests, later))[requests.ok])

    def latency(self, percent: float) -> float | None:
        return float(percentiles.percentile(self.latencies, percent)) if self.ok else None

    def percentile_of_due(self, percent: float) -> float:
        """In ms, of all that were due; infinite where a request was not answered as it should be."""
        requests = self.sent.requests
        return float(percentiles.percentile(np.sort(np.where(requests.ok, requests.latency_ms, np.inf)), percent))

    @property
    def mean_ms(self) -> float | None:
        return float(self.latencies.mean()) if self.ok else None

    @cached_property
    def late(self) -> int:
        return int((self.lateness > LATE_MS).sum())

    # Connections and bytes

    @cached_property
    def reused(self) -> int:
        """Requests on a connection that had served another."""
        requests = self.sent.requests
        return int((requests.started & (requests.connected == requests.start)).sum())

    @cached_property
    def lengths(self) -> tuple[int, int, int]:
        """Of the bodies of right answers: the first, the shortest, the longest."""
        lengths = self.sent.requests.body_bytes[self.sent.requests.ok]
        return (int(lengths[0]), int(lengths.min()), int(lengths.max())) if self.ok else (0, 0, 0)

    @cached_property
    def body_bytes(self) -> int:
        return int(self.sent.requests.body_bytes.sum())

    @cached_property
    def received_bytes(self) -> int:
        return int(self.sent.requests.received_bytes.sum())

    @cached_property
    def send_skew_ms(self) -> float | None:
        """From the first to the last send of the first wave; None where none of it was answered."""
        requests = self.sent.requests
        first_wave = np.argsort(requests.start, kind="stable")[: self.sent.load.concurrency]
        sends = requests.sent[first_wave][requests.first_byte[first_wave] > 0]
        return float(np.ptp(sends)) / 1000 if len(sends) else None

    # Beside what was possible

    @cached_property
    def in_flight(self) -> float:
        """The requests that the load keeps in flight, at most: the mean over a ramp, whose users arrive one by one, or an open loop."""
        load, requests = self.sent.load, self.sent.requests
        if load.is_open:
            return float(milliseconds(requests.start, requests.end).sum() / 1000 / self.seconds) if self.seconds else 0.0
        users, rate = load.concurrency, load.spawn_rate
        if rate is None or not self.seconds:
            return float(users)
        arriving = min(users / rate, self.seconds)
        return float((arriving * min(users, arriving * rate) / 2 + (self.seconds - arriving) * users) / self.seconds)

    @cached_property
    def ideal_per_second(self) -> float | None:
        """What could at most be answered, if every answer took no longer than it must; of an open loop, what it offers."""
        load = self.sent.load
        if load.is_open:
            return schedule.count(load.schedule) / schedule.length(load.schedule)
        if not self.least_seconds:
            return None
        if load.requests and not self.sent.stopped:
            return load.requests / (math.ceil(load.requests / load.concurrency) * self.least_seconds)  # the last wave may be a small one
        return self.in_flight / self.least_seconds

    @cached_property
    def of_ideal(self) -> float | None:
        if self.sent.load.is_open:
            return self._kept_up()
        return self.per_second / self.ideal_per_second if self.ideal_per_second else None

    def _kept_up(self) -> float | None:
        """The share of what was due that was answered in time: as fast as it came, however long each answer took.

        Answers are counted in the second half of the schedule, and requests in the same time a mean
        response time earlier: where no queue grows these are as many (Little's law). Where answers take
        longer than the schedule, how fast they came in the end says it.
        """
        if not self.due:
            return None
        requests = self.sent.requests
        due, ends = requests.intended, requests.end[requests.ok]
        end, mean = schedule.length(self.sent.load.schedule) * 1e6, (self.mean_ms or 0.0) * 1000
        if mean >= end:
            first, last = np.percentile(ends, (5, 95))
            return float(min(1.0, 0.9 * len(ends) / max(last - first, 1.0) * end / len(due)))
        width = min(end / 2, end - mean)
        expected = int(((due >= end - mean - width) & (due < end - mean)).sum())
        return min(1.0, int(((ends >= end - width) & (ends < end)).sum()) / expected) if expected else None

    # What it cost

    @cached_property
    def cpu_ms(self) -> float | None:
        """CPU of the server for each right answer."""
        return self.cost.cpu_seconds * 1000 / self.ok if self.cost and self.ok else None

    @cached_property
    def one_core_per_second(self) -> float | None:
        """What one core has CPU time for."""
        return 1000 / self.cpu_ms if self.cpu_ms else None

    @property
    def peak_mb(self) -> float | None:
        return self.cost.peak_memory_bytes / 2**20 if self.cost else None
