"""What is the highest rate at which a promise such as p99<=500ms holds? By doubling, bisection and confirmation.

A probe is an open loop of a constant rate. Its percentile is of all that was due, from the
intended start; what was not answered as it should be counts as never answered. A probe is
  void    the client was at its limit, or started requests so late that this would show in the figure
  broken  over 0.1 % failed or were not sent, or the percentile is above the promise, or the server
          fell behind: less than 0.98 of what was due, and ten requests less, was answered as fast as it came
  held    neither
A rate that does not hold is tried again before it counts. The rate that is found has held
twice more. Where the next higher rate was void, the client was the limit: at least so much.
"""

import argparse
import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from common.client import percentiles
from common.client.load import Load, LoadError
from common.client.outcomes import OK
from common.client.progress import Tell, silent
from common.client.request import Target
from common.client.selfwatch import doubts
from common.client.sender import Run
from common.results import targets
from common.results.bottleneck import KEPT_UP
from common.results.metrics import LATE_MS, Summary

PROBE_SECONDS = 5.0
START_RATE, LEAST_RATE = 10.0, 1.0
NEAR = 1.05  # the rate that is found and the next that does not hold are this near
CONFIRMATIONS = 2
MOST_PROBES, MOST_SECONDS = 40, 900.0
FAILED_SHARE = 0.001
LATE_SHARE = 0.05  # of the promised time: requests may not start later than this at the promised percentile
ALONE = 3  # requests, one after the other, that show whether the promise can hold at all
SETTLE_SECONDS = 30.0
HELD, BROKEN, VOID = "held", "broken", "void"
FOUND, CLIENT_BOUND, UNDECIDED, NONE = "found", "client-bound", "undecided", "none"


@dataclass(frozen=True)
class Promise:
    """So many percent of the requests are answered in so many milliseconds."""

    percent: float
    limit_ms: float

    def __str__(self) -> str:
        return f"p{self.percent:g}<={self.limit_ms:g}ms"


def promise(text: str) -> Promise:
    try:
        gate = targets.parse(text)
    except targets.GateError:
        gate = None
    if gate is None or not gate.at_most or not gate.figure.startswith("p") or not gate.value or not float(gate.figure[1:]):
        raise LoadError(f"{text!r} is no promise: write 'p99<=500ms'")
    return Promise(float(gate.figure[1:]), gate.value)


def prepare(options: argparse.Namespace) -> None:
    """The options of a search as those of its first probe; LoadError where they are of another load."""
    if options.users is not None or options.stages is not None or options.requests is not None or options.grace is not None:
        raise LoadError("--find-rate sends loads of its own: no -n, --users, --stages and --grace with it")
    if options.csv is not None:
        raise LoadError("--find-rate has no one table of percentiles: no -e with it")
    options.rate = options.rate or START_RATE
    options.seconds = options.seconds or PROBE_SECONDS


@dataclass
class Search:
    """The rates that were tried, and what follows: it knows nothing of requests."""

    probe: Callable[[float], Awaitable[str]]
    start: float = START_RATE
    tried: list[tuple[float, str]] = field(default_factory=list)
    deadline: float = math.inf

    async def find(self) -> tuple[str, float | None]:
        """How it ended, and the highest rate that held."""
        low, high, above = 0.0, math.inf, BROKEN
        rate = self.start
        while len(self.tried) < MOST_PROBES and time.monotonic() < self.deadline:
            if high <= low * NEAR:
                if await self._confirmed(low):
                    return (CLIENT_BOUND if above == VOID else FOUND), low
                high, above = low, self.tried[-1][1]
                low = max((one for one, verdict in self.tried if verdict == HELD and one < high), default=0.0)
            elif rate < LEAST_RATE:
                return (CLIENT_BOUND if above == VOID else NONE), None
            else:
                verdict = await self._decide(rate)
                low, high, above = (rate, high, above) if verdict == HELD else (low, rate, verdict)
            rate = between(low, high)
        return UNDECIDED, low or None

    async def _decide(self, rate: float) -> str:
        verdict = await self._try(rate)
        return verdict if verdict == HELD else await self._try(rate)

    async def _confirmed(self, rate: float) -> bool:
        for _ in range(CONFIRMATIONS):
            if await self._try(rate) != HELD:
                return False
        return True

    async def _try(self, rate: float) -> str:
        verdict = await self.probe(rate)
        self.tried.append((rate, verdict))
        return verdict


def between(low: float, high: float) -> float:
    """The next to try: double, half, or the middle by ratio, in three digits."""
    rate = low * 2 if math.isinf(high) else high / 2 if not low else math.sqrt(low * high)
    return float(f"{rate:.3g}")


def judge(promised: Promise, load: dict[str, Any]) -> tuple[str, str]:
    """The verdict on one probe, and why."""
    summary = Summary(load)
    invalid, said = doubts(load["client"], summary.latency(50))
    if invalid:
        return VOID, said[0]
    late = float(percentiles.percentile(summary.lateness, promised.percent)) if summary.sent else 0.0
    if late > max(LATE_MS, LATE_SHARE * promised.limit_ms):
        return VOID, f"the client started requests {late:.1f} ms late (p{promised.percent:g})"
    lost = summary.failed + summary.unsent
    if lost > FAILED_SHARE * summary.due:
        return BROKEN, f"{summary.failed:,} failed, {summary.unsent:,} unsent of {summary.due:,}"
    found = percentile_of_due(load, promised.percent)
    if found > promised.limit_ms:
        return BROKEN, f"p{promised.percent:g} {'was not answered in time' if math.isinf(found) else f'{found:,.1f} ms'}"
    kept = 1.0 if summary.of_ideal is None else summary.of_ideal
    if kept < KEPT_UP and (1 - kept) * summary.due > percentiles.FEW_BEYOND:
        return BROKEN, f"the server fell behind: it answered {kept:.1%} as fast as it came"
    return HELD, ""


def percentile_of_due(load: dict[str, Any], percent: float) -> float:
    """In ms from the intended start, of all that was due; infinite where it was not answered as it should be."""
    rows = load["requests"]
    taken = (np.asarray(rows["end"]).astype(np.int64) - np.asarray(rows["due"]).astype(np.int64)) / 1000
    return float(percentiles.percentile(np.sort(np.where(np.asarray(rows["outcome"]) == OK, np.maximum(taken, 0), np.inf)), percent))


class Stopped(Exception):
    """A person ended the search."""


class Prober:
    """Sends the probes, one after the other, and keeps their records."""

    def __init__(self, load: Load, target: Target, promised: Promise, tell: Tell) -> None:
        self.load = replace(load, grace=promised.limit_ms / 1000)  # what is in flight after that has broken it
        self.target = target
        self.promised = promised
        self._tell = tell
        self.loads: list[dict[str, Any]] = []
        self._run: Run | None = None
        self._stopped = False

    def stop(self) -> None:
        self._stopped = True
        if self._run is not None:
            self._run.stop("cancelled")

    async def find(self) -> dict[str, Any]:
        """The record of the whole search."""
        search = Search(self.probe, self.load.rate or START_RATE, deadline=time.monotonic() + MOST_SECONDS)
        ended, rate, said = "stopped", None, ""
        try:
            alone = [await self.alone() for _ in range(ALONE)]
            if min(alone) > self.promised.limit_ms:
                taken = "was not answered as it should be" if math.isinf(min(alone)) else f"took {min(alone):,.1f} ms"
                ended, said = NONE, f"no rate holds {self.promised}: a request alone {taken}"
            else:
                ended, rate = await search.find()
        except Stopped:
            said = "stopped"
        return {
            "kind": "find-rate",
            "promise": str(self.promised),
            "percent": self.promised.percent,
            "limit_ms": self.promised.limit_ms,
            "probe_seconds": self.load.seconds,
            "url": self.target.url,
            "ended": ended,
            "rate": rate,
            "said": said,
            "loads": self.loads,
        }

    async def probe(self, rate: float) -> str:
        done = await self._send(replace(self.load, rate=rate))
        verdict, because = judge(self.promised, done)
        self.loads.append({**done, "verdict": verdict, "because": because})
        await self._settle()
        return verdict

    async def alone(self) -> float:
        """One request, in ms; infinite if it is not answered as it should be."""
        done = await self._send(self.load.burst(1), quiet=True)
        return Summary(done).latency(50) or math.inf

    async def _settle(self) -> None:
        """Until the server has worked off what the probe left behind: the next starts on an idle one."""
        until = time.monotonic() + SETTLE_SECONDS
        while await self.alone() > self.promised.limit_ms and time.monotonic() < until:
            await asyncio.sleep(0.1)

    async def _send(self, load: Load, quiet: bool = False) -> dict[str, Any]:
        if self._stopped:
            raise Stopped
        self._run = Run(load, self.target, silent if quiet else self._tell)
        done = await self._run.go()
        if self._stopped:
            raise Stopped
        return done
