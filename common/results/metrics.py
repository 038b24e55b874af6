"""The numbers of one load, derived from its raw requests: nothing here is stored."""

import math
from functools import cached_property

import numpy as np

from common.client import percentiles, schedule
from common.client.outcomes import NUMBER
from common.client.sent import CANCELLED, CUT_OFF, Column, Sent, milliseconds
from common.results.circumstances import Cost
from common.results.intervals import Over, Value
from common.results.rate import Rate, measure_rate, window

WITHOUT_ANSWER = 0.01  # of what was answered: beyond this, a cost per answer is only an upper bound
IDLE = 2.0  # a server is idle again if a request alone takes at most this many times what it took at first
SETTLE_SECONDS = 30.0  # the longest that is waited for that
FEW_WAVES = 2  # of answers, as many as are in flight: of a queue they show the part that was short
LATE_MS = 2.0  # a request started later than this is late: twice the grain of the event loop's timers


def is_idle(alone_ms: float, at_first_ms: float) -> bool:
    """By the response time of a request alone, now and at first."""
    return alone_ms <= max(IDLE * at_first_ms, at_first_ms + LATE_MS)


class Metrics:
    """The metrics of one load, from what was sent, the least time of an answer if declared, the cost, and the time of a request alone."""

    def __init__(self, sent: Sent, least_seconds: float | None = None, cost: Cost | None = None, alone_ms: float | None = None) -> None:
        self.sent = sent
        self.least_seconds = least_seconds
        self.alone_ms = alone_ms
        self.cost = cost
        self.seconds = sent.seconds
        self.due = len(sent.requests)  # in an open loop; in a closed one, all that were started
        self.started = int(sent.requests.started.sum())
        self.unsent = self.due - self.started
        self.ok = int(sent.requests.ok.sum())
        self.failed = sent.failed
        self.cut_off = sent.outcomes.get(CUT_OFF, 0) + sent.outcomes.get(CANCELLED, 0)
        self.complete = self.ok + self.failed
        self.mean_per_second = self.ok / self.seconds if self.seconds else 0.0  # over the whole load, as in ab

    @cached_property
    def rate(self) -> Rate:
        return measure_rate(self.sent)

    @property
    def per_second(self) -> float:
        """The rate of right answers while the load was steady."""
        return self.rate.per_second

    # Times in ms, ascending, of successes unless stated otherwise

    @cached_property
    def latencies(self) -> Column:
        """From the intended start of each request."""
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
        """How late each started request was."""
        requests = self.sent.requests
        return np.sort(milliseconds(requests.intended, requests.start)[requests.started])

    @cached_property
    def ends(self) -> Column:
        """When each answer was complete, after the start of the load."""
        requests = self.sent.requests
        return np.sort(requests.end[requests.ok]) / 1000

    def _between(self, earlier: str, later: str) -> Column:
        requests = self.sent.requests
        return np.sort(milliseconds(getattr(requests, earlier), getattr(requests, later))[requests.ok])

    def latency(self, percent: float) -> float | None:
        return float(percentiles.percentile(self.latencies, percent)) if self.ok else None

    def percentile(self, percent: float) -> Value | None:
        """In ms, over answered and cut-off requests: the latter would have taken longer than they had (Kaplan and Meier's estimate).

        With too few answers all that were cut off count as the longest: a queue cuts off those that it keeps waiting.
        """
        requests = self.sent.requests
        cut = np.isin(requests.outcome, [NUMBER[CUT_OFF], NUMBER[CANCELLED]])
        if not self.ok or not cut.any():
            return Over(float(requests.latency_ms[cut].max())) if cut.any() else self.latency(percent)
        counted = requests.ok | cut
        times, ended = requests.latency_ms[counted], requests.ok[counted]
        if self.ok < FEW_WAVES * self.sent.load.concurrency:
            times = np.where(ended, times, times.max())
        order = np.lexsort((~ended, times))  # answers first among equal times
        times, ended = times[order], ended[order]
        still_waiting = np.cumprod(1 - ended / np.arange(len(times), 0, -1))
        passed = np.flatnonzero(ended & (still_waiting <= 1 - percent / 100 + 1e-9))
        return float(times[passed[0]]) if len(passed) else Over(float(times[-1]))

    def percentile_of_due(self, percent: float) -> float:
        """In ms, over all requests due; infinite for those not answered correctly."""
        requests = self.sent.requests
        return float(percentiles.percentile(np.sort(np.where(requests.ok, requests.latency_ms, np.inf)), percent))

    @property
    def was_overrun(self) -> bool:
        """Some requests were never sent only because the client had no time for them before the schedule ended."""
        requests = self.sent.requests
        latest_start = schedule.latest_start(self.sent.load.schedule) - 1e-5  # moments are rounded
        return self.unsent > 0 and float(requests.start[~requests.started].max()) / 1e6 > latest_start

    @property
    def mean_ms(self) -> float | None:
        return float(self.latencies.mean()) if self.ok else None

    @property
    def least_mean_ms(self) -> float | None:
        """Those that were cut off take at least as long as they had taken."""
        requests = self.sent.requests
        ended_or_cut = requests.ok | np.isin(requests.outcome, [NUMBER[CUT_OFF], NUMBER[CANCELLED]])
        return max(self.mean_ms, float(requests.latency_ms[ended_or_cut].mean())) if self.mean_ms is not None else None

    @cached_property
    def late(self) -> int:
        return int((self.lateness > LATE_MS).sum())

    # Connections and bytes

    @cached_property
    def reused(self) -> int:
        """The number of requests on a connection that had served one before."""
        requests = self.sent.requests
        return int((requests.started & (requests.connected == requests.start)).sum())

    @cached_property
    def lengths(self) -> tuple[int, int, int]:
        """The body lengths of right answers: the first, the shortest, the longest."""
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
        """From the first to the last send of the first wave; None if none of it was answered."""
        requests = self.sent.requests
        first_wave = np.argsort(requests.start, kind="stable")[: self.sent.load.concurrency]
        sends = requests.sent[first_wave][requests.first_byte[first_wave] > 0]
        return float(np.ptp(sends)) / 1000 if len(sends) else None

    # Beside what was possible

    @cached_property
    def in_flight(self) -> float:
        """The most requests in flight while the rate is counted; the mean in an open loop."""
        load, requests = self.sent.load, self.sent.requests
        if load.is_open:
            return float(milliseconds(requests.start, requests.end).sum() / 1000 / self.seconds) if self.seconds else 0.0
        if load.spawn_rate is None or not self.seconds:
            return float(load.concurrency)
        span = window(self.sent)
        arrived = min(max(load.concurrency / load.spawn_rate, span.begin), span.end)
        arriving = load.spawn_rate * (span.begin + arrived) / 2 * (arrived - span.begin)
        return float((arriving + load.concurrency * (span.end - arrived)) / (span.end - span.begin))

    @cached_property
    def ideal_per_second(self) -> float | None:
        """The rate if every answer took only its least time; for an open loop, the rate it offers."""
        load = self.sent.load
        if load.is_open:
            return schedule.count(load.schedule) / schedule.length(load.schedule)
        if not self.least_seconds:
            return None
        if load.requests and window(self.sent).is_whole_load:
            return load.requests / (math.ceil(load.requests / load.concurrency) * self.least_seconds)  # the last wave may be smaller
        return self.in_flight / self.least_seconds

    @cached_property
    def of_ideal(self) -> float | None:
        if self.sent.load.is_open:
            return self._kept_up()
        return self.per_second / self.ideal_per_second if self.ideal_per_second else None

    @property
    def share_of_time(self) -> float | None:
        """How much of a request's time in flight it would also need alone: near 1, the load is the limit, not the server."""
        if self.sent.load.is_open or not self.ok or not self.in_flight:
            return None
        if self.least_seconds:
            return self.of_ideal
        return self.per_second * self.alone_ms / 1000 / self.in_flight if self.alone_ms else None

    def _kept_up(self) -> float | None:
        """The share of requests due that was answered as fast as they came, however long each answer took.

        It counts answers in the second half of the schedule, and requests in an equal span a mean
        response time earlier: if no queue grows, the two are equal (Little's law). If answers take
        longer than the schedule, the rate of the last answers decides.
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
        """CPU of the server per right answer; None if too few ticks of a clock decide it."""
        return self.cost.cpu_seconds * 1000 / self.ok if self.cost and self.cost.cpu_known and self.ok else None

    @property
    def cpu_is_bound(self) -> bool:
        """Failed or cut-off requests are more than a hundredth of the answered ones, and their CPU counts as the others'."""
        return self.failed + self.cut_off > WITHOUT_ANSWER * self.ok

    @cached_property
    def one_core_per_second(self) -> float | None:
        """The requests per second that one core has CPU time for."""
        return 1000 / self.cpu_ms if self.cpu_ms else None

    @property
    def peak_mb(self) -> float | None:
        return self.cost.peak_memory_bytes / 2**20 if self.cost else None
