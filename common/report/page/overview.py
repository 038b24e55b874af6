"""The chart of all loads of a study: each scenario's rate relative to the baseline's."""

from collections.abc import Mapping, Sequence

import altair as alt

from common.report.page import drawing
from common.report.page.drawing import COLOUR, ROW_OF_EACH, SHAPE, Chart, Datasets, Drawn, Rows
from common.report.page.rows import with_bounds, with_interval
from common.report.page.style import Look
from common.results.comparison import LoadComparison
from common.results.words import brief, join_words, write_estimate, write_ratio


def chart_overview(comparisons: Sequence[LoadComparison], looks: Mapping[str, Look]) -> Chart:
    datasets = collect_ratios(comparisons)
    ratios = "; ".join(f"{row['row']}: {row['scenario']} {row['ratio_in_words']}" for row in datasets["ratios"])
    baselines = join_words(sorted({compared.baseline for compared in comparisons}))
    return Chart(
        kind="overview",
        title="All loads at a glance",
        note=f"Requests per second relative to {baselines}: more to the right of the line, less to the left.",
        alternative=f"Requests per second relative to the baseline's: {ratios}.",
        spec=drawing.fill(draw_overview, datasets, looks, scenarios_with_ratio(comparisons)),
        wide=True,
    )


def scenarios_with_ratio(comparisons: Sequence[LoadComparison]) -> list[str]:
    """The rows to draw; the baseline, and rows that answered nothing, have no ratio."""
    return sorted({row.scenario for compared in comparisons for row in compared.rows if row.to_baseline})


def collect_ratios(comparisons: Sequence[LoadComparison]) -> Datasets:
    """A row for each load, with each scenario's rate relative to the baseline's."""
    rows: Rows = []
    ratios: Rows = []
    for load, compared in zip(brief([compared.parts for compared in comparisons]), comparisons, strict=True):
        rates = {row.scenario: row.estimates["req/s"] for row in compared.rows}
        rows.append({"row": load, "baseline": f"1 = {write_estimate(rates.get(compared.baseline))} req/s"})
        ratios += [
            {
                "row": load,
                "scenario": row.scenario,
                "rate_in_words": write_estimate(rates[row.scenario]),
                "ratio_in_words": write_ratio(row.to_baseline),
                **with_bounds("ratio", row.to_baseline),
            }
            for row in compared.rows
            if row.to_baseline
        ]
    return {"rows": rows, "ratios": ratios, "intervals": with_interval("ratio", ratios), "even": [{"ratio": 1}]}


def draw_overview() -> Drawn:
    x = alt.X(
        "ratio:Q",
        title="times what the baseline serves (log scale)",
        scale=alt.Scale(type="log", nice=True),
        axis=alt.Axis(format=",.6~g", labelOverlap="greedy", labelSeparation=8),
    )
    tooltip = [
        drawing.SCENARIO,
        alt.Tooltip("row:N", title="load"),
        alt.Tooltip("rate_in_words:N", title="req/s"),
        alt.Tooltip("ratio_in_words:N", title="to the baseline"),
    ]
    return alt.layer(
        drawing.rows_of("even").mark_rule(color="var(--ink)", strokeWidth=1.5).encode(x=x),
        *drawing.name_rows("baseline"),
        drawing.rows_of("intervals")
        .mark_rule(strokeWidth=3, yOffset=8, y2Offset=8)
        .encode(x=alt.X("ratio_low:Q"), x2="ratio_high:Q", y=ROW_OF_EACH, color=COLOUR),
        drawing.rows_of("ratios")
        .mark_point(filled=True, size=110, opacity=1, yOffset=8)
        .encode(x=x, y=ROW_OF_EACH, color=COLOUR, shape=SHAPE, tooltip=tooltip),
    ).properties(height=alt.Step(drawing.ROW), **drawing.WIDE)
