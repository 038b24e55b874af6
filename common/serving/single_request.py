"""Sends one request and reads its whole answer: to look at a site, not to measure it."""

import http.client
import io
import re
import socket
import time
from dataclasses import dataclass
from typing import Any

from common.client.request import Request

MOST_BYTES = 64 * 2**20  # of an answer: who sends more may never end
PIECE = 2**16  # bytes read at a time: an answer may claim any length, and room would be made for all of it at once
READ, SHOWN = 20_000, 200  # characters of a body
NOT_TEXT = re.compile(r"<(style|script)\b.*?</\1\s*>|<[^<>]*>", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    status: int
    location: str  # where it redirects to; '' if it does not
    cookies: list[str]  # its Set-Cookie headers
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    @property
    def excerpt(self) -> str:
        """The beginning of what it says, in one line."""
        return " ".join(NOT_TEXT.sub(" ", self.text[:READ]).split())[:SHOWN].strip() or "an empty body"


def exchange(request: Request, seconds: float) -> Answer:
    until = time.monotonic() + seconds
    with socket.create_connection((request.address, request.port), timeout=seconds) as plain:
        connection = request.tls.wrap_socket(plain, server_hostname=request.host) if request.tls is not None else plain
        connection.sendall(request.bytes)
        answer = http.client.HTTPResponse(Stream(connection, until), method=request.method)  # type: ignore[arg-type]
        with answer:
            answer.begin()
            location, cookies = answer.getheader("Location", ""), answer.headers.get_all("Set-Cookie", [])
            return Answer(answer.status, location, cookies, body_of(answer))


def body_of(answer: http.client.HTTPResponse) -> bytes:
    if (answer.length or 0) > MOST_BYTES:
        raise TooLong
    try:
        body = b"".join(iter(lambda: answer.read(PIECE), b""))
    except ValueError as error:  # for a chunk of a length below 0
        raise http.client.HTTPException(error) from None
    if answer.length:
        raise http.client.IncompleteRead(body, answer.length)
    return body


class TooLong(http.client.HTTPException):
    def __str__(self) -> str:
        return f"more than {MOST_BYTES // 2**20} MB: does its answer ever end?"


class Stream(io.RawIOBase):
    """What comes over a connection until a moment, however slowly, and no more than so many bytes."""

    def __init__(self, connection: socket.socket, until: float) -> None:
        self._connection = connection
        self._until = until
        self._left = MOST_BYTES

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._connection.settimeout(max(0.001, self._until - time.monotonic()))
        read = self._connection.recv_into(buffer)
        self._left -= read
        if self._left < 0:
            raise TooLong
        if time.monotonic() > self._until:
            raise TimeoutError
        return read


def why_silent(error: Exception) -> str:
    match error:
        case ConnectionRefusedError():
            return "nothing listens there"
        case TimeoutError():
            return "it accepts connections but sends no complete answer"
        case ConnectionError():  # RemoteDisconnected is one
            return "it closes the connection without an answer"
        case TooLong():
            return f"it answers with {error}"
        case http.client.IncompleteRead():
            return "it closes the connection in the middle of its answer"
        case http.client.HTTPException():
            return f"what it sends is not HTTP: {error}"
        case _:
            return f"{type(error).__name__}: {error}"
