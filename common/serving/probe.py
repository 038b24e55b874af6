"""Finds out whether a server is ready: sends its load's own request until the answer is correct, or stays wrong."""

import http.client
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import dropwhile, islice
from urllib.parse import urlsplit

from common.cli import WrongAnswer
from common.client.load import Load
from common.client.outcomes import MISMATCH, OK
from common.client.request import Request
from common.client.site_headers import Headers
from common.serving.process import Process, wait_until
from common.serving.single_request import Answer, TooLong, exchange, why_silent

STEADY_SECONDS = 2.0  # of the same wrong answer: waiting longer will not help
WRONG_SECONDS = 5.0  # of wrong answers, whatever they say
STARTING = (502, 503, 504)  # what a proxy says while the server behind it starts
TRACEBACK = "Traceback (most recent call last):"
SIGNS_IN = ("login", "log-in", "signin", "sign-in", "sso", "oauth")  # in the paths of pages that ask who one is


@dataclass(frozen=True)
class Hints:
    """What to do about an answer that asks for something, in the words of whoever wrote the load."""

    who: str = "give LOGIN or a Cookie"
    token: str = 'give CSRF = "/path/of/the/form/"'


def wait_until_ok(processes: list[Process], host: str, port: int, load: Load, carried: Headers = (), hints: Hints | None = None) -> None:
    """Wait; raise WrongAnswer early if the answer stays wrong, with what to do if the site asks for something."""
    server = processes[0]
    before = server.log_size()
    probe = Probe(f"http://{host}:{port}{load.target}", load, carried, lambda: server.lines_since(before), hints)
    wait_until(processes, probe.find_fault, f"answer {probe.asked} on port {port} correctly")


class Probe:
    def __init__(
        self, url: str, load: Load, carried: Headers = (), read_log: Callable[[], Iterable[str]] = tuple, hints: Hints | None = None
    ) -> None:
        self.asked = f"{load.method} {load.target}"
        if load.headers:
            self.asked += f" ({', '.join(f'{name}: {value}' for name, value in load.headers)})"
        self._load = load
        self._request = Request(url, replace(load, keep_alive=False), carried)
        self._hints = hints or Hints()
        self._read_log = read_log
        self._wrong = ""  # what was wrong with the last answer that came
        self._same_since = self._wrong_since = 0.0  # when it first came, and when the first wrong one did; 0: not since it was silent

    def find_fault(self, seconds: float) -> str:
        """What is wrong with the answer; '' if nothing is."""
        try:
            answer = exchange(self._request, seconds)
        except TooLong as endless:
            raise WrongAnswer(f"answers {self.asked} with {endless}") from None
        except (OSError, http.client.HTTPException) as error:
            self._same_since = self._wrong_since = 0.0
            return f"{self._wrong}; then {why_silent(error)}" if self._wrong else why_silent(error)
        outcome = self._request.judge(answer.status, answer.body)
        if outcome == OK:
            return ""
        wrong = describe_wrong(answer, self._load, outcome)
        now = time.monotonic()
        if wrong != self._wrong or not self._same_since:
            self._wrong, self._same_since = wrong, now
        self._wrong_since = self._wrong_since or now
        if answer.status not in STARTING and (now - self._same_since >= STEADY_SECONDS or now - self._wrong_since >= WRONG_SECONDS):
            raise WrongAnswer(f"answers {self.asked} with {wrong}{self._explain(answer, outcome)}")
        return wrong

    def _explain(self, answer: Answer, outcome: int) -> str:
        if outcome == MISMATCH:
            return ""
        reason = why_in(self._read_log()) if answer.status == 500 else ""
        reason = reason or find_reason(answer, urlsplit(self._request.path).path, self._hints)
        return f": {reason}" if reason else ""


def describe_wrong(answer: Answer, load: Load, outcome: int) -> str:
    status = f"status {answer.status}"
    if outcome == MISMATCH:
        return f"{status}, without {load.expect!r}: {answer.excerpt}"
    if load.expect_status is not None:
        status += f", not {load.expect_status}"
    return f"{status} to {answer.location}" if answer.location else f"{status}: {answer.excerpt}"


def find_reason(answer: Answer, path: str, hints: Hints) -> str:
    """What Django most often means by such an answer, and what to do; '' if that is not known."""
    to = urlsplit(answer.location)
    if answer.location and to.scheme == "https" and to.path == path:
        header = "send what its proxy sends, by the name in SECURE_PROXY_SSL_HEADER: -H 'X-Forwarded-Proto: https'"
        return f"it wants https (SECURE_SSL_REDIRECT): {header}"
    if answer.location and any(word in to.path.lower() for word in SIGNS_IN):
        return hints.who
    if answer.location:
        return f"load that page, or give --expect-status {answer.status}"
    if answer.status == 400:
        return "is the Host allowed? (ALLOWED_HOSTS)"
    if answer.status == 403 and "CSRF" in answer.text:
        return hints.token
    if answer.status == 500 and "Server Error (500)" in answer.text:
        return "its log does not say why; with DEBUG = True it would"
    return ""


def why_in(lines: Iterable[str]) -> str:
    """The error of the first traceback in a log, in one line: it is the cause of those that follow."""
    behind = dropwhile(lambda line: TRACEBACK not in line, lines)
    return next((line.rstrip() for line in islice(behind, 1, None) if line[:1].strip()), "")
