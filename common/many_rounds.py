"""The comparison of several rounds: middles over runs with 95 % intervals, ratios to a baseline, and what was left out."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from common.claims import baseline_of
from common.intervals import Estimate, estimate, no_difference_shown, ratio
from common.limits import limit_of
from common.plan import AGAIN
from common.selfwatch import doubts
from common.summary import Summary
from common.tables import title


@dataclass(frozen=True)
class Run:
    label: str
    load: dict[str, Any]
    summary: Summary

    @property
    def left_out(self) -> str:
        """Why it has no part in the intervals; '' if it has."""
        if self.load["fault"]:
            return "it failed"
        if doubts(self.load["client"], self.summary.latency(50))[0]:
            return "client-bound"
        return str(self.load["noise"]["contaminated"])


Figure = Callable[[Run], float | None]


def rate(run: Run) -> float:
    return run.summary.per_second


COLUMNS: dict[str, Figure] = {
    "req/s": rate,
    "p50 ms": lambda run: run.summary.latency(50),
    "p99 ms": lambda run: run.summary.latency(99),
    "CPU ms/req": lambda run: run.summary.cpu_ms,
}


def tables(results: list[dict[str, Any]]) -> list[Group]:
    """One for each load that scenarios of a study have in common."""
    groups: dict[tuple[Any, ...], list[Run]] = {}
    for result in results:
        for load in result["loads"]:
            key = (result["study"], load["line"], load["latency_ms"], load["least_seconds"])
            groups.setdefault(key, []).append(Run(result["label"], load, Summary(load)))
    drawn = []
    for (study, *_), runs in groups.items():
        names = sorted({run.label for run in runs if not run.label.endswith(AGAIN)})
        if names:
            drawn.append(table(title(study, runs[0].load, runs[0].summary), baseline_of(study, names), runs))
    return drawn


def table(heading: str, baseline: str, runs: Sequence[Run]) -> Group:
    """Best first; the last column is the ratio of req/s to the baseline's."""
    kept: dict[str, list[Run]] = {run.label: [] for run in runs}
    for run in runs:
        if not run.left_out:
            kept[run.label].append(run)
    drawn = Table(title=heading, title_justify="left", title_style="bold", pad_edge=False, box=None)
    drawn.add_column("scenario", no_wrap=True)
    for column in ("runs", *COLUMNS, "one core", "failed", "MB", f"req/s to {baseline}"):
        drawn.add_column(column, justify="right", no_wrap=True)
    drawn.add_column("limited by", no_wrap=True)
    ranked = sorted((label for label in kept if kept[label] and not label.endswith(AGAIN)), key=lambda label: -middle(kept[label]))
    for label in ranked:
        drawn.add_row(*row(label, kept[label], kept.get(baseline, [])))
    return Group(drawn, *map(Text, [*controls(kept), *absences(runs)]))


def middle(runs: Sequence[Run]) -> float:
    found = estimate([rate(run) for run in runs])
    return found.middle if found else 0.0


def row(label: str, runs: Sequence[Run], baseline: Sequence[Run]) -> list[str]:
    estimates = [shown(estimate([value for run in runs if (value := figure(run)) is not None])) for figure in COLUMNS.values()]
    failed = sum(run.summary.failed for run in runs)
    memory = estimate([run.summary.peak_mb for run in runs if run.summary.peak_mb])
    cpu = estimate([run.summary.cpu_ms for run in runs if run.summary.cpu_ms])
    return [
        label,
        str(len(runs)),
        *estimates,
        digits(1000 / cpu.middle) if cpu else "-",
        f"{failed:,}",
        f"{memory.middle:.0f}" if memory else "-",
        against(runs, baseline),
        most_often(limit_of(run.load, run.summary).by for run in runs),
    ]


def most_often(limits: Iterable[str]) -> str:
    """What limited most of the runs, with their number where it was not all."""
    counts = Counter(limits)
    limit, number = counts.most_common(1)[0]
    return limit if number == counts.total() else f"{limit} ({number} of {counts.total()})"


def against(runs: Sequence[Run], baseline: Sequence[Run]) -> str:
    if runs is baseline or not baseline:
        return "1" if runs is baseline else "-"
    found = ratio([rate(run) for run in runs], [rate(run) for run in baseline])
    if found is None:
        return "-"
    verdict = " no difference shown" if found.low is not None and no_difference_shown(found) else ""
    return f"{shown(found, 'x')}{verdict}"


def controls(kept: dict[str, list[Run]]) -> list[str]:
    """A/A: one configuration under two labels must show no difference."""
    lines = []
    for label in kept:
        if label.endswith(AGAIN):
            first = label.removesuffix(AGAIN)
            found = ratio([rate(run) for run in kept[label]], [rate(run) for run in kept.get(first, [])])
            said = "no runs to compare" if found is None else f"{shown(found, 'x')} {verdict_of(found)}"
            lines.append(f"A/A  {first} twice: {said}")
    return lines


def verdict_of(found: Estimate) -> str:
    if found.low is None:
        return "(too few runs)"
    return "no difference shown" if no_difference_shown(found) else "A DIFFERENCE, where there is none: doubt this table"


def absences(runs: Sequence[Run]) -> list[str]:
    """How many runs were left out, and why."""
    reasons: dict[tuple[str, str], int] = {}
    for run in runs:
        if run.left_out:
            reasons[run.label, run.left_out] = reasons.get((run.label, run.left_out), 0) + 1
    return [f"left out: {number} run{'s' * (number > 1)} of {label} ({reason})" for (label, reason), number in reasons.items()]


def shown(found: Estimate | None, unit: str = "") -> str:
    if found is None:
        return "-"
    if found.low is None or found.high is None:
        return f"{digits(found.middle)}{unit}"
    return f"{digits(found.middle)}{unit} [{digits(found.low)}, {digits(found.high)}]"


def digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
