"""A TCP relay that makes a network path longer: what one side sends reaches the other later.

    python -m common.serving.relay --listen PORT --to HOST:PORT [--up-ms MS] [--down-ms MS]

`up` is what the connecting side sends, `down` is the way back. Opening a connection
costs its round trip too, as three packets on such a path would: SYN up, SYN-ACK down,
ACK up. Bytes stay in order, their rate is not limited.
"""

import argparse
import asyncio
import gc
import sys
from collections import deque
from time import perf_counter
from typing import Any

import uvloop

from common.serving.places import HOST

GRAIN = 0.0005  # timers tick in milliseconds: aim this much early, to be off by half a tick at most


class Delay:
    """Runs calls after one fixed time, in order, with one timer for all that wait."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._loop = loop
        self.seconds = seconds
        self._waiting: deque[tuple[float, Any, tuple[Any, ...]]] = deque()

    def run(self, sent_at: float, do: Any, *arguments: Any) -> None:
        due = sent_at + self.seconds
        if self._waiting:
            due = max(due, self._waiting[-1][0])
        elif due <= perf_counter():
            do(*arguments)
            return
        self._waiting.append((due, do, arguments))
        if len(self._waiting) == 1:
            self._aim()

    def _aim(self) -> None:
        self._loop.call_later(max(0.0, self._waiting[0][0] - perf_counter() - GRAIN), self._deliver)

    def _deliver(self) -> None:
        now = perf_counter() + GRAIN
        while self._waiting and self._waiting[0][0] <= now:
            _, do, arguments = self._waiting.popleft()
            do(*arguments)
        if self._waiting:
            self._aim()


class End(asyncio.Protocol):
    """One of a relayed connection's two sockets: what it receives goes to the other later."""

    other: "End"

    def __init__(self, delay: Delay) -> None:
        self._delay = delay  # for what arrives here
        self._unsent: list[bytes] = []
        self._received_all = self._sent_all = self._ended = False
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._delay.run(perf_counter(), self.other.write, data)

    def eof_received(self) -> bool:
        self._received_all = True
        self._delay.run(perf_counter(), self.other.end)
        self._close_if_done()
        return True  # the way back stays open

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        self._ended = True
        self._delay.run(perf_counter(), self.other.close)

    def pause_writing(self) -> None:
        if self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other.transport is not None:
            self.other.transport.resume_reading()

    def write(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)
        elif not self._ended:
            self._unsent.append(data)

    def flush(self) -> None:
        for data in self._unsent:
            self.transport.write(data)
        self._unsent.clear()
        if self._sent_all:
            self.end()

    def end(self) -> None:
        """The other end will send nothing more."""
        self._sent_all = True
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write_eof()
        self._close_if_done()

    def _close_if_done(self) -> None:
        if self._received_all and self._sent_all and self.transport is not None:
            self.transport.close()

    def close(self) -> None:
        self._ended = True
        if self.transport is not None:
            self.transport.close()


class Relay:
    def __init__(self, to: tuple[str, int], up_seconds: float, down_seconds: float) -> None:
        self.loop = asyncio.get_running_loop()
        self.to = to
        self.up = Delay(self.loop, up_seconds)
        self.down = Delay(self.loop, down_seconds)
        self.handshake = Delay(self.loop, 2 * up_seconds + down_seconds)
        self._tasks: set[asyncio.Task[None]] = set()

    def accept(self) -> "Near":
        return Near(self)

    def open(self, near: "Near") -> None:
        task = self.loop.create_task(self._open(near))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _open(self, near: "Near") -> None:
        try:
            await self.loop.create_connection(lambda: near.far, *self.to)
        except OSError:
            near.refuse()


class Near(End):
    """The socket opened to the relay; it opens its far end when the handshake would be over."""

    def __init__(self, relay: Relay) -> None:
        super().__init__(relay.up)
        self.far = Far(relay.down)
        self.other, self.far.other = self.far, self
        self._relay = relay

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        now = perf_counter()
        self._established_at = now + self._relay.up.seconds + self._relay.down.seconds
        self._relay.handshake.run(now, self._relay.open, self)

    def data_received(self, data: bytes) -> None:
        if perf_counter() < self._established_at:
            self.far.write(data)  # kept there until the far end is open
        else:
            super().data_received(data)

    def eof_received(self) -> bool:
        if perf_counter() >= self._established_at:
            return super().eof_received()
        self._received_all = True
        self.far.end()  # remembered there until the far end is open
        return True

    def refuse(self) -> None:
        if self.transport is not None:
            self.transport.abort()


class Far(End):
    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if self._ended:  # the near end has closed meanwhile
            transport.close()
        self.flush()


def command(listen: int, host: str, port: int, up_ms: float, down_ms: float) -> list[str]:
    ways = ["--up-ms", str(up_ms), "--down-ms", str(down_ms)]
    return [sys.executable, "-m", "common.serving.relay", "--listen", str(listen), "--to", f"{host}:{port}", *ways]


async def serve(listen: int, to: tuple[str, int], up_seconds: float, down_seconds: float) -> None:
    relay = Relay(to, up_seconds, down_seconds)
    server = await relay.loop.create_server(relay.accept, HOST, listen, backlog=4096)
    await server.serve_forever()


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--listen", type=int, required=True, metavar="PORT")
    parser.add_argument("--to", required=True, metavar="HOST:PORT")
    parser.add_argument("--up-ms", type=float, default=0.0, metavar="MS", help="added to what the connecting side sends")
    parser.add_argument("--down-ms", type=float, default=0.0, metavar="MS", help="added to what it receives")
    options = parser.parse_args(arguments)
    gc.set_threshold(100_000)  # a collection is latency: seldom
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        host, _, port = options.to.rpartition(":")
        runner.run(serve(options.listen, (host, int(port)), options.up_ms / 1000, options.down_ms / 1000))


if __name__ == "__main__":
    main(sys.argv[1:])
