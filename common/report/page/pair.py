"""Two scenarios side by side, on the page: the verdict in words, then a chart of the ratio over slices and restarts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import altair as alt

from common.report.decisions import say_decision
from common.report.page import drawing
from common.report.page.drawing import Chart, Datasets, Drawn, Rows
from common.report.pair import figures, first_line, is_comparable, load_of, say
from common.results.decisions import Decision
from common.results.pairs import Pair, Restart, SideBySide, cpu_ratio, idle_share, judge_pair
from common.results.words import write_estimate

MOST_DOTS = 30  # of a restart
WIDTH_OF_A_RESTART = 0.7
HEIGHT = 240
NOTE = (
    "Above 1 the first costs more. Faint: two slices, one after the other; marks: restarts; the line and the blue band: their middle "
    "and its interval; the grey band: what counts as the same. Slices far off are not drawn."
)


@dataclass(frozen=True)
class PairSection:
    title: str
    verdict: str
    figures: Sequence[str]
    chart: Chart | None  # None: there is no interval, or it compares nothing
    fault: str


@dataclass(frozen=True)
class LoadOfPairs:
    """What was decided under one load."""

    title: str
    verdicts: Sequence[str]


def fill_pair(pair: Pair) -> PairSection:
    found = judge_pair(pair)
    return PairSection(
        title=f"{pair.names[0]} beside {pair.names[1]} · {load_of(pair)}",
        verdict=say(pair, found),
        figures=figures(pair, found),
        chart=chart_pair(pair, found) if found.cpu and found.cpu.low is not None and is_comparable(found) else None,
        fault=first_line(pair.fault),
    )


def fill_decisions(decisions: Sequence[Decision]) -> list[LoadOfPairs]:
    by_load = groupby(decisions, key=lambda each: each.comparison.title)
    return [LoadOfPairs(title, [say_decision(each) for each in of_it]) for title, of_it in by_load]


def chart_pair(pair: Pair, found: SideBySide) -> Chart:
    ratios = ", ".join(f"{ratio:.3f}" for restart in pair.restarts if (ratio := cpu_ratio(restart)))
    return Chart(
        kind="pair",
        title=f"CPU per request of {pair.names[0]}, relative to {pair.names[1]}",
        note=NOTE,
        alternative=f"{say(pair, found)} The ratio is {write_estimate(found.cpu, 'x')}; of each restart: {ratios}.",
        spec=drawing.fill(
            draw_pair, collect_ratios(pair, found), {}, [], RANGE=range_of(pair, found), SPAN=[0.5, len(pair.restarts) + 0.5]
        ),
        wide=True,
    )


def collect_ratios(pair: Pair, found: SideBySide) -> Datasets:
    restarts: Rows = []
    slices: Rows = []
    for number, restart in enumerate(pair.restarts, 1):
        if ratio := cpu_ratio(restart):
            restarts.append({"restart": number, "ratio": round(ratio, 5), "words": f"{ratio:.4f}"})
        each = list(slice_ratios(restart))
        step = -(-len(each) // MOST_DOTS)
        for place, one in list(enumerate(each))[:: step or 1]:
            at = number + WIDTH_OF_A_RESTART * ((place + 0.5) / len(each) - 0.5)
            slices.append({"restart": round(at, 3), "ratio": round(one, 4)})
    assert found.cpu is not None
    interval: Rows = [{"low": found.cpu.low, "high": found.cpu.high, "ratio": found.cpu.middle, "words": write_estimate(found.cpu, "x")}]
    same: Rows = [{"low": 1 / (1 + pair.within), "high": 1 + pair.within, "ratio": 1}]
    return {"restarts": restarts, "slices": slices, "interval": interval, "same": same}


def slice_ratios(restart: Restart) -> Iterator[float]:
    """Of two slices that follow each other, one of each side."""
    short = [one for one in restart.slices if not one.is_long]
    idle = [idle_share(restart, side) or 0.0 for side in (0, 1)]
    for one, other in zip(short[::2], short[1::2], strict=False):
        first, second = (one, other) if one.side == 0 else (other, one)
        used = [each.cpu_seconds - idle[each.side] * each.seconds for each in (first, second)]
        if first.side != second.side and first.answers and second.answers and min(used) > 0:
            yield (used[0] / first.answers) / (used[1] / second.answers)


def range_of(pair: Pair, found: SideBySide) -> list[float]:
    """Of the axis: all restarts, the interval, and what counts as the same."""
    assert found.cpu is not None
    known = [ratio for restart in pair.restarts if (ratio := cpu_ratio(restart))]
    shown = [*known, found.cpu.low or found.cpu.middle, found.cpu.high or found.cpu.middle, 1 / (1 + pair.within), 1 + pair.within]
    room = 0.15 * (max(shown) - min(shown))
    return [round(max(0.0, min(shown) - room), 4), round(max(shown) + room, 4)]


def draw_pair() -> Drawn:
    x = alt.X(
        "restart:Q", title="restart", axis=alt.Axis(tickMinStep=1, format="d", grid=False), scale=alt.Scale(domain=["SPAN"], nice=False)
    )
    y = alt.Y("ratio:Q", title=None, axis=alt.Axis(format=".3~f"), scale=alt.Scale(domain=["RANGE"], zero=False, nice=False))
    low, high = alt.Y("low:Q", title=None), alt.Y2("high:Q")
    interval, same = drawing.rows_of("interval"), drawing.rows_of("same")
    tooltip = [alt.Tooltip("restart:Q"), alt.Tooltip("words:N", title="ratio")]
    return alt.layer(
        same.mark_rect(color="var(--quiet)", opacity=0.1, clip=True).encode(y=low, y2=high),
        interval.mark_rect(color="var(--series-0)", opacity=0.22, clip=True).encode(
            y=low, y2=high, tooltip=[alt.Tooltip("words:N", title="ratio")]
        ),
        same.mark_rule(strokeDash=[4, 4], color="var(--ink)", strokeWidth=1.5, clip=True).encode(y=y),
        interval.mark_rule(color="var(--series-0)", strokeWidth=2, clip=True).encode(y=y),
        drawing.rows_of("slices").mark_point(filled=True, size=14, opacity=0.35, color="var(--quiet)", clip=True).encode(x=x, y=y),
        drawing.rows_of("restarts")
        .mark_point(filled=True, size=90, opacity=1, color="var(--series-0)", clip=True)
        .encode(x=x, y=y, tooltip=tooltip),
    ).properties(height=HEIGHT, **drawing.WIDE)
