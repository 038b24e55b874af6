"""The text about a search for the highest rate: every probe as evidence, then the answer."""

import math

from common.cli import STOPPED
from common.results.highest import probe_above, rate_held, rate_of
from common.results.record import Probe, Search

COLUMNS = ("rate", "answered/s", "percentile ms", "failed", "unsent", "late")
EXPLAINED = (
    "Percentiles: of all that was due, from its intended start. Void: the client was at its limit, -c was reached though the target",
    "allows more in flight, or response times still grew. Broken: over 0.1% failed or unsent, the percentile above the target, or the",
    "server fell behind. A rate that did not hold was tried again before it counted.",
)


def text(search: Search) -> str:
    title = f"The highest rate that holds {search.target} at {search.url}"
    with_server = any(probe.cost for probe in search.probes)
    head = [word.replace("percentile", f"p{search.percent:g}") for word in COLUMNS] + ["server CPU"] * with_server
    lines = [title, "", "".join(f"{word:>12}" for word in head) + "  verdict"]
    lines += [write_probe(search, probe, with_server) for probe in search.probes]
    doubt = [search.said] if search.rate and search.said else []
    return "\n".join([*lines, "", answer(search), *doubt, *EXPLAINED])


def write_probe(search: Search, probe: Probe, with_server: bool) -> str:
    metrics = probe.metrics
    percentile = metrics.percentile_of_due(search.percent)
    cells = [
        f"{rate_of(probe):,g}",
        f"{rate_of(probe) * (metrics.of_ideal or 0.0):,.1f}",
        f"over {search.limit_ms:,.0f}" if math.isinf(percentile) else f"{percentile:,.1f}",
        f"{metrics.failed:,}",
        f"{metrics.unsent:,}",
        f"{metrics.late:,}",
    ]
    if with_server:
        cells.append(f"{probe.cost.cpu_seconds / metrics.seconds:.0%}" if probe.cost and metrics.seconds else "-")
    because = f": {probe.because}" if probe.because else ""
    return "".join(f"{cell:>12}" for cell in cells) + f"  {probe.verdict}{because}"


def answer(search: Search) -> str:
    rate, target = search.rate, search.target
    if search.ended == "found" and rate:
        held = [
            probe.sent.load.seconds or probe.sent.seconds for probe in search.probes if rate_of(probe) == rate and probe.verdict == "held"
        ]
        seconds = " and ".join(f"{length:.3g}" for length in sorted(set(held)))
        return f"{rate:,g} requests per second hold {target}: in {len(held)} runs of {seconds} s. {describe_next(search)}"
    if search.ended == "client-bound":
        return f"client-bound: at least {rate:,g} requests per second hold {target}" if rate else "client-bound: no rate could be shown"
    if search.ended == "undecided":
        return f"undecided when time or runs ran out: {seen_to_hold(search)}"
    if search.ended == "stopped":
        return f"stopped: {seen_to_hold(search)}"
    return search.said or f"no rate that was tried holds {target}"


def seen_to_hold(search: Search) -> str:
    return f"{rate_held(search):,g} requests per second held {search.target}, not confirmed" if rate_held(search) else "no rate held so far"


def describe_next(search: Search) -> str:
    """The lowest rate above that did not hold."""
    above = probe_above(search)
    return f"{rate_of(above):,g} do not: {above.because}." if above is not None else ""


def exit_code(search: Search) -> int:
    """0 if a rate was found, or a lower bound was shown."""
    if search.ended == "stopped":
        return STOPPED
    return 0 if search.rate and search.ended != "undecided" else 1
