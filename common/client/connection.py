"""One HTTP/1.1 connection of the load generator, on aiohttp's own parser.

aiohttp's `ClientSession` retries and hides connecting; one layer below it, its C
parser turns bytes into responses and nothing else. All that depends on that layer
(`HttpResponseParser`, its messages and its payload streams) is in this file, and
aiohttp is pinned exactly: tests/test_connection.py fails by name if it changes.
"""

import asyncio
import errno
from contextlib import suppress
from time import perf_counter
from typing import Any, Protocol

from aiohttp.http import HttpResponseParser
from aiohttp.http_exceptions import HttpProcessingError

from common.client.request import Request
from common.client.wire import Wire, Wires

CLIENT_RESOURCES = (errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM)
NO_BODY = (204, 304)
NEVER_PAUSE = 2**30  # bytes: bodies are drained as they arrive, so the parser need not stop for them


# The answers of a benchmark begin with the same bytes again and again (Date changes once a second), and what
# the parser makes of such a head follows from its bytes alone: one that was seen is not parsed again.
Head = tuple[Any, int, int, bool]  # the parser's message, the status, the body's length, whether the connection may be used again
HEADS: dict[bytes, Head] = {}
MOST_HEADS = 256
END_OF_HEAD = b"\r\n\r\n"
LENGTH = 2  # its place in a Head
LONGEST_BEGINNING = 2**16  # bytes before an answer's head is complete: interim responses may never end


class Owner(Protocol):
    """Is told what becomes of each request, once: `answered` or `failed`."""

    connections: int  # made

    def answered(self, connection: "Connection", now: float) -> None: ...
    def failed(self, connection: "Connection", outcome: str, now: float) -> None: ...


class Connection(asyncio.Protocol):
    """Sends one request as soon as it is open; `send` sends the next."""

    __slots__ = (
        "_begun",
        "_between_answers",
        "_body",
        "_known",
        "_loop",
        "_message",
        "_opening",
        "_owner",
        "_parser",
        "_payload",
        "_request",
        "_transport",
        "_waiting",
        "body_bytes",
        "connected_at",
        "first_byte",
        "outcome",
        "received",
        "reusable",
        "sent",
        "status",
    )

    connected = True  # the parser reads it from the protocol that it feeds

    def __init__(self, loop: asyncio.AbstractEventLoop, request: Request, owner: Owner) -> None:
        self._loop = loop
        self._request = request
        self._owner = owner
        self._transport: Any = None
        self._opening: asyncio.Task[None] | None = None
        self._parser: Any = None
        self._between_answers = not request.head_only  # the parser certainly is: a known answer may bypass it
        self._waiting = True
        self._known = b""  # a whole answer to which all that is noted here applies
        self.reusable = False
        self.connected_at = self.sent = 0.0
        self.received = 0
        self._begun = b""  # of an answer, while its head is not known
        self._body = b""  # of a complete answer, if a text is expected: enough of it to tell whether the text is there

    def open(self, wires: Wires | None) -> None:
        """Connect by a wire if there are wires, else by a transport of the loop."""
        if wires is None:
            self._opening = self._loop.create_task(self._open())
            return
        try:
            self._transport = Wire(wires, self._request.family, self._request.socket_address, self)
            self._transport.connect()
        except OSError as error:
            self._transport = None
            self._loop.call_soon(self.connection_lost, error)  # not at once: the owner may begin another request

    async def _open(self) -> None:
        request = self._request
        host = request.host if request.tls else None
        try:
            await self._loop.create_connection(lambda: self, request.address, request.port, ssl=request.tls, server_hostname=host)
        except OSError as error:
            self._opening = None
            self.connection_lost(error)

    def send(self) -> None:
        self.received = 0
        self._waiting = True
        self._transport.write(self._request.bytes)
        self.sent = perf_counter()

    @property
    def still_sends(self) -> bool:
        """Its answer may come before the whole request was sent: of a body that is too large, for one."""
        return self._transport is not None and self._transport.get_write_buffer_size() > 0

    def close(self) -> None:
        """Give the connection up and report nothing more."""
        self._waiting = False
        self._parser = None  # it points back at this object
        if self._opening is not None:
            self._opening.cancel()
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def header(self, name: str) -> str:
        """A header of the last answer; the record must be UTF-8, so anything else is replaced."""
        return str(self._message.headers.get(name, "")).encode(errors="surrogateescape").decode(errors="replace")

    # What asyncio calls

    def connection_made(self, transport: Any) -> None:
        if self._waiting:
            transport.set_write_buffer_limits(0)  # so that writes reach the system at once
            self.begin(transport)
        else:
            transport.abort()

    def begin(self, transport: Any) -> None:
        self.connected_at = perf_counter()
        self._transport = transport
        self._owner.connections += 1
        self.send()

    def resume_writing(self) -> None:
        self.sent = perf_counter()  # only now is the last of it handed over

    def data_received(self, data: bytes) -> None:
        now = perf_counter()
        if self._between_answers and self._waiting and (data == self._known or self._is_known(data)):
            self.first_byte = now
            self.received = len(data)
            self._waiting = False
            self._owner.answered(self, now)
        else:
            self._parse(data, now)

    def connection_lost(self, error: Exception | None) -> None:
        """Called also where it was never made."""
        self.reusable = False
        self._transport = None
        if not self._waiting:
            self._parser = None  # it points back at this object
            return
        now = perf_counter()
        if isinstance(error, OSError):
            self._fail("reset" if self.connected_at else connect_outcome(error), now)
        elif self.received and self._ends_with_connection():
            self._complete(now, clean=False)
        else:
            self._fail("disconnected", now)

    def _is_known(self, data: bytes) -> bool:
        """Whether this is a whole answer with a head that was seen; then note what it says."""
        head, end, body = data.partition(END_OF_HEAD)
        known = HEADS.get(head)
        if known is None or known[LENGTH] != len(body) or not end:
            return False
        self._message, self.status, self.body_bytes, self.reusable = known
        self.outcome = self._request.judge(self.status, body)
        self._known = data if self.reusable else b""
        return True

    # Unknown heads are parsed

    def _parse(self, data: bytes, now: float) -> None:
        if not self._waiting:  # bytes that nobody asked for
            self.reusable = False
            self.close()
            return
        if not self.received:
            self.first_byte = now
            self._begin_to_parse()
        self.received += len(data)
        if self._message is None:
            self._begun += data
        try:
            messages, upgraded, rest = self._parser.feed_data(data)
        except HttpProcessingError:
            messages, upgraded, rest = self._parse_in_two(), False, data
            if not messages and not self._has_ended():
                self._fail("malformed", now)
                return
        for message, payload in messages:
            if message.code < 200 and message.code != 101:
                continue  # an interim response: the real one is still to come
            if self._message is None:
                self._message, self._payload, self._begun = message, payload, b""
                self.status = message.code
            else:
                rest = data  # a second response, to no request
        payload = self._payload
        if payload is None:
            if len(self._begun) > LONGEST_BEGINNING:
                self._fail("malformed", now)
            return
        self.body_bytes = payload.total_bytes
        ended = payload.is_eof()
        if self._request.expect is not None:
            self._look_for(self._request.expect, payload.read_nowait())
        elif not ended:
            payload.read_nowait()  # drained, else a large body would be kept whole
        if ended or self._request.head_only or self.status in NO_BODY or upgraded:
            clean = ended and not upgraded and not rest
            if clean and self.received == len(data):
                self._remember(data)
            self._complete(now, clean)
        elif payload.exception() is not None:
            self._fail("malformed", now)

    def _begin_to_parse(self) -> None:
        if self._parser is None:
            self._parser = self._new_parser()
        self._between_answers = False
        self._known = b""
        self._message = self._payload = None
        self._body = self._begun = b""
        self.status = self.body_bytes = 0

    def _new_parser(self) -> Any:
        return HttpResponseParser(
            self,  # type: ignore[arg-type]  # it only needs pause_reading, resume_reading and connected
            self._loop,
            NEVER_PAUSE,
            response_with_body=not self._request.head_only,
            read_until_eof=True,
            auto_decompress=False,
        )

    def _parse_in_two(self) -> list[Any]:
        """Parse head and rest apart: fed both at once, the parser yields nothing for a whole answer with extra bytes behind it."""
        messages: list[Any] = []
        rest, self._parser = self._begun, self._new_parser()
        with suppress(HttpProcessingError):
            while rest and not any(message.code >= 200 for message, _ in messages):
                head, end, rest = rest.partition(END_OF_HEAD)
                messages += self._parser.feed_data(head + end)[0]
            self._parser.feed_data(rest)
        return messages if messages and messages[-1][0].code >= 200 and messages[-1][1].is_eof() else []

    def _has_ended(self) -> bool:
        return self._payload is not None and bool(self._payload.is_eof())

    def _look_for(self, expect: bytes, data: bytes) -> None:
        """Keep only bytes that may begin the expected text: the body may be endless."""
        if expect not in self._body:
            seen = self._body + data
            self._body = expect if expect in seen else seen[max(0, len(seen) - len(expect) + 1) :]

    def _ends_with_connection(self) -> bool:
        try:
            self._parser.feed_eof()
        except HttpProcessingError:
            return False
        return self._has_ended()

    def _remember(self, data: bytes) -> None:
        """Remember the head of this whole answer, if its Content-Length alone says where the answer ends."""
        head, _, body = data.partition(END_OF_HEAD)
        message, headers = self._message, self._message.headers
        says_length = "Content-Length" in headers and "Transfer-Encoding" not in headers and len(body) == self.body_bytes
        if says_length and not message.upgrade and not self._request.head_only:
            if len(HEADS) >= MOST_HEADS:
                HEADS.clear()
            HEADS[head] = (message, message.code, len(body), not message.should_close)
            self._between_answers = True

    def _complete(self, now: float, clean: bool) -> None:
        self._waiting = False
        self.reusable = clean and not self._message.should_close
        self.outcome = self._request.judge(self.status, self._body)
        if self._request.head_only or self.status in NO_BODY:
            self._parser = None  # it may still expect a body that never comes
        self._owner.answered(self, now)

    def _fail(self, outcome: str, now: float) -> None:
        self._waiting = self.reusable = False
        self._owner.failed(self, outcome, now)

    # What the parser calls

    def pause_reading(self) -> None: ...

    def resume_reading(self, resume_parser: bool = True) -> None: ...


def connect_outcome(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if error.errno in CLIENT_RESOURCES:
        return "client resource"
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return "reset"
    return "unreachable"
