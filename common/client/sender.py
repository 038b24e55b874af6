"""Sends one load: every request that it starts has exactly one outcome, and each of its moments is kept.

No retries and no queue: a request starts when its loop says so, connects, is sent and is
answered.
"""

import asyncio
import gc
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from time import perf_counter
from typing import Any

from common.client import percentiles
from common.client.closed_loop import Closed
from common.client.load import Load
from common.client.open_loop import Arrivals
from common.client.outcomes import OK, OUTCOMES, Outcomes, tally
from common.client.progress import Tell, silent
from common.client.request import Target
from common.client.selfwatch import SelfWatch

MOST_LOOKED_AT = 500  # answers, for one line of progress


class Run:
    """One load, sent once: from its start to the last outcome or the end of the time."""

    def __init__(self, load: Load, target: Target, tell: Tell) -> None:
        self.load = load
        self.target = target
        self.request = target.request
        self.expect = load.expect.encode(errors="surrogateescape") if load.expect is not None else None
        self.loop = asyncio.get_running_loop()
        self.outcomes = Outcomes()
        self.connections = 0
        self.kept_alive = 0  # answers that left their connection fit for another request
        self.failures = 0  # so far, for the eye only
        self.first_answer: dict[str, str] | None = None
        self.stopped = ""
        self.pace: Closed | Arrivals = Arrivals(self) if load.is_open else Closed(self)
        self._over: asyncio.Future[None] = self.loop.create_future()
        self._tell = tell
        self._sample = (0, 0.0)  # requests done and seconds gone, when last told
        self._watch = SelfWatch(self.loop, self._show_progress)

    async def go(self) -> dict[str, Any]:
        started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        gc.collect()
        gc.freeze()
        gc.disable()  # a collection in the clock would be lag; the client makes no cycles that last
        self._watch.start()
        self.zero = perf_counter()
        self.loop.call_later(self.load.timeout, self._sweep)
        self.pace.begin()
        try:
            await self._over
        finally:
            now = perf_counter() - self.zero
            seconds = now if self.stopped else self.pace.seconds(self._last_end() - self.zero)
            self._watch.stop()
            gc.enable()
            gc.unfreeze()
            for user in self.pace.users:
                user.drop_connection()
            self._tell("")
        return self._as_record(started_at, seconds)

    def stop(self, outcome: str) -> None:
        """End now: what is in flight gets this outcome."""
        if self._over.done():
            return
        self.stopped = outcome
        now = perf_counter()
        for user in self.pace.users:
            user.fail(outcome, now)
        self.over()

    def over(self) -> None:
        if not self._over.done():
            self._over.set_result(None)

    def _sweep(self) -> None:
        """Time out what is overdue; look again when the next could be."""
        now = perf_counter()
        oldest = now
        for user in self.pace.users:
            if user.busy and now - user.started >= self.load.timeout:
                user.time_out(now)
            elif user.busy:
                oldest = min(oldest, user.started)
        if not self._over.done():
            self.loop.call_later(max(0.001, oldest + self.load.timeout - perf_counter()), self._sweep)

    def _show_progress(self) -> None:
        if self._tell is silent:
            return
        elapsed = perf_counter() - self.zero
        failed = f", {self.failures:,} failed" if self.failures else ""
        self._tell(f"{len(self.outcomes):,} {self.pace.progress(elapsed)} requests done{failed}, {elapsed:.1f} s{self._lately(elapsed)}")

    def _lately(self, elapsed: float) -> str:
        """Since the last sample: what was answered in a second, and the p95 of at most so many of the answers."""
        seen, (done, then) = len(self.outcomes), self._sample
        self._sample = (seen, elapsed)
        moments, outcomes = self.outcomes.moments, self.outcomes.facts["outcome"]
        ok = [number for number in range(max(done, seen - MOST_LOOKED_AT), seen) if outcomes[number] == OK]
        if not ok or elapsed <= then:
            return ""
        p95 = percentiles.percentile(sorted(moments["end"][number] - moments["start"][number] for number in ok), 95)
        return f" · {(seen - done) / (elapsed - then):,.0f} req/s, p95 {p95 * 1000:,.0f} ms"

    def _last_end(self) -> float:
        return max(self.outcomes.moments["end"], default=self.zero)

    def _as_record(self, started_at: str, seconds: float) -> dict[str, Any]:
        module = type(self.loop).__module__.partition(".")[0]
        return {
            "description": self.load.describe(),
            "load": self.load.as_record(),
            "url": self.target.url,
            "host": self.target.host,
            "port": self.target.port,
            "path": self.target.path,
            "address": self.target.address,
            "body_bytes": len(self.target.body),
            "started_at": started_at,
            "seconds": round(seconds, 6),
            "stopped": self.stopped,
            "server": (self.first_answer or {}).get("server", ""),
            "connections": self.connections,
            "kept_alive": self.kept_alive,
            "outcomes": tally(self.outcomes.facts["outcome"]),
            "client": {
                **self._watch.as_record(),
                "python": platform.python_version(),
                "aiohttp": version("aiohttp"),
                "loop": f"uvloop {version('uvloop')}" if module == "uvloop" else "asyncio",
            },
            "outcome_names": list(OUTCOMES),
            "requests": self.outcomes.since(self.zero, self.pace.columns()),
        }
