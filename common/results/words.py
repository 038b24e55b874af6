"""How metrics are written, both in the terminal and on the page: column heads, few digits, the interval beside the middle."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from common.results.bottleneck import (
    CLIENT,
    DATABASE,
    ERRORS,
    IN_TURN,
    OFFERED,
    OTHERS,
    SERVER_CONCURRENCY,
    SERVER_CPU,
    UNKNOWN,
    WAITING,
)
from common.results.circumstances import Environment, Pinned
from common.results.comparison import Control
from common.results.intervals import SAME, Estimate, Over, Value, can_hide, is_the_same, no_difference_shown, number_of
from common.results.rows import DISTURBED, LATE, Row

# Column heads, apart from the names of the metrics
OF_IDEAL, FAILED, CUT_OFF, ONE_CORE = "of ideal", "failed", "cut off", "one core"
TO_BASELINE, RUNS, LIMITED_BY = "to baseline", "runs", "limited by"

REMEDIES = {  # what to do, by the bottleneck
    SERVER_CPU: "add processes, not threads, up to one per core; then do less per request",
    SERVER_CONCURRENCY: "the server idled while requests queued; give it more threads, or wait with async",
    WAITING: "the load was the limit, not the server; send more at once (-c)",
    IN_TURN: "requests compute in step and wait in step; add a process, so that one computes while another waits",
    DATABASE: "ask less of it (fewer queries, an index), or give it more cores; more server processes do not help",
    OFFERED: "the server kept up with everything that was sent; raise --rate",
    ERRORS: "find their cause before you compare; the ab summary names each kind of failure",
    CLIENT: "the load generator was the limit, not the server; give it a core of its own, or send less at once",
    OTHERS: "close them and measure again",
    UNKNOWN: "send more at once (-c) until something is",
}

NO_DIFFERENCE, TOO_SHORT = "no difference shown", "too short to tell"
CPU_QUOTA = "cpu_quota_percent"  # in percent of a core, among an environment's limits
FEW_NAMES = 3  # so many are named one by one even if they are all
UNSHOWN_PACKAGES = ("uvicorn-worker", "locust", "asgiref", "numpy", "psutil")


@dataclass(frozen=True)
class Cell:
    """A table's cell: its text, and what it is sorted by."""

    text: str
    by: float | str  # '' if unknown
    low: str = ""  # the bounds of the interval; '' without
    high: str = ""
    note: str = ""

    @property
    def in_one_line(self) -> str:
        return f"{self.text} [{self.low}, {self.high}]" if self.low else self.text


def write_cells(row: Row, baseline: str) -> dict[str, Cell]:
    """The cells by their column heads, in the order they are read."""
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
        TO_BASELINE: Cell("1", 1) if row.scenario == baseline and row.is_ranked else cell_of_ratio(row.to_baseline),
        RUNS: Cell(write_count(len(row.samples)), len(row.samples)),
        LIMITED_BY: Cell(write_standing(row) or write_bottlenecks(row), row.bottleneck),
    }


def write_standing(row: Row) -> str:
    """Why the scenario has no rank; '' if it has one."""
    if row.too_short:
        return f"{TOO_SHORT}: {row.too_short}"
    return f"failed {row.failed_share:.0%} of its requests" if row.is_failing else ""


def say_standing(row: Row) -> str:
    """The same as a clause."""
    return f"the load of {row.scenario} was {write_standing(row)}" if row.too_short else f"{row.scenario} {write_standing(row)}"


def write_name(row: Row) -> str:
    """The scenario's name with the marks for its doubtful metrics."""
    return " ".join([row.scenario, *row.marks])


def explain_marks(rows: Sequence[Row]) -> list[str]:
    """A line for each mark: which scenarios have it, why, and whether such runs count."""
    lines = []
    if any(row.disturbed for row in rows):
        fates: dict[str, list[Row]] = {}
        for row in rows:
            if row.disturbed:
                fates.setdefault(write_fate(row), []).append(row)
        each = [f"{name_some([row.scenario for row in alike], rows)}{fate}" for fate, alike in fates.items()]
        worst = max((sample for row in rows for sample in row.disturbed), key=lambda sample: sample.load.noise.foreign_cpu_share or 0.0)
        lines.append(
            f"{DISTURBED} disturbed: {'; '.join(each)} ({'at worst: ' if sum(map(len, fates.values())) > 1 else ''}{worst.disturbed})"
        )
    late = [row.scenario for row in rows if row.is_late]
    if late:
        lines.append(f"{LATE} the load generator was kept waiting for a core: rates and times of {name_some(late, rows)} include that")
    return lines


def write_fate(row: Row) -> str:
    """How many of its runs were disturbed, and whether those count; '' of a single one, which does."""
    if len(row.valid) == 1:
        return ""
    fate = "counted" if row.disturbed[0] in row.samples else "not in its rates and times"
    return f" {len(row.disturbed)} of {len(row.valid)} runs, {fate}"


def name_some(names: Sequence[str], rows: Sequence[Row]) -> str:
    """Each once, though two runs of it are compared."""
    names = list(dict.fromkeys(names))
    return "all scenarios" if len(names) == len({row.scenario for row in rows}) > FEW_NAMES else join_words(names)


def explain_zeros(rows: Sequence[Row]) -> list[str]:
    return [
        f"{row.scenario}: {row.unanswered} of {len(row.samples)} runs answered nothing: a ratio of medians, without an interval"
        for row in rows
        if row.is_ranked and row.unanswered
    ]


def cell_of(estimate: Estimate | None, unit: str = "") -> Cell:
    if estimate is None:
        return Cell("-", "")
    if estimate.bound == ">":
        return Cell(f"over {write_number(estimate.middle)}{unit}" if unit else write_over(estimate.middle), estimate.middle)
    text = f"{estimate.bound} {write_number(estimate.middle)}{unit}".strip()
    if estimate.low is None or estimate.high is None:
        return Cell(text, estimate.middle)
    return Cell(text, estimate.middle, write_number(estimate.low), write_number(estimate.high))


def write_value(value: Value | None) -> str:
    """A single time of one run, in ms."""
    if isinstance(value, Over):
        return write_over(value.value)
    return write_number(None if value is None else number_of(value))


def write_over(ms: float) -> str:
    """A time longer than the load lasted."""
    return f"over {ms / 1000:.3g} s" if ms >= 1000 else f"over {ms:.3g} ms"


def cell_of_ratio(ratio: Estimate | None) -> Cell:
    cell = cell_of(ratio, "x")
    if ratio is None or ratio.low is None or not no_difference_shown(ratio):
        return cell
    return Cell(cell.text, cell.by, cell.low, cell.high, write_no_difference(ratio))


def write_no_difference(ratio: Estimate | None, within: float = SAME) -> str:
    """How large a difference could still hide, or within what the two are the same: not shown is not the same."""
    hidden = can_hide(ratio) if ratio else None
    if ratio is None or hidden is None:
        return NO_DIFFERENCE
    if is_the_same(ratio, within):
        return f"the same within {write_tolerance(within)}"
    return f"{NO_DIFFERENCE}: {write_factor(hidden)} either way"


def write_factor(factor: float) -> str:
    """Rounded up: it is a bound."""
    return f"at most {write_number(factor)}x" if factor >= 2 else f"at most {max(1, math.ceil(100 * (factor - 1) - 1e-9))}%"


def order_of(value: float | None) -> float | str:
    return "" if value is None else value


def write_number(value: float | None) -> str:
    """Three digits, or all digits before the point if there are more."""
    if value is None:
        return "-"
    if 0 < value < 0.1:
        return f"{value:.2g}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def write_roughly(value: float) -> str:
    """Two digits: what a single run can tell."""
    digits = 1 - math.floor(math.log10(value)) if value > 0 else 0
    return f"{round(value, digits):,.{max(0, digits)}f}"


def write_exactly(value: float | None) -> str:
    """Four digits, or all digits before the point if there are more."""
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


def write_control(control: Control) -> str:
    """The control's ratio; its CPU only if that differs, because then CPU cannot be compared here."""
    if control.ratio is None:
        return "no ratio: no run counts, or the load was too short"
    said = f"{write_estimate(control.ratio, 'x')} {judge_control(control.ratio)}"
    cpu = control.cpu_ratio
    differs = cpu is not None and cpu.low is not None and not no_difference_shown(cpu)
    return f"{said}; CPU per request {write_estimate(cpu, 'x')}: it differs, so don't compare CPU here" if differs else said


def judge_control(ratio: Estimate) -> str:
    if ratio.runs == 1:
        return "(single runs: a difference this size is noise)"
    if ratio.low is None:
        return "(too few runs for an interval)"
    return write_no_difference(ratio) if no_difference_shown(ratio) else "these identical runs differ significantly: don't trust this table"


def describe_pinning(pinned: Pinned | None) -> str:
    """Which cores everything ran on, in words."""
    if pinned is None:
        return "server, client and services share all cores"
    if pinned.shared or not pinned.others:
        return f"server, client and services share cores {write_cores(pinned.server)}"
    cores = f"core{'s' * (len(pinned.server) > 1)} {write_cores(pinned.server)}"
    return f"server on {cores}, all else on {write_cores(pinned.others)}"


def write_cores(numbers: Sequence[int]) -> str:
    """Core numbers in short: 0-3, 8."""
    ranges: list[list[int]] = []
    for number in sorted(numbers):
        if ranges and number == ranges[-1][-1] + 1:
            ranges[-1].append(number)
        else:
            ranges.append([number])
    return ", ".join(f"{cores[0]}-{cores[-1]}" if len(cores) > 1 else f"{cores[0]}" for cores in ranges)


def write_bottlenecks(row: Row) -> str:
    """What limited most of the runs, with their number if not all."""
    number, total = row.bottlenecks[row.bottleneck], row.bottlenecks.total()
    return row.limited_by if number == total else f"{row.limited_by} ({number} of {total})"


def write_remedy(bottleneck: str) -> str:
    """What to do about a bottleneck; all services share one sentence."""
    return REMEDIES.get(bottleneck, "ask less of it, or give it more cores; more server processes do not help")


def write_tolerance(share: float) -> str:
    """As a person would write what they allow: 5%, 2.5%."""
    return f"{share * 100:.3g}%"


def join_words(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def brief(loads: Sequence[Sequence[str]]) -> list[str]:
    """Short names of loads: the first part of each and the parts not shared by all, with a number if two are still equal."""
    if not loads:
        return []
    common = set.intersection(*map(set, loads))
    names = [" · ".join([first, *(part for part in others if part not in common)]) for first, *others in loads]
    return [name if names.count(name) == 1 else f"{name} ({names[: at + 1].count(name)})" for at, name in enumerate(names)]


def describe_environment(environment: Environment) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in environment.packages.items() if name not in UNSHOWN_PACKAGES)
    quota = environment.limits.get(CPU_QUOTA)
    of_cores = f" (a quota lets us use {quota / 100:g} of them)" if quota else ""
    return (
        f"{environment.system} {environment.machine}, {environment.processor}, {environment.cores} cores{of_cores}, "
        f"{environment.memory_bytes / 2**30:.0f} GiB; {environment.python}; {packages}"
    )
