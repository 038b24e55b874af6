"""The rows that charts are drawn of: thinned by a stated rule, where figures are of all."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from common.client import percentiles
from common.results import timeline
from common.results.comparison import AGAIN, FIGURES, Group, Row, Run, of_runs, rate
from common.results.intervals import Estimate
from common.results.words import against, brief, digits, shown, verdict_of

MOST_PLACES = 150  # of a queue: evenly spaced, the first and the last among them
MOST_SECONDS = 90  # of a timeline: of a longer ramp, two or more seconds are one point
PERCENTS = (*range(100), 99.5, 99.9, 100)  # of a curve of latencies
MARKED = (50, 95, 99)
THINNED = (
    f"For drawing only, points are thinned: a curve of latencies has every whole percentile, 99.5, 99.9 and the longest; "
    f"a queue at most {MOST_PLACES} places, evenly spaced, the first and the last among them; a timeline at most {MOST_SECONDS} points. "
    "Figures are of all requests."
)

Rows = list[dict[str, Any]]
Datasets = dict[str, Rows]


def named(value: Estimate | None) -> dict[str, Any]:
    return {"rate": value.middle if value else None, "low": value.low if value else None, "high": value.high if value else None}


def overview(groups: Sequence[Group]) -> Datasets:
    """A row for each load, in it each scenario's rate over the baseline's; what answered nothing has no ratio."""
    names = brief([group.sent for group in groups])
    rows: Rows = []
    ratios: Rows = []
    for name, group in zip(names, groups, strict=True):
        rates = {row.label: row.figures["req/s"] for row in group.rows}
        rows.append({"row": name, "baseline": f"1 = {shown(rates.get(group.baseline))} req/s"})
        ratios += [
            {
                "row": name,
                "scenario": row.label,
                "figure": shown(rates[row.label]),
                "said": against(row.to_baseline),
                "ratio": row.to_baseline.middle,
                "low": row.to_baseline.low,
                "high": row.to_baseline.high,
            }
            for row in group.rows
            if row.to_baseline is not None
        ]
    return {"rows": rows, "ratios": ratios, "intervals": [one for one in ratios if one["low"] is not None], "even": [{"ratio": 1}]}


def comparison(group: Group) -> Datasets:
    rows: Rows = []
    for row in group.rows:
        about = {"ideal": "-" if row.of_ideal is None else f"{row.of_ideal:.0%}", "runs": len(row.runs), "limit": row.limit, "again": False}
        found = row.figures["req/s"]
        rows.append({"row": row.label, "scenario": row.label, "figure": shown(found), **named(found), **about})
    for label, ratio in group.controls:
        runs = group.kept[label + AGAIN]
        if ratio is not None and label in [row.label for row in group.rows]:
            found = of_runs(FIGURES["req/s"], runs)
            said = f"{shown(found)} · {shown(ratio, 'x')}, {verdict_of(ratio)}"
            again = {"ideal": "-", "runs": len(runs), "limit": "the same twice: the control", "again": True}
            rows.append({"row": f"A/A {label}", "scenario": label, "figure": shown(found), "control": said, **named(found), **again})
    rows_by_label = {one["scenario"] + (AGAIN if one["again"] else ""): one["row"] for one in rows}
    dots = [
        {"row": rows_by_label[label], "scenario": label.removesuffix(AGAIN), "rate": rate(run)}
        for label in rows_by_label
        for run in group.kept[label]
        if len(group.kept[label]) > 1
    ]
    return {
        "rows": rows,
        "dots": dots,
        "intervals": [row for row in rows if row["low"] is not None],
        "ideal": [{"rate": group.ideal, "said": f"ideal {digits(group.ideal)}"}] if group.ideal else [],
    }


def latencies(group: Group) -> Datasets:
    """Of the answers of all runs that count, together."""
    curves: Rows = []
    marks: Rows = []
    for row in group.rows:
        times = np.sort(np.concatenate([run.summary.total for run in row.runs]))
        if len(times):
            few = [100 * (number + 1) / len(times) for number in range(len(times))]
            percents: Sequence[float] = few if len(few) < len(PERCENTS) else PERCENTS
            curves += [point(row, percent, times) for percent in percents]
            marks += [on_the_curve(point(row, percent, times), times) for percent in MARKED]
    return {"curves": curves, "marks": marks}


def point(row: Row, percent: float, times: Any) -> dict[str, Any]:
    return {"scenario": row.label, "percent": round(percent, 2), "ms": max(round(float(percentiles.percentile(times, percent)), 3), 0.001)}


def on_the_curve(point: dict[str, Any], times: Any) -> dict[str, Any]:
    """Of few answers, the share that had come by then is above the percentile."""
    return {**point, "percent": round(100 * float(np.searchsorted(times, point["ms"], side="right")) / len(times), 2)}


def middle_run(row: Row) -> Run:
    """The one that stands for the others where only one can be drawn."""
    return sorted(row.runs, key=rate)[(len(row.runs) - 1) // 2]


def queue(group: Group) -> Datasets:
    answers: Rows = []
    for row in group.rows:
        times = in_order_of_their_ends(middle_run(row))
        answers += [{"scenario": row.label, "place": place + 1, "ms": round(float(times[place]), 3)} for place in spaced(len(times))]
    return {"answers": answers}


def spaced(number: int) -> list[int]:
    if number <= MOST_PLACES:
        return list(range(number))
    return [int(place) for place in np.linspace(0, number - 1, MOST_PLACES).round()]


def in_order_of_their_ends(run: Run) -> Any:
    """Response times in ms, of successes."""
    rows = {name: np.asarray(run.load["requests"][name]).astype(np.int64) for name in ("start", "end", "outcome")}
    ok = rows["outcome"] == 0
    order = np.argsort(rows["end"][ok], kind="stable")
    return (rows["end"][ok] - rows["start"][ok])[order] / 1000


def seconds(group: Group) -> Datasets:
    found: Rows = []
    for row in group.rows:
        load = middle_run(row).load
        width = max(1, math.ceil(load["seconds"] / MOST_SECONDS))
        found += [
            {
                "scenario": row.label,
                "second": part.second,
                "users": part.users,
                "ok": round(part.ok / width, 2),
                "failed": round(part.failed / width, 2),
                "p95": part.p95_ms,
            }
            for part in timeline.slices(load, width)
        ]
    return {"seconds": found}


def cost(group: Group) -> Datasets:
    rows: Rows = []
    for row in group.rows:
        cpu, memory, found = row.figures["CPU ms/req"], row.figures["MB"], row.figures["req/s"]
        about = {"scenario": row.label, "figure": shown(found), "cpu_said": shown(cpu), "memory_said": shown(memory)}
        rows.append({**about, **named(found), **prefixed("cpu", cpu), **prefixed("memory", memory)})
    rates = [row["rate"] for row in rows if row["cpu"]]
    highest = 1.3 * max((row["cpu_high"] or row["cpu"] for row in rows if row["cpu"]), default=0)
    steps: list[float] = np.linspace(min(rates) / 2, max(rates) * 1.1, 60).tolist() if rates else []
    full = [{"rate": round(step, 3), "cpu": round(1000 / step, 3)} for step in steps if step and 1000 / step <= highest]
    return {"rows": rows, "full": full}


def prefixed(name: str, value: Estimate | None) -> dict[str, Any]:
    return {
        name: value.middle if value else None,
        f"{name}_low": value.low if value else None,
        f"{name}_high": value.high if value else None,
    }


def runs(group: Group) -> Datasets:
    order = [row.label for row in group.rows]
    order += [label for label in group.labels if label not in order]
    rows: Rows = []
    dots: Rows = []
    for label in order:
        these = [run for run in group.runs if run.label.removesuffix(AGAIN) == label]
        counted = sum(not group.left_out(run) for run in these)
        others = Counter(found for run in these if (found := state(run)) != "counted")
        words = [f"{counted} of {len(these)}", *(f"{number} {kind.removeprefix('it ')}" for kind, number in others.items())]
        rows.append({"row": label, "scenario": label, "counted": ", ".join(words)})
        dots += [
            {"row": label, "scenario": label, "rate": rate(run), "round": run.round, "state": state(run), "why": why(run)} for run in these
        ]
    return {"rows": rows, "dots": dots}


def state(run: Run) -> str:
    if run.spoilt:
        return run.spoilt
    return "contaminated" if run.contaminated else "counted"


def why(run: Run) -> str:
    """What a reader is told of a run: with one round, contamination is shown but nothing is left out for it."""
    if run.spoilt:
        return run.spoilt if run.spoilt != "it failed" else f"it failed: {run.load['fault']}"
    if run.contaminated:
        return f"contaminated: {run.contaminated}"
    return "counted" + (", the control" if run.label.endswith(AGAIN) else "")
