"""Rows and words that several charts share."""

from collections.abc import Callable

from common.report.page.drawing import Rows
from common.results.comparison import LoadComparison
from common.results.intervals import Estimate
from common.results.rows import Row
from common.results.samples import Sample


def with_bounds(field: str, estimate: Estimate | None) -> dict[str, float | None]:
    """The middle under this name, and its interval's bounds."""
    middle, low, high = (estimate.middle, estimate.low, estimate.high) if estimate else (None, None, None)
    return {field: middle, f"{field}_low": low, f"{field}_high": high}


def with_interval(field: str, rows: Rows) -> Rows:
    """The rows that have an interval."""
    return [row for row in rows if row[f"{field}_low"] is not None]


def middle_sample(row: Row) -> Sample:
    """The sample that stands for the others if only one can be drawn."""
    return sorted(row.samples, key=lambda sample: sample.per_second)[(len(row.samples) - 1) // 2]


def say_which_sample(compared: LoadComparison) -> str:
    return "" if compared.one_round else "Each scenario's middle run by requests per second."


def say_of_each(compared: LoadComparison, say: Callable[[Row], str]) -> str:
    return "; ".join(f"{row.scenario} {say(row)}" for row in compared.drawn)
