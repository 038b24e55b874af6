"""How metrics are written, once for the terminal and the page: heads of columns, few digits, the interval beside the middle."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from common.results.comparison import Row
from common.results.facts import Environment
from common.results.intervals import Estimate, no_difference_shown

# Heads of columns, beside the names of the metrics themselves
OF_IDEAL, FAILED, CUT_OFF, ONE_CORE = "of ideal", "failed", "cut off", "one core"
TO_BASELINE, RUNS, LIMITED_BY = "to baseline", "runs", "limited by"

NO_DIFFERENCE = "no difference shown"
UNSHOWN_PACKAGES = ("uvicorn-worker", "locust", "asgiref", "numpy", "psutil")


@dataclass(frozen=True)
class Cell:
    """Of a table: what is written, and what it is sorted by."""

    text: str
    by: float | str  # '' where it is not known
    low: str = ""  # the bounds of the interval; '' without
    high: str = ""
    note: str = ""

    @property
    def in_one_line(self) -> str:
        return f"{self.text} [{self.low}, {self.high}]" if self.low else self.text


def write_cells(row: Row, baseline: str) -> dict[str, Cell]:
    """By the heads of their columns, in the order in which they are read."""
    metrics = {name: cell_of(estimate) for name, estimate in row.estimates.items()}
    return {
        "req/s": metrics["req/s"],
        OF_IDEAL: Cell(write_share(row.of_ideal), order_of(row.of_ideal)),
        **{name: metrics[name] for name in ("p50 ms", "p95 ms", "p99 ms")},
        FAILED: Cell(write_count(row.failed), row.failed),
        CUT_OFF: Cell(write_count(row.cut_off), row.cut_off),
        "CPU ms/req": metrics["CPU ms/req"],
        ONE_CORE: Cell(write_number(row.one_core), order_of(row.one_core)),
        "MB": metrics["MB"],
        TO_BASELINE: Cell("1", 1) if row.scenario == baseline else cell_of_ratio(row.to_baseline),
        RUNS: Cell(write_count(len(row.samples)), len(row.samples)),
        LIMITED_BY: Cell(write_bottlenecks(row.bottlenecks), row.bottleneck),
    }


def cell_of(estimate: Estimate | None, unit: str = "") -> Cell:
    if estimate is None:
        return Cell("-", "")
    text = f"{write_number(estimate.middle)}{unit}"
    if estimate.low is None or estimate.high is None:
        return Cell(text, estimate.middle)
    return Cell(text, estimate.middle, write_number(estimate.low), write_number(estimate.high))


def cell_of_ratio(ratio: Estimate | None) -> Cell:
    cell = cell_of(ratio, "x")
    if ratio is None or ratio.low is None or not no_difference_shown(ratio):
        return cell
    return Cell(cell.text, cell.by, cell.low, cell.high, NO_DIFFERENCE)


def order_of(value: float | None) -> float | str:
    return "" if value is None else value


def write_number(value: float | None) -> str:
    """Three digits, whole where there are more before the point."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def write_exactly(value: float | None) -> str:
    """Four digits, whole where there are more before the point."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def write_count(number: int) -> str:
    return f"{number:,}"


def write_share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def write_estimate(estimate: Estimate | None, unit: str = "") -> str:
    return cell_of(estimate, unit).in_one_line


def write_ratio(ratio: Estimate | None) -> str:
    cell = cell_of_ratio(ratio)
    return f"{cell.in_one_line} {cell.note}".strip()


def write_control(ratio: Estimate | None) -> str:
    return "no runs to compare" if ratio is None else f"{write_estimate(ratio, 'x')} {judge_control(ratio)}"


def judge_control(ratio: Estimate) -> str:
    if ratio.runs == 1:
        return "(single runs: a difference this size is noise)"
    if ratio.low is None:
        return "(too few runs for an interval)"
    return NO_DIFFERENCE if no_difference_shown(ratio) else "these identical runs differ significantly: don't trust this table"


def write_bottlenecks(counted: Counter[str]) -> str:
    """What limited most of the runs, with their number where it was not all."""
    most, number = counted.most_common(1)[0]
    return most if number == counted.total() else f"{most} ({number} of {counted.total()})"


def join_words(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def brief(loads: Sequence[Sequence[str]]) -> list[str]:
    """Of the parts of each: its first, and what it does not share with all. Where that tells two not apart, a number."""
    if not loads:
        return []
    common = set.intersection(*map(set, loads))
    names = [" · ".join([first, *(part for part in others if part not in common)]) for first, *others in loads]
    return [name if names.count(name) == 1 else f"{name} ({names[: at + 1].count(name)})" for at, name in enumerate(names)]


def describe_environment(environment: Environment) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in environment.packages.items() if name not in UNSHOWN_PACKAGES)
    return (
        f"{environment.system} {environment.machine}, {environment.processor}, {environment.cores} cores, "
        f"{environment.memory_bytes / 2**30:.0f} GiB; {environment.python}; {packages}"
    )
