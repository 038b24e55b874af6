"""A server whose behaviour is known exactly, to measure clients against: no framework, uvloop.

    python benchmarks/reference_server.py PORT

Keeps connections open as HTTP/1.1 and 1.0 say, and answers

    /            at once
    /100         after 100 ms
    /bimodal     after 60 ms, three of ten after 200 ms; which ones is the same in every run
    /slow        after 60 ms, one of 80 after 400 ms
    /stall/300   at once, but at the 300th request it does nothing at all for 1 s
    /busy/5      when it has used 5 ms of CPU time (/fork/50: when a process of its own that it forks has used 50 ms and ended)
    /fail/7      at once, every 7th with status 500 (/reset/7: every 7th is broken off)
    /applied     the delays (of /fork, the CPU times) in ms that it really applied, as JSON, and begins a new list and new counts
"""

import asyncio
import json
import os
import random
import sys
import time
from collections import Counter
from functools import partial
from typing import Any

import uvloop

HEAD = b"HTTP/1.1 200 OK\r\nServer: reference\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n"
LAST = HEAD + b"Connection: close\r\n\r\nok"
NEXT = HEAD + b"\r\nok"
NEXT_OLD = HEAD + b"Connection: keep-alive\r\n\r\nok"
STALL_SECONDS = 1.0


class Behaviour:
    """What all connections share: the number of requests to each path, and the delays applied."""

    def __init__(self) -> None:
        self.applied: list[float] = []
        self.begin()

    def begin(self) -> None:
        self.applied.clear()
        self.seen: Counter[bytes] = Counter()
        self.chance = random.Random(7)

    def delay_ms(self, path: bytes) -> int:
        if path == b"/bimodal":
            return 200 if self.chance.random() < 0.3 else 60
        if path == b"/slow":
            return 400 if self.seen[path] % 80 == 0 else 60
        return int(path[1:])


class Reference(asyncio.Protocol):
    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour

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
        path = request.split(b" ")[1]
        if path == b"/":
            self.reply(answer)
        else:
            self.behave(path, answer)

    def behave(self, path: bytes, answer: bytes) -> None:
        behaviour = self.behaviour
        behaviour.seen[path] += 1
        kind, _, number = path[1:].partition(b"/")
        hit = bool(number) and behaviour.seen[path] % int(number) == 0
        if path == b"/applied":
            body = json.dumps(behaviour.applied).encode()
            behaviour.begin()
            self.reply(answer.replace(b"Length: 2", b"Length: %d" % len(body)).removesuffix(b"ok") + body, answer is LAST)
        elif kind == b"busy":
            burn(int(number) / 1000)
            self.reply(answer)
        elif kind == b"fork":
            behaviour.applied.append(burn_in_a_child(int(number) / 1000))
            self.reply(answer)
        elif kind == b"stall":
            if behaviour.seen[path] == int(number):
                time.sleep(STALL_SECONDS)  # stalls the whole server, as garbage collection would
            self.reply(answer)
        elif kind == b"fail":
            self.reply(answer.replace(b"200 OK", b"500 Oh") if hit else answer, answer is LAST)
        elif kind == b"reset":
            self.transport.abort() if hit else self.reply(answer)
        else:
            self.loop.call_later(behaviour.delay_ms(path) / 1000, partial(self.reply_late, answer, time.perf_counter()))

    def reply_late(self, answer: bytes, received: float) -> None:
        self.behaviour.applied.append(round((time.perf_counter() - received) * 1000, 3))
        self.reply(answer)

    def reply(self, answer: bytes, last: bool = False) -> None:
        if self.transport.is_closing():
            return
        self.transport.write(answer)
        if last or answer is LAST:
            self.transport.close()


def burn(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def burn_in_a_child(seconds: float) -> float:
    """Return the CPU time in ms that it used in all: beginning and ending cost a few more."""
    child = os.fork()
    if child == 0:
        burn(seconds)
        os._exit(0)
    _, _, used = os.wait4(child, 0)
    return round((used.ru_utime + used.ru_stime) * 1000, 3)


async def serve(port: int) -> None:
    behaviour = Behaviour()
    server = await asyncio.get_running_loop().create_server(lambda: Reference(behaviour), "127.0.0.1", port, backlog=4096)
    print(f"serving on {server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
