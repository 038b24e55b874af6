"""Finds out whether a server is ready: sends its load's own request until the answer is correct, or stays wrong."""

import http.client
import io
import socket
import time
from dataclasses import replace
from typing import Any

from common.cli import NotReady
from common.client.load import Load
from common.client.outcomes import MISMATCH, OK
from common.client.request import Request
from common.serving.process import Process, wait_until

STEADY_SECONDS = 2.0  # of the same wrong answer: waiting longer will not help
STARTING = (502, 503, 504)  # what a proxy says while the server behind it starts
SHOWN_BYTES = 200
MOST_BYTES = 64 * 2**20  # of an answer: who sends more may never end


def wait_until_ok(processes: list[Process], host: str, port: int, load: Load) -> None:
    """Wait; raise NotReady early if the answer stays wrong."""
    probe = Probe(f"http://{host}:{port}{load.target}", load)
    wait_until(processes, probe.find_fault, f"answer {probe.asked} on port {port} correctly")


class Probe:
    def __init__(self, url: str, load: Load) -> None:
        self.asked = f"{load.method} {load.target}"
        if load.headers:
            self.asked += f" ({', '.join(f'{name}: {value}' for name, value in load.headers)})"
        self._load = load
        self._request = Request(url, replace(load, keep_alive=False))
        self._wrong = ""  # what was wrong with the last answer that came
        self._since: float | None = None  # when it first came

    def find_fault(self, seconds: float) -> str:
        """What is wrong with the answer; '' if nothing is."""
        try:
            status, body = self._ask(seconds)
        except TooLong:
            raise NotReady(f"answers {self.asked} with more than {MOST_BYTES // 2**20} MB: does its answer ever end?") from None
        except (OSError, http.client.HTTPException) as error:
            self._since = None
            return f"{self._wrong}; then {why_silent(error)}" if self._wrong else why_silent(error)
        outcome = self._request.judge(status, body)
        if outcome == OK:
            return ""
        wrong = f"status {status}{f', without {self._load.expect!r}' if outcome == MISMATCH else ''}: {excerpt(body)}"
        now = time.monotonic()
        if wrong != self._wrong or self._since is None:
            self._wrong, self._since = wrong, now
        if status not in STARTING and now - self._since >= STEADY_SECONDS:
            raise NotReady(f"answers {self.asked} with {wrong}")
        return wrong

    def _ask(self, seconds: float) -> tuple[int, bytes]:
        until = time.monotonic() + seconds
        with socket.create_connection((self._request.address, self._request.port), timeout=seconds) as connection:
            connection.sendall(self._request.bytes)
            answer = http.client.HTTPResponse(Answer(connection, until), method=self._request.method)  # type: ignore[arg-type]
            with answer:
                answer.begin()
                return answer.status, answer.read()


class TooLong(Exception):
    """Of an answer."""


class Answer(io.RawIOBase):
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
        case http.client.IncompleteRead():
            return "it closes the connection in the middle of its answer"
        case http.client.HTTPException():
            return f"what it sends is not HTTP: {error}"
        case _:
            return f"{type(error).__name__}: {error}"


def excerpt(body: bytes) -> str:
    """Its beginning, in one line."""
    return " ".join(body[:SHOWN_BYTES].decode(errors="replace").split()) or "an empty body"
