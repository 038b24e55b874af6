"""Sends one request after the other over a connection of its own: connects, sends, and names the outcome.

Others decide when it sends: `closed_loop` where the last answer brings the next
request, `open_loop` where a schedule does.
"""

import asyncio
from collections.abc import Callable
from time import perf_counter

from common.client.connection import Connection
from common.client.ledger import Ledger, pack_row
from common.client.outcomes import NUMBER, OK
from common.client.request import Request
from common.client.wire import Wires


class User:
    """Has at most one request in flight; it calls `ended` once for each `start`, when the outcome is noted."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        wires: Wires | None,
        request: Request,
        ledger: Ledger,
        ended: Callable[["User"], None],
    ) -> None:
        self._loop = loop
        self._wires = wires
        self._request = request
        self._ledger = ledger
        self._ended = ended
        self.connection: Connection | None = None
        self.busy = False
        self.connections = 0  # made
        self.due = 0.0  # when the schedule meant it to start
        self.started = 0.0

    def start(self) -> None:
        self.busy = True
        self.started = perf_counter()
        connection = self.connection
        if connection is not None and connection.reusable:
            connection.connected_at = self.started
            connection.send()
        else:
            if connection is not None:
                connection.close()
            self.connection = Connection(self._loop, self._request, self)
            self.connection.open(self._wires)

    def answered(self, connection: Connection, now: float) -> None:
        ledger = self._ledger
        if connection.outcome != OK:
            ledger.failures += 1
        if ledger.server is None:
            ledger.server = connection.header("Server")
        if self._request.is_large and connection.still_sends:
            connection.reusable = False
        if self._request.keep_alive:
            ledger.kept_alive += connection.reusable
        else:
            connection.reusable = False
        self.busy = False
        ledger.rows += pack_row(
            self.started,
            connection.connected_at,
            connection.sent,
            connection.first_byte,
            now,
            connection.outcome,
            connection.status,
            connection.body_bytes,
            connection.received,
        )
        self._ended(self)

    def failed(self, connection: Connection, outcome: str, now: float) -> None:
        if connection is self.connection:
            self.fail(outcome, now)

    def fail(self, outcome: str, now: float) -> None:
        """The request in flight ends without a complete answer."""
        connection = self.connection
        if not self.busy or connection is None:
            return
        self.busy = False
        self._ledger.failures += 1
        answer = (connection.status, connection.body_bytes, connection.received) if connection.received else (0, 0, 0)
        self._ledger.rows += pack_row(
            self.started,
            connection.connected_at or now,
            connection.sent if connection.connected_at else now,
            connection.first_byte if connection.received else 0.0,
            now,
            NUMBER[outcome],
            *answer,
        )
        self.drop_connection()
        self._ended(self)

    def time_out(self, now: float) -> None:
        connection = self.connection
        if connection is None or not connection.connected_at:
            self.fail("connect timeout", now)
        elif connection.received:
            self.fail("total timeout", now)
        else:
            self.fail("read timeout", now)

    def drop_connection(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None


NewUser = Callable[[Callable[[User], None]], User]  # makes a user of this load, which calls that function when a request ends
