"""The tables of a suite: scenarios under each load, one change at a time, what was published, what was claimed."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from common.results.answers import answer_load, answer_study
from common.results.changes import RATIOS, changes_of_study
from common.results.claims import Claim
from common.results.comparison import LoadComparison, compare_loads
from common.results.published import compare_published
from common.results.record import CLIENT_BOUND, ScenarioRun
from common.results.words import (
    CUT_OFF,
    FAILED,
    LIMITED_BY,
    NO_DIFFERENCE,
    OF_IDEAL,
    RUNS,
    TO_BASELINE,
    cell_of_ratio,
    describe_pinning,
    explain_marks,
    explain_zeros,
    join_words,
    write_cells,
    write_control,
    write_estimate,
    write_exactly,
    write_name,
    write_number,
)

WITH_INTERVAL = ("req/s", TO_BASELINE)  # of the others the middle: all intervals are on the page


def draw_study(study: str, runs: Sequence[ScenarioRun], claims: Sequence[Claim]) -> Iterator[RenderableType]:
    """Its answer, then each of its loads, then what follows from them."""
    comparisons = compare_loads(runs)
    if len(comparisons) > 1:
        answer = answer_study(comparisons)
        yield Group(Text(f"{study}: {answer.said}", style="bold"), Text(f"{answer.sure} {answer.limited}".strip(), style="dim"))
    yield from map(draw_comparison, comparisons)
    for table in (draw_changes(study, runs), draw_published(study, runs), draw_claims(study, claims)):
        if table is not None:
            yield table


def draw_comparison(comparison: LoadComparison) -> Group:
    """The answer, then the table, best first, then what to doubt."""
    head = [Text(comparison.title, style="bold"), Text(describe_setting(comparison), style="dim")]
    answer = answer_load(comparison)
    table = draw_rows(comparison) if comparison.rows else None
    doubts = [*client_bound(comparison), *doubt_ratios(comparison), *explain_zeros(comparison.rows), *explain_marks(comparison.rows)]
    doubts += [f"A/A  {control.scenario} twice: {write_control(control)}" for control in comparison.controls]
    doubts += [*left_out(comparison), *([answer.advice] if answer.advice else [])]
    return Group(*head, Text(), Text(answer.said), Text(), *([table] if table else []), *map(Text, doubts))


def describe_setting(comparison: LoadComparison) -> str:
    rounds = "one round" if comparison.one_round else f"{comparison.rounds} rounds"
    return f"{rounds} · {describe_pinning(comparison.load.pinned)}"


def draw_rows(comparison: LoadComparison) -> Table:
    rows = {write_name(row): write_cells(row, comparison.baseline) for row in comparison.rows}
    with_ideal = any(row.of_ideal is not None for row in comparison.rows)
    columns = ["req/s", *([OF_IDEAL] if with_ideal else []), "p50 ms", "p99 ms", FAILED]
    columns += [CUT_OFF] if any(row.cut_off for row in comparison.rows) else []
    columns += ["CPU ms/req", "MB", *([] if comparison.one_round else [TO_BASELINE, RUNS])]
    table = new_table()
    table.add_column("scenario", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column(LIMITED_BY)  # the one that wraps where a line is too long
    for name, cells in rows.items():
        texts = [cells[column].in_one_line if column in WITH_INTERVAL else cells[column].text for column in columns]
        table.add_row(name, *texts, cells[LIMITED_BY].text)
    return table


def doubt_ratios(comparison: LoadComparison) -> list[str]:
    """What the column of ratios does not say in figures."""
    notes = {row.scenario: note for row in comparison.rows if (note := cell_of_ratio(row.to_baseline).note)}
    alike = [f"{scenario} ({note.removeprefix(f'{NO_DIFFERENCE}: ')})" for scenario, note in notes.items()]
    lines = [f"no difference from {comparison.baseline} shown: {join_words(alike)}"] if alike else []
    baseline = next((row for row in comparison.rows if row.scenario == comparison.baseline), None)
    if baseline and not baseline.is_ranked and len(comparison.ranked) > 1:
        lines.append(f"no ratios: {comparison.baseline}, the baseline, has no rank")
    return lines


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
        if (why := comparison.left_out(sample))
        and (why != CLIENT_BOUND or sample.scenario in ranked)
        and (sample.run.control or sample.load.invalid)  # of the others the mark says it
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
    table.add_column("verdict", overflow="fold")
    for change in changes_of_study(study, runs):
        ratios = [write_estimate(change.ratios[name], "x") for name in RATIOS]
        table.add_row(f"{change.scenario} {change.marks}".strip(), change.base, change.what, change.load, *ratios, change.verdict)
    return table if table.rows else None


def draw_claims(study: str, claims: Sequence[Claim]) -> Table | None:
    table = new_table(f"{study} · what was claimed")
    for column in ("claim", "verdict", "by"):
        table.add_column(column, overflow="fold")
    for claim in claims:
        table.add_row(claim.text, Text(claim.verdict, style="bold"), claim.evidence)
    return table if table.rows else None


def new_table(title: str = "") -> Table:
    return Table(title=title or None, title_justify="left", title_style="bold", pad_edge=False, box=None)
