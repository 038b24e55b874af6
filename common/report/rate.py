"""What a person reads of a search for the highest rate: every probe as evidence, then the answer."""

from typing import Any

from common.results.metrics import Summary
from common.running.find_rate import CLIENT_BOUND, FOUND, HELD, UNDECIDED, percentile_of_due

COLUMNS = ("rate", "answered/s", "percentile ms", "failed", "unsent", "late")
EXPLAINED = (
    "Of all that was due, from the intended start. Void: the client was at its limit. Broken: over 0.1 % failed or unsent,",
    "the percentile above the promise, or the server fell behind. What did not hold was tried again before it counted.",
)


def text(record: dict[str, Any]) -> str:
    title = f"The highest rate that holds {record['promise']} at {record['url']}"
    with_server = any(load.get("server_cost") for load in record["loads"])
    head = [word.replace("percentile", f"p{record['percent']:g}") for word in COLUMNS] + ["server CPU"] * with_server
    lines = [title, "", "".join(f"{word:>12}" for word in head) + "  verdict"]
    lines += [row(record, load, with_server) for load in record["loads"]]
    return "\n".join([*lines, "", answer(record), *EXPLAINED])


def row(record: dict[str, Any], load: dict[str, Any], with_server: bool) -> str:
    summary = Summary(load)
    found = percentile_of_due(load, record["percent"])
    cells = [
        f"{load['load']['rate']:,g}",
        f"{load['load']['rate'] * (summary.of_ideal or 0.0):,.1f}",
        f"{found:,.1f}" if found < float("inf") else f"over {record['limit_ms']:,.0f}",
        f"{summary.failed:,}",
        f"{summary.unsent:,}",
        f"{summary.late:,}",
    ]
    if with_server:
        cost = load.get("server_cost")
        cells.append(f"{cost['cpu_seconds'] / summary.seconds:.0%}" if cost and summary.seconds else "-")
    because = f": {load['because']}" if load["because"] else ""
    return "".join(f"{cell:>12}" for cell in cells) + f"  {load['verdict']}{because}"


def answer(record: dict[str, Any]) -> str:
    rate, ended, promise = record["rate"], record["ended"], record["promise"]
    if ended == FOUND:
        held = sum(load["verdict"] == HELD for load in record["loads"] if load["load"]["rate"] == rate)
        return f"{rate:,g} requests per second hold {promise}: in {held} runs of {record['probe_seconds']:g} s. {above(record)}"
    if ended == CLIENT_BOUND:
        return f"client-bound: at least {rate:,g} requests per second hold {promise}" if rate else "client-bound: no rate could be shown"
    if ended == UNDECIDED:
        return f"undecided when time or runs were up: {f'{rate:,g} requests per second held' if rate else 'no rate held'}, not confirmed"
    return record["said"] or f"no rate that was tried holds {promise}"


def above(record: dict[str, Any]) -> str:
    higher = [load for load in record["loads"] if load["load"]["rate"] > record["rate"] and load["verdict"] != HELD]
    if not higher:
        return ""
    next_up = min(higher, key=lambda load: load["load"]["rate"])
    return f"{next_up['load']['rate']:,g} do not: {next_up['because']}."


def exit_code(record: dict[str, Any]) -> int:
    """0 where a rate was found, or shown that at least so much holds."""
    if record["ended"] == "stopped":
        return 130
    return 0 if record["rate"] and record["ended"] != UNDECIDED else 1
