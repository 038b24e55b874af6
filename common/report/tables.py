"""The tables of a suite: scenarios under each load, one change at a time, what was published, what was claimed."""

from collections import Counter
from collections.abc import Iterable, Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from common.results.changes import RATIOS, changes_of_study
from common.results.claims import Claim
from common.results.comparison import LoadComparison
from common.results.published import compare_published
from common.results.record import CLIENT_BOUND, ScenarioRun
from common.results.words import (
    CUT_OFF,
    FAILED,
    LIMITED_BY,
    OF_IDEAL,
    RUNS,
    TO_BASELINE,
    join_words,
    write_cells,
    write_control,
    write_estimate,
    write_exactly,
    write_number,
)

WITH_INTERVAL = ("req/s", TO_BASELINE)  # of the others the middle: all intervals are on the page


def draw_comparison(comparison: LoadComparison) -> Group:
    """Best first; below it what is to be known beside it."""
    rows = {row.scenario: write_cells(row, comparison.baseline) for row in comparison.rows}
    columns = ["req/s", OF_IDEAL, "p50 ms", "p99 ms", FAILED]
    columns += [CUT_OFF] if any(row.cut_off for row in comparison.rows) else []
    columns += ["CPU ms/req", "MB", *([] if comparison.one_round else [TO_BASELINE, RUNS])]
    table = new_table(comparison.title)
    table.add_column("scenario", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column(LIMITED_BY)  # the one that wraps where a line is too long
    for scenario, cells in rows.items():
        texts = [cells[column].in_one_line if column in WITH_INTERVAL else cells[column].text for column in columns]
        table.add_row(scenario, *texts, cells[LIMITED_BY].text)
    alike = [scenario for scenario, cells in rows.items() if cells[TO_BASELINE].note]
    notes = [f"no difference from {comparison.baseline} shown: {join_words(alike)}"] if alike else []
    notes += [f"A/A  {control.scenario} twice: {write_control(control.ratio)}" for control in comparison.controls]
    return Group(table, *map(Text, [*client_bound(comparison), *notes, *left_out(comparison)]))


def client_bound(comparison: LoadComparison) -> list[str]:
    """Of what has no row: what it serves at least."""
    ranked = {row.scenario for row in comparison.rows}
    return [
        f"{scenario}: client-bound, at least {write_number(least)} req/s"
        for scenario, least in comparison.client_bound
        if scenario not in ranked
    ]


def left_out(comparison: LoadComparison) -> list[str]:
    """How many runs, and why."""
    ranked = {row.scenario for row in comparison.rows}
    reasons = Counter(
        (f"{sample.scenario}'s control" if sample.run.control else sample.scenario, why)
        for sample in comparison.samples
        if (why := comparison.left_out(sample)) and (why != CLIENT_BOUND or sample.scenario in ranked)
    )
    return [f"left out: {number} run{'s' * (number > 1)} of {name} ({why})" for (name, why), number in reasons.items()]


def draw_published(study: str, runs: Iterable[ScenarioRun]) -> Table | None:
    """Every metric that the study published beside ours, the median where there are several runs."""
    table = new_table(f"{study} · published beside measured")
    for column in ("scenario", "load", "metric", "published", "measured", "ratio"):
        table.add_column(column, justify="left" if column in ("scenario", "load", "metric") else "right", overflow="fold")
    for row in compare_published(study, runs):
        table.add_row(row.scenario, row.load, row.metric, f"{row.published:,g}", write_exactly(row.measured), row.ratio)
    return table if table.rows else None


def draw_changes(study: str, runs: Iterable[ScenarioRun]) -> Table | None:
    """What each scenario has more or less of than the one that it differs from in one thing."""
    table = new_table(f"{study} · one change at a time")
    for column in ("scenario", "differs from", "in", "load"):
        table.add_column(column, overflow="fold")
    for column in RATIOS:
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for change in changes_of_study(study, runs):
        ratios = [write_estimate(change.ratios[name], "x") for name in RATIOS]
        table.add_row(change.scenario, change.base, change.what, change.load, *ratios, change.verdict)
    return table if table.rows else None


def draw_claims(study: str, claims: Sequence[Claim]) -> Table | None:
    table = new_table(f"{study} · what was claimed")
    for column in ("claim", "verdict", "by"):
        table.add_column(column, overflow="fold")
    for claim in claims:
        table.add_row(claim.text, Text(claim.verdict, style="bold"), claim.evidence)
    return table if table.rows else None


def new_table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", pad_edge=False, box=None)
