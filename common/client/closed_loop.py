"""The closed loop: each user sends its next request when the last has its outcome, so a slow server slows its load."""

import asyncio
from collections.abc import Callable, Iterator
from time import perf_counter

from common.client import schedule
from common.client.load import Load
from common.client.sent import CUT_OFF
from common.client.user import NewUser, User


class ClosedLoop:
    due = None  # only a schedule has due times; here a request is due when it starts

    def __init__(self, load: Load, new_user: NewUser, over: Callable[[], None], stop: Callable[[str], None]) -> None:
        self._load = load
        self._over = over
        self._stop = stop
        self.users = [new_user(self._ended) for _ in range(load.concurrency)]
        self._left: Iterator[int] = iter(range(min(load.requests or schedule.MOST_DUE, schedule.MOST_DUE)))
        self._arrived = self._at_work = 0

    def begin(self, zero: float) -> None:
        self._zero = zero
        self._loop = asyncio.get_running_loop()
        if self._load.seconds is not None:
            self._loop.call_later(self._load.seconds, self._stop, CUT_OFF)
        if self._load.spawn_rate is None:
            for user in self.users:  # the barrier opens
                self._arrive(user)
        else:
            self._bring_users()

    def end(self) -> None:
        """Start no more."""
        self._left = iter(())
        self._arrived = len(self.users)

    def seconds(self, last_end: float) -> float:
        return last_end

    def progress(self, elapsed: float) -> str:
        load = self._load
        if load.requests is not None:
            return f"of {load.requests:,} requests done, {elapsed:.1f} s"
        return f"requests done, {elapsed:.0f} of {load.seconds:.0f} s"

    def _ended(self, user: User) -> None:
        for _ in self._left:
            user.start()
            return
        user.drop_connection()
        self._at_work -= 1
        if not self._at_work:
            self._over()

    def _arrive(self, user: User) -> None:
        for _ in self._left:
            self._at_work += 1
            user.start()
            return

    def _bring_users(self) -> None:
        """A ramp's users: one every 1/R seconds, the first at once."""
        rate = self._load.spawn_rate or 1.0
        due = min(len(self.users), 1 + int((perf_counter() - self._zero) * rate))
        while self._arrived < due:
            self._arrived += 1
            self._arrive(self.users[self._arrived - 1])
        if self._arrived < len(self.users):
            self._loop.call_later(max(0.0, self._zero + self._arrived / rate - perf_counter()), self._bring_users)
