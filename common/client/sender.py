"""Sends one load: every request that it starts has exactly one outcome, and all its moments are kept.

No retries and no queue: a request starts when its loop says so, connects, is sent and is
answered.
"""

import asyncio
import gc
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from time import perf_counter

from common.client import percentiles
from common.client.closed_loop import ClosedLoop
from common.client.ledger import Ledger, pack_row
from common.client.load import Load
from common.client.open_loop import OpenLoop
from common.client.outcomes import OUTCOMES, UNSENT, tally
from common.client.progress import Tell, silent
from common.client.request import Request
from common.client.selfwatch import SelfWatch
from common.client.sent import Sent
from common.client.user import User
from common.client.wire import HAVE_EPOLL, Wires

MOST_LOOKED_AT = 500  # answers behind one line of progress


class Sender:
    """Sends one load once, from its start to the last outcome or the end of its time."""

    def __init__(self, load: Load, request: Request, tell: Tell) -> None:
        self._load = load
        self._request = request
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._ledger = Ledger()
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._stopped = ""
        self._wires = Wires(self._loop) if HAVE_EPOLL and request.tls is None else None
        self._pace = (
            OpenLoop(load, self._new_user, self._note_unsent, self._end, self.stop)
            if load.is_open
            else ClosedLoop(load, self._new_user, self._end, self.stop)
        )
        self._watch = SelfWatch(self._loop, self._show_progress)
        self._sample = (0, 0.0)  # requests done and seconds gone at the last report

    async def send(self) -> Sent:
        gc.collect()
        gc.freeze()
        gc.disable()  # a collection under the clock would be lag; the client makes no lasting cycles
        self._watch.start()
        started_at = datetime.now(UTC).isoformat(timespec="microseconds")  # at its zero: CPU and noise are cut off by this clock
        self._zero = perf_counter()
        self._loop.call_later(self._load.timeout, self._sweep)
        self._pace.begin(self._zero)
        try:
            await self._over
        finally:
            elapsed = perf_counter() - self._zero
            self._watch.stop()
            gc.enable()
            gc.unfreeze()
            for user in self._pace.users:
                user.drop_connection()
            if self._wires is not None:
                self._wires.close()
            self._tell("")
        return self._sent(started_at, elapsed)

    @property
    def began(self) -> float:
        """When its first request could start, on the clock that all processes share."""
        return self._zero

    def stop(self, outcome: str) -> None:
        """End now: what is in flight gets this outcome."""
        if self._over.done():
            return
        self._stopped = outcome
        self._pace.end()
        now = perf_counter()
        for user in self._pace.users:
            user.fail(outcome, now)
        self._end()

    def _new_user(self, ended: Callable[[User], None]) -> User:
        return User(self._loop, self._wires, self._request, self._ledger, ended)

    def _note_unsent(self, count: int) -> None:
        now = perf_counter()
        self._ledger.rows += pack_row(now, now, now, 0.0, now, UNSENT, 0, 0, 0) * count

    def _end(self) -> None:
        if not self._over.done():
            self._over.set_result(None)

    def _sweep(self) -> None:
        """Time out what is overdue; look again when the next one could be."""
        now = perf_counter()
        oldest = now
        for user in self._pace.users:
            if user.busy and now - user.started >= self._load.timeout:
                user.time_out(now)
            elif user.busy:
                oldest = min(oldest, user.started)
        if not self._over.done():
            self._loop.call_later(max(0.001, oldest + self._load.timeout - perf_counter()), self._sweep)

    def _show_progress(self) -> None:
        if self._tell is silent:
            return
        ledger = self._ledger
        elapsed = perf_counter() - self._zero
        failed = f", {ledger.failures:,} failed" if ledger.failures else ""
        self._tell(f"{len(ledger):,} {self._pace.progress(elapsed)}{failed}{self._lately(elapsed)}")

    def _lately(self, elapsed: float) -> str:
        """Since the last report: requests per second, and the p95 of the last answers."""
        seen, (done, then) = len(self._ledger), self._sample
        self._sample = (seen, elapsed)
        latencies = self._ledger.latencies(max(done, seen - MOST_LOOKED_AT), seen)
        if not latencies or elapsed <= then:
            return ""
        p95 = percentiles.percentile(latencies, 95)
        return f" · {(seen - done) / (elapsed - then):,.0f} req/s, p95 {p95 * 1000:,.0f} ms"

    def _sent(self, started_at: str, elapsed: float) -> Sent:
        request, ledger = self._request, self._ledger
        requests = ledger.take_requests(self._zero, self._pace.due)
        seconds = elapsed if self._stopped else self._pace.seconds(requests.end.max() / 1e6)
        on_uvloop = type(self._loop).__module__.partition(".")[0] == "uvloop"
        return Sent(
            load=self._load,
            url=request.url,
            host=request.host,
            port=request.port,
            path=request.path,
            address=request.address,
            body_bytes=len(request.body),
            started_at=started_at,
            seconds=round(float(seconds), 6),
            stopped=self._stopped,
            server=ledger.server or "",
            connections=sum(user.connections for user in self._pace.users),
            kept_alive=ledger.kept_alive,
            outcomes=tally(requests.outcome),
            outcome_names=OUTCOMES,
            client=self._watch.cost(
                python=platform.python_version(),
                aiohttp=version("aiohttp"),
                loop=f"uvloop {version('uvloop')}" if on_uvloop else "asyncio",
            ),
            requests=requests,
        )
