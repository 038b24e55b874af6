"""The page's contents: its studies, their loads, and where they were measured, for Django's templates to read by attribute."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from django.utils.html import escape
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
from common.report.page.pair import LoadOfPairs, PairSection, fill_decisions, fill_pair
from common.report.page.queue import chart_queue
from common.report.page.runs import SHAPES, chart_runs, explain_state
from common.report.page.timeline import chart_timeline
from common.results.answers import Answer, answer_load, answer_study, tell_remedy
from common.results.changes import RATIOS, Change, changes_of_study, diff_sources
from common.results.claims import NOT_REPRODUCED, REPRODUCED, Claim, Judgement, tell_verdicts
from common.results.comparison import LoadComparison, compare_loads
from common.results.decisions import Decision
from common.results.facts import Environment, Pinned
from common.results.pairs import Pair
from common.results.published import PublishedMetric, compare_published
from common.results.record import ScenarioRun
from common.results.samples import Sample
from common.results.words import (
    CUT_OFF,
    LIMITED_BY,
    ONE_CORE,
    RUNS,
    TO_BASELINE,
    Cell,
    cell_of,
    describe_environment,
    describe_pinning,
    explain_marks,
    explain_zeros,
    join_words,
    write_cells,
    write_control,
    write_exactly,
    write_number,
)

HEADS = {ONE_CORE: "one core, req/s", "MB": "peak MB", TO_BASELINE: "to the baseline"}  # the page has room for more words
BRIEF_HEADS = ("req/s", "p99 ms", LIMITED_BY)  # a phone has room for these
VERDICTS = {REPRODUCED: "yes", NOT_REPRODUCED: "no"}  # others are open
THINNED = f"Points are thinned for drawing only: {latencies.THINNED}; {queue.THINNED}; {timeline.THINNED}. Numbers are of all requests."

NO_BREAK = "\u00a0"
Value = TypeVar("Value")


@dataclass(frozen=True)
class TableRow:
    scenario: str
    look: Look
    marks: str = ""
    cells: Sequence[tuple[str, Cell]] = ()  # each with the class of its column

    @property
    def name(self) -> SafeString:
        """The name, which may break after an underscore but never before its marks."""
        return mark_safe(NO_BREAK.join([escape(self.scenario).replace("_", "_<wbr>"), *self.marks]))


@dataclass(frozen=True)
class RunRow:
    """A row in the table of every run."""

    scenario: str
    round: int
    per_second: str
    counts: bool
    why: str


@dataclass(frozen=True)
class LoadSection:
    title: str
    answer: Answer
    remedy: str
    baseline: str
    heads: Sequence[tuple[str, str]]  # column heads with their class
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
    """What sets one scenario apart from another, line by line."""

    scenario: str
    base: str
    what: str
    code: SafeString


@dataclass(frozen=True)
class Absent:
    """What was not measured, or not completely."""

    scenario: str
    status: str
    reason: str


@dataclass(frozen=True)
class LeftOut:
    """Scenarios that were not measured for the same reason."""

    scenarios: str
    what: str
    reason: str  # its first line; the study's section has all of it
    anchor: str


@dataclass(frozen=True)
class StudySection:
    name: str
    anchor: str
    answer: Answer
    farthest: str  # the change with the largest effect
    verdicts: str
    overview: Chart | None  # None: there is only one load
    key: Sequence[TableRow]  # of the overview
    loads: Sequence[LoadSection]
    ratios: Sequence[str]  # the metrics shown for one change at a time
    changes: Sequence[tuple[Change, str, Sequence[Cell]]]  # with the scenario's name and its marks
    diffs: Sequence[Diff]
    published: Sequence[tuple[PublishedMetric, str, str]]  # with the published and the measured value as text
    claims: Sequence[tuple[Claim, str]]  # with the class of its verdict
    run_count: int
    absent: Sequence[Absent]

    @property
    def charts(self) -> Iterator[tuple[int, Chart]]:
        """Each chart with the number of its load; 0 for all loads."""
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
    left_out: Sequence[LeftOut]
    studies: Sequence[StudySection]
    environments: Sequence[str]
    revisions: Sequence[str]
    seeds: Sequence[int]
    pinning: str
    sources: Sequence[Source]
    pairs: Sequence[PairSection]
    decided: Sequence[LoadOfPairs]  # empty: the run was not to be decided
    states: Iterable[tuple[str, str]] = tuple(SHAPES.items())
    thinned: str = THINNED


def fill_page(
    runs: Sequence[ScenarioRun], judged: Mapping[str, Judgement], pairs: Sequence[Pair] = (), decisions: Sequence[Decision] = ()
) -> Page:
    studies = sorted({run.study for run in runs})
    records: list[ScenarioRun | Pair] = [*runs, *pairs]
    first = min(records, key=lambda each: each.started_at)
    rounds = max((run.round for run in runs), default=0)
    return Page(
        date=first.started_at[:10],
        rounds=rounds,
        mode=runs[0].mode if runs else "",
        machine=describe_machine(first.environment),
        left_out=[part for study in studies for part in fill_left_out(study, [run for run in runs if run.study == study])],
        studies=[fill_study(study, [run for run in runs if run.study == study], judged.get(study, Judgement())) for study in studies],
        environments=each_once(describe_environment(each.environment) for each in records),
        revisions=each_once(each.environment.revision for each in records if each.environment.revision),
        seeds=each_once(run.seed for run in runs if run.seed is not None and rounds > 1),
        pinning="; ".join(each_once(describe_pinning(pinned) for pinned in pinnings(runs, pairs))),
        sources=[*fill_sources(runs), *fill_sources_of_pairs([] if runs else pairs)],
        pairs=[fill_pair(pair) for pair in pairs],
        decided=fill_decisions(decisions),
    )


def pinnings(runs: Iterable[ScenarioRun], pairs: Iterable[Pair]) -> list[Pinned | None]:
    return [load.pinned for run in runs for load in run.loads] + [pair.pinned for pair in pairs]


def fill_sources_of_pairs(pairs: Iterable[Pair]) -> list[Source]:
    each = {name: (launch, source) for pair in pairs for name, launch, source in zip(pair.names, pair.launches, pair.sources, strict=True)}
    return [Source(name, "", launch, highlighted(source, PythonLexer())) for name, (launch, source) in each.items()]


def fill_study(name: str, runs: Sequence[ScenarioRun], judged: Judgement) -> StudySection:
    looks = assign_looks(sorted({run.scenario for run in runs}))
    comparisons = compare_loads(runs)
    with_ratios = [compared for compared in comparisons if any(row.to_baseline for row in compared.rows)]
    has_overview = len(with_ratios) > 1
    changes = changes_of_study(name, runs)
    ratios = [ratio for ratio in RATIOS if any(change.ratios[ratio] for change in changes)]
    return StudySection(
        name=name or "no study",
        anchor=anchor_of(name),
        answer=answer_study(comparisons, judged.answers) if comparisons else Answer("Nothing was measured."),
        farthest=say_farthest(changes),
        verdicts=tell_verdicts(judged.claims),
        overview=chart_overview(with_ratios, looks) if has_overview else None,
        key=[TableRow(scenario, looks[scenario]) for scenario in scenarios_with_ratio(with_ratios)] if has_overview else [],
        loads=[fill_load(compared, looks, alone=len(comparisons) == 1) for compared in comparisons],
        ratios=ratios,
        changes=[
            (change, write_marked(change.scenario, change.marks), [cell_of(change.ratios[ratio], "x") for ratio in ratios])
            for change in changes
        ],
        diffs=fill_diffs(changes, {run.scenario: run.source for run in runs}),
        published=[(row, f"{row.published:,g}", write_exactly(row.measured)) for row in compare_published(name, runs)],
        claims=[(claim, VERDICTS.get(claim.verdict, "open")) for claim in judged.claims],
        run_count=sum(len(compared.samples) for compared in comparisons),
        absent=each_once(Absent(run.scenario, run.status, run.reason) for run in runs if run.status != "ok"),
    )


def fill_load(compared: LoadComparison, looks: Mapping[str, Look], alone: bool) -> LoadSection:
    """`alone`: it is the only load of its study."""
    heads = columns_of(compared)
    return LoadSection(
        title=compared.load_in_words,
        answer=answer_load(compared),
        remedy=tell_remedy(compared),
        baseline=compared.baseline,
        heads=[(HEADS.get(head, head), class_of(head)) for head in heads],
        rows=fill_rows(compared, looks, heads),
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


def columns_of(compared: LoadComparison) -> list[str]:
    """The heads of columns that say something about at least one row."""
    rows = [write_cells(row, compared.baseline) for row in compared.rows]
    says_nothing = {CUT_OFF: {"0"}, TO_BASELINE: {"1"}}

    def says_something(head: str) -> bool:
        return not {row[head].text for row in rows} <= {"-", *says_nothing.get(head, ())}

    return [head for head in (rows[0] if rows else ()) if head != RUNS and says_something(head)]


def class_of(head: str) -> str:
    return f"{'words' if head == LIMITED_BY else 'number'}{'' if head in BRIEF_HEADS else ' further'}"


def fill_rows(compared: LoadComparison, looks: Mapping[str, Look], heads: Sequence[str]) -> list[TableRow]:
    rows = []
    for row in compared.rows:
        cells = write_cells(row, compared.baseline)
        rows.append(TableRow(row.scenario, looks[row.scenario], "".join(row.marks), [(class_of(head), cells[head]) for head in heads]))
    return rows


def chart_details(compared: LoadComparison, looks: Mapping[str, Look]) -> Iterator[Chart]:
    """The notes below the table."""
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


def fill_left_out(study: str, runs: Sequence[ScenarioRun]) -> list[LeftOut]:
    """One line for each way that scenarios ended early, with the number of rounds if not all."""
    rounds = Counter(run.scenario for run in runs)
    ended = Counter((run.status, run.reason.partition("\n")[0], run.scenario) for run in runs if run.status != "ok")
    scenarios: dict[tuple[str, str], list[str]] = {}
    for (status, reason, scenario), number in sorted(ended.items()):
        said = f"{status} in {number} of {rounds[scenario]} runs" if number < rounds[scenario] else status
        scenarios.setdefault((said, reason), []).append(scenario)
    return [LeftOut(join_words(names), said, reason, anchor_of(study)) for (said, reason), names in scenarios.items()]


def say_farthest(changes: Sequence[Change]) -> str:
    """The change with the largest effect on requests per second."""
    for change in changes:
        if not change.verdict and (ratio := change.ratios["req/s"]):
            factor = write_number(ratio.middle)
            return f"The largest difference: {factor}x by {change.what} ({change.scenario} against {change.base}, {change.load})."
    return ""


def fill_diffs(changes: Iterable[Change], sources: Mapping[str, str]) -> list[Diff]:
    pairs = sorted({(change.scenario, change.base, change.what) for change in changes})
    return [
        Diff(scenario, base, what, highlighted(diff_sources(sources[base], sources[scenario]), DiffLexer()))
        for scenario, base, what in pairs
    ]


def fill_sources(runs: Iterable[ScenarioRun]) -> list[Source]:
    """One run of each scenario."""
    last = {run.scenario: run for run in runs}
    return [Source(name, run.question, run.launch, highlighted(run.source, PythonLexer())) for name, run in sorted(last.items())]


def highlighted(code: str, lexer: Lexer) -> SafeString:
    """Source as HTML; pygments escapes what it highlights."""
    return mark_safe(highlight(code, lexer, HtmlFormatter(nowrap=True)))


def describe_machine(environment: Environment) -> str:
    django = environment.packages.get("django", "?")
    return f"{environment.processor or environment.machine}, {environment.cores} cores, {environment.python}, Django {django}"


def each_once(values: Iterable[Value]) -> list[Value]:
    return list(dict.fromkeys(values))


def write_marked(name: str, marks: str) -> str:
    return NO_BREAK.join([name, *marks])


def anchor_of(study: str) -> str:
    return f"study-{slug(study)}"


def slug(name: str) -> str:
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in Path(name).name)
