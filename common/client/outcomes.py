"""What can become of a request: the closed list of outcomes, and their counts."""

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
OK, NON_2XX, MISMATCH, UNSENT = NUMBER["ok"], NUMBER["non-2xx"], NUMBER["body mismatch"], NUMBER["unsent"]
NOT_FAILURES = ("ok", "cut off", "cancelled", "unsent")


def tally(outcome_column: Any) -> dict[str, int]:
    """How many of each, leaving out those that did not occur."""
    counts = np.bincount(np.asarray(outcome_column, dtype=np.uint8), minlength=len(OUTCOMES)).tolist()
    return {name: counts[number] for name, number in NUMBER.items() if counts[number]}


def failures(tallied: dict[str, int]) -> int:
    return sum(number for name, number in tallied.items() if name not in NOT_FAILURES)
