"""What the page says: its studies, their loads, and where it was measured, for Django's templates to read by attribute."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from django.utils.safestring import SafeString, mark_safe
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import DiffLexer, PythonLexer

from common.report.page import latencies, queue, timeline
from common.report.page.comparison import chart_comparison
from common.report.page.cost import chart_cost
from common.report.page.drawing import Chart
from common.report.page.latencies import chart_latencies
from common.report.page.looks import Look, assign_looks
from common.report.page.overview import chart_overview, scenarios_with_ratio
from common.report.page.queue import chart_queue
from common.report.page.runs import SHAPES, chart_runs, explain_state
from common.report.page.timeline import chart_timeline
from common.results.answers import Answer, answer_load, answer_study
from common.results.changes import RATIOS, Change, changes_of_study, diff_sources
from common.results.claims import NOT_REPRODUCED, REPRODUCED, Claim
from common.results.comparison import LoadComparison, Sample, compare_loads
from common.results.facts import Environment
from common.results.published import PublishedMetric, compare_published
from common.results.record import ScenarioRun
from common.results.words import (
    ONE_CORE,
    RUNS,
    TO_BASELINE,
    Cell,
    cell_of,
    describe_environment,
    describe_pinning,
    explain_marks,
    explain_zeros,
    write_cells,
    write_control,
    write_exactly,
    write_name,
    write_number,
)

HEADS = {ONE_CORE: "one core, req/s", "MB": "peak MB", TO_BASELINE: "to the baseline"}  # a page has room for more words
VERDICTS = {REPRODUCED: "yes", NOT_REPRODUCED: "no"}  # others are open
THINNED = f"For drawing only, points are thinned: {latencies.THINNED}; {queue.THINNED}; {timeline.THINNED}. Figures are of all requests."

Value = TypeVar("Value")


@dataclass(frozen=True)
class TableRow:
    scenario: str
    look: Look
    cells: Mapping[str, Cell] = field(default_factory=dict)  # by the heads of their columns


@dataclass(frozen=True)
class RunRow:
    """Of the table of every run."""

    scenario: str
    round: int
    per_second: str
    counts: bool
    why: str


@dataclass(frozen=True)
class LoadSection:
    title: str
    answer: Answer
    baseline: str
    rows: Sequence[TableRow]
    client_bound: Sequence[str]
    doubts: Sequence[str]
    setting: str
    one_round: bool
    comparison: Chart | None  # None: no run counts
    details: Sequence[Chart]
    every_run: Chart
    runs: Sequence[RunRow]


@dataclass(frozen=True)
class Diff:
    """What sets a scenario apart from another, line by line."""

    scenario: str
    base: str
    what: str
    code: SafeString


@dataclass(frozen=True)
class Absent:
    """What was not measured, or not to its end."""

    scenario: str
    status: str
    reason: str


@dataclass(frozen=True)
class StudySection:
    name: str
    anchor: str
    answer: Answer
    farthest: str  # the one change that tells most
    verdicts: str
    overview: Chart | None  # None: there are not several loads to look at
    key: Sequence[TableRow]  # of the overview
    loads: Sequence[LoadSection]
    changes: Sequence[tuple[Change, Sequence[Cell]]]
    diffs: Sequence[Diff]
    published: Sequence[tuple[PublishedMetric, str, str]]  # with what was published and what was measured, as written
    claims: Sequence[tuple[Claim, str]]  # with the class of its verdict
    run_count: int
    absent: Sequence[Absent]

    @property
    def charts(self) -> Iterator[tuple[int, Chart]]:
        """With the number of the load that each is of; 0: of all."""
        if self.overview:
            yield 0, self.overview
        for number, load in enumerate(self.loads, 1):
            for chart in (load.comparison, *load.details, load.every_run):
                if chart:
                    yield number, chart


@dataclass(frozen=True)
class Source:
    scenario: str
    question: str
    launch: str
    code: SafeString


@dataclass(frozen=True)
class Page:
    date: str
    rounds: int
    mode: str
    machine: str
    studies: Sequence[StudySection]
    environments: Sequence[str]
    revisions: Sequence[str]
    seeds: Sequence[int]
    pinning: str
    sources: Sequence[Source]
    ratios: Iterable[str] = RATIOS
    states: Iterable[tuple[str, str]] = tuple(SHAPES.items())
    thinned: str = THINNED


def fill_page(runs: Sequence[ScenarioRun], claims: Mapping[str, Sequence[Claim]]) -> Page:
    studies = sorted({run.study for run in runs})
    first = min(runs, key=lambda run: run.started_at)
    rounds = max(run.round for run in runs)
    return Page(
        date=first.started_at[:10],
        rounds=rounds,
        mode=first.mode,
        machine=describe_machine(first.environment),
        studies=[fill_study(study, [run for run in runs if run.study == study], claims.get(study, ())) for study in studies],
        environments=each_once(describe_environment(run.environment) for run in runs),
        revisions=each_once(run.environment.revision for run in runs if run.environment.revision),
        seeds=each_once(run.seed for run in runs if run.seed is not None and rounds > 1),
        pinning="; ".join(each_once(describe_pinning(load.pinned) for run in runs for load in run.loads)),
        sources=fill_sources(runs),
    )


def fill_study(name: str, runs: Sequence[ScenarioRun], claims: Sequence[Claim]) -> StudySection:
    looks = assign_looks(sorted({run.scenario for run in runs}))
    comparisons = compare_loads(runs)
    with_ratios = [compared for compared in comparisons if any(row.to_baseline for row in compared.rows)]
    has_overview = len(with_ratios) > 1
    changes = changes_of_study(name, runs)
    return StudySection(
        name=name or "no study",
        anchor=f"study-{slug(name)}",
        answer=answer_study(comparisons) if comparisons else Answer("Nothing was measured."),
        farthest=say_farthest(changes),
        verdicts=say_verdicts(claims),
        overview=chart_overview(with_ratios, looks) if has_overview else None,
        key=[TableRow(scenario, looks[scenario]) for scenario in scenarios_with_ratio(with_ratios)] if has_overview else [],
        loads=[fill_load(compared, looks, alone=len(comparisons) == 1) for compared in comparisons],
        changes=[(change, [cell_of(change.ratios[name], "x") for name in RATIOS]) for change in changes],
        diffs=fill_diffs(changes, {run.scenario: run.source for run in runs}),
        published=[(row, f"{row.published:,g}", write_exactly(row.measured)) for row in compare_published(name, runs)],
        claims=[(claim, VERDICTS.get(claim.verdict, "open")) for claim in claims],
        run_count=sum(len(compared.samples) for compared in comparisons),
        absent=each_once(Absent(run.scenario, run.status, run.reason) for run in runs if run.status != "ok"),
    )


def fill_load(compared: LoadComparison, looks: Mapping[str, Look], alone: bool) -> LoadSection:
    """Alone: it is the only one of its study."""
    return LoadSection(
        title=compared.load_in_words,
        answer=answer_load(compared),
        baseline=compared.baseline,
        rows=fill_rows(compared, looks),
        client_bound=[f"{scenario}: client-bound, at least {least:.1f} req/s" for scenario, least in compared.client_bound],
        doubts=[
            *explain_zeros(compared.rows),
            *explain_marks(compared.rows),
            *(f"A/A: {control.scenario} twice, {write_control(control)}" for control in compared.controls),
        ],
        setting=describe_pinning(compared.load.pinned),
        one_round=compared.one_round,
        comparison=chart_comparison(compared, looks) if compared.drawn else None,
        details=list(chart_details(compared, looks)) if compared.drawn else [],
        every_run=chart_runs(compared, looks, alone),
        runs=fill_runs(compared),
    )


def fill_rows(compared: LoadComparison, looks: Mapping[str, Look]) -> list[TableRow]:
    rows = []
    for row in compared.rows:
        cells = {HEADS.get(head, head): cell for head, cell in write_cells(row, compared.baseline).items() if head != RUNS}
        rows.append(TableRow(write_name(row), looks[row.scenario], cells))
    return rows


def chart_details(compared: LoadComparison, looks: Mapping[str, Look]) -> Iterator[Chart]:
    """What stands below the table."""
    load = compared.load.sent.load
    yield chart_latencies(compared, looks)
    if load.spawn_rate is not None:
        yield chart_timeline(compared, looks)
    elif not load.is_open and load.requests is not None:
        yield chart_queue(compared, looks)
    if any(row.estimates["CPU ms/req"] for row in compared.drawn):
        yield chart_cost(compared, looks)


def fill_runs(compared: LoadComparison) -> list[RunRow]:
    def place(sample: Sample) -> tuple[str, bool, int]:
        return sample.scenario, sample.run.control, sample.run.round

    def row_of(sample: Sample) -> RunRow:
        counts = not compared.left_out(sample)
        return RunRow(sample.scenario, sample.run.round, write_number(sample.per_second), counts, explain_state(compared, sample))

    return [row_of(sample) for sample in sorted(compared.samples, key=place)]


def say_verdicts(claims: Sequence[Claim]) -> str:
    """How many of a study's claims came to which verdict."""
    counted = Counter(claim.verdict for claim in claims)
    return f"Of {len(claims)} claims: {', '.join(f'{number} {verdict}' for verdict, number in counted.most_common())}." if claims else ""


def say_farthest(changes: Sequence[Change]) -> str:
    """The one change that requests per second tell most of."""
    for change in changes:
        if not change.verdict and (ratio := change.ratios["req/s"]):
            factor = write_number(ratio.middle)
            return f"One change at a time: {factor}x by {change.what} ({change.scenario} against {change.base}, {change.load})."
    return ""


def fill_diffs(changes: Iterable[Change], sources: Mapping[str, str]) -> list[Diff]:
    pairs = sorted({(change.scenario, change.base, change.what) for change in changes})
    return [
        Diff(scenario, base, what, highlighted(diff_sources(sources[base], sources[scenario]), DiffLexer()))
        for scenario, base, what in pairs
    ]


def fill_sources(runs: Iterable[ScenarioRun]) -> list[Source]:
    """One of each scenario."""
    last = {run.scenario: run for run in runs}
    return [Source(name, run.question, run.launch, highlighted(run.source, PythonLexer())) for name, run in sorted(last.items())]


def highlighted(code: str, lexer: Lexer) -> SafeString:
    """As HTML: pygments escapes what it highlights."""
    return mark_safe(highlight(code, lexer, HtmlFormatter(nowrap=True)))


def describe_machine(environment: Environment) -> str:
    django = environment.packages.get("django", "?")
    return f"{environment.processor or environment.machine}, {environment.cores} cores, {environment.python}, Django {django}"


def each_once(values: Iterable[Value]) -> list[Value]:
    return list(dict.fromkeys(values))


def slug(name: str) -> str:
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in Path(name).name)
