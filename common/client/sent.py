"""What a load generator leaves of one load: raw facts, one row for each request. All else is derived from them."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from common.client.load import Load
from common.client.outcomes import NUMBER, OK, OUTCOMES, failures

Column = npt.NDArray[Any]  # of whole numbers
CUT_OFF, CANCELLED = "cut off", "cancelled"


@dataclass
class Requests:
    """A row for each request, in the order in which they ended; moments in whole microseconds after the start of the load."""

    start: Column  # before connecting
    connected: Column  # equal to start where a connection was reused
    sent: Column  # the whole request had been handed to the system
    first_byte: Column  # of the answer; 0 where none came
    end: Column  # its outcome was known
    outcome: Column  # a place in outcome_names
    status: Column  # of HTTP; 0 where there was no answer
    body_bytes: Column  # of the answer's body
    received_bytes: Column  # of the whole answer
    due: Column | None = None  # of an open loop: when the schedule meant it to start

    def __post_init__(self) -> None:
        columns = [column for column in vars(self).values() if column is not None]
        if len({len(column) for column in columns}) > 1:
            raise ValueError("Requests has columns of different lengths")
        if len(self) and not 0 <= self.outcome.min() <= self.outcome.max() < len(OUTCOMES):
            raise ValueError("Requests has outcomes that nobody knows")

    def __len__(self) -> int:
        return len(self.outcome)

    @cached_property
    def ok(self) -> Column:
        return np.equal(self.outcome, OK)

    @cached_property
    def started(self) -> Column:
        return np.not_equal(self.outcome, NUMBER["unsent"])

    @property
    def intended(self) -> Column:
        """When each was meant to start: that is when its response time begins."""
        return self.start if self.due is None else self.due

    @cached_property
    def latency_ms(self) -> Column:
        return milliseconds(self.intended, self.end)


def milliseconds(earlier: Column, later: Column) -> Column:
    """From one moment to another; never below 0 (moments are rounded one by one)."""
    return np.maximum(later.astype(np.int64) - earlier.astype(np.int64), 0) / 1000


@dataclass
class ClientCost:
    """What the load generator saw of itself."""

    seconds: float  # that it watched itself
    cpu_seconds: float  # of its process
    cpu_share: float  # of one core, on average
    busiest_second_share: float  # of one core, in the second in which it used most
    loop_lag_p99_ms: float  # how late its event loop ran
    loop_lag_max_ms: float  # at most
    python: str  # its version
    aiohttp: str  # its version
    loop: str  # uvloop and its version
    waited_share: float | None = None  # of its time, on average: it could have run and had no core; None where the system does not tell
    busiest_second_waited_share: float | None = None  # likewise, in the second in which it waited most


@dataclass
class Sent:
    """One load, sent once."""

    load: Load  # what was asked for
    url: str  # of every request
    host: str  # of the URL
    port: int  # of the URL
    path: str  # of the URL, with its query
    address: str  # to which all requests went
    body_bytes: int  # of each request
    started_at: str  # UTC, ISO 8601
    seconds: float  # from the start to the last outcome, or to the end of its time
    stopped: str  # why it ended early: 'cut off', 'cancelled', or '' if it did not
    server: str  # the Server header of the first answer
    connections: int  # created
    kept_alive: int  # answers that left their connection fit for another request
    outcomes: dict[str, int]  # how many requests came to which outcome
    outcome_names: tuple[str, ...]  # what the numbers of the column mean
    client: ClientCost
    requests: Requests

    @property
    def failed(self) -> int:
        return failures(self.outcomes)
