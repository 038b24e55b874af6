"""The tables that compare scenarios: one for each study and load, best first."""

from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from common.results.bottleneck import limit_of
from common.results.changes import RATIOS
from common.results.changes import of_study as changes_of_study
from common.results.claims import of_study as claims_of_study
from common.results.comparison import AGAIN, CLIENT_BOUND, FAILED, Run, rate
from common.results.comparison import Group as Compared
from common.results.comparison import groups as comparison_groups
from common.results.published import published_rows
from common.results.words import plainly, said_of, shown

COLUMNS = (
    *("scenario", "req/s", "of ideal", "p50 ms", "p95 ms", "p99 ms", "max ms"),
    *("failed", "cut off", "CPU ms/req", "one core", "peak MB", "limited by"),
)


def comparisons(results: list[dict[str, Any]]) -> list[Group]:
    """A table for each load that scenarios of a study have in common."""
    return [comparison(group) for group in comparison_groups(results)]


def comparison(group: Compared) -> Group:
    table = Table(title=group.title, title_justify="left", title_style="bold", pad_edge=False, box=None)
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in ("scenario", "limited by") else "right", no_wrap=True)
    for run in sorted(group.runs, key=lambda run: -rate(run)):
        if run.spoilt != CLIENT_BOUND and not run.label.endswith(AGAIN):
            table.add_row(*cells(run))
    bound = [f"{label}: client-bound, at least {least:.1f} req/s" for label, least in group.client_bound]
    return Group(table, *map(Text, [*bound, *controls(group)]))


def controls(group: Compared) -> list[str]:
    """One configuration under two labels: what they differ by is chance."""
    return [f"A/A  {label} twice: {said_of(found)}" for label, found in group.controls]


def cells(run: Run) -> list[str]:
    load, summary = run.load, run.summary

    def ms(percent: float) -> str:
        latency = summary.latency(percent)
        return "-" if latency is None else f"{latency:,.0f}" if latency >= 100 else f"{latency:.1f}"

    return [
        f"{run.label} ({FAILED})" if load["fault"] else run.label,
        f"{summary.per_second:,.1f}",
        "-" if summary.of_ideal is None else f"{summary.of_ideal:.0%}",
        *(ms(percent) for percent in (50, 95, 99, 100)),
        f"{summary.failed:,}",
        f"{summary.cut_off:,}",
        "-" if summary.cpu_ms is None else f"{summary.cpu_ms:.2f}",
        "-" if summary.one_core_per_second is None else f"{summary.one_core_per_second:,.0f}",
        "-" if summary.peak_mb is None else f"{summary.peak_mb:.0f}",
        limit_of(load, summary).by,
    ]


def published_table(study: str, results: list[dict[str, Any]]) -> Table | None:
    """Every figure that the study published beside ours, the median where there are several runs."""
    table = Table(title=f"{study} · published beside measured", title_justify="left", title_style="bold", pad_edge=False, box=None)
    for column in ("scenario", "load", "figure", "published", "measured", "ratio"):
        table.add_column(column, justify="left" if column in ("scenario", "load", "figure") else "right", overflow="fold")
    for row in published_rows(study, results):
        ours = "-" if row.measured is None else plainly(row.measured)
        table.add_row(row.scenario, row.load, row.figure, f"{row.published:,g}", ours, row.ratio)
    return table if table.rows else None


def changes_table(study: str, results: list[dict[str, Any]]) -> Table | None:
    """What each scenario has more or less of than the one that it differs from in one thing."""
    table = Table(title=f"{study} · one change at a time", title_justify="left", title_style="bold", pad_edge=False, box=None)
    for column in ("scenario", "differs from", "in", "load"):
        table.add_column(column, overflow="fold")
    for column in RATIOS:
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for one in changes_of_study(study, results):
        table.add_row(one.scenario, one.base, one.what, one.load, *(shown(one.ratios[name], "x") for name in RATIOS), one.verdict)
    return table if table.rows else None


def claims_table(study: str, results: list[dict[str, Any]]) -> Table | None:
    table = Table(title=f"{study} · what was claimed", title_justify="left", title_style="bold", pad_edge=False, box=None)
    for column in ("claim", "verdict", "by"):
        table.add_column(column, overflow="fold")
    for claim in claims_of_study(study, results):
        table.add_row(claim.text, Text(claim.verdict, style="bold"), claim.evidence)
    return table if table.rows else None
