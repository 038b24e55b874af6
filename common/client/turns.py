"""Two servers asked in turn, in short slices of a closed loop, so that whatever the machine does hits both alike.

A slice ends when its last answer is in and the server has put its work away: while one server works, the other has nothing to do.
"""

import asyncio
import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

from common.client.ledger import Ledger
from common.client.load import Load
from common.client.request import Request
from common.client.user import User
from common.client.wire import HAVE_EPOLL, Wires

Clocks = Callable[[], Sequence[float]]  # CPU seconds that each side's server has used so far

LOOKS_AFTER = 0.001  # seconds between looks at a server's clock after its last answer
STILL_WORKS = 0.1  # of that time: a server that uses more is logging, closing, cleaning up
MOST_LOOKS = 10  # a server may have work that never ends


@dataclass
class Slice:
    """One side was asked while the other had nothing to do."""

    side: int  # which of the two was asked: 0 or 1
    seconds: float  # from its first request until its server had put its work away
    answers: int  # correct ones
    failed: int  # all other requests that ended
    response_seconds: float  # of its correct answers, in total
    cpu_seconds: float  # of the server that was asked
    idle_cpu_seconds: float  # of the other server meanwhile
    is_long: bool = False  # a long slice, in which the server runs as if it were alone


class Side:
    """The users of one of the two servers."""

    def __init__(self, wires: Wires | None, load: Load, request: Request) -> None:
        self._loop = asyncio.get_running_loop()
        self._timeout = load.timeout
        self._until = 0.0
        self._at_work = 0
        self._over: asyncio.Future[None] | None = None
        self.ledger = Ledger()
        self.users = [User(self._loop, wires, request, self.ledger, self._ended) for _ in range(load.concurrency)]

    async def work(self, seconds: float) -> None:
        """For this time each user sends its next request when the last is answered; then wait for the last answers."""
        self._until = perf_counter() + seconds
        self._at_work = len(self.users)
        self._over = self._loop.create_future()
        give_up = self._loop.call_later(seconds + self._timeout, self._give_up)
        for user in self.users:
            user.start()
        await self._over
        give_up.cancel()

    def close(self) -> None:
        for user in self.users:
            user.drop_connection()

    def _ended(self, user: User) -> None:
        if perf_counter() < self._until:
            user.start()
            return
        self._at_work -= 1
        if not self._at_work and self._over is not None:
            self._over.set_result(None)

    def _give_up(self) -> None:
        now = perf_counter()
        for user in self.users:
            if user.busy:
                user.time_out(now)


class Turns:
    """Asks both sides from one process; it knows no servers, only a function that reads their clocks."""

    def __init__(self, load: Load, requests: Sequence[Request], clocks: Clocks) -> None:
        self._wires = Wires(asyncio.get_running_loop()) if HAVE_EPOLL and not any(request.tls for request in requests) else None
        self._sides = [Side(self._wires, load, request) for request in requests]
        self._clocks = clocks
        self.slices: list[Slice] = []
        gc.collect()
        gc.freeze()
        gc.disable()

    async def ask(self, side: int, seconds: float, is_long: bool = False) -> Slice:
        ledger = self._sides[side].ledger
        rows, failures = len(ledger), ledger.failures
        before, began = self._clocks(), perf_counter()
        await self._sides[side].work(seconds)
        after = await self._clocks_at_rest(side)
        ended = perf_counter()
        failed = ledger.failures - failures
        self.slices.append(
            Slice(
                side=side,
                seconds=ended - began,
                answers=len(ledger) - rows - failed,
                failed=failed,
                response_seconds=sum(ledger.latencies(rows, len(ledger))),
                cpu_seconds=after[side] - before[side],
                idle_cpu_seconds=after[1 - side] - before[1 - side],
                is_long=is_long,
            )
        )
        return self.slices[-1]

    async def _clocks_at_rest(self, side: int) -> Sequence[float]:
        """The clocks after what follows the last answer, which would else count as the server's rest."""
        now = self._clocks()
        for _ in range(MOST_LOOKS):
            await asyncio.sleep(LOOKS_AFTER)
            before, now = now, self._clocks()
            if now[side] - before[side] <= STILL_WORKS * LOOKS_AFTER:
                break
        return now

    def add_unseen(self, seconds: Sequence[float]) -> None:
        """Of each side: what processes had used before they were found. It belongs to the last slice that asked it."""
        for side, unseen in enumerate(seconds):
            last = next((one for one in reversed(self.slices) if one.side == side), None)
            if last is not None:
                last.cpu_seconds += unseen

    def close(self) -> None:
        for side in self._sides:
            side.close()
        if self._wires is not None:
            self._wires.close()
        gc.enable()
        gc.unfreeze()
