"""The chart of requests answered per second, beside the ideal: each scenario's middle with its interval, every run faint."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from common.report.page import drawing
from common.report.page.drawing import COLOUR_WITHOUT_LEGEND, COLOURS, RATE, ROW_OF_EACH, SHAPE_WITHOUT_LEGEND, Chart, Datasets, Drawn, Rows
from common.report.page.rows import say_of_each, with_bounds, with_interval
from common.report.page.style import Look
from common.results.comparison import LoadComparison
from common.results.samples import METRICS, Sample, estimate_of
from common.results.words import judge_control, write_bottlenecks, write_estimate, write_name, write_number, write_share, write_standing


def chart_comparison(compared: LoadComparison, looks: Mapping[str, Look]) -> Chart:
    datasets = collect_rates(compared)
    marks = (
        "The middle of the runs with its 95% interval; single runs are faint"
        if datasets["intervals"]
        else "One mark for each scenario; there are too few runs for intervals"
    )
    rates = say_of_each(compared, lambda row: write_estimate(row.estimates["req/s"]))
    ideal = f" The ideal is {write_number(compared.ideal)}." if compared.ideal else ""
    controls = " ".join(f"{row['row']}: {row['control_in_words']}." for row in datasets["rows"] if row["control"])
    return Chart(
        kind="comparison",
        title="Requests answered per second",
        note=f"{marks}{'; dashed: the ideal for this load' if compared.ideal else ''}.",
        alternative=f"Requests per second: {rates}.{ideal} {controls}".strip(),
        spec=drawing.fill(draw_comparison, datasets, looks, [row.scenario for row in compared.drawn]),
        wide=True,
    )


def collect_rates(compared: LoadComparison) -> Datasets:
    rows: Rows = []
    dots: Rows = []
    for row in compared.drawn:
        about = {
            "of_ideal": write_share(row.of_ideal),
            "bottleneck": write_standing(row) or write_bottlenecks(row),
            "control": False,
        }
        rows.append(row_of(write_name(row), row.scenario, row.samples) | about)
        if row.is_failing:
            rows[-1]["rate_in_words"] += f" · {write_standing(row)}"
        dots += dots_of(write_name(row), row.scenario, row.samples)
    for control in compared.controls:
        if control.ratio:
            name = f"A/A {control.scenario}"
            about = {"of_ideal": "-", "bottleneck": "the same twice: the control", "control": True}
            rows.append(row_of(name, control.scenario, control.samples) | about)
            rows[-1]["control_in_words"] = (
                f"{rows[-1]['rate_in_words']} · {write_estimate(control.ratio, 'x')}, {judge_control(control.ratio)}"
            )
            dots += dots_of(name, control.scenario, control.samples)
    ideal: Rows = [{"rate": compared.ideal, "rate_in_words": f"ideal {write_number(compared.ideal)}"}] if compared.ideal else []
    return {"rows": rows, "dots": dots, "intervals": with_interval("rate", rows), "ideal": ideal}


def row_of(name: str, scenario: str, samples: Sequence[Sample]) -> dict[str, Any]:
    rate = estimate_of(METRICS["req/s"], samples)
    return {"row": name, "scenario": scenario, "rate_in_words": write_estimate(rate), "runs": len(samples), **with_bounds("rate", rate)}


def dots_of(name: str, scenario: str, samples: Sequence[Sample]) -> Rows:
    """Points for single runs; if there is only one, the mark is enough."""
    return [{"row": name, "scenario": scenario, "rate": sample.per_second} for sample in samples] if len(samples) > 1 else []


def draw_comparison() -> Drawn:
    tooltip = [
        drawing.SCENARIO,
        alt.Tooltip("rate_in_words:N", title="req/s"),
        alt.Tooltip("of_ideal:N", title="of ideal"),
        alt.Tooltip("runs:Q"),
        alt.Tooltip("bottleneck:N", title="limited by"),
    ]
    ideal = drawing.rows_of("ideal").encode(x=RATE)
    rows = drawing.rows_of("rows").encode(y=ROW_OF_EACH, color=COLOUR_WITHOUT_LEGEND, tooltip=tooltip)
    return alt.layer(
        ideal.mark_rule(strokeDash=[4, 4], color="var(--ink)", strokeWidth=1.5).encode(
            tooltip=[alt.Tooltip("rate_in_words:N", title="ideal")]
        ),
        ideal.mark_text(align="right", dx=-5, y=-8, color="var(--quiet)", fontSize=11).encode(text="rate_in_words:N"),
        *drawing.name_rows("rate_in_words"),
        drawing.rows_of("dots")
        .mark_point(filled=True, size=26, opacity=0.35, yOffset=8)
        .encode(x=RATE, y=ROW_OF_EACH, color=COLOUR_WITHOUT_LEGEND),
        drawing.rows_of("intervals")
        .mark_rule(strokeWidth=3, yOffset=8, y2Offset=8)
        .encode(x=alt.X("rate_low:Q"), x2="rate_high:Q", y=ROW_OF_EACH, color=COLOUR_WITHOUT_LEGEND),
        rows.transform_filter("!datum.control")
        .mark_point(filled=True, size=120, opacity=1, yOffset=8)
        .encode(x=RATE, shape=SHAPE_WITHOUT_LEGEND),
        rows.transform_filter("datum.control")
        .mark_point(filled=True, fill="var(--page)", strokeWidth=2, size=90, opacity=1, yOffset=8)
        .encode(x=RATE, shape=SHAPE_WITHOUT_LEGEND, stroke=alt.Stroke("scenario:N", legend=None, scale=COLOURS)),
    ).properties(height=alt.Step(drawing.ROW), **drawing.WIDE)
