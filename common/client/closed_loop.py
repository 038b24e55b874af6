"""The closed loop: each user sends its next request when the last has its outcome, so a slow server slows its load."""

from array import array
from collections.abc import Iterator
from time import perf_counter
from typing import TYPE_CHECKING

from common.client.user import User

if TYPE_CHECKING:
    from common.client.sender import Run


class Closed:
    def __init__(self, run: "Run") -> None:
        load = run.load
        self.run = run
        self.users = [User(run, self.ended) for _ in range(load.concurrency)]
        self._left: Iterator[int] = iter(range(load.requests)) if load.requests is not None else iter(int, 1)
        self._arrived = 0

    def begin(self) -> None:
        load = self.run.load
        if load.seconds is not None:
            self.run.loop.call_later(load.seconds, self.run.stop, "cut off")
        if load.spawn_rate is None:
            for user in self.users:  # the barrier opens
                self._next(user)
        else:
            self._arrive()

    def ended(self, user: User) -> None:
        run = self.run
        if run.stopped:
            return
        for _ in self._left:
            user.start()
            return
        user.drop_connection()
        if len(run.outcomes) == run.load.requests:
            run.over()

    def seconds(self, last_end: float) -> float:
        return last_end

    def columns(self) -> dict[str, "array[float]"]:
        return {}

    def progress(self, elapsed: float) -> str:
        load = self.run.load
        return f"of {load.requests:,}" if load.requests is not None else f"in {elapsed:.0f} of {load.seconds:.0f} s"

    def _next(self, user: User) -> None:
        for _ in self._left:
            user.start()
            return

    def _arrive(self) -> None:
        """A ramp's users: one every 1/R seconds, the first at once."""
        run = self.run
        rate = run.load.spawn_rate or 1.0
        due = min(len(self.users), 1 + int((perf_counter() - run.zero) * rate))
        while self._arrived < due and not run.stopped:
            self._arrived += 1
            self._next(self.users[self._arrived - 1])
        if self._arrived < len(self.users) and not run.stopped:
            run.loop.call_later(max(0.0, run.zero + self._arrived / rate - perf_counter()), self._arrive)
