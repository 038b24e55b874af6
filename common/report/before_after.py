"""Before and after, for the terminal: the answer in one sentence, the table, and what to doubt."""

from collections.abc import Iterable, Sequence

from rich.table import Table

from common.results.before_after import BETTER, FEW_RUNS, MORE_IS_BETTER, SLOWDOWN_MATTERS, WORSE, Change
from common.results.intervals import FEWEST_RUNS
from common.results.rows import DISTURBED, Row
from common.results.words import join_words, write_estimate, write_tolerance


def sum_up(changes: Sequence[Change], tolerance: float) -> str:
    """The answer, before the table."""
    worse, better = ([change for change in changes if word in change.verdicts.values()] for word in (WORSE, BETTER))
    if worse:
        return f"Worse: {len(worse)} of {len(changes)} (by more than {write_tolerance(tolerance)}, failing more, or missing)."
    if better:
        return f"Nothing is shown to be worse by more than {write_tolerance(tolerance)}; {len(better)} of {len(changes)} are better."
    if all(FEW_RUNS in change.verdicts.values() for change in changes):
        names = ", ".join(change.name for change in changes)
        return f"Too few runs to compare {names}: each side needs {FEWEST_RUNS}. Use --rounds 10 for both."
    return f"Nothing is shown to be worse or better by more than {write_tolerance(tolerance)}."


def advise(changes: Sequence[Change], rows: Sequence[Row]) -> str:
    """What would help, where nothing is shown and runs were disturbed."""
    names = sorted({name for row in rows for sample in row.samples if sample.disturbed for name in sample.disturbers})
    shows = any(word in change.verdicts.values() for change in changes for word in (WORSE, BETTER))
    return f"Runs were disturbed: close {join_words(names)}, or use more --rounds." if names and not shows else ""


def draw(changes: Iterable[Change]) -> Table:
    table = Table(title="after compared to before", title_justify="left", title_style="bold", pad_edge=False, box=None)
    table.add_column("scenario and load", overflow="fold")
    for column in ("runs", *MORE_IS_BETTER):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("verdict")
    for change in changes:
        ratios = [write_estimate(change.ratios.get(name), "x") for name in MORE_IS_BETTER]
        table.add_row(change.name, change.runs, *ratios, f"{change.verdict} {change.marks}".strip())
    return table


def tell_slowdown(times: float | None) -> str:
    """A warning: whatever the machine did differently is in every ratio, and no interval covers it."""
    said = "two runs were made at different times: no interval covers what changed in between"
    if times is None:
        return f"{said}; these records have no fixed piece of work to compare"
    doubt = f": doubt what is marked {DISTURBED}" if abs(times - 1) > SLOWDOWN_MATTERS else ""
    return f"{said}; the same piece of work took {times:.2f}x as long on the server's core the second time{doubt}"
