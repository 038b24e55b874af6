"""The open loop: requests start on schedule, whatever the server does (evenly, as in wrk2, vegeta and k6, or as by chance).

A request that is due while the most allowed are in flight is never sent: its outcome is
`unsent`. None waits for its turn, so a late start is always the client's fault; and
what the client has not started a second after its schedule's end is never sent either.
"""

import asyncio
from array import array
from collections.abc import Callable
from time import perf_counter

from common.client import schedule
from common.client.load import Load
from common.client.sent import CUT_OFF
from common.client.user import NewUser, User

BATCH = 64  # started in a row before the answers that came meanwhile are read
TIMER_GRAIN = 0.001  # of the event loop's timers: requests due within one start together


class OpenLoop:
    def __init__(
        self, load: Load, new_user: NewUser, unsent: Callable[[int], None], over: Callable[[], None], stop: Callable[[str], None]
    ) -> None:
        self._load = load
        self._new_user = new_user
        self._unsent = unsent
        self._over = over
        self._stop = stop
        self.users: list[User] = []  # as many as ever were in flight at once
        self.due = array("d")  # of each request, in the order of their outcomes
        self._idle: list[User] = []
        self._ending = False
        self._total = schedule.count(load.schedule)
        self._moments = schedule.due_times(load.schedule, load.poisson)
        self._next = next(self._moments, None)

    def begin(self, zero: float) -> None:
        self._zero = zero
        self._latest_start = zero + schedule.latest_start(self._load.schedule)
        self._loop = asyncio.get_running_loop()
        self._start_what_is_due()

    def end(self) -> None:
        """Start no more."""
        self._ending = True

    def seconds(self, last_end: float) -> float:
        """The schedule's whole time, and longer where answers took longer."""
        return max(schedule.length(self._load.schedule), last_end)

    def progress(self, elapsed: float) -> str:
        return f"of {self._total:,} requests done, {elapsed:.1f} s"

    def _ended(self, user: User) -> None:
        self.due.append(user.due)
        if self._ending:
            return
        if user.connection is not None and not user.connection.reusable:
            user.drop_connection()
        self._idle.append(user)
        self._look_whether_over()

    def _start_what_is_due(self) -> None:
        if self._ending:
            return
        now, started = perf_counter(), 0
        while self._next is not None and self._zero + self._next <= now and started < BATCH:
            user = self._free_user() if now < self._latest_start else None
            if user is None:
                self._leave_out_until(now)
            else:
                user.due = self._zero + self._next
                user.start()
                self._next = next(self._moments, None)
            started += 1
            now = perf_counter()
        if self._next is None:
            if self._load.grace is not None:
                self._loop.call_later(self._load.grace, self._stop, CUT_OFF)
            self._look_whether_over()
            return
        wait = self._zero + self._next - now
        if started and wait > 0:
            wait = max(wait, TIMER_GRAIN)  # after a wake-up that came too early, the loop spins for the rest of it
        self._loop.call_later(max(wait, 0.0), self._start_what_is_due)

    def _free_user(self) -> User | None:
        """The user that became free last: its connection is least likely to have been closed meanwhile."""
        if self._idle:
            return self._idle.pop()
        if len(self.users) == self._load.concurrency:
            return None
        self.users.append(self._new_user(self._ended))
        return self.users[-1]

    def _leave_out_until(self, now: float) -> None:
        """Note all requests that are due by now in one go: at a high rate they are too many to look at one by one."""
        began = len(self.due)
        while self._next is not None and self._zero + self._next <= now:
            self.due.append(self._zero + self._next)
            self._next = next(self._moments, None)
        self._unsent(len(self.due) - began)

    def _look_whether_over(self) -> None:
        if self._next is None and len(self._idle) == len(self.users):
            self._over()
