"""The table of a load on the page: its columns and rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from common.report.page.style import Look
from common.results.comparison import LoadComparison
from common.results.words import CUT_OFF, LIMITED_BY, ONE_CORE, RUNS, TO_BASELINE, Cell, write_cells

HEADS = {ONE_CORE: "one core, req/s", "MB": "peak MB", TO_BASELINE: "to the baseline"}  # the page has room for more words
BRIEF_HEADS = ("req/s", "p99 ms", LIMITED_BY)  # a phone has room for these
NO_BREAK = "\u00a0"


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


def heads_of(columns: Sequence[str]) -> list[tuple[str, str]]:
    return [(HEADS.get(column, column), class_of(column)) for column in columns]


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


def write_marked(name: str, marks: str) -> str:
    return NO_BREAK.join([name, *marks])
