"""The comparison of several rounds, as text: middles over runs with 95 % intervals, ratios to a baseline, and what was left out."""

from collections import Counter
from typing import Any

from rich.console import Group as Together
from rich.table import Table
from rich.text import Text

from common.report.tables import controls
from common.results.comparison import Group, Row, groups
from common.results.words import against, digits, shown

COLUMNS = ("req/s", "p50 ms", "p99 ms", "CPU ms/req")


def tables(results: list[dict[str, Any]]) -> list[Together]:
    """One for each load that scenarios of a study have in common."""
    return [table(group) for group in groups(results) if group.labels]


def table(group: Group) -> Together:
    """Best first; the last column but one is the ratio of req/s to the baseline's."""
    drawn = Table(title=group.title, title_justify="left", title_style="bold", pad_edge=False, box=None)
    drawn.add_column("scenario", no_wrap=True)
    for column in ("runs", *COLUMNS, "one core", "failed", "MB", f"req/s to {group.baseline}"):
        drawn.add_column(column, justify="right", no_wrap=True)
    drawn.add_column("limited by", no_wrap=True)
    for row in group.rows:
        drawn.add_row(*cells(row, group.baseline))
    return Together(drawn, *map(Text, [*controls(group), *absences(group)]))


def cells(row: Row, baseline: str) -> list[str]:
    memory = row.figures["MB"]
    return [
        row.label,
        str(len(row.runs)),
        *(shown(row.figures[column]) for column in COLUMNS),
        digits(row.one_core) if row.one_core else "-",
        f"{row.failed:,}",
        f"{memory.middle:.0f}" if memory else "-",
        "1" if row.label == baseline else against(row.to_baseline),
        row.limit,
    ]


def absences(group: Group) -> list[str]:
    """How many runs were left out, and why."""
    reasons = Counter((run.label, why) for run in group.runs if (why := group.left_out(run)))
    return [f"left out: {number} run{'s' * (number > 1)} of {label} ({reason})" for (label, reason), number in reasons.items()]
