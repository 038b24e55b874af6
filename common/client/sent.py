"""What a load generator records of one load: raw facts, one row for each request. Everything else is derived from them."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from common.client.load import Load
from common.client.outcomes import NUMBER, OK, OUTCOMES, failures, tally

Column = npt.NDArray[Any]  # of whole numbers
CUT_OFF, CANCELLED = "cut off", "cancelled"


@dataclass
class Requests:
    """A row for each request, in the order they ended; moments in whole microseconds after the start of the load."""

    start: Column  # before connecting
    connected: Column  # equal to start if the connection was reused
    sent: Column  # the whole request had been handed to the system
    first_byte: Column  # of the answer; 0 if none came
    end: Column  # when its outcome was known
    outcome: Column  # an index into outcome_names
    status: Column  # the HTTP status; 0 if there was no answer
    body_bytes: Column  # of the answer's body
    received_bytes: Column  # of the whole answer
    due: Column | None = None  # when the schedule meant it to start; None: not an open loop

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
        """The intended start of each, which is when its response time begins."""
        return self.start if self.due is None else self.due

    @cached_property
    def latency_ms(self) -> Column:
        return milliseconds(self.intended, self.end)


def compact(column: Column) -> Column:
    """In four bytes a number where they suffice: ten million requests have ninety million."""
    fits = column.itemsize > 4 and (not column.size or column.max() <= np.iinfo(np.int32).max)
    return column.astype(np.int32) if fits else column


def milliseconds(earlier: Column, later: Column) -> Column:
    """The time between two moments; never below 0, although moments are rounded one by one."""
    return np.maximum(later.astype(np.int64) - earlier.astype(np.int64), 0) / 1000


@dataclass
class ClientCost:
    """What the load generator observed about itself."""

    seconds: float  # how long it watched itself
    cpu_seconds: float  # CPU time of its process
    cpu_share: float  # of one core, on average
    busiest_second_share: float  # of one core, in its busiest second
    loop_lag_p99_ms: float  # how late its event loop ran, 99th percentile
    loop_lag_max_ms: float  # how late its event loop ran at most
    python: str  # its version
    aiohttp: str  # its version
    loop: str  # uvloop and its version
    waited_share: float | None = None  # share of its time spent waiting for a core; None if the system does not say
    busiest_second_waited_share: float | None = None  # the same in its worst second
    peak_memory_bytes: list[int] = field(default_factory=list)  # of each of its processes; CPU time is of all, shares and lags of the worst


@dataclass
class Sent:
    """One load, sent once."""

    load: Load  # the load that was asked for
    url: str  # of every request
    host: str  # of the URL
    port: int  # of the URL
    path: str  # of the URL, with its query
    address: str  # the address that all requests went to
    body_bytes: int  # of each request
    started_at: str  # UTC, ISO 8601
    seconds: float  # from the start to the last outcome or the end of its time
    stopped: str  # why it ended early: 'cut off', 'cancelled', or '' if it did not
    server: str  # the Server header of the first answer
    connections: int  # the number created
    kept_alive: int  # answers that left their connection reusable
    outcomes: dict[str, int]  # the number of requests with each outcome
    outcome_names: tuple[str, ...]  # what the numbers in the outcome column mean
    client: ClientCost
    requests: Requests

    def __post_init__(self) -> None:
        if self.outcomes != tally(self.requests.outcome):
            raise ValueError("The outcomes are not those of the requests")

    @property
    def failed(self) -> int:
        return failures(self.outcomes)
