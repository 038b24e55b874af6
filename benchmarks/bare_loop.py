"""The least that a client on uvloop does with a connection for each request: connect, send, read once, parse nothing.

python benchmarks/bare_loop.py REQUESTS CONCURRENCY HOST PORT
"""

import asyncio
import sys
from time import perf_counter

import uvloop

REQUEST = b"GET / HTTP/1.1\r\nHost: bare\r\nConnection: close\r\n\r\n"


class OneAnswer(asyncio.Protocol):
    def __init__(self, answered: asyncio.Future[None]) -> None:
        self.answered = answered

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        self.transport.abort()
        self.answered.set_result(None)


async def main(requests: int, concurrency: int, host: str, port: int) -> None:
    loop, remaining = asyncio.get_running_loop(), iter(range(requests))

    async def work() -> None:
        for _ in remaining:
            answered = loop.create_future()
            await loop.create_connection(lambda answered=answered: OneAnswer(answered), host, port)
            await answered

    start = perf_counter()
    await asyncio.gather(*(work() for _ in range(concurrency)))
    print(f"seconds {perf_counter() - start:.6f}")


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
