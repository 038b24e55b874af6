"""The chart of what throughput cost: CPU per request, with the line where one core is full, and memory."""

from collections.abc import Mapping

import altair as alt
import numpy as np

from common.report.page import drawing
from common.report.page.drawing import COLOUR, COLOUR_WITHOUT_LEGEND, SHAPE, Chart, Datasets, Drawn, Rows
from common.report.page.rows import say_of_each, with_bounds
from common.report.page.style import Look
from common.results.comparison import LoadComparison
from common.results.words import write_estimate

NOTE = (
    "The server and all its children. <= marks an upper bound, which includes work without an answer. "
    "On the dashed line, CPU per request times requests per second fills one core."
)


def chart_cost(compared: LoadComparison, looks: Mapping[str, Look]) -> Chart:
    said = say_of_each(
        compared, lambda row: f"{write_estimate(row.estimates['CPU ms/req'])} ms of CPU, {write_estimate(row.estimates['MB'])} MB"
    )
    return Chart(
        kind="cost",
        title="What it cost",
        note=NOTE,
        alternative=f"CPU per request and peak memory: {said}.",
        spec=drawing.fill(draw_cost, collect_costs(compared), looks, [row.scenario for row in compared.drawn]),
    )


def collect_costs(compared: LoadComparison) -> Datasets:
    rows: Rows = []
    for row in compared.drawn:
        rate, cpu, memory = (row.estimates[name] for name in ("req/s", "CPU ms/req", "MB"))
        in_words = {"rate_in_words": write_estimate(rate), "cpu_in_words": write_estimate(cpu), "memory_in_words": write_estimate(memory)}
        numbers = {**with_bounds("rate", rate), **with_bounds("cpu", cpu), **with_bounds("memory", memory)}
        rows.append({"scenario": row.scenario, **in_words, **numbers})
    return {"rows": rows, "full": line_of_a_full_core([row for row in rows if row["cpu"]])}


def line_of_a_full_core(rows: Rows) -> Rows:
    """The line where CPU per request times requests per second makes one core, as far as the marks reach."""
    rates = [row["rate"] for row in rows]
    highest = 1.3 * max((row["cpu_high"] or row["cpu"] for row in rows), default=0)
    steps: list[float] = np.linspace(min(rates) / 2, max(rates) * 1.1, 60).tolist() if rates else []
    return [{"rate": round(step, 3), "cpu": round(1000 / step, 3)} for step in steps if step and 1000 / step <= highest]


def draw_cost() -> Drawn:
    tooltip = [
        drawing.SCENARIO,
        alt.Tooltip("rate_in_words:N", title="req/s"),
        alt.Tooltip("cpu_in_words:N", title="CPU ms/req"),
        alt.Tooltip("memory_in_words:N", title="MB"),
    ]

    def panel(field: str, title: str, last: bool = False) -> Drawn:
        x = alt.X("rate:Q", title="requests answered per second" if last else None, scale=alt.Scale(zero=True))
        y = alt.Y(f"{field}:Q", title=None, axis=alt.Axis(minExtent=44, maxExtent=44, tickCount=4), scale=alt.Scale(zero=True))
        rows = drawing.rows_of("rows").transform_filter(f"datum.{field} !== null").encode(x=x, y=y)
        layers = [
            rows.mark_rule(strokeWidth=2).encode(x=alt.X("rate_low:Q"), x2="rate_high:Q", color=COLOUR_WITHOUT_LEGEND),
            rows.mark_rule(strokeWidth=2).encode(y=alt.Y(f"{field}_low:Q"), y2=f"{field}_high:Q", color=COLOUR_WITHOUT_LEGEND),
            rows.mark_point(filled=True, size=110, opacity=1).encode(color=COLOUR, shape=SHAPE, tooltip=tooltip),
        ]
        if field == "cpu":
            full_core = drawing.rows_of("full").mark_line(strokeDash=[4, 4], color="var(--quiet)", strokeWidth=1.5)
            layers.insert(0, full_core.encode(x=x, y=y))
        return alt.layer(*layers).properties(height=120, width=640, title=title)

    return alt.vconcat(
        panel("cpu", "CPU per request, ms (dashed: one core is full)"), panel("memory", "peak memory, MB", last=True), spacing=14
    ).resolve_scale(x="shared")
