"""What became of each request: one outcome each, kept in columns of a few bytes a row."""

from array import array
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

# One of these for every request, and their counts sum to the requests sent.
OUTCOMES = (
    "ok",
    "non-2xx",
    "body mismatch",
    "refused",  # nobody listens there
    "unreachable",  # any other failure to connect, TLS included
    "connect timeout",  # not connected when the time for the request was over
    "read timeout",  # connected, and nothing of the answer had come
    "total timeout",  # the answer had begun and had not ended
    "reset",  # the server broke the connection off
    "disconnected",  # the server closed it before the answer was complete
    "malformed",  # not HTTP
    "client resource",  # we ran out of ports, descriptors or memory
    "cancelled",  # in flight when a person stopped the run
    "cut off",  # in flight when the time for the load was over: neither answered nor failed
    "unsent",  # due in an open loop while as many as may be were in flight: never started
)
NUMBER = {name: number for number, name in enumerate(OUTCOMES)}
OK = NUMBER["ok"]
NOT_FAILURES = ("ok", "cut off", "cancelled", "unsent")

MOMENTS = ("start", "connected", "sent", "first_byte", "end")
FACTS = {"outcome": "B", "status": "H", "body_bytes": "Q", "received_bytes": "Q"}  # and their array typecodes


class Outcomes:
    """The rows of one load, in the order in which they ended.

    start: before connecting; connected: equal to start where a
    connection was reused; first_byte: 0 where none came.
    """

    def __init__(self) -> None:
        self.moments = {name: array("d") for name in MOMENTS}
        self.facts = {name: array(code) for name, code in FACTS.items()}
        columns: list[Any] = [*self.moments.values(), *self.facts.values()]
        self._appends = [column.append for column in columns]

    def add(
        self,
        start: float,
        connected: float,
        sent: float,
        first_byte: float,
        end: float,
        outcome: int,
        status: int = 0,
        body_bytes: int = 0,
        received_bytes: int = 0,
    ) -> None:
        to_start, to_connected, to_sent, to_first_byte, to_end, to_outcome, to_status, to_body, to_received = self._appends
        to_start(start)
        to_connected(connected)
        to_sent(sent)
        to_first_byte(first_byte)
        to_end(end)
        to_outcome(outcome)
        to_status(status)
        to_body(body_bytes)
        to_received(received_bytes)

    def __len__(self) -> int:
        return len(self.facts["outcome"])

    def since(self, zero: float, more: Mapping[str, "array[float]"] = MappingProxyType({})) -> dict[str, "np.ndarray[Any, Any]"]:
        """The columns of the record: moments (and more of them) in whole microseconds after `zero`."""
        columns = {}
        for name, column in {**more, **self.moments}.items():
            moments = np.frombuffer(column) if column else np.empty(0)
            columns[name] = np.maximum(np.rint((moments - zero) * 1e6), 0).astype(np.uint64)
        for name, fact in self.facts.items():
            columns[name] = np.array(fact)
        return columns


def tally(outcome_column: Any) -> dict[str, int]:
    """How many of each, leaving out those that did not occur."""
    counts = np.bincount(np.asarray(outcome_column, dtype=np.uint8), minlength=len(OUTCOMES)).tolist()
    return {name: counts[number] for name, number in NUMBER.items() if counts[number]}


def failures(tallied: dict[str, int]) -> int:
    return sum(number for name, number in tallied.items() if name not in NOT_FAILURES)
