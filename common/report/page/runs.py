"""The chart of every run of a load; runs that do not count have a different shape."""

from collections import Counter
from collections.abc import Mapping

import altair as alt

from common.report.page import drawing
from common.report.page.drawing import COLOUR_WITHOUT_LEGEND, RATE, ROW_OF_EACH, Chart, Datasets, Drawn, Rows
from common.report.page.style import Look
from common.results.comparison import LoadComparison
from common.results.record import CLIENT_BOUND, FAILED
from common.results.samples import Sample
from common.results.words import TOO_SHORT

COUNTED, DISTURBED, LEFT_OUT = "counted", "counted, disturbed", "disturbed, left out"
SHAPES = {  # for all states of a run
    COUNTED: "circle",
    DISTURBED: "square",
    LEFT_OUT: "cross",
    CLIENT_BOUND: "triangle-right",
    FAILED: "diamond",
}
BRIEF = {FAILED: "failed"}  # used after a number


def chart_runs(compared: LoadComparison, looks: Mapping[str, Look], alone: bool) -> Chart:
    """`alone`: it is the only load of its study."""
    datasets = collect_runs(compared)
    said = ", ".join(f"{row['row']}: {row['counted']}" for row in datasets["rows"])
    return Chart(
        kind="runs",
        title="Requests answered per second" if alone else compared.load_in_words,
        note="",
        alternative=f"Runs that count: {said}.",
        spec=drawing.fill(draw_runs, datasets, looks, [row["row"] for row in datasets["rows"]]),
        wide=alone,
    )


def collect_runs(compared: LoadComparison) -> Datasets:
    """Rows of the compared scenarios, best first, then of the others."""
    order = [row.scenario for row in compared.rows]
    order += [scenario for scenario in compared.scenarios if scenario not in order]
    rows: Rows = []
    dots: Rows = []
    for scenario in order:
        samples = [sample for sample in compared.samples if sample.scenario == scenario]
        rows.append({"row": scenario, "scenario": scenario, "counted": say_how_many_count(compared, samples)})
        dots += [
            {
                "row": scenario,
                "scenario": scenario,
                "rate": sample.per_second,
                "round": sample.run.round,
                "state": state_of(compared, sample),
                "why": explain_state(compared, sample),
            }
            for sample in samples
        ]
    return {"rows": rows, "dots": dots}


def say_how_many_count(compared: LoadComparison, samples: list[Sample]) -> str:
    counted = sum(not compared.left_out(sample) for sample in samples)
    others = Counter(state for sample in samples if (state := state_of(compared, sample)) != COUNTED)
    return ", ".join([f"{counted} of {len(samples)}", *(f"{number} {BRIEF.get(state, state)}" for state, number in others.items())])


def state_of(compared: LoadComparison, sample: Sample) -> str:
    if sample.load.invalid or not sample.disturbed:
        return sample.load.invalid or COUNTED
    return LEFT_OUT if compared.left_out(sample) else DISTURBED


def explain_state(compared: LoadComparison, sample: Sample) -> str:
    """The state of a run in words."""
    state = state_of(compared, sample)
    if state == FAILED:
        return f"{FAILED}: {sample.load.fault}"
    if state in (DISTURBED, LEFT_OUT):
        return f"{state}: {sample.disturbed}"
    if sample.load.metrics.rate.too_short:
        return f"{TOO_SHORT}: {sample.load.metrics.rate.too_short}"
    return f"{COUNTED}, the control" if state == COUNTED and sample.run.control else state


def draw_runs() -> Drawn:
    tooltip = [
        drawing.SCENARIO,
        alt.Tooltip("round:Q"),
        alt.Tooltip("rate:Q", title="req/s", format=",.4~f"),
        alt.Tooltip("why:N", title="state"),
    ]
    shape = alt.Shape("state:N", title=None, scale=alt.Scale(domain=list(SHAPES), range=list(SHAPES.values())))
    size = alt.condition(f"datum.state === '{COUNTED}'", alt.value(55), alt.value(120))
    return alt.layer(
        *drawing.name_rows("counted"),
        drawing.rows_of("dots")
        .mark_point(filled=True, opacity=0.8, yOffset=8)
        .encode(x=RATE, y=ROW_OF_EACH, color=COLOUR_WITHOUT_LEGEND, shape=shape, size=size, tooltip=tooltip),
    ).properties(height=alt.Step(drawing.ROW), **drawing.WIDE)
