"""What can a server do wrong? One that does each of it on request, and counts what reached it.

It runs in a thread of the tests; the client under test is a process of its own.
"""

import asyncio
import json
import random
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from types import TracebackType
from urllib.parse import parse_qs, urlsplit

KEEP, CLOSE, RESET, HANG, ENDLESS, DRIP = "keep", "close", "reset", "hang", "endless", "drip"
OK = b"HTTP/1.1 200 OK\r\nServer: misbehaving/1.0\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

# path: what is sent, byte for byte, and what becomes of the connection then
ANSWERS = {
    "/ok": (OK, KEEP),
    "/500": (b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\noops", KEEP),
    "/redirect": (b"HTTP/1.1 302 Found\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n", KEEP),
    "/wrong": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong", KEEP),
    "/empty-body": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", KEEP),
    "/chunked": (CHUNKED + b"1\r\no\r\n1;note=x\r\nk\r\n0\r\nTrailer: x\r\n\r\n", KEEP),
    "/until-close": (b"HTTP/1.1 200 OK\r\n\r\nok", CLOSE),
    "/http-1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", KEEP),
    "/http-1.0-keep-alive": (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", KEEP),
    "/says-close": (OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), KEEP),
    "/announced": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" + OK, KEEP),
    "/204": (b"HTTP/1.1 204 No Content\r\n\r\n", KEEP),
    "/304": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n", KEEP),
    "/gzip": (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 8\r\n\r\nnot gzip", KEEP),
    "/large": (b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n" + bytes(5_000_000), KEEP),
    "/large-chunked": (CHUNKED + b"10000\r\n%b\r\n" % bytes(65536) * 40 + b"0\r\n\r\n", KEEP),
    "/two": (OK + OK, KEEP),
    "/upgrade": (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n", KEEP),
    "/idle-close": (OK, CLOSE),
    "/no-answer": (b"", CLOSE),
    "/half-head": (b"HTTP/1.1 200 OK\r\nContent-Le", CLOSE),
    "/half": (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + bytes(50), CLOSE),
    "/half-chunked": (CHUNKED + b"2\r\nok\r\n", CLOSE),
    "/reset": (b"", RESET),
    "/reset-in-body": (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + bytes(50), RESET),
    "/silent": (b"", HANG),
    "/drip": (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n.", HANG),
    "/not-http": (b"SSH-2.0-OpenSSH_9.9\r\n", HANG),
    "/bad-status": (b"HTTP/1.1 2x0 OK\r\n\r\n", HANG),
    "/bad-header": (b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n", HANG),
    "/bad-length": (b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok", HANG),
    "/two-lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", HANG),
    "/endless": (b"HTTP/1.1 200 OK\r\n\r\n", ENDLESS),
    "/drips-a-head": (b"HTTP/1.1 200 OK\r\nX: ", DRIP),
    "/drips-a-body": (b"HTTP/1.1 200 OK\r\n\r\n", DRIP),
    "/bad-chunk": (CHUNKED + b"zz\r\nok\r\n0\r\n\r\n", HANG),
}


class Server:
    def __init__(self, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        self.host = host
        self.requests: list[bytes] = []
        self.connections = self.in_flight = self.max_in_flight = 0
        self._tls = tls
        self._seen: Counter[str] = Counter()
        self._open: set[asyncio.Task[None]] = set()
        self._barriers: dict[int, asyncio.Barrier] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    @property
    def received(self) -> int:
        return len(self.requests)

    def url(self, path: str) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}{path}"

    def __enter__(self) -> "Server":
        listening = listen(self.host, 1024)
        self.port = listening.getsockname()[1]
        self._thread.start()
        starting = asyncio.start_server(self._serve, sock=listening, ssl=self._tls)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result(10)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        self.connections += 1
        then = KEEP
        try:
            while then == KEEP:
                request = await read_request(reader)
                self.requests.append(request)
                self.in_flight += 1
                self.max_in_flight = max(self.max_in_flight, self.in_flight)
                try:
                    answer, then = await self._answer(request)
                    if then == KEEP and not wants_to_keep(request):
                        then = CLOSE
                    if request.startswith(b"HEAD "):
                        answer = answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
                    writer.write(answer)
                    while then in (ENDLESS, DRIP):
                        writer.write(bytes(65536) if then == ENDLESS else b"x")
                        await writer.drain()
                        await asyncio.sleep(0.02 if then == DRIP else 0)
                    if then == HANG:
                        await reader.read()
                    elif then != RESET:
                        await writer.drain()
                finally:
                    self.in_flight -= 1
            if then == RESET:
                if b"body" in request.split(b" ")[1]:
                    await asyncio.sleep(0.2)  # what was sent arrives before the reset that would discard it
                connection = writer.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
            pass  # the client has gone, or the test is over
        finally:
            self._open.discard(task)
            writer.close()

    async def _answer(self, request: bytes) -> tuple[bytes, str]:
        head, _, body = request.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ")
        url = urlsplit(target)
        self._seen[url.path] += 1
        number = self._seen[url.path]
        if url.path == "/slow":
            await asyncio.sleep(int(parse_qs(url.query)["ms"][0]) / 1000)
            return OK, KEEP
        if url.path == "/stall-at":  # with that request the whole server does nothing for a second
            if number == int(parse_qs(url.query)["n"][0]):
                time.sleep(1)
            return OK, KEEP
        if url.path == "/together":  # answered when so many are waiting
            parties = int(parse_qs(url.query)["n"][0])
            await self._barriers.setdefault(parties, asyncio.Barrier(parties)).wait()
            return OK, KEEP
        if url.path == "/reset-every-7":
            return (b"", RESET) if number % 7 == 0 else (OK, KEEP)
        if url.path == "/closed-when-reused":
            return (b"", CLOSE) if number % 2 == 0 else (OK, KEEP)
        if url.path == "/varying":
            return with_body(b"x" * number), KEEP
        if url.path == "/echo":
            headers = [line.split(": ", 1) for line in lines[1:]]
            return with_body(json.dumps({"method": method, "target": target, "headers": headers, "body": body.decode()}).encode()), KEEP
        return ANSWERS[url.path]


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    return head + await reader.readexactly(length)


def wants_to_keep(request: bytes) -> bool:
    head = request.partition(b"\r\n\r\n")[0].lower()
    return b"\r\nconnection: close" not in head and (b" http/1.1\r\n" in head or b"\r\nconnection: keep-alive" in head)


def with_body(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def listen(host: str, backlog: int) -> socket.socket:
    """On a port below those that the system hands out to clients."""
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    for port in random.sample(range(20000, 32768), 100):
        try:
            listening.bind((host, port))
        except OSError:
            continue
        listening.listen(backlog)
        return listening
    raise OSError("no free port")
