"""The chart of response times: the share of answers within a time, on a log scale."""

from collections.abc import Mapping

import altair as alt
import numpy as np

from common.client import percentiles
from common.client.sent import Column
from common.report.page import drawing
from common.report.page.drawing import COLOUR, DASH, SHAPE, Chart, Datasets, Drawn, Rows
from common.report.page.rows import say_of_each
from common.report.page.style import Look
from common.results.comparison import LoadComparison
from common.results.words import write_estimate

PERCENTS = (*range(100), 99.5, 99.9, 100)  # the points of a curve
MARKED = (50, 95, 99)
THINNED = "a curve of response times has every whole percentile, 99.5, 99.9 and the longest"


def chart_latencies(compared: LoadComparison, looks: Mapping[str, Look]) -> Chart:
    said = say_of_each(compared, lambda row: " and ".join(write_estimate(row.estimates[name]) for name in ("p50 ms", "p99 ms")))
    cut_off = " Cut-off requests are left out here; the table counts them." if any(row.cut_off for row in compared.drawn) else ""
    return Chart(
        kind="latencies",
        title="Response times",
        note=f"The share of answers within a time; marks at p50, p95 and p99. All runs that count, together.{cut_off}",
        alternative=f"Response times, p50 and p99 in ms: {said}.",
        spec=drawing.fill(draw_latencies, collect_latencies(compared), looks, [row.scenario for row in compared.drawn]),
    )


def collect_latencies(compared: LoadComparison) -> Datasets:
    """Curves and marks of the answers of all runs that count, together."""
    curves: Rows = []
    marks: Rows = []
    for row in compared.drawn:
        latencies = np.sort(np.concatenate([sample.load.metrics.latencies for sample in row.samples]))
        count = len(latencies)
        if count:
            percents = PERCENTS if count >= len(PERCENTS) else [100 * (place + 1) / count for place in range(count)]
            curves += [{"scenario": row.scenario, "percent": round(percent, 2), "ms": time_at(percent, latencies)} for percent in percents]
            times = [time_at(percent, latencies) for percent in MARKED]
            marks += [{"scenario": row.scenario, "percent": percent_within(ms, latencies), "ms": ms} for ms in times]
    return {"curves": curves, "marks": marks}


def time_at(percent: float, latencies: Column) -> float:
    """The time at a percentile, above 0 because of the log scale."""
    return max(round(float(percentiles.percentile(latencies, percent)), 3), 0.001)


def percent_within(ms: float, latencies: Column) -> float:
    """The mark's place on the curve: with few answers, the share within a time exceeds the percentile."""
    return round(100 * float(np.searchsorted(latencies, ms, side="right")) / len(latencies), 2)


def draw_latencies() -> Drawn:
    x = alt.X(
        "ms:Q",
        title="response time, ms (log scale)",
        scale=alt.Scale(type="log", nice=False),
        axis=alt.Axis(format=",.6~g", tickCount=5, labelOverlap="greedy", labelSeparation=8),
    )
    y = alt.Y("percent:Q", title="answered within that time, %", scale=alt.Scale(domain=[0, 100]))
    tooltip = [drawing.SCENARIO, alt.Tooltip("percent:Q", title="% of answers"), alt.Tooltip("ms:Q", title="within ms", format=",.3~f")]
    curves = drawing.rows_of("curves").encode(x=x, y=y)
    return alt.layer(
        curves.mark_line(strokeWidth=2).encode(color=COLOUR, strokeDash=DASH, order="percent:Q"),
        drawing.rows_of("marks").mark_point(filled=True, size=75, opacity=1).encode(x=x, y=y, color=COLOUR, shape=SHAPE),
        curves.mark_point(size=130, filled=True, opacity=0).encode(tooltip=tooltip),
    ).properties(height=drawing.STEP + 60, **drawing.WIDE)
