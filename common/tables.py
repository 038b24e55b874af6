"""The tables that compare scenarios: one for each study and load, best first."""

import statistics
from collections.abc import Iterable
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from common.claims import Claim
from common.limits import limit_of
from common.report import measured, ratio_to
from common.selfwatch import doubts
from common.summary import Summary

COLUMNS = (
    *("scenario", "req/s", "of ideal", "p50 ms", "p95 ms", "p99 ms", "max ms"),
    *("failed", "cut off", "CPU ms/req", "one core", "peak MB", "limited by"),
)


def comparisons(results: list[dict[str, Any]]) -> list[Group]:
    """A table for each load that scenarios of a study have in common."""
    groups: dict[tuple[Any, ...], list[tuple[str, dict[str, Any]]]] = {}
    for result in results:
        for load in result["loads"]:
            groups.setdefault((result["study"], load["line"], load["latency_ms"], load["least_seconds"]), []).append(
                (result["scenario"], load)
            )
    return [comparison(study, members) for (study, *_), members in groups.items()]


def comparison(study: str, members: list[tuple[str, dict[str, Any]]]) -> Group:
    first = members[0][1]
    summaries = [(name, load, Summary(load)) for name, load in members]
    table = Table(title=title(study, first, summaries[0][2]), title_justify="left", title_style="bold", pad_edge=False, box=None)
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in ("scenario", "limited by") else "right", no_wrap=True)
    ranked = sorted(summaries, key=lambda entry: -entry[2].per_second)
    invalid = [entry for entry in ranked if is_invalid(entry)]
    for entry in ranked:
        if entry not in invalid:
            table.add_row(*cells(*entry))
    return Group(table, *(Text(f"{name}: client-bound, at least {summary.per_second:.1f} req/s") for name, _, summary in invalid))


def is_invalid(entry: tuple[str, dict[str, Any], Summary]) -> bool:
    _, load, summary = entry
    return doubts(load["client"], summary.latency(50))[0]


def title(study: str, load: dict[str, Any], summary: Summary) -> str:
    words = [study, load["description"]]
    if load["latency_ms"]:
        words.append(f"{load['latency_ms']} ms added")
    if summary.ideal_per_second:
        words.append(f"ideal {summary.ideal_per_second:.1f} req/s")
    return " · ".join(words)


def cells(name: str, load: dict[str, Any], summary: Summary) -> list[str]:
    def ms(percent: float) -> str:
        latency = summary.latency(percent)
        return "-" if latency is None else f"{latency:,.0f}" if latency >= 100 else f"{latency:.1f}"

    return [
        f"{name} (it failed)" if load["fault"] else name,
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
    groups: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for result in results:
        for load in result["loads"] if result["study"] == study else []:
            groups.setdefault((result["scenario"], load["path"], load["latency_ms"]), []).append(load)
    for (name, path, latency_ms), loads in groups.items():
        figures = [measured(load, Summary(load)) for load in loads]
        added = f" · {latency_ms} ms added" if latency_ms else ""
        for figure, published in loads[0]["published"].items():
            known = [value for here in figures if (value := here.get(figure)) is not None]
            found = statistics.median(known) if known else None
            ours = "-" if found is None else f"{found:,.4g}"
            table.add_row(name, f"{path}{added}", figure, f"{published:,g}", ours, ratio_to(figure, published, found, loads[0]))
    return table if table.rows else None


def claims_table(study: str, claims: Iterable[Claim]) -> Table:
    table = Table(title=f"{study} · what was claimed", title_justify="left", title_style="bold", pad_edge=False, box=None)
    for column in ("claim", "verdict", "by"):
        table.add_column(column, overflow="fold")
    for claim in claims:
        table.add_row(claim.text, Text(claim.verdict, style="bold"), claim.evidence)
    return table
