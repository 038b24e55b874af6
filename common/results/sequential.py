"""When a comparison that grows is looked at, and how sure each look must be.

Who looks often at equal servers sees a difference sooner or later. So all looks share one error of 5%: the first five spend
0.8% each, and each further one half of what is left. Several pairs divide it among them (Bonferroni's correction).
"""

import math
from collections.abc import Iterator
from itertools import takewhile

from common.results.intervals import CONFIDENCE, Estimate

LOOKS = (3, 5, 8, 12, 20)  # restarts or rounds; a further look comes when there are 1.6 times as many
GROWTH = 1.6
SPENT_EARLY = 0.8  # of the error, on those five


def all_looks() -> Iterator[int]:
    yield from LOOKS
    number = LOOKS[-1]
    while True:
        number = round(number * GROWTH)
        yield number


def next_look(number: int) -> int:
    """The first look that so many restarts have not reached."""
    return next(look for look in all_looks() if look > number)


def last_look(number: int) -> int:
    """The last look that so many restarts have reached; 0 before the first."""
    return max(takewhile(lambda look: look <= number, all_looks()), default=0)


def is_look(number: int) -> bool:
    return last_look(number) == number


def confidence_at(number: int, of: int = 1) -> float:
    """What an interval needs after so many restarts, as one of `of`; a number between two looks counts as the second of them."""
    place = sum(1 for _ in takewhile(lambda look: look < number, all_looks()))
    return 1 - (1 - CONFIDENCE) * share_of_look(place) / of


def share_of_look(place: int) -> float:
    """Of the error: all of them together are 1."""
    return SPENT_EARLY / len(LOOKS) if place < len(LOOKS) else (1 - SPENT_EARLY) / 2 ** (place - len(LOOKS) + 1)


def restarts_needed(ratio: Estimate, within: float) -> int | None:
    """About how many restarts would decide it, if they spread as those so far do; None without an interval."""
    if ratio.low is None or ratio.high is None or ratio.low <= 0:
        return None
    centre, reach = (math.log(ratio.high) + math.log(ratio.low)) / 2, (math.log(ratio.high) - math.log(ratio.low)) / 2
    enough = max(abs(centre), math.log(1 + within) - abs(centre))
    return next(look for look in all_looks() if look >= ratio.runs * max(1.0, (reach / enough) ** 2))
