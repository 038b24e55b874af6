"""One load on the page: its answer, table, charts and runs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from common.report.page.comparison import chart_comparison
from common.report.page.cost import chart_cost
from common.report.page.drawing import Chart
from common.report.page.latencies import chart_latencies
from common.report.page.queue import chart_queue
from common.report.page.runs import chart_runs, explain_state
from common.report.page.style import Look
from common.report.page.table import TableRow, columns_of, fill_rows, heads_of
from common.report.page.timeline import chart_timeline
from common.results.answers import Answer, answer_load, tell_remedy
from common.results.comparison import LoadComparison
from common.results.samples import Sample
from common.results.words import describe_pinning, explain_marks, explain_zeros, write_control, write_number


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


def fill_load(compared: LoadComparison, looks: Mapping[str, Look], alone: bool) -> LoadSection:
    """`alone`: it is the only load of its study."""
    heads = columns_of(compared)
    return LoadSection(
        title=compared.load_in_words,
        answer=answer_load(compared),
        remedy=tell_remedy(compared),
        baseline=compared.baseline,
        heads=heads_of(heads),
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
