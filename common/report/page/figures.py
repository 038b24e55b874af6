"""The figures of one load, in the order in which they are read: title, note, text alternative, specification."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from common.report.page import drawing, points
from common.report.page.drawing import Look
from common.report.page.points import Datasets
from common.results.comparison import Group, Row
from common.results.words import digits, listed, shown


@dataclass(frozen=True)
class Figure:
    kind: str
    title: str
    note: str
    instead: str  # what a reader is told who does not see it
    spec: dict[str, Any]
    wide: bool = True


def overview(groups: Sequence[Group], looks: Mapping[str, Look]) -> Figure:
    """Of a study with several loads: who wins under which of them."""
    data = points.overview(groups)
    said = "; ".join(f"{one['row']}: {one['scenario']} {one['said']}" for one in data["ratios"])
    names = sorted({one["scenario"] for one in data["ratios"]})
    baselines = listed(sorted({group.baseline for group in groups}))
    return Figure(
        "overview",
        "All loads at a glance",
        f"Requests per second over what {baselines} serves: right of the line more, left of it less.",
        f"Requests per second to the baseline's: {said}.",
        drawing.chart("overview", data, looks, names),
    )


def comparison(group: Group, looks: Mapping[str, Look]) -> Figure:
    data = points.comparison(group)
    ideal = f" The ideal is {digits(data['ideal'][0]['rate'])}." if data["ideal"] else ""
    control = " ".join(f"{row['row']}: {row['control']}." for row in data["rows"] if row["again"])
    dashed = "; dashed, the ideal for this load" if data["ideal"] else ""
    marks = (
        "the middle of the runs with its 95 % interval, each run faint"
        if data["intervals"]
        else "one mark for each scenario; no intervals, for that the runs are too few"
    )
    return Figure(
        "comparison",
        "Requests answered per second",
        f"{marks}{dashed}.".capitalize(),
        f"Requests per second: {each(group, lambda row: shown(row.figures['req/s']))}.{ideal} {control}".strip(),
        drawing.chart("comparison", data, looks, [row.label for row in group.rows]),
    )


def details(group: Group, looks: Mapping[str, Look]) -> list[Figure]:
    """What stands below the table."""
    load = group.load["load"]
    ramp = load["spawn_rate"] is not None
    burst = not ramp and load.get("rate") is None and load["requests"] is not None
    found = [latencies(group, looks)]
    found += [timeline(group, looks)] if ramp else []
    found += [queue(group, looks)] if burst else []
    found += [cost(group, looks)] if any(row.figures["CPU ms/req"] for row in group.rows) else []
    return found


def latencies(group: Group, looks: Mapping[str, Look]) -> Figure:
    return made(
        "latencies",
        "Response times",
        "The share of answers that had come within a time; marked: p50, p95, p99. All runs that count, together.",
        "Response times, p50 and p99 in ms: "
        + each(group, lambda row: f"{shown(row.figures['p50 ms'])} and {shown(row.figures['p99 ms'])}")
        + ".",
        points.latencies(group),
        group,
        looks,
    )


def timeline(group: Group, looks: Mapping[str, Look]) -> Figure:
    data = points.seconds(group)

    def peak(label: str, what: str) -> float:
        return max((row[what] or 0 for row in data["seconds"] if row["scenario"] == label), default=0)

    said = each(
        group,
        lambda row: (
            f"at most {digits(peak(row.label, 'ok'))} answered and {digits(peak(row.label, 'failed'))} failed in a second, "
            f"p95 up to {digits(peak(row.label, 'p95'))} ms"
        ),
    )
    return made("timeline", "The ramp, second by second", of_one_run(group), f"Over the ramp: {said}.", data, group, looks)


def queue(group: Group, looks: Mapping[str, Look]) -> Figure:
    data = points.queue(group)

    def ends(row: Row) -> str:
        times = [answer["ms"] for answer in data["answers"] if answer["scenario"] == row.label]
        return f"{digits(times[0])} ms for the first answer, {digits(times[-1])} ms for the last" if times else "no answer"

    note = "A staircase: one waits for the other. A plateau: all wait together. " + of_one_run(group)
    return made("queue", "Response time by place in the queue", note.strip(), f"{each(group, ends)}.", data, group, looks)


def cost(group: Group, looks: Mapping[str, Look]) -> Figure:
    said = each(group, lambda row: f"{shown(row.figures['CPU ms/req'])} ms of CPU, {shown(row.figures['MB'])} MB")
    note = "Server and all its children. On the dashed line, CPU per request times requests per second fill one core."
    return made("cost", "What it cost", note, f"CPU per request and peak memory: {said}.", points.cost(group), group, looks)


def runs(group: Group, looks: Mapping[str, Look]) -> Figure:
    data = points.runs(group)
    said = ", ".join(f"{row['row']}: {row['counted']}" for row in data["rows"])
    spec = drawing.chart("runs", data, looks, [row["row"] for row in data["rows"]])
    return Figure("runs", "Requests answered per second", "", f"Runs that count: {said}.", spec, wide=False)


def made(kind: str, title: str, note: str, instead: str, data: Datasets, group: Group, looks: Mapping[str, Look]) -> Figure:
    return Figure(kind, title, note, instead, drawing.chart(kind, data, looks, [row.label for row in group.rows]), wide=False)


def of_one_run(group: Group) -> str:
    return "" if group.one_round else "Of each scenario the run in the middle, by requests per second."


def each(group: Group, say: Any) -> str:
    return "; ".join(f"{row.label} {say(row)}" for row in group.rows)
