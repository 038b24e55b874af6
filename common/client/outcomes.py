"""What can become of a request: the closed list of outcomes, and their counts."""

from typing import Any

import numpy as np

# Every request has one of these, so their counts sum to the requests sent.
OUTCOMES = (
    "ok",
    "non-2xx",  # or not the status that the load expects
    "body mismatch",
    "refused",  # nothing listens there
    "unreachable",  # any other failure to connect, TLS included
    "connect timeout",  # not connected when the request's time was up
    "read timeout",  # connected, and nothing of the answer had come
    "total timeout",  # the answer had begun but not ended
    "reset",  # the server broke the connection off
    "disconnected",  # the server closed it before the answer was complete
    "malformed",  # not HTTP
    "client resource",  # we ran out of ports, descriptors or memory
    "cancelled",  # in flight when the user stopped the run
    "cut off",  # in flight when the load's time was up: neither answered nor failed
    "unsent",  # due in an open loop while the most allowed were in flight: never started
)
NUMBER = {name: number for number, name in enumerate(OUTCOMES)}
OK, NON_2XX, MISMATCH, UNSENT = NUMBER["ok"], NUMBER["non-2xx"], NUMBER["body mismatch"], NUMBER["unsent"]
NOT_FAILURES = ("ok", "cut off", "cancelled", "unsent")


def tally(outcome_column: Any) -> dict[str, int]:
    """The count of each outcome that occurred."""
    counts = np.bincount(np.asarray(outcome_column, dtype=np.uint8), minlength=len(OUTCOMES)).tolist()
    return {name: counts[number] for name, number in NUMBER.items() if counts[number]}


def failures(tallied: dict[str, int]) -> int:
    return sum(number for name, number in tallied.items() if name not in NOT_FAILURES)
