"""Where a load goes: one address, and the bytes of its request, prepared once."""

import socket
import ssl
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from common.client.load import Load, LoadError


class Target:
    def __init__(self, url: str, load: Load) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise LoadError(f"not a URL: {url!r} ({error})") from None
        if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
            raise LoadError(f"not a URL with scheme and host: {url!r}; write http://127.0.0.1:8000/")
        if not url.isascii() or any(mark <= " " for mark in url):
            raise LoadError(f"not a URL that can be sent: {url!r}; percent-encode blanks and letters beyond ASCII")
        self.url = url
        self.host = parts.hostname
        self.port = port or (443 if parts.scheme == "https" else 80)
        self.path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self.body = Path(load.body_file).read_bytes() if load.body_file is not None else (load.form or "").encode()
        self.request = self._prepare(parts.netloc.rpartition("@")[2], load)
        self.tls: ssl.SSLContext | None = None
        if parts.scheme == "https":
            self.tls = ssl.create_default_context()
            self.tls.check_hostname = False  # as ab: a load test is not about certificates
            self.tls.verify_mode = ssl.CERT_NONE
        self.address = self._resolve()

    def _prepare(self, host: str, load: Load) -> bytes:
        headers = {"host": ("Host", host), "user-agent": ("User-Agent", "django-sync-or-async"), "accept": ("Accept", "*/*")}
        if not load.keep_alive:
            headers["connection"] = ("Connection", "close")
        if self.body or load.body_file is not None or load.method in ("POST", "PUT", "PATCH"):
            headers["content-length"] = ("Content-Length", str(len(self.body)))
            headers["content-type"] = ("Content-Type", load.content_type)
        own: list[tuple[str, str]] = []
        for name, value in load.headers:
            headers.pop(name.lower(), None)
            own.append((name, value))
        lines = [f"{load.method} {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in (*headers.values(), *own))]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body

    def _resolve(self) -> str:
        """One address for every request: the first of the name's that lets us connect."""
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise LoadError(f"no address for host {self.host!r}: {getattr(error, 'strerror', None) or 'not a host name'}") from None
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        for address in addresses if len(addresses) > 1 else []:
            with suppress(OSError), socket.create_connection((address, self.port), timeout=1):
                return address
        return addresses[0]
