"""What the page draws: each chart is made once, by altair, of named data that each load then fills in.

Colours are CSS variables, so that one drawing serves light, dark and paper; beside its
colour each scenario has a shape and a dash, for those who cannot tell the colours apart.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import altair as alt

ROW = 46  # height of a scenario's row
STEP = 190  # height of a chart of curves or points
# Okabe and Ito's, darkened and lightened until each stands out from its background (a test holds them to it)
LIGHT = ("#035EA3", "#BB4003", "#01875B", "#B6548A", "#C2880E", "#3F96DA", "#21252C")
DARK = ("#3F83E0", "#E87B3A", "#17A673", "#D873A6", "#F7BA3A", "#5CC8FA", "#ECE6EE")
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down")
DASHES = ([1, 0], [7, 3], [2, 2], [9, 3, 2, 3], [14, 4])
STATES = {"counted": "circle", "contaminated": "cross", "client-bound": "triangle-right", "it failed": "diamond"}
PAPER = {
    "--ink": "#1b1f24",
    "--quiet": "#57606a",
    "--line": "#e4e7eb",
    "--page": "#ffffff",
    **{f"--series-{number}": colour for number, colour in enumerate(LIGHT)},
}

Look = Mapping[str, Any]
Drawn = Any  # altair's own types say little, at length


def looks(labels: Sequence[str]) -> dict[str, Look]:
    """How each scenario of a study looks, everywhere: by its place among their names."""
    return {
        label: {
            "colour": f"var(--series-{number % len(LIGHT)})",
            "shape": SHAPES[number % len(SHAPES)],
            "dash": DASHES[number % len(DASHES)],
        }
        for number, label in enumerate(labels)
    }


def variables() -> str:
    """The colours of the series, as CSS."""
    names = [f"--series-{number}" for number in range(len(LIGHT))]
    values = [f"{name}: light-dark({light}, {dark});" for name, light, dark in zip(names, LIGHT, DARK, strict=True)]
    return "\n".join([":root {", *values, "}", *(f".{name.removeprefix('--')} {{ fill: var({name}) }}" for name in names)])


def chart(
    kind: str, datasets: Mapping[str, Sequence[Mapping[str, Any]]], looks: Mapping[str, Look], order: Sequence[str]
) -> dict[str, Any]:
    """The specification of one chart: that of its kind with these rows, scenarios in this order."""
    values = {
        "NAMES": list(order),
        "COLOURS": [looks[label]["colour"] for label in order],
        "SHAPES": [looks[label]["shape"] for label in order],
        "DASHES": [looks[label]["dash"] for label in order],
        "FAILURES": [0, max((row["failed"] for row in datasets.get("seconds", [])), default=0) or 1],  # a line of zeros has a scale too
    }
    return {**filled(of_kind(kind), values), "datasets": {name: list(rows) for name, rows in datasets.items()}}


def filled(part: Any, values: Mapping[str, list[Any]]) -> Any:
    """A copy in which a list of one of these words is the list of its values."""
    if isinstance(part, dict):
        return {key: filled(value, values) for key, value in part.items()}
    if isinstance(part, list):
        return (
            values[part[0]] if len(part) == 1 and isinstance(part[0], str) and part[0] in values else [filled(one, values) for one in part]
        )
    return part


@lru_cache
def of_kind(kind: str) -> dict[str, Any]:
    made: dict[str, Any] = KINDS[kind]().configure(**CONFIG).to_dict()
    return made


CONFIG: dict[str, Any] = {
    "font": "system-ui, sans-serif",
    "background": "transparent",
    "aria": False,  # the figure around it has the text alternative
    "view": alt.ViewConfig(stroke=None),
    "axis": alt.AxisConfig(
        labelColor="var(--quiet)",
        titleColor="var(--quiet)",
        titleFontWeight="normal",
        gridColor="var(--line)",
        domain=False,
        ticks=False,
        labelPadding=6,
        labelFontSize=11,
        titleFontSize=11,
        tickCount=5,
    ),
    "legend": alt.LegendConfig(
        orient="top",
        direction="horizontal",
        title=None,
        labelColor="var(--ink)",
        labelFontSize=12,
        labelLimit=320,
        symbolSize=70,
        symbolFillColor="var(--quiet)",
        symbolStrokeColor="var(--quiet)",
        columns=3,
        rowPadding=4,
        columnPadding=18,
    ),
    "title": alt.TitleConfig(anchor="start", color="var(--quiet)", fontSize=11, fontWeight="normal", offset=6),
}
COLOUR = alt.Color("scenario:N", title=None, scale=alt.Scale(domain=["NAMES"], range=["COLOURS"]))
SHAPE = alt.Shape("scenario:N", title=None, scale=alt.Scale(domain=["NAMES"], range=["SHAPES"]))
DASH = alt.StrokeDash("scenario:N", legend=None, scale=alt.Scale(domain=["NAMES"], range=["DASHES"]))
PLAIN = alt.Color("scenario:N", legend=None, scale=alt.Scale(domain=["NAMES"], range=["COLOURS"]))
HIDDEN = alt.Shape("scenario:N", legend=None, scale=alt.Scale(domain=["NAMES"], range=["SHAPES"]))
RATE = alt.X("rate:Q", title="requests answered per second", scale=alt.Scale(zero=True, nice=True))
FIT = alt.AutoSizeParams(type="fit-x", contains="padding")
SCENARIO = alt.Tooltip("scenario:N")


def of(name: str) -> alt.Chart:
    return alt.Chart(alt.NamedData(name=name))


def in_rows(field: str = "row") -> alt.Y:
    """A row for each, in the order of the data; its name stands above its marks, where a phone has room for it too."""
    return alt.Y(f"{field}:N", axis=None, sort=None)


def named_rows(right: str) -> list[alt.Chart]:
    """What is written above each row's marks, with a halo where a line would cross it."""
    text: dict[str, Any] = {"fontSize": 12, "dy": -13, "baseline": "middle"}
    halo: dict[str, Any] = {"color": "var(--page)", "stroke": "var(--page)", "strokeWidth": 5, "strokeJoin": "round"}
    rows: Drawn = of("rows").encode(y=in_rows())
    return [
        rows.mark_text(align=align, limit=330, **text, **look).encode(x=alt.value(at), text=f"{field}:N")
        for align, at, field, colour in (("left", 0, "row", "var(--ink)"), ("right", "width", right, "var(--quiet)"))
        for look in (halo, {"color": colour})
    ]


def overview() -> Drawn:
    """All loads of a study: how many times what the baseline serves each of the others does."""
    x = alt.X(
        "ratio:Q",
        title="times what the baseline serves (log scale)",
        scale=alt.Scale(type="log", nice=True),
        axis=alt.Axis(format=",.6~g", labelOverlap="greedy", labelSeparation=8),
    )
    about = [
        SCENARIO,
        alt.Tooltip("row:N", title="load"),
        alt.Tooltip("figure:N", title="req/s"),
        alt.Tooltip("said:N", title="to the baseline"),
    ]
    return alt.layer(
        of("even").mark_rule(color="var(--ink)", strokeWidth=1.5).encode(x=x),
        *named_rows("baseline"),
        of("intervals").mark_rule(strokeWidth=3, yOffset=8, y2Offset=8).encode(x=alt.X("low:Q"), x2="high:Q", y=in_rows(), color=COLOUR),
        of("ratios")
        .mark_point(filled=True, size=110, opacity=1, yOffset=8)
        .encode(x=x, y=in_rows(), color=COLOUR, shape=SHAPE, tooltip=about),
    ).properties(height=alt.Step(ROW), autosize=FIT, width=680)


def comparison() -> Drawn:
    """Requests per second beside the ideal; every run faint, the middle of them with its interval."""
    about = [SCENARIO, alt.Tooltip("figure:N", title="req/s"), alt.Tooltip("ideal:N", title="of ideal"), alt.Tooltip("runs:Q")]
    about.append(alt.Tooltip("limit:N", title="limited by"))
    ideal = of("ideal").encode(x=RATE)
    rows = of("rows").encode(y=in_rows(), color=PLAIN, tooltip=about)
    return alt.layer(
        ideal.mark_rule(strokeDash=[4, 4], color="var(--ink)", strokeWidth=1.5).encode(tooltip=[alt.Tooltip("said:N", title="ideal")]),
        ideal.mark_text(align="right", dx=-5, y=-8, color="var(--quiet)", fontSize=11).encode(text="said:N"),
        *named_rows("figure"),
        of("dots").mark_point(filled=True, size=26, opacity=0.35, yOffset=8).encode(x=RATE, y=in_rows(), color=PLAIN),
        of("intervals").mark_rule(strokeWidth=3, yOffset=8, y2Offset=8).encode(x=alt.X("low:Q"), x2="high:Q", y=in_rows(), color=PLAIN),
        rows.transform_filter("!datum.again").mark_point(filled=True, size=120, opacity=1, yOffset=8).encode(x=RATE, shape=HIDDEN),
        rows.transform_filter("datum.again")
        .mark_point(filled=True, fill="var(--page)", strokeWidth=2, size=90, opacity=1, yOffset=8)
        .encode(x=RATE, shape=HIDDEN, stroke=alt.Stroke("scenario:N", legend=None, scale=alt.Scale(domain=["NAMES"], range=["COLOURS"]))),
    ).properties(height=alt.Step(ROW), autosize=FIT, width=680)


def latencies() -> Drawn:
    """The share of answers that had come after so many ms, on a log scale."""
    x = alt.X(
        "ms:Q",
        title="response time, ms (log scale)",
        scale=alt.Scale(type="log", nice=False),
        axis=alt.Axis(format=",.6~g", tickCount=5, labelOverlap="greedy", labelSeparation=8),
    )
    y = alt.Y("percent:Q", title="answered within that time, %", scale=alt.Scale(domain=[0, 100]))
    about = [SCENARIO, alt.Tooltip("percent:Q", title="% of answers"), alt.Tooltip("ms:Q", title="within ms", format=",.3~f")]
    curves = of("curves").encode(x=x, y=y)
    return alt.layer(
        curves.mark_line(strokeWidth=2).encode(color=COLOUR, strokeDash=DASH, order="percent:Q"),
        of("marks").mark_point(filled=True, size=75, opacity=1).encode(x=x, y=y, color=COLOUR, shape=SHAPE),
        curves.mark_point(size=130, filled=True, opacity=0).encode(tooltip=about),
    ).properties(height=STEP + 60, autosize=FIT, width=680)


def timeline() -> Drawn:
    """A ramp, second by second."""
    x = alt.X("second:Q", title=None, axis=alt.Axis(grid=False))
    about = [
        SCENARIO,
        alt.Tooltip("second:Q"),
        alt.Tooltip("users:Q"),
        alt.Tooltip("ok:Q", title="answered"),
        alt.Tooltip("failed:Q"),
        alt.Tooltip("p95:Q", title="p95 ms", format=",.1f"),
    ]

    def panel(field: str, title: str, last: bool = False) -> Drawn:
        scale = alt.Scale(domain=["FAILURES"]) if field == "failed" else alt.Scale(zero=True)
        y = alt.Y(f"{field}:Q", title=None, scale=scale, axis=alt.Axis(minExtent=44, maxExtent=44, tickCount=3))
        lines = of("seconds").encode(x=alt.X("second:Q", title="second", axis=alt.Axis(grid=False)) if last else x, y=y, color=COLOUR)
        return alt.layer(
            lines.mark_line(strokeWidth=2).encode(strokeDash=DASH),
            lines.mark_point(filled=True, size=26, opacity=1).encode(shape=SHAPE, tooltip=about),
        ).properties(height=84, width=640, title=title)

    return alt.vconcat(
        panel("users", "users"),
        panel("ok", "answered per second"),
        panel("failed", "failed per second"),
        panel("p95", "p95 of the answers of that second, ms", last=True),
        spacing=10,
    )


def queue() -> Drawn:
    """Response time by place in the queue: a staircase where one waits for the other, a plateau where none does."""
    return (
        of("answers")
        .mark_point(filled=True, size=20, opacity=0.85)
        .encode(
            x=alt.X("place:Q", title="place in the queue: the order in which answers ended", axis=alt.Axis(grid=False)),
            y=alt.Y("ms:Q", title="response time, ms"),
            color=COLOUR,
            shape=SHAPE,
            tooltip=[SCENARIO, alt.Tooltip("place:Q"), alt.Tooltip("ms:Q", format=",.3~f")],
        )
        .properties(height=STEP + 60, autosize=FIT, width=680)
    )


def cost() -> Drawn:
    """What throughput cost: CPU per request, beside the line where a core is full, and memory."""
    about = [
        SCENARIO,
        alt.Tooltip("figure:N", title="req/s"),
        alt.Tooltip("cpu_said:N", title="CPU ms/req"),
        alt.Tooltip("memory_said:N", title="MB"),
    ]

    def panel(field: str, title: str, last: bool = False) -> Drawn:
        x = alt.X("rate:Q", title="requests answered per second" if last else None, scale=alt.Scale(zero=True))
        y = alt.Y(f"{field}:Q", title=None, axis=alt.Axis(minExtent=44, maxExtent=44, tickCount=4), scale=alt.Scale(zero=True))
        rows = of("rows").transform_filter(f"datum.{field} !== null").encode(x=x, y=y)
        layers = [
            rows.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q"), x2="high:Q", color=PLAIN),
            rows.mark_rule(strokeWidth=2).encode(y=alt.Y(f"{field}_low:Q"), y2=f"{field}_high:Q", color=PLAIN),
            rows.mark_point(filled=True, size=110, opacity=1).encode(color=COLOUR, shape=SHAPE, tooltip=about),
        ]
        if field == "cpu":
            layers.insert(0, of("full").mark_line(strokeDash=[4, 4], color="var(--quiet)", strokeWidth=1.5).encode(x=x, y=y))
        return alt.layer(*layers).properties(height=120, width=640, title=title)

    return alt.vconcat(
        panel("cpu", "CPU per request, ms (dashed: one core is full)"), panel("memory", "peak memory, MB", last=True), spacing=14
    ).resolve_scale(x="shared")


def runs() -> Drawn:
    """Every run; another shape where it does not count."""
    about = [SCENARIO, alt.Tooltip("round:Q"), alt.Tooltip("rate:Q", title="req/s", format=",.4~f"), alt.Tooltip("why:N", title="state")]
    shape = alt.Shape("state:N", title=None, scale=alt.Scale(domain=list(STATES), range=list(STATES.values())))
    size = alt.condition("datum.state === 'counted'", alt.value(55), alt.value(120))
    return alt.layer(
        *named_rows("counted"),
        of("dots")
        .mark_point(filled=True, opacity=0.8, yOffset=8)
        .encode(x=RATE, y=in_rows(), color=PLAIN, shape=shape, size=size, tooltip=about),
    ).properties(height=alt.Step(ROW), autosize=FIT, width=680)


KINDS = {part.__name__: part for part in (overview, comparison, latencies, timeline, queue, cost, runs)}
