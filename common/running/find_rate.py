"""Finds the highest rate that keeps a target such as p99<=500ms, by doubling, bisection and confirmation.

A probe is an open loop of constant rate. Its percentile covers all requests that were due, from the
intended start; a request without a correct answer counts as never answered. A probe is
  void    if the client was at its limit: it filled its core, had the most allowed in flight, or started requests so late
          that this would show in the percentile;
  broken  if over 0.1% failed or were not sent, or the percentile is above the target, or the server fell behind:
          it answered fewer requests as fast as they came than chance explains (2% to 5% fewer);
  held    otherwise.
Beyond its capacity, a server keeps a target until its queue has had time to grow. So a probe that would hold
while response times still grow is sent again for twice as long, until 500 requests are due or a minute is up.
A rate that does not hold is tried again before it counts. The rate found has held
twice more. If the next higher rate was void, the client was the limit, and the answer is "at least".
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from common.client import percentiles, schedule
from common.client.load import Load
from common.client.options import PROBE_SECONDS, START_RATE
from common.client.progress import Tell, silent
from common.client.request import Request
from common.client.sender import Sender
from common.client.sent import CANCELLED, Sent
from common.results.bottleneck import client_was_the_limit, doubts_of_client
from common.results.metrics import LATE_MS, SETTLE_SECONDS, Metrics, is_idle
from common.results.rate import FEWEST, error_of
from common.results.record import Probe, Search
from common.results.targets import Target

LEAST_RATE = 1.0
NEAR = 1.05  # how close the rate found and the next that does not hold must be
CONFIRMATIONS = 2
MOST_PROBES, MOST_SECONDS = 40, 900.0
LEAST_DUE, ENOUGH_DUE = 50, 500  # requests of a probe: never fewer; and so many that the verdict counts whatever their trend
LONGEST_PROBE = 60.0
FAILED_SHARE = 0.001
SHORTFALL, MOST_SHORTFALL = 0.02, 0.05  # not yet falling behind: always, and at most if chance may explain it
GROWS = 0.02  # seconds by which response times grow with each second
LATE_SHARE = 0.05  # of the target's time: how late requests may start, at its percentile
ALONE = 3  # requests sent one by one, to see whether the target can be kept at all

Verdict = Literal["held", "broken", "void"]
Ended = Literal["found", "client-bound", "undecided", "none", "stopped"]


@dataclass
class Bisection:
    """The rates that were tried and what follows from them; it knows nothing of requests."""

    probe: Callable[[float], Awaitable[Verdict]]
    start: float = START_RATE
    tried: list[tuple[float, Verdict]] = field(default_factory=list)
    deadline: float = math.inf

    async def find(self) -> tuple[Ended, float | None]:
        """Find the highest rate that holds, and say how the search ended."""
        low, high, above = 0.0, math.inf, "broken"
        rate = max(LEAST_RATE, self.start)
        while len(self.tried) < MOST_PROBES and time.monotonic() < self.deadline:
            if high <= low * NEAR:
                if await self._confirmed(low):
                    return ("client-bound" if above == "void" else "found"), low
                high, above = low, self.tried[-1][1]
                low = max((tried for tried, verdict in self.tried if verdict == "held" and tried < high), default=0.0)
            elif rate < LEAST_RATE:
                return ("client-bound" if above == "void" else "none"), None
            else:
                verdict = await self._decide(rate)
                low, high, above = (rate, high, above) if verdict == "held" else (low, rate, verdict)
            rate = next_rate(low, high)
        return "undecided", low or None

    async def _decide(self, rate: float) -> Verdict:
        verdict = await self._try(rate)
        return verdict if verdict == "held" else await self._try(rate)

    async def _confirmed(self, rate: float) -> bool:
        for _ in range(CONFIRMATIONS):
            if await self._try(rate) != "held":
                return False
        return True

    async def _try(self, rate: float) -> Verdict:
        verdict = await self.probe(rate)
        self.tried.append((rate, verdict))
        return verdict


def next_rate(low: float, high: float) -> float:
    """Double, half, or the geometric middle, to three digits."""
    rate = low * 2 if math.isinf(high) else high / 2 if not low else math.sqrt(low * high)
    return float(f"{rate:.3g}")


def judge(target: Target, sent: Sent) -> tuple[Verdict, str]:
    """The verdict on one probe, and why."""
    metrics = Metrics(sent)
    if client_was_the_limit(sent.client):
        return "void", doubts_of_client(sent.client, metrics.latency(50))[0]
    late = float(percentiles.percentile(metrics.lateness, target.percent)) if metrics.started else 0.0
    if late > max(LATE_MS, LATE_SHARE * target.limit_ms):
        return "void", f"the client started requests {late:.1f} ms late (p{target.percent:g})"
    load = sent.load
    if metrics.unsent > FAILED_SHARE * metrics.due and load.concurrency < (load.rate or 0.0) * target.limit_ms / 1000:
        return "void", f"{metrics.unsent:,} unsent of {metrics.due:,}: no more than {load.concurrency:,} may be in flight (-c)"
    lost = metrics.failed + metrics.unsent
    if lost > FAILED_SHARE * metrics.due:
        return "broken", f"{metrics.failed:,} failed, {metrics.unsent:,} unsent of {metrics.due:,}"
    taken = metrics.percentile_of_due(target.percent)
    if taken > target.limit_ms:
        return "broken", f"p{target.percent:g} {'was not answered in time' if math.isinf(taken) else f'{taken:,.1f} ms'}"
    kept = 1.0 if metrics.of_ideal is None else metrics.of_ideal
    if kept < 1 - allowed_shortfall(metrics):
        return "broken", f"the server fell behind: it answered only {kept:.1%} as fast as it came"
    return "held", ""


def allowed_shortfall(metrics: Metrics) -> float:
    """The share of a probe's second half that may be missing: it depends on how unevenly answers come."""
    end = schedule.length(metrics.sent.load.schedule) * 1000  # ms, as the ends are
    ends = metrics.ends[(metrics.ends > end / 2) & (metrics.ends <= end)] - end / 2
    if len(ends) < FEWEST:
        return MOST_SHORTFALL
    chance = error_of(ends, 1, len(ends) / float(ends[-1]))
    return min(MOST_SHORTFALL, max(SHORTFALL, chance))


def grows(sent: Sent) -> bool:
    """Do response times grow through the last half of a probe, from its first half to its second?"""
    requests, end = sent.requests, schedule.length(sent.load.schedule) * 1e6
    third, fourth = (
        requests.latency_ms[requests.ok & (requests.intended >= begin * end) & (requests.intended < (begin + 0.25) * end)]
        for begin in (0.5, 0.75)
    )
    if not len(third) or not len(fourth):
        return True
    return bool((fourth.mean() - third.mean()) * 1000 > GROWS * end / 4)


class Stopped(Exception):
    """The user stopped the search."""


class Prober:
    """Sends probes one after the other, and keeps their records."""

    def __init__(self, load: Load, request: Request, target: Target, tell: Tell) -> None:
        self.load = replace(load, grace=target.limit_ms / 1000)  # what takes longer has broken the target
        self.request = request
        self.target = target
        self.probes: list[Probe] = []
        self._fastest = math.inf  # of the requests sent alone at first
        self._tell = tell
        self._sender: Sender | None = None
        self._stopped = False

    def stop(self) -> None:
        self._stopped = True
        if self._sender is not None:
            self._sender.stop(CANCELLED)

    async def find(self) -> Search:
        """Search, and return the record of the whole search."""
        bisection = Bisection(self.probe, self.load.rate or START_RATE, deadline=time.monotonic() + MOST_SECONDS)
        ended: Ended = "stopped"
        rate, said = None, ""
        try:
            self._fastest = min([await self.time_alone() for _ in range(ALONE)])
            if self._fastest > self.target.limit_ms:
                taken = "was not answered correctly" if math.isinf(self._fastest) else f"took {self._fastest:,.1f} ms"
                ended, said = "none", f"no rate holds {self.target.text}: a request alone {taken}"
            else:
                ended, rate = await bisection.find()
                said = self._doubt(rate)
        except Stopped:
            said = "stopped"
        return Search(
            target=self.target.text,
            percent=self.target.percent,
            limit_ms=self.target.limit_ms,
            probe_seconds=self.load.seconds or PROBE_SECONDS,
            url=self.request.url,
            ended=ended,
            rate=rate,
            said=said,
            probes=self.probes,
        )

    async def probe(self, rate: float) -> Verdict:
        """Send a probe, and again for longer while it cannot tell."""
        seconds = min(max(self.load.seconds or PROBE_SECONDS, LEAST_DUE / rate), max(LONGEST_PROBE, self.load.seconds or 0.0))
        while True:
            sent = await self._send(replace(self.load, rate=rate, seconds=seconds), self._tell)
            verdict, because = judge(self.target, sent)
            longer = min(2 * seconds, LONGEST_PROBE)
            if verdict != "held" or longer <= seconds or len(sent.requests) >= ENOUGH_DUE or not grows(sent):
                self.probes.append(Probe(sent, verdict, because))
                await self._settle()
                return verdict
            self.probes.append(Probe(sent, "void", "too short to tell: response times still grew"))
            seconds = longer
            await self._settle()

    def _doubt(self, rate: float | None) -> str:
        """A warning if few requests decide the percentile."""
        counts = [len(probe.sent.requests) for probe in self.probes if probe.sent.load.rate == rate and probe.verdict == "held"]
        beyond = percentiles.beyond(min(counts), self.target.percent) if counts else percentiles.FEW_BEYOND
        if beyond >= percentiles.FEW_BEYOND:
            return ""
        return f"only {beyond} of {min(counts):,} requests lie beyond p{self.target.percent:g}: use longer runs (-t) for a surer result"

    async def time_alone(self) -> float:
        """The response time of one request in ms; infinite if it is not answered correctly."""
        sent = await self._send(self.load.burst(1), silent)
        return Metrics(sent).latency(50) or math.inf

    async def _settle(self) -> None:
        """Wait until the server has finished what the probe left behind, so that the next probe finds it idle."""
        until = time.monotonic() + SETTLE_SECONDS
        while not is_idle(await self.time_alone(), self._fastest) and time.monotonic() < until:
            await asyncio.sleep(0.1)

    async def _send(self, load: Load, tell: Tell) -> Sent:
        if self._stopped:
            raise Stopped
        self._sender = Sender(load, self.request, tell)
        sent = await self._sender.send()
        if self._stopped:
            raise Stopped
        return sent
