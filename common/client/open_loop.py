"""The open loop: requests start on schedule, whatever the server does (constant arrival, as in wrk2, vegeta and k6).

A request that is due while as many as may be are in flight is never sent: its outcome is
`unsent`. None waits for its turn, so one that starts late does so by the client's fault.
"""

from array import array
from time import perf_counter
from typing import TYPE_CHECKING

from common.client import schedule
from common.client.outcomes import NUMBER
from common.client.user import User

if TYPE_CHECKING:
    from common.client.sender import Run

BATCH = 64  # started one after the other; then what was answered meanwhile is read
TIMER_GRAIN = 0.001  # of the event loop's timers: what is due within one starts together
UNSENT = NUMBER["unsent"]


class Arrivals:
    def __init__(self, run: "Run") -> None:
        self.run = run
        self.users: list[User] = []  # as many as were ever in flight at once
        self._due = array("d")  # of each request, in the order of their outcomes
        self._idle: list[User] = []
        self._total = schedule.count(run.load.schedule)
        self._moments = schedule.due_times(run.load.schedule)
        self._next = next(self._moments, None)

    def begin(self) -> None:
        self._start_what_is_due()

    def ended(self, user: User) -> None:
        self._due.append(user.due)
        run = self.run
        if run.stopped:
            return
        if user.connection is not None and not user.connection.reusable:
            user.drop_connection()
        self._idle.append(user)
        self._look_whether_over()

    def seconds(self, last_end: float) -> float:
        """The schedule's whole time, and longer where answers took longer."""
        return max(schedule.length(self.run.load.schedule), last_end)

    def columns(self) -> dict[str, "array[float]"]:
        return {"due": self._due}

    def progress(self, elapsed: float) -> str:
        return f"of {self._total:,}"

    def _start_what_is_due(self) -> None:
        run = self.run
        if run.stopped:
            return
        now, started = perf_counter(), 0
        while self._next is not None and run.zero + self._next <= now and started < BATCH:
            self._start(run.zero + self._next)
            self._next = next(self._moments, None)
            started += 1
            now = perf_counter()
        if self._next is None:
            if run.load.grace is not None:
                run.loop.call_later(run.load.grace, run.stop, "cut off")
            self._look_whether_over()
            return
        wait = run.zero + self._next - now
        if started and wait > 0:
            wait = max(wait, TIMER_GRAIN)  # and after a wake-up that came too early the loop spins for the rest of it
        run.loop.call_later(max(wait, 0.0), self._start_what_is_due)

    def _start(self, due: float) -> None:
        if self._idle:
            user = self._idle.pop()  # the last one, whose connection is least likely to have been closed meanwhile
        elif len(self.users) < self.run.load.concurrency:
            user = User(self.run, self.ended)
            self.users.append(user)
        else:
            now = perf_counter()
            self.run.outcomes.add(now, now, now, 0.0, now, UNSENT)
            self._due.append(due)
            return
        user.due = due
        user.start()

    def _look_whether_over(self) -> None:
        if self._next is None and len(self._idle) == len(self.users):
            self.run.over()
