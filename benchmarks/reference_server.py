"""A server whose behaviour is known exactly, to measure clients against: no framework, uvloop.

    python benchmarks/reference_server.py PORT

`/` answers "ok" at once, `/100` after 100 ms. Keeps connections open as HTTP/1.1 and 1.0 say.
"""

import asyncio
import sys
from functools import partial
from typing import Any

import uvloop

HEAD = b"HTTP/1.1 200 OK\r\nServer: reference\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n"
LAST = HEAD + b"Connection: close\r\n\r\nok"
NEXT = HEAD + b"\r\nok"
NEXT_OLD = HEAD + b"Connection: keep-alive\r\n\r\nok"


class Reference(asyncio.Protocol):
    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.loop = asyncio.get_running_loop()
        self.unfinished = b""

    def data_received(self, data: bytes) -> None:
        if self.unfinished:
            data = self.unfinished + data
        if not data.endswith(b"\r\n\r\n"):
            self.unfinished = data
            return
        self.unfinished = b""
        request, _, headers = data.partition(b"\r\n")
        headers = headers.lower()
        if b"connection: close" in headers:
            answer = LAST
        elif request.endswith(b"1.0"):
            answer = NEXT_OLD if b"connection: keep-alive" in headers else LAST
        else:
            answer = NEXT
        wait_ms = request.split(b" ")[1][1:]
        if wait_ms:
            self.loop.call_later(int(wait_ms) / 1000, partial(self.reply, answer))
        else:
            self.reply(answer)

    def reply(self, answer: bytes) -> None:
        if self.transport.is_closing():
            return
        self.transport.write(answer)
        if answer is LAST:
            self.transport.close()


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Reference, "127.0.0.1", port, backlog=4096)
    print(f"serving on {port}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
