"""What all charts share: how altair draws them, and how a load's rows get into a drawing.

altair is slow, so it draws each kind of chart once, with blanks
that each load fills in: `"domain": ["SCENARIOS"]` becomes `"domain": ["gunicorn_sync", "uvicorn_asgi"]`.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import altair as alt

from common.report.page.style import Look

ROW = 46  # height of a scenario's row
STEP = 190  # height of a chart of curves or points

Rows = list[dict[str, Any]]
Datasets = dict[str, Rows]
Drawn = Any  # altair's own types are long and say little


@dataclass(frozen=True)
class Chart:
    kind: str
    title: str
    note: str
    alternative: str  # the text for readers who cannot see it
    spec: dict[str, Any]  # Vega-Lite, with its data
    wide: bool = False


def fill(draw: Callable[[], Drawn], datasets: Datasets, looks: Mapping[str, Look], order: Sequence[str], **more: Any) -> dict[str, Any]:
    """Fill a drawing's blanks with these rows, the scenarios in this order, and other values."""
    filled_in = {
        "SCENARIOS": list(order),
        "COLOURS": [looks[scenario].colour for scenario in order],
        "SHAPES": [looks[scenario].shape for scenario in order],
        "DASHES": [looks[scenario].dash for scenario in order],
        **more,
    }
    spec = re.sub(r'\["([A-Z]+)"\]', lambda blank: json.dumps(filled_in[blank[1]]), draw_once(draw))
    return {**json.loads(spec), "datasets": datasets}


@lru_cache
def draw_once(draw: Callable[[], Drawn]) -> str:
    return json.dumps(draw().configure(**CONFIG).to_dict())


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
COLOURS = alt.Scale(domain=["SCENARIOS"], range=["COLOURS"])
SHAPES = alt.Scale(domain=["SCENARIOS"], range=["SHAPES"])
COLOUR = alt.Color("scenario:N", title=None, scale=COLOURS)
SHAPE = alt.Shape("scenario:N", title=None, scale=SHAPES)
DASH = alt.StrokeDash("scenario:N", legend=None, scale=alt.Scale(domain=["SCENARIOS"], range=["DASHES"]))
COLOUR_WITHOUT_LEGEND = alt.Color("scenario:N", legend=None, scale=COLOURS)
SHAPE_WITHOUT_LEGEND = alt.Shape("scenario:N", legend=None, scale=SHAPES)
RATE = alt.X("rate:Q", title="requests answered per second", scale=alt.Scale(zero=True, nice=True))
SCENARIO = alt.Tooltip("scenario:N")
ROW_OF_EACH = alt.Y("row:N", axis=None, sort=None)  # in the order of the data; names stand above the marks, so a phone has room too
WIDE: dict[str, Any] = {"autosize": alt.AutoSizeParams(type="fit-x", contains="padding"), "width": 680}


def rows_of(dataset: str) -> Drawn:
    return alt.Chart(alt.NamedData(name=dataset))


def name_rows(right: str) -> list[Drawn]:
    """The text above each row's marks: its name and this field, with a halo where a line would cross it."""
    text: dict[str, Any] = {"fontSize": 12, "dy": -13, "baseline": "middle"}
    halo: dict[str, Any] = {"color": "var(--page)", "stroke": "var(--page)", "strokeWidth": 5, "strokeJoin": "round"}
    rows = rows_of("rows").encode(y=ROW_OF_EACH)
    return [
        rows.mark_text(align=align, limit=330, **text, **look).encode(x=alt.value(at), text=f"{field}:N")
        for align, at, field, colour in (("left", 0, "row", "var(--ink)"), ("right", "width", right, "var(--quiet)"))
        for look in (halo, {"color": colour})
    ]
