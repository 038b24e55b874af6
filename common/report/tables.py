"""The tables of a suite: scenarios under each load, one change at a time, what was published, what was claimed, the answers."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
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
    TOO_SHORT,
    cell_of_ratio,
    describe_pinning,
    explain_marks,
    explain_zeros,
    join_words,
    say_standing,
    write_cells,
    write_control,
    write_estimate,
    write_exactly,
    write_name,
    write_number,
)

WITH_INTERVAL = (TO_BASELINE,)  # other columns show only the middle: the page has all intervals
LEAST_ROOM = 12  # for "limited by", which wraps
IN_ONE_PARAGRAPH = 5  # sentences; of more, each gets a line
SLOWER = 1.25  # times: less is nothing to mention
GOES_FIRST = (OF_IDEAL, "MB", "p50 ms")  # if a line has no room for all


def draw_study(
    study: str, runs: Sequence[ScenarioRun], judgement: Judgement, width: int, alone: bool = True, verbose: bool = False
) -> Iterator[RenderableType]:
    """Draw each of a study's loads, then what follows from them: for a study alone its changes, else as much as is asked for."""
    comparisons = compare_loads(runs)
    setting = f" · {describe_setting(comparisons[0])}" if comparisons else ""  # all its loads run on the same cores
    yield Rule(Text.assemble((study, "bold"), (setting, "dim")), align="left", style="dim")
    for comparison in comparisons:
        yield draw_comparison(comparison, width, with_study=False)
    tables: list[RenderableType | None] = [draw_changes(study, runs) if alone or verbose else None]
    if verbose:
        tables += [draw_published(study, runs), draw_claims(study, judgement.claims)]
    yield from (table for table in tables if table is not None)


def draw_comparison(comparison: LoadComparison, width: int, with_study: bool = True) -> Group:
    """The table, best first, then the doubts."""
    if with_study:
        head = [Text.assemble((comparison.title, "bold"), (f"  {describe_setting(comparison)}", "dim"))]
    else:
        head = [Text(comparison.load_in_words, style="bold")]
    answer = answer_load(comparison)
    table = draw_rows(comparison, width) if comparison.rows else None
    doubts = [say_standing(row) for row in comparison.too_short] if comparison.ranked else [answer.said]
    doubts += [*client_bound(comparison), *doubt_ratios(comparison), *explain_zeros(comparison.rows), *explain_marks(comparison.rows)]
    if not comparison.one_round:  # else the answers say how far apart two equal runs were
        doubts += [f"A/A: {control.scenario} twice: {write_control(control)}" for control in comparison.controls]
    doubts += [*left_out(comparison), *tell_speed(comparison), *([answer.advice] if answer.advice else [])]
    return Group(*head, *([table] if table else []), *(Text(doubt, style="dim") for doubt in doubts), Text())


def draw_answers(judged: Mapping[str, Judgement], runs: Sequence[ScenarioRun]) -> Iterator[RenderableType]:
    """Each study's answer and how sure it is: it comes last, so that it stays on the screen."""
    yield Rule(Text("the answers", style="bold"), align="left", style="dim")
    for study, judgement in judged.items():
        comparisons = compare_loads([run for run in runs if run.study == study])
        if comparisons:
            answer = answer_study(comparisons, judgement.answers)
            beside = f"{answer.sure} {tell_verdicts(judgement.claims)}".strip()
            said = "\n".join(answer.sentences) if len(answer.sentences) > IN_ONE_PARAGRAPH else answer.said
            yield Group(Text.assemble((f"{study}: ", "bold"), said), Text(beside, style="dim"))


def describe_setting(comparison: LoadComparison) -> str:
    rounds = "one round" if comparison.one_round else f"{comparison.rounds} rounds"
    return f"{rounds} · {describe_pinning(comparison.load.pinned)}"


def draw_rows(comparison: LoadComparison, width: int) -> Table:
    """A table that never cuts a name or number in two: if a line has no room, some columns go."""
    rows = {write_name(row): write_cells(row, comparison.baseline) for row in comparison.rows}
    texts = {
        head: [cells[head].in_one_line if head in WITH_INTERVAL else cells[head].text for cells in rows.values()]
        for head in columns_of(comparison)
    }
    taken = {head: 2 + max(map(len, [head, *column])) for head, column in texts.items()}
    for head in GOES_FIRST:
        if 2 + max(map(len, rows)) + sum(taken.values()) + LEAST_ROOM > width and head in taken:
            del taken[head]
    table = new_table()
    table.add_column("scenario", overflow="fold", width=max(len("scenario"), min(max(map(len, rows)), width // 2)))
    for head in taken:
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column(LIMITED_BY)
    limits = [TOO_SHORT if row.too_short else rows[write_name(row)][LIMITED_BY].text for row in comparison.rows]  # why stands below
    for number, name in enumerate(rows):
        table.add_row(name, *(texts[head][number] for head in taken), limits[number])
    return table


def columns_of(comparison: LoadComparison) -> list[str]:
    """The columns that say something about at least one row."""
    columns = ["req/s", OF_IDEAL, "p50 ms", "p99 ms", FAILED, CUT_OFF, "CPU ms/req", "MB"]
    told = {
        OF_IDEAL: any(row.of_ideal is not None for row in comparison.rows),
        CUT_OFF: any(row.cut_off for row in comparison.rows),
        "CPU ms/req": any(row.estimates["CPU ms/req"] for row in comparison.rows),
    }
    many = [] if comparison.one_round else [TO_BASELINE, *([RUNS] if len({len(row.samples) for row in comparison.rows}) > 1 else [])]
    return [column for column in columns if told.get(column, True)] + many


def doubt_ratios(comparison: LoadComparison) -> list[str]:
    """Notes that the column of ratios does not show."""
    notes = {row.scenario: note for row in comparison.rows if (note := cell_of_ratio(row.to_baseline).note)}
    alike = [f"{scenario} ({note.removeprefix(f'{NO_DIFFERENCE}: ')})" for scenario, note in notes.items()]
    lines = [f"no difference from {comparison.baseline} shown: {join_words(alike)}"] if alike else []
    baseline = next((row for row in comparison.rows if row.scenario == comparison.baseline), None)
    if baseline and not baseline.is_ranked and len(comparison.ranked) > 1:
        lines.append(f"no ratios: {comparison.baseline}, the baseline, has no rank")
    return lines


def client_bound(comparison: LoadComparison) -> list[str]:
    """Scenarios without a row: what they serve at least."""
    ranked = {row.scenario for row in comparison.rows}
    return [
        f"{scenario}: client-bound, at least {write_number(least)} req/s"
        for scenario, least in comparison.client_bound
        if scenario not in ranked
    ]


def tell_speed(comparison: LoadComparison) -> list[str]:
    """A doubt if the machine was slower for one row than for another: in several rounds that hits all alike."""
    took = {row.scenario: row.samples[0].load.calibration_ms for row in comparison.ranked if comparison.one_round}
    known = {name: ms for name, ms in took.items() if ms}
    if not known or max(known.values()) < SLOWER * min(known.values()):
        return []
    fast, *_, slow = sorted(known, key=lambda name: known[name])
    return [
        f"the server's core took {known[slow] / known[fast]:.1f}x as long for the same work before the load of {slow} as before {fast}'s"
    ]


def left_out(comparison: LoadComparison) -> list[str]:
    """How many runs are left out, and why."""
    ranked = {row.scenario for row in comparison.rows}
    reasons = Counter(
        (f"{sample.scenario}'s control" if sample.run.control else sample.scenario, why)
        for sample in comparison.samples
        if (why := comparison.left_out(sample))
        and (why != CLIENT_BOUND or sample.scenario in ranked)
        and (sample.run.control or sample.load.invalid)  # for the others, the mark says so
    )
    return [f"left out: {number} run{'s' * (number > 1)} of {name} ({why})" for (name, why), number in reasons.items()]


def draw_published(study: str, runs: Iterable[ScenarioRun]) -> Table | None:
    """Every published metric beside ours, which is the median if there are several runs."""
    table = new_table(f"{study} · published beside measured")
    for column in ("scenario", "load", "metric", "published", "measured", "ratio"):
        table.add_column(column, justify="left" if column in ("scenario", "load", "metric") else "right", overflow="fold")
    for row in compare_published(study, runs):
        table.add_row(row.scenario, row.load, row.metric, f"{row.published:,g}", write_exactly(row.measured), row.ratio)
    return table if table.rows else None


def draw_changes(study: str, runs: Iterable[ScenarioRun]) -> Group | None:
    """Each scenario's ratios to the one that it differs from in one thing, the largest first: what that is, then a line for each load."""
    changes = [change for change in changes_of_study(study, runs) if any(change.ratios.values())]
    if not changes:
        return None
    room = max(len(change.load) for change in changes)
    parts: list[RenderableType] = [Text(f"{study} · one change at a time", style="bold")]
    pairs = list(dict.fromkeys((change.scenario, change.base, change.what) for change in changes))
    for scenario, base, what in pairs:
        these = [change for change in changes if (change.scenario, change.base) == (scenario, base)]
        table = Table(pad_edge=False, box=None, show_header=False)
        table.add_column(min_width=room, no_wrap=True)
        for _ in (*RATIOS, "verdict"):
            table.add_column()
        for change in these:
            ratios = [f"{name.partition(' ')[0]} {write_estimate(change.ratios[name], 'x')}" for name in RATIOS]
            table.add_row(change.load, *ratios, f"{change.marks} {change.verdict}".strip())
        parts += [Text(f"{scenario} against {base}: {what}"), Padding(table, (0, 0, 0, 2))]
    return Group(*parts, Text())


def draw_claims(study: str, claims: Sequence[Claim]) -> Table | None:
    table = new_table(f"{study} · what was claimed")
    for column in ("claim", "verdict", "evidence"):
        table.add_column(column, overflow="fold")
    for claim in claims:
        table.add_row(claim.text, Text(claim.verdict, style="bold"), claim.evidence)
    return table if table.rows else None


def new_table(title: str = "") -> Table:
    return Table(title=title or None, title_justify="left", title_style="bold", pad_edge=False, box=None)
