"""The table of the highest rates that several scenarios hold, with what was tried just above each."""

import math
from collections.abc import Sequence

from common.results.bottleneck import server_share
from common.results.highest import is_confirmed, limited_by, probe_above, probe_held, rank, rate_held, rate_of
from common.results.record import Probe, Search

FIGURES = 8  # columns of a number
EXPLAINED = (
    "Left: the highest rate that held the target in three runs, the slowest of them. Right: the lowest rate tried above it, which did",
    "not. Percentiles: of all that was due. CPU: of the cores that the server may use, or of the one that its busiest process can use.",
    "+: at least that, as the client was the limit. ?: two more runs did not confirm it.",
)


def text(title: str, searches: Sequence[Search]) -> str:
    ranked = rank(searches)
    first = searches[0]
    width = max(len("scenario"), *(len(search.scenario) for search in searches))
    percents = percents_of(first)
    half = [*(f"p{percent:g} ms" for percent in percents), "failed", "CPU"]
    head = f"{'':2} {'scenario':<{width}}{in_columns(['holds/s', *half, 'fails/s', *half])}  limited by"
    rows = [row(place, search, percents, width) for place, search in ranked]
    return "\n".join([f"The highest rate that holds {first.target} · {title}", "", head, *rows, "", *verdicts(ranked), *EXPLAINED])


def percents_of(search: Search) -> list[float]:
    return sorted({50.0, search.percent if search.percent != 50 else 99.0})


def row(place: int | None, search: Search, percents: Sequence[float], width: int) -> str:
    held, above = probe_held(search), probe_above(search)
    least = "+" if search.ended == "client-bound" else "?" if not is_confirmed(search) else ""
    rate = f"{rate_held(search):,g}{least}" if held is not None else "none"
    cells = [rate, *figures(search, held, percents), f"{rate_of(above):,g}" if above else "-", *figures(search, above, percents)]
    return f"{place or '':>2} {search.scenario:<{width}}{in_columns(cells)}  {limited_by(search)}".rstrip()


def figures(search: Search, probe: Probe | None, percents: Sequence[float]) -> list[str]:
    if probe is None:
        return ["-"] * (len(percents) + 2)
    times = [probe.metrics.percentile_of_due(percent) for percent in percents]
    busy = server_share(probe.metrics, search.pinned)
    failed = probe.metrics.failed + probe.metrics.unsent
    return [*("late" if math.isinf(time) else f"{time:,.0f}" for time in times), f"{failed:,}", "-" if busy is None else f"{busy:.0%}"]


def in_columns(cells: Sequence[str]) -> str:
    return "".join(f"{cell:>{FIGURES}}" for cell in cells)


def verdicts(ranked: Sequence[tuple[int | None, Search]]) -> list[str]:
    """Who holds most, and who cannot be told apart."""
    best = [search for place, search in ranked if place == 1 and rate_held(search)]
    others = [search for place, search in ranked if place is not None and search not in best and rate_held(search)]
    lines = []
    if len(best) > 1:
        names = ", ".join(search.scenario for search in best)
        lines.append(f"Too near to tell apart: {names}: the first holds no rate that one of the others was seen to fail.")
    elif best:
        least = "at least " if best[0].ended == "client-bound" else ""
        lines.append(f"{best[0].scenario} holds the most: {least}{rate_held(best[0]):,g} requests per second")
        if others:
            lines[-1] += f", {rate_held(best[0]) / rate_held(others[0]):.2f} times what {others[0].scenario} holds"
        lines[-1] += "."
    nobody = [search.scenario for _, search in ranked if search.ended == "none"]
    open_ones = [search.scenario for place, search in ranked if place is None]
    lines += [f"No rate holds: {', '.join(nobody)}."] if nobody else []
    lines += [f"Not confirmed, because the search was ended or ran out of time: {', '.join(open_ones)}."] if open_ones else []
    return lines
