"""Which servers lead a load: by what they serve, and where that is too near to tell, by what a request costs."""

import math
from collections.abc import Mapping, Sequence

from common.results.answers import MORE, side_of
from common.results.comparison import LoadComparison
from common.results.rows import Row


def find_leaders(comparison: LoadComparison, servers: Mapping[str, str], number: int) -> list[str]:
    """The best scenario of each of the best servers; of the scenarios, only those whose server is given can be among them."""
    found: list[str] = []
    left = [row for row in comparison.ranked if row.scenario in servers and not row.disturbed]
    while left and len(found) < number:
        best = min(level_with_the_first(comparison, left), key=cpu_of)
        found.append(best.scenario)
        left = [row for row in left if servers[row.scenario] != servers[best.scenario]]
    return found


def level_with_the_first(comparison: LoadComparison, rows: Sequence[Row]) -> list[Row]:
    """Of ranked rows, those that the first is not shown to be ahead of, and itself."""
    first = rows[0]
    return [row for row in rows if row is first or side_of(comparison, first, row) != MORE]


def cpu_of(row: Row) -> float:
    cpu = row.estimates["CPU ms/req"]
    return cpu.middle if cpu else math.inf


def too_near_to_tell(comparison: LoadComparison, servers: Mapping[str, str]) -> list[str]:
    """If no undisturbed scenario is shown to serve most: of those that may, the cheapest of the two cheapest servers."""
    rows = [row for row in comparison.ranked if row.scenario in servers and not row.disturbed]
    cheapest: dict[str, str] = {}
    for row in sorted(level_with_the_first(comparison, rows) if rows else [], key=cpu_of):
        cheapest.setdefault(servers[row.scenario], row.scenario)
    return list(cheapest.values())[:2] if len(cheapest) > 1 else []
