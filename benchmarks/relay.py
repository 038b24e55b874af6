"""What does the latency relay add besides its latency, and how many bytes does it let through?

    python -m benchmarks.relay

1,000 connections to an echo server go through a relay that adds 100 ms one way: how far is each
answer from exactly 100 ms later than without it? Then bytes through one connection as fast as
they go. The relay has one core, the rest another.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import time
from typing import Any

import uvloop

from common.client.percentiles import percentile
from common.serving import relay
from common.serving.cores import only_on, split
from common.serving.places import HOST, ROOT
from common.serving.ports import free_port

CONNECTIONS = 1000
ANSWERS_EACH = 5
DELAY_MS = 100
MEGABYTES = 1000
WANTED_ERROR_MS, WANTED_MB_PER_SECOND = 1.0, 200


class Echo(asyncio.Protocol):
    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class Sink(asyncio.Protocol):
    received = 0

    def __init__(self) -> None:
        self.done = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        if self.received >= MEGABYTES * 2**20 and not self.done.done():
            self.done.set_result(time.perf_counter())


class Asker(asyncio.Protocol):
    """Sends a byte, waits for its return, and notes how long that took."""

    def __init__(self) -> None:
        self.answered: asyncio.Future[float] | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        assert self.answered is not None
        self.answered.set_result(time.perf_counter())

    async def ask(self) -> float:
        self.answered = asyncio.get_running_loop().create_future()
        sent = time.perf_counter()
        self.transport.write(b"?")
        return (await self.answered - sent) * 1000


async def answer_times(port: int) -> list[float]:
    """Response times of connections that are all open, each asking in its own millisecond."""
    loop = asyncio.get_running_loop()
    askers = [(await loop.create_connection(Asker, HOST, port))[1] for _ in range(CONNECTIONS)]
    await asyncio.gather(*(asker.ask() for asker in askers))  # the handshakes' share
    times: list[float] = []

    async def one(number: int, asker: Asker) -> None:
        for _ in range(ANSWERS_EACH):
            await asyncio.sleep((number * 37 % CONNECTIONS) / CONNECTIONS)
            times.append(await asker.ask())
        asker.transport.close()

    await asyncio.gather(*(one(number, asker) for number, asker in enumerate(askers)))
    return sorted(times)


async def throughput(relayed: int, sinks: list[Sink]) -> float:
    transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, HOST, relayed)
    block = bytes(2**20)
    started = time.perf_counter()
    for _ in range(MEGABYTES):
        transport.write(block)
        while transport.get_write_buffer_size() > 8 * 2**20:
            await asyncio.sleep(0.001)
    while not sinks:
        await asyncio.sleep(0.01)
    return MEGABYTES / (await sinks[0].done - started)


def start_relay(to: int, up_ms: float, down_ms: float, cores: list[int]) -> tuple[subprocess.Popen[bytes], int]:
    port = free_port(set())
    with only_on(cores):
        return subprocess.Popen(relay.command(port, HOST, to, up_ms, down_ms), cwd=ROOT), port


async def main() -> None:
    relay_cores, our_cores = split()
    if our_cores:
        os.sched_setaffinity(0, our_cores[:1])
    loop = asyncio.get_running_loop()
    sinks: list[Sink] = []

    def sink() -> Sink:
        sinks.append(Sink())
        return sinks[-1]

    echo_port, sink_port = free_port(set()), free_port(set())
    await loop.create_server(Echo, HOST, echo_port, backlog=CONNECTIONS)
    await loop.create_server(sink, HOST, sink_port)
    slow, slow_port = start_relay(echo_port, 0, DELAY_MS, relay_cores[:1])
    plain, plain_port = start_relay(sink_port, DELAY_MS, 0, relay_cores[:1])
    try:
        await asyncio.sleep(1.5)
        direct = statistics.median(await answer_times(echo_port))
        errors = sorted(took - DELAY_MS - direct for took in await answer_times(slow_port))
        worst = sorted(abs(error) for error in errors)
        print(f"{len(errors):,} answers on {CONNECTIONS:,} connections, {DELAY_MS} ms added (an answer takes {direct:.3f} ms without)")
        print(f"  error: median {statistics.median(errors):+.3f} ms, from {errors[0]:+.3f} to {errors[-1]:+.3f} ms")
        print(f"  off by, p99: {percentile(worst, 99):.3f} ms   (wanted: under {WANTED_ERROR_MS} ms)")
        rate = await throughput(plain_port, sinks)
        print(f"{MEGABYTES:,} MB through one connection, {DELAY_MS} ms added: {rate:,.0f} MB/s   (wanted: at least {WANTED_MB_PER_SECOND})")
    finally:
        for process in (slow, plain):
            process.terminate()
            process.wait()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        raise SystemExit((__doc__ or "").strip())
    uvloop.run(main())
