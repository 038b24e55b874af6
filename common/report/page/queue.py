"""The chart of response time by place in the queue: a staircase if requests wait for one another, else a plateau."""

from collections.abc import Mapping

import altair as alt
import numpy as np

from common.client.sent import Column, Requests
from common.report.page import drawing
from common.report.page.drawing import COLOUR, SHAPE, Chart, Datasets, Drawn, Rows
from common.report.page.rows import middle_sample, say_of_each, say_which_sample
from common.report.page.style import Look
from common.results.comparison import LoadComparison
from common.results.rows import Row
from common.results.words import write_number

MOST_PLACES = 150  # evenly spaced, the first and the last among them
THINNED = f"a queue at most {MOST_PLACES} places, evenly spaced, the first and the last among them"


def chart_queue(compared: LoadComparison, looks: Mapping[str, Look]) -> Chart:
    datasets = collect_places(compared)

    def first_and_last(row: Row) -> str:
        times = [answer["ms"] for answer in datasets["answers"] if answer["scenario"] == row.scenario]
        return f"{write_number(times[0])} ms for the first answer, {write_number(times[-1])} ms for the last" if times else "no answer"

    return Chart(
        kind="queue",
        title="Response time by place in the queue",
        note=f"A staircase: requests wait for one another. A plateau: all wait together. {say_which_sample(compared)}".strip(),
        alternative=f"{say_of_each(compared, first_and_last)}.",
        spec=drawing.fill(draw_queue, datasets, looks, [row.scenario for row in compared.drawn]),
    )


def collect_places(compared: LoadComparison) -> Datasets:
    answers: Rows = []
    for row in compared.drawn:
        times = in_order_of_ends(middle_sample(row).load.sent.requests)
        answers += [{"scenario": row.scenario, "place": place + 1, "ms": round(float(times[place]), 3)} for place in spread(len(times))]
    return {"answers": answers}


def in_order_of_ends(requests: Requests) -> Column:
    """The response times of successes, in ms."""
    return requests.latency_ms[requests.ok][np.argsort(requests.end[requests.ok], kind="stable")]


def spread(count: int) -> list[int]:
    """Evenly spaced places, including the first and the last."""
    if count <= MOST_PLACES:
        return list(range(count))
    return [int(place) for place in np.linspace(0, count - 1, MOST_PLACES).round()]


def draw_queue() -> Drawn:
    return (
        drawing.rows_of("answers")
        .mark_point(filled=True, size=20, opacity=0.85)
        .encode(
            x=alt.X("place:Q", title="place in the queue (order of answers)", axis=alt.Axis(grid=False)),
            y=alt.Y("ms:Q", title="response time, ms"),
            color=COLOUR,
            shape=SHAPE,
            tooltip=[drawing.SCENARIO, alt.Tooltip("place:Q"), alt.Tooltip("ms:Q", format=",.3~f")],
        )
        .properties(height=drawing.STEP + 60, **drawing.WIDE)
    )
