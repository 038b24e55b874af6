"""The one request that a load repeats: its address, its bytes, prepared once, and what counts as its answer."""

import socket
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from common.cli import UsageError
from common.client.load import Load
from common.client.outcomes import MISMATCH, NON_2XX, OK
from common.client.site_headers import Headers

LARGE = 16384  # bytes: a smaller request always fits into an empty socket buffer
SUCCESSES = frozenset(range(200, 300))  # a set is looked up faster than a range


def check_can_be_sent(url: str) -> None:
    """A URL, or the path of one."""
    if not all("!" <= mark <= "~" for mark in url):
        raise UsageError(f"not a URL that can be sent: {url!r}; percent-encode blanks and non-ASCII letters")


class Request:
    def __init__(self, url: str, load: Load, carried: Headers = ()) -> None:
        """`carried`: headers that replace the load's own of the same name."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise UsageError(f"not a URL: {url!r} ({error})") from None
        if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
            raise UsageError(f"not a URL with scheme and host: {url!r}; write http://127.0.0.1:8000/")
        check_can_be_sent(url)
        if "@" in parts.netloc:
            raise UsageError("a URL's user and password are not sent: leave them out and use -H 'Authorization: Basic ...'")
        self.url = url
        self.host = parts.hostname
        self.port = port or (443 if parts.scheme == "https" else 80)
        self.path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self.method = load.method
        self.head_only = load.method == "HEAD"  # its answers state a body length but have no body
        self.keep_alive = load.keep_alive
        self.expect = load.expect.encode(errors="surrogateescape") if load.expect is not None else None
        self.statuses = SUCCESSES if load.expect_status is None else frozenset((load.expect_status,))
        self.body = Path(load.body_file).read_bytes() if load.body_file is not None else (load.form or "").encode()
        self.bytes = self._prepare(parts.netloc, load, carried)
        self.is_large = len(self.bytes) > LARGE
        self.tls: ssl.SSLContext | None = None
        if parts.scheme == "https":
            self.tls = ssl.create_default_context()
            self.tls.check_hostname = False  # as ab: a load test is not about certificates
            self.tls.verify_mode = ssl.CERT_NONE
        self.family, self.socket_address = self._resolve()
        self.address = str(self.socket_address[0])

    def judge(self, status: int, body: bytes) -> int:
        """The outcome of a complete answer."""
        if status not in self.statuses:
            return NON_2XX
        return OK if self.expect is None or self.expect in body else MISMATCH

    def _prepare(self, host: str, load: Load, carried: Headers) -> bytes:
        headers = {"host": ("Host", host), "user-agent": ("User-Agent", "django-sync-or-async"), "accept": ("Accept", "*/*")}
        if not load.keep_alive:
            headers["connection"] = ("Connection", "close")
        if self.body or load.body_file is not None or load.method in ("POST", "PUT", "PATCH"):
            headers["content-length"] = ("Content-Length", str(len(self.body)))
            headers["content-type"] = ("Content-Type", load.content_type)
        replaced = {name.lower() for name, _ in carried}
        own = [*((name, value) for name, value in load.headers if name.lower() not in replaced), *carried]
        for name, _ in own:
            headers.pop(name.lower(), None)
        lines = [f"{load.method} {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in (*headers.values(), *own))]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body

    def _resolve(self) -> tuple[int, tuple[Any, ...]]:
        """One address for every request, and its family: the first of the host's addresses that lets us connect."""
        try:
            entries = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise UsageError(f"no address for host {self.host!r}: {getattr(error, 'strerror', None) or 'not a host name'}") from None
        places = list(dict.fromkeys((int(family), address) for family, _, _, _, address in entries))
        for family, address in places if len(places) > 1 else []:
            with suppress(OSError), socket.socket(family, socket.SOCK_STREAM) as attempt:
                attempt.settimeout(1)
                attempt.connect(address)
                return family, address
        return places[0]
