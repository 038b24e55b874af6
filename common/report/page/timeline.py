"""The chart of a ramp, second by second: users, answers, failures and response times."""

import math
from collections.abc import Mapping

import altair as alt

from common.report.page import drawing
from common.report.page.drawing import COLOUR, DASH, SHAPE, Chart, Datasets, Drawn, Rows
from common.report.page.rows import middle_sample, say_of_each, say_which_sample
from common.report.page.style import Look
from common.results.comparison import LoadComparison
from common.results.rows import Row
from common.results.timeline import slice_load
from common.results.words import write_number

MOST_POINTS = 90  # in a longer ramp, two or more seconds share a point
THINNED = f"a timeline at most {MOST_POINTS} points"


def chart_timeline(compared: LoadComparison, looks: Mapping[str, Look]) -> Chart:
    seconds = collect_seconds(compared)["seconds"]

    def most(row: Row, field: str) -> float:
        return max((second[field] or 0 for second in seconds if second["scenario"] == row.scenario), default=0)

    said = say_of_each(
        compared,
        lambda row: (
            f"at most {write_number(most(row, 'ok'))} answered and {write_number(most(row, 'failed'))} failed in a second, "
            f"p95 up to {write_number(most(row, 'p95'))} ms"
        ),
    )
    most_failures = max((second["failed"] for second in seconds), default=0)
    order = [row.scenario for row in compared.rows]
    return Chart(
        kind="timeline",
        title="The ramp, second by second",
        note=say_which_sample(compared),
        alternative=f"Over the ramp: {said}.",
        spec=drawing.fill(draw_timeline, {"seconds": seconds}, looks, order, FAILURES=[0, most_failures or 1]),
    )


def collect_seconds(compared: LoadComparison) -> Datasets:
    seconds: Rows = []
    for row in compared.rows:
        sent = middle_sample(row).load.sent
        width = max(1, math.ceil(sent.seconds / MOST_POINTS))
        seconds += [
            {
                "scenario": row.scenario,
                "second": part.second,
                "users": part.users,
                "ok": round(part.ok / width, 2),
                "failed": round(part.failed / width, 2),
                "p95": part.p95_ms,
            }
            for part in slice_load(sent, width)
        ]
    return {"seconds": seconds}


def draw_timeline() -> Drawn:
    tooltip = [
        drawing.SCENARIO,
        alt.Tooltip("second:Q"),
        alt.Tooltip("users:Q"),
        alt.Tooltip("ok:Q", title="answered"),
        alt.Tooltip("failed:Q"),
        alt.Tooltip("p95:Q", title="p95 ms", format=",.1f"),
    ]

    def panel(field: str, title: str, last: bool = False) -> Drawn:
        x = alt.X("second:Q", title="second" if last else None, axis=alt.Axis(grid=False))
        scale = alt.Scale(domain=["FAILURES"]) if field == "failed" else alt.Scale(zero=True)  # a line of zeros has a scale too
        y = alt.Y(f"{field}:Q", title=None, scale=scale, axis=alt.Axis(minExtent=44, maxExtent=44, tickCount=3))
        lines = drawing.rows_of("seconds").encode(x=x, y=y, color=COLOUR)
        return alt.layer(
            lines.mark_line(strokeWidth=2).encode(strokeDash=DASH),
            lines.mark_point(filled=True, size=26, opacity=1).encode(shape=SHAPE, tooltip=tooltip),
        ).properties(height=84, width=640, title=title)

    return alt.vconcat(
        panel("users", "users"),
        panel("ok", "answered per second"),
        panel("failed", "failed per second"),
        panel("p95", "p95 of the answers of that second, ms", last=True),
        spacing=10,
    )
