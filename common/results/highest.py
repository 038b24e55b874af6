"""Which of several scenarios holds the highest rate: what their searches show, and what they leave open."""

import math
from collections.abc import Iterable

from common.results.bottleneck import BUSY, CLIENT, ERRORS, MANY_FAILED, SERVER_CPU, server_share
from common.results.record import Probe, Search


def rate_of(probe: Probe) -> float:
    return probe.sent.load.rate or 0.0


def rate_held(search: Search) -> float:
    """The highest rate that held, confirmed or not; 0 if none did."""
    return search.rate or max((rate_of(probe) for probe in search.probes if probe.verdict == "held"), default=0.0)


def is_confirmed(search: Search) -> bool:
    return search.ended == "none" or (search.ended in ("found", "client-bound") and search.rate is not None)


def probe_held(search: Search) -> Probe | None:
    """Of the runs at the rate that held, the one with the longest response times."""
    held = [probe for probe in search.probes if probe.verdict == "held" and rate_of(probe) == rate_held(search)]
    return max(held, key=lambda probe: probe.metrics.percentile_of_due(search.percent), default=None)


def probe_above(search: Search) -> Probe | None:
    """The lowest rate above that did not hold: the run that broke the target, if there is one, not one that shows nothing."""
    higher = [probe for probe in search.probes if probe.verdict != "held" and rate_of(probe) > rate_held(search)]
    return min(higher, key=lambda probe: (rate_of(probe), probe.verdict == "void"), default=None)


def ceiling(search: Search) -> float:
    """The rate from which on it is known not to hold."""
    above = probe_above(search)
    if search.ended == "none" and above is None:
        return 0.0  # a request alone breaks the target
    return rate_of(above) if above is not None and is_confirmed(search) and search.ended != "client-bound" else math.inf


def beats(one: Search, other: Search) -> bool:
    """It holds a rate that the other does not; less than that is no more than the steps of the search."""
    return is_confirmed(one) and 0 < rate_held(one) >= ceiling(other)


def rank(searches: Iterable[Search]) -> list[tuple[int | None, Search]]:
    """The best first; those that the best of their rank does not beat share it. What is not confirmed has none and comes last."""
    ordered = sorted(searches, key=lambda search: (not is_confirmed(search), -rate_held(search)))
    ranked: list[tuple[int | None, Search]] = []
    best, place = None, 0
    for number, search in enumerate(ordered, 1):
        if best is None or beats(best, search):
            best, place = search, number
        ranked.append((place if is_confirmed(search) else None, search))
    return ranked


def limited_by(search: Search) -> str:
    """What was full at the rate that did not hold; '' if there is no such rate."""
    above = probe_above(search)
    if above is None:
        return ""
    if above.verdict == "void":
        return CLIENT
    if above.metrics.failed > MANY_FAILED * max(above.metrics.complete, 1):
        return ERRORS
    busy = server_share(above.metrics, search.pinned)
    if busy is None:
        return ""
    return SERVER_CPU if busy >= BUSY else "not CPU"
