"""Sends one request after the other over a connection of its own: connects, sends, and names what became of it.

When it sends is said by others: `closed.py` where the last answer brings the next
request, `arrivals.py` where a schedule does.
"""

import asyncio
import errno
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING

from common.client.connection import Connection
from common.client.outcomes import NUMBER, OK

if TYPE_CHECKING:
    from common.client.sender import Run

CLIENT_RESOURCES = (errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM)
NON_2XX, MISMATCH = NUMBER["non-2xx"], NUMBER["body mismatch"]


class User:
    """Has one request in flight at most; `ended` is told once of each `start`, when its outcome is noted."""

    def __init__(self, run: "Run", ended: Callable[["User"], None]) -> None:
        self.run = run
        self.ended = ended
        self.connection: Connection | None = None
        self.opening: asyncio.Task[None] | None = None
        self.busy = False
        self.due = 0.0  # when a schedule had meant to start it
        self.started = self.connected_at = 0.0

    def start(self) -> None:
        run = self.run
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
        self.ended(self)

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
        self.ended(self)

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
