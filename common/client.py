"""Sends one load: users that each have one request in flight, and one outcome for every request.

No retries and no queue: a request starts when its user is due, connects, is sent and
is answered, and each of these moments is kept.
"""

import asyncio
import errno
import gc
import platform
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from time import perf_counter
from typing import Any

from common.connection import Connection
from common.load import Load
from common.outcomes import NUMBER, OK, OUTCOMES, Outcomes, tally
from common.progress import tell
from common.selfwatch import SelfWatch
from common.target import Target

CLIENT_RESOURCES = (errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM)
NON_2XX, MISMATCH = NUMBER["non-2xx"], NUMBER["body mismatch"]


class User:
    """One of the load's users: sends its next request when the last has its outcome."""

    def __init__(self, run: "Run") -> None:
        self.run = run
        self.connection: Connection | None = None
        self.opening: asyncio.Task[None] | None = None
        self.busy = False
        self.started = self.connected_at = 0.0

    def next(self) -> None:
        run = self.run
        for _ in run.due:
            break
        else:
            self.drop_connection()
            return
        self.busy = True
        self.started = perf_counter()
        connection = self.connection
        if connection is not None and connection.reusable:
            self.connected_at = self.started
            connection.send(run.request)
        else:
            self.drop_connection()
            self.opening = run.loop.create_task(self.open())

    async def open(self) -> None:
        run, target = self.run, self.run.target
        connection = self.connection = Connection(run.loop, self, run.load.method, run.expect is not None)
        self.connected_at = 0.0
        try:
            await run.loop.create_connection(
                lambda: connection,
                target.address,
                target.port,
                ssl=target.tls,
                server_hostname=target.host if target.tls else None,
            )
        except OSError as error:
            if connection is self.connection:
                self.opening = None
                self.fail(connect_outcome(error), perf_counter())

    def connected(self, connection: Connection) -> None:
        self.run.connections += 1
        if self.busy and connection is self.connection:
            self.opening = None
            self.connected_at = perf_counter()
            connection.send(self.run.request)
        else:
            connection.close()

    def answered(self, connection: Connection, now: float) -> None:
        run = self.run
        status = connection.status
        if not 200 <= status < 300:
            outcome = NON_2XX
        elif run.expect is not None and run.expect not in connection.body:
            outcome = MISMATCH
        else:
            outcome = OK
        if outcome != OK:
            run.failures += 1
        if run.first_answer is None:
            run.first_answer = {"server": connection.header("Server")}
        self.busy = False
        run.outcomes.add(
            self.started,
            self.connected_at,
            connection.sent,
            connection.first_byte,
            now,
            outcome,
            status,
            connection.body_bytes,
            connection.received,
        )
        if run.load.keep_alive:
            run.kept_alive += connection.reusable
        else:
            connection.reusable = False
        run.ended(self)

    def failed(self, connection: Connection, outcome: str, now: float) -> None:
        self.fail(outcome, now)

    def fail(self, outcome: str, now: float) -> None:
        """The request in flight ends without a complete answer."""
        if not self.busy:
            return
        self.busy = False
        self.run.failures += 1
        connection = self.connection
        sent = connection.sent if connection and self.connected_at else 0.0
        begun = connection is not None and sent and connection.received
        self.run.outcomes.add(
            self.started,
            self.connected_at or now,
            sent or now,
            connection.first_byte if begun and connection else 0.0,
            now,
            NUMBER[outcome],
            connection.status if begun and connection else 0,
            connection.body_bytes if begun and connection else 0,
            connection.received if begun and connection else 0,
        )
        self.drop_connection()
        self.run.ended(self)

    def time_out(self, now: float) -> None:
        if not self.connected_at:
            self.fail("connect timeout", now)
        elif self.connection is not None and self.connection.received:
            self.fail("total timeout", now)
        else:
            self.fail("read timeout", now)

    def drop_connection(self) -> None:
        if self.opening is not None:
            self.opening.cancel()
            self.opening = None
        if self.connection is not None:
            self.connection.close()
            self.connection = None


def connect_outcome(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if error.errno in CLIENT_RESOURCES:
        return "client resource"
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return "reset"
    return "unreachable"


class Run:
    """One load, sent once: from the barrier to the last outcome or the end of the time."""

    def __init__(self, load: Load, target: Target, quiet: bool) -> None:
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
        self.users = [User(self) for _ in range(load.concurrency)]
        self.due: Iterator[int] = iter(range(load.requests)) if load.requests is not None else iter(int, 1)
        self._over: asyncio.Future[None] = self.loop.create_future()
        self._arrived = 0
        self._quiet = quiet
        self._watch = SelfWatch(self.loop, self._show_progress)

    async def go(self) -> dict[str, Any]:
        started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        gc.collect()
        gc.freeze()
        gc.disable()  # a collection in the clock would be lag; the client makes no cycles that last
        self._watch.start()
        self.zero = perf_counter()
        self._schedule()
        try:
            await self._over
        finally:
            seconds = (perf_counter() if not self._all_done() else self._last_end()) - self.zero
            self._watch.stop()
            gc.enable()
            for user in self.users:
                user.drop_connection()
            if not self._quiet:
                tell("")
        return self._as_record(started_at, seconds)

    def stop(self, outcome: str) -> None:
        """End now: what is in flight gets this outcome."""
        if self._over.done():
            return
        self.stopped = outcome
        self.due = iter(())
        now = perf_counter()
        for user in self.users[: self._arrived]:
            user.fail(outcome, now)
        if not self._over.done():
            self._over.set_result(None)

    def ended(self, user: User) -> None:
        if self.stopped:
            return
        if self.load.requests is not None and len(self.outcomes) == self.load.requests:
            if not self._over.done():
                self._over.set_result(None)
        else:
            user.next()

    def _schedule(self) -> None:
        load = self.load
        if load.seconds is not None:
            self.loop.call_later(load.seconds, self.stop, "cut off")
        self.loop.call_later(load.timeout, self._sweep)
        if load.spawn_rate is None:
            self._arrived = len(self.users)
            for user in self.users:  # the barrier opens
                user.next()
        else:
            self._arrive()

    def _arrive(self) -> None:
        """A ramp's users: one every 1/R seconds, the first at once."""
        rate = self.load.spawn_rate or 1.0
        due = min(len(self.users), 1 + int((perf_counter() - self.zero) * rate))
        while self._arrived < due and not self.stopped:
            self._arrived += 1
            self.users[self._arrived - 1].next()
        if self._arrived < len(self.users) and not self.stopped:
            self.loop.call_later(max(0.0, self.zero + self._arrived / rate - perf_counter()), self._arrive)

    def _sweep(self) -> None:
        """Time out what is overdue; look again when the next could be."""
        now = perf_counter()
        oldest = now
        for user in self.users:
            if user.busy and now - user.started >= self.load.timeout:
                user.time_out(now)
            elif user.busy:
                oldest = min(oldest, user.started)
        if not self._over.done():
            self.loop.call_later(max(0.001, oldest + self.load.timeout - perf_counter()), self._sweep)

    def _show_progress(self) -> None:
        if self._quiet:
            return
        elapsed = perf_counter() - self.zero
        whole = f"of {self.load.requests:,}" if self.load.requests is not None else f"in {elapsed:.0f} of {self.load.seconds:.0f} s"
        failed = f", {self.failures:,} failed" if self.failures else ""
        tell(f"{len(self.outcomes):,} {whole} requests done{failed}, {elapsed:.1f} s")

    def _all_done(self) -> bool:
        return self.load.requests is not None and len(self.outcomes) == self.load.requests

    def _last_end(self) -> float:
        return max(self.outcomes.moments["end"])

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
            "requests": self.outcomes.since(self.zero),
        }
