"""The tables of a suite: scenarios under each load, one change at a time, what was published, what was claimed, the answers."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from common.results.answers import answer_load, answer_study
from common.results.changes import RATIOS, changes_of_study
from common.results.claims import Claim, Judgement, tell_verdicts
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

WITH_INTERVAL = (TO_BASELINE,)  # of the others the middle: all intervals are on the page
LEAST_ROOM = 12  # for what limited it, which wraps
GOES_FIRST = (OF_IDEAL, "MB", "p50 ms")  # where a line has no room for all


def draw_study(
    study: str, runs: Sequence[ScenarioRun], judgement: Judgement, width: int, verbose: bool = False
) -> Iterator[RenderableType]:
    """Each of its loads, then what follows from them."""
    yield Rule(Text(study, style="bold"), align="left", style="dim")
    comparisons = compare_loads(runs)
    for comparison in comparisons:
        yield draw_comparison(comparison, width, with_study=False)
    tables = [draw_changes(study, runs)]
    if verbose:
        tables += [draw_published(study, runs), draw_claims(study, judgement.claims)]
    yield from filter(None, tables)


def draw_comparison(comparison: LoadComparison, width: int, with_study: bool = True) -> Group:
    """The table, best first, then what to doubt."""
    title = comparison.title if with_study else comparison.load_in_words
    head = [Text.assemble((title, "bold"), (f"  {describe_setting(comparison)}", "dim"))]
    answer = answer_load(comparison)
    table = draw_rows(comparison, width) if comparison.rows else None
    doubts = [] if comparison.ranked else [answer.said]
    doubts += [*client_bound(comparison), *doubt_ratios(comparison), *explain_zeros(comparison.rows), *explain_marks(comparison.rows)]
    doubts += [f"A/A: {control.scenario} twice: {write_control(control)}" for control in comparison.controls]
    doubts += [*left_out(comparison), *([answer.advice] if answer.advice else [])]
    return Group(*head, *([table] if table else []), *(Text(doubt, style="dim") for doubt in doubts), Text())


def draw_answers(judged: Mapping[str, Judgement], runs: Sequence[ScenarioRun]) -> Iterator[RenderableType]:
    """Of each study its answer and how sure it is: what a reader came for, so it comes last and stays on the screen."""
    yield Rule(Text("the answers", style="bold"), align="left", style="dim")
    for study, judgement in judged.items():
        comparisons = compare_loads([run for run in runs if run.study == study])
        if comparisons:
            answer = answer_study(comparisons, judgement.answers)
            beside = f"{answer.sure} {tell_verdicts(judgement.claims)}".strip()
            yield Group(Text.assemble((f"{study}: ", "bold"), answer.said), Text(beside, style="dim"))


def describe_setting(comparison: LoadComparison) -> str:
    rounds = "one round" if comparison.one_round else f"{comparison.rounds} rounds"
    return f"{rounds} · {describe_pinning(comparison.load.pinned)}"


def draw_rows(comparison: LoadComparison, width: int) -> Table:
    """No name and no figure is cut in two: where a line has no room for all, some columns go."""
    rows = {write_name(row): write_cells(row, comparison.baseline) for row in comparison.rows}
    texts = {
        head: [cells[head].in_one_line if head in WITH_INTERVAL else cells[head].text for cells in rows.values()]
        for head in columns_of(comparison)
    }
    taken = {head: 2 + max(map(len, [head, *column])) for head, column in texts.items()}
    for head in GOES_FIRST:
        if max(map(len, rows)) + sum(taken.values()) + LEAST_ROOM > width and head in taken:
            del taken[head]
    table = new_table()
    table.add_column("scenario", overflow="fold", min_width=min(max(map(len, rows)), width // 2))
    for head in taken:
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column(LIMITED_BY)
    for number, (name, cells) in enumerate(rows.items()):
        table.add_row(name, *(texts[head][number] for head in taken), cells[LIMITED_BY].text)
    return table


def columns_of(comparison: LoadComparison) -> list[str]:
    """Those that say something of one row at least."""
    columns = ["req/s", OF_IDEAL, "p50 ms", "p99 ms", FAILED, CUT_OFF, "CPU ms/req", "MB"]
    told = {
        OF_IDEAL: any(row.of_ideal is not None for row in comparison.rows),
        CUT_OFF: any(row.cut_off for row in comparison.rows),
        "CPU ms/req": any(row.estimates["CPU ms/req"] for row in comparison.rows),
    }
    many = [] if comparison.one_round else [TO_BASELINE, *([RUNS] if len({len(row.samples) for row in comparison.rows}) > 1 else [])]
    return [column for column in columns if told.get(column, True)] + many


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
