"""One study on the page: its answer, loads, changes, published figures and claims."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.report.page.drawing import Chart
from common.report.page.load import LoadSection, fill_load
from common.report.page.overview import chart_overview, scenarios_with_ratio
from common.report.page.sources import Diff, fill_diffs
from common.report.page.style import assign_looks
from common.report.page.table import TableRow, write_marked
from common.results.answers import Answer, answer_study
from common.results.changes import RATIOS, OneChange, changes_of_study
from common.results.claims import NOT_REPRODUCED, REPRODUCED, Claim, Judgement, tell_verdicts
from common.results.comparison import compare_loads
from common.results.published import PublishedMetric, compare_published
from common.results.record import ScenarioRun
from common.results.words import Cell, cell_of, write_exactly, write_number

VERDICTS = {REPRODUCED: "yes", NOT_REPRODUCED: "no"}  # others are open


@dataclass(frozen=True)
class Absent:
    """What was not measured, or not completely."""

    scenario: str
    status: str
    reason: str


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
    changes: Sequence[tuple[OneChange, str, Sequence[Cell]]]  # with the scenario's name and its marks
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
        absent=list(dict.fromkeys(Absent(run.scenario, run.status, run.reason) for run in runs if run.status != "ok")),
    )


def say_farthest(changes: Sequence[OneChange]) -> str:
    """The change with the largest effect on requests per second."""
    for change in changes:
        if not change.verdict and (ratio := change.ratios["req/s"]):
            factor = write_number(ratio.middle)
            return f"The largest difference: {factor}x by {change.what} ({change.scenario} against {change.base}, {change.load})."
    return ""


def anchor_of(study: str) -> str:
    return f"study-{slug(study)}"


def slug(name: str) -> str:
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in Path(name).name)
