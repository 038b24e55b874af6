"""Pure functions over numbers: nothing here reads, prints or measures."""

import math
from typing import Any

FEW_BEYOND = 10


def percentile(ordered: Any, percent: float) -> Any:
    """The percentile of an ascending list or array, by nearest rank: the smallest value that at least `percent`% of all do not exceed."""
    if len(ordered) == 0:
        raise ValueError("no values")
    if not 0 <= percent <= 100:
        raise ValueError(f"not a percentage: {percent}")
    rank = math.ceil(round(percent * len(ordered) / 100, 9))
    return ordered[max(rank, 1) - 1]


def beyond(total: int, percent: float) -> int:
    """How many of `total` values lie beyond the percentile: fewer than FEW_BEYOND tell little."""
    return total - max(math.ceil(round(percent * total / 100, 9)), 1)
