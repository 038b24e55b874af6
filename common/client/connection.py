"""One HTTP/1.1 connection of the load generator, on aiohttp's own parser.

aiohttp's `ClientSession` retries and hides connecting; one layer below it, its C
parser turns bytes into responses and nothing else. All that depends on that layer
(`HttpResponseParser`, its messages and its payload streams) is in this class, and
aiohttp is pinned exactly: tests/test_connection.py fails by name if it changes.
"""

import asyncio
from time import perf_counter
from typing import Any, Protocol

from aiohttp.http import HttpResponseParser
from aiohttp.http_exceptions import HttpProcessingError

NO_BODY = (204, 304)
NEVER_PAUSE = 2**30  # bytes: bodies are drained as they arrive, so the parser need not stop for them


class Owner(Protocol):
    """Who is told what becomes of a request: one call of `answered` or `failed` for each `send`."""

    def connected(self, connection: "Connection") -> None: ...
    def answered(self, connection: "Connection", now: float) -> None: ...
    def failed(self, connection: "Connection", outcome: str, now: float) -> None: ...


class Connection(asyncio.Protocol):
    # What the parser asks of the protocol that it feeds.
    connected = True

    def __init__(self, loop: asyncio.AbstractEventLoop, owner: Owner, method: str = "GET", keep_body: bool = False) -> None:
        self._loop = loop
        self._owner = owner
        self._head_only = method == "HEAD"
        self._keep_body = keep_body
        self._parser: Any = None
        self._message: Any = None
        self._payload: Any = None
        self._chunks: list[bytes] = []
        self._waiting = False
        self._unsent = False
        self.transport: Any = None
        self.reusable = False
        self.sent = self.first_byte = 0.0
        self.received = self.body_bytes = 0

    @property
    def status(self) -> int:
        return self._message.code if self._message is not None else 0

    @property
    def body(self) -> bytes:
        return b"".join(self._chunks)

    def header(self, name: str) -> str:
        return self._message.headers.get(name, "") if self._message is not None else ""

    def send(self, request: bytes) -> None:
        if self._parser is None:
            self._parser = HttpResponseParser(
                self,  # type: ignore[arg-type]  # it needs pause_reading, resume_reading, connected: no more
                self._loop,
                NEVER_PAUSE,
                response_with_body=not self._head_only,
                read_until_eof=True,
                auto_decompress=False,
            )
        self._message = self._payload = None
        self._chunks.clear()
        self.received = self.body_bytes = 0
        self._waiting = True
        self.transport.write(request)
        self.sent = perf_counter()

    def close(self) -> None:
        """Give the connection up: nothing more is heard of it."""
        self._waiting = False
        self._parser = self._payload = None  # they point back at this object
        if self.transport is not None:
            self.transport.abort()

    # What asyncio calls

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.set_write_buffer_limits(0)
        self._owner.connected(self)

    def pause_writing(self) -> None:
        self._unsent = True

    def resume_writing(self) -> None:
        if self._unsent:
            self._unsent = False
            self.sent = perf_counter()

    def data_received(self, data: bytes) -> None:
        now = perf_counter()
        if not self._waiting:  # bytes that nobody asked for
            self.reusable = False
            self.close()
            return
        if not self.received:
            self.first_byte = now
        self.received += len(data)
        try:
            messages, upgraded, rest = self._parser.feed_data(data)
        except HttpProcessingError:
            self._fail("malformed", now)
            return
        for message, payload in messages:
            if message.code < 200 and message.code != 101:
                continue  # it only announces a response to come
            if self._message is None:
                self._message, self._payload = message, payload
            else:
                rest = data  # a second response, to no request
        payload = self._payload
        if payload is None:
            return
        self.body_bytes = payload.total_bytes
        ended = payload.is_eof()
        if self._keep_body:
            self._chunks.append(payload.read_nowait())
        elif not ended:
            payload.read_nowait()  # drained, or a large body would be kept whole
        if ended or self._head_only or self._message.code in NO_BODY or upgraded:
            self._complete(now, clean=ended and not upgraded and not rest)
        elif payload.exception() is not None:
            self._fail("malformed", now)

    def connection_lost(self, error: Exception | None) -> None:
        now = perf_counter()
        self.reusable = False
        self.transport = None
        if not self._waiting:
            return
        if isinstance(error, OSError):
            self._fail("reset", now)
            return
        try:
            self._parser.feed_eof()
        except HttpProcessingError:
            self._fail("disconnected", now)
            return
        payload = self._payload
        if payload is not None and payload.is_eof():
            self._complete(now, clean=False)
        else:
            self._fail("disconnected", now)

    # What the parser calls

    def pause_reading(self) -> None: ...

    def resume_reading(self, resume_parser: bool = True) -> None: ...

    def _complete(self, now: float, clean: bool) -> None:
        self._waiting = False
        self.reusable = clean and not self._message.should_close
        if self._head_only or self._message.code in NO_BODY:
            self._parser = None  # it may still expect a body that never comes
        self._owner.answered(self, now)

    def _fail(self, outcome: str, now: float) -> None:
        self._waiting = False
        self._owner.failed(self, outcome, now)
