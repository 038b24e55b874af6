"""What a person reads of one load: ab's report, field by field, from a load's record."""

from pathlib import Path
from typing import Any

from common.client import percentiles
from common.client.selfwatch import doubts
from common.results import timeline
from common.results.bottleneck import limit_of
from common.results.files import RecordError
from common.results.metrics import LATE_MS, Summary
from common.results.published import measured, ratio_to

PERCENTS = (50, 66, 75, 80, 90, 95, 98, 99)
# How our outcomes fall into the four kinds of failure that ab tells apart.
AB_CONNECT = ("refused", "unreachable", "connect timeout")
AB_RECEIVE = ("reset", "disconnected", "read timeout", "total timeout", "malformed")
AB_LENGTH = ("body mismatch",)
AB_EXCEPTIONS = ("non-2xx", "client resource")
DIFFERENCES = (
    "Unlike ab: a non-2xx answer or a wrong body is a failure; rates, times and percentiles",
    "are of successes only; percentiles by nearest rank, in ms to the microsecond.",
)


def ab_report(load: dict[str, Any]) -> str:
    summary = Summary(load)
    lines = [
        *heading(load, summary),
        *totals(load, summary),
        "",
        *connection_times(summary),
        *served_within(summary),
        *timeline_of_changes(load),
        *beyond_ab(load, summary),
    ]
    return "\n".join(lines)


def scenario_report(name: str, load: dict[str, Any]) -> str:
    latency = f" · {load['latency_ms']} ms added" if load["latency_ms"] else ""
    title = f"{name} · {load['description']}{latency}"
    return "\n".join(["", title, "=" * len(title), ab_report(load), ""])


def field(label: str, value: object) -> str:
    return f"{label + ':':<24}{value}"


def heading(load: dict[str, Any], summary: Summary) -> list[str]:
    varies = "" if summary.shortest == summary.longest else f" (first; they vary from {summary.shortest} to {summary.longest})"
    return [
        field("Server Software", load["server"]),
        field("Server Hostname", load["host"]),
        field("Server Port", load["port"]),
        "",
        field("Document Path", load["path"]),
        field("Document Length", f"{summary.length} bytes{varies}"),
        "",
        field("Concurrency Level", f"{load['load']['concurrency']}{' (at most: the loop is open)' if summary.is_open else ''}"),
    ]


def totals(load: dict[str, Any], summary: Summary) -> list[str]:
    outcomes = load["outcomes"]

    def of(names: tuple[str, ...]) -> int:
        return sum(outcomes.get(name, 0) for name in names)

    lines = [
        field("Time taken for tests", f"{summary.seconds:.3f} seconds"),
        field("Complete requests", summary.complete),
        field("Failed requests", summary.failed),
    ]
    if summary.failed:
        kinds = f"Connect: {of(AB_CONNECT)}, Receive: {of(AB_RECEIVE)}, Length: {of(AB_LENGTH)}, Exceptions: {of(AB_EXCEPTIONS)}"
        lines.append(f"   ({kinds})")
    if outcomes.get("non-2xx"):
        lines.append(field("Non-2xx responses", outcomes["non-2xx"]))
    if load["load"]["keep_alive"]:
        lines.append(field("Keep-Alive requests", load["kept_alive"]))
    lines.append(field("Total transferred", f"{summary.received_bytes} bytes"))
    if load["body_bytes"]:
        lines.append(field("Total body sent", summary.sent * load["body_bytes"]))
    lines.append(field("HTML transferred", f"{summary.body_bytes} bytes"))
    lines.append(field("Requests per second", f"{summary.per_second:.2f} [#/sec] (mean)"))
    if summary.ok:
        apiece = summary.seconds * 1000 / summary.ok
        if not summary.is_open:  # whose answers bring no requests
            lines.append(field("Time per request", f"{apiece * load['load']['concurrency']:.3f} [ms] (mean)"))
        lines.append(field("Time per request", f"{apiece:.3f} [ms] (mean, across all concurrent requests)"))
    if summary.seconds:
        lines.append(field("Transfer rate", f"{summary.received_bytes / 1024 / summary.seconds:.2f} [Kbytes/sec] received"))
    return lines


def connection_times(summary: Summary) -> list[str]:
    if not summary.ok:
        return []
    lines = ["Connection Times (ms)", f"{'':12}{'min':>10} {'mean':>10}{'[+/-sd]':>10} {'median':>10} {'max':>10}"]
    rows = {"Late": summary.lateness} if summary.is_open else {}
    rows |= {"Connect": summary.connect, "Processing": summary.processing, "Waiting": summary.waiting, "Total": summary.total}
    for label, times in rows.items():
        figures = (times[0], times.mean(), times.std(ddof=min(1, len(times) - 1)), percentiles.percentile(times, 50), times[-1])
        low, mean, deviation, middle, high = (f"{figure:.3f}" for figure in figures)
        lines.append(f"{label + ':':<12}{low:>10} {mean:>10}{deviation:>10} {middle:>10} {high:>10}")
    return [*lines, ""]


def served_within(summary: Summary) -> list[str]:
    if not summary.ok:
        return ["No request was answered as it should be: there are no times to show.", ""]
    lines = ["Percentage of the requests served within a certain time (ms)"]
    if summary.is_open:
        lines[0] += ", from the intended start and from the send"
    for percent in PERCENTS:
        few = percentiles.beyond(summary.ok, percent)
        flag = f"  (only {few} beyond)" if few < percentiles.FEW_BEYOND else ""
        lines.append(f"  {percent}%  {percentiles.percentile(summary.total, percent):.3f}{from_send(summary, percent)}{flag}")
    return [*lines, f" 100%  {summary.total[-1]:.3f}{from_send(summary, 100)} (longest request)", ""]


def from_send(summary: Summary, percent: float) -> str:
    return f"  {percentiles.percentile(summary.from_send, percent):.3f}" if summary.is_open else ""


def timeline_of_changes(load: dict[str, Any]) -> list[str]:
    """Of a ramp, and of an open loop's stages."""
    changes = load["load"]["spawn_rate"] is not None or load["load"].get("stages")
    return [*timeline.lines(load), ""] if changes else []


def beyond_ab(load: dict[str, Any], summary: Summary) -> list[str]:
    """What ab does not say."""
    client = load["client"]
    outcomes = ", ".join(f"{name} {number:,}" for name, number in load["outcomes"].items()) or "none"
    lines = [
        field("Outcomes", f"{outcomes} (of {summary.due:,} {'due' if summary.is_open else 'sent'})"),
        *of_the_schedule(load, summary),
        field("Connections", f"{load['connections']:,} created, {summary.reused:,} requests on a reused one"),
    ]
    if load["stopped"]:
        unsent = None if summary.is_open else load["load"]["requests"]
        missing = f"; {unsent - summary.sent:,} of {unsent:,} were never sent" if unsent else ""
        lines.append(field("Stopped", f"{load['stopped']} after {summary.seconds:.1f} s with {summary.cut_off:,} in flight{missing}"))
    if summary.send_skew_ms is not None and not summary.is_open and load["load"]["spawn_rate"] is None:
        wave = min(summary.sent, load["load"]["concurrency"])
        lines.append(field("Send skew", f"{summary.send_skew_ms:.1f} ms from the first to the last of the first {wave:,}"))
    lines.append(
        field(
            "Client",
            f"{client['cpu_share']:.0%} of a core, {client['busiest_second_share']:.0%} in its busiest second; "
            f"loop late {client['loop_lag_p99_ms']:.1f} ms (p99), {client['loop_lag_max_ms']:.1f} ms (max); {client['loop']}",
        )
    )
    lines += of_the_server(load, summary)
    lines += published_beside_measured(load, summary)
    lines += [field("Warning", doubt) for doubt in doubts(client, summary.latency(50))[1]]
    return [*lines, *DIFFERENCES]


def of_the_schedule(load: dict[str, Any], summary: Summary) -> list[str]:
    """Of an open loop: did the requests start when they were due?"""
    if not summary.is_open:
        return []
    late = f"{summary.late:,} of {summary.sent:,} started over {LATE_MS:g} ms after they were due"
    if summary.sent:
        late += f" ({percentiles.percentile(summary.lateness, 50):.3f} ms in the median, {summary.lateness[-1]:.3f} at most)"
    lines = [field("Offered", f"{summary.ideal_per_second:.2f} requests per second, {summary.due:,} due"), field("Late", late)]
    if summary.unsent:
        because = f"{load['load']['concurrency']:,} were in flight; percentiles leave them out: raise -c"
        lines.append(field("Unsent", f"{summary.unsent:,}: {because}"))
    return lines


def of_the_server(load: dict[str, Any], summary: Summary) -> list[str]:
    """What a scenario's run knows of its server."""
    lines, cost, pinned = [], load.get("server_cost"), load.get("pinned")
    if load.get("size") == "quick" and load["stopped"] == "cut off" and load["load"]["spawn_rate"] is None:
        lines.append(field("Quick", f"the load was cut off at {load['seconds']:.0f} s; --full sends all of it"))
    elif load.get("size") == "quick" and summary.is_open:
        lines.append(field("Quick", "the schedule is shorter than the declared one; --full sends all of it"))
    if summary.of_ideal is not None:
        ideal = f"{summary.of_ideal:.0%} of {summary.ideal_per_second:.1f} requests per second"
        why = "all that was due, in time" if summary.is_open else f"no answer can take less than {load['least_seconds']:g} s"
        lines.append(field("Of ideal", f"{ideal} ({why})"))
    if cost:
        share = cost["cpu_seconds"] / summary.seconds if summary.seconds else 0.0
        each = ""
        if summary.cpu_ms and summary.one_core_per_second:
            room = f"a core has time for {summary.one_core_per_second:,.0f} in a second"
            each = f"{summary.cpu_ms:.2f} ms per answered request ({room}), "
        where = f", on core {', '.join(map(str, pinned['server']))} of its own" if pinned else ""
        lines.append(field("Server CPU", f"{each}{share:.0%} of a core{where}"))
        lines.append(field("Server memory", f"{summary.peak_mb:.0f} MB at peak ({cost['memory_measure']}), {cost['peak_threads']} threads"))
        switches = [cost[f"{kind}_switches"] / max(summary.ok, 1) for kind in ("voluntary", "involuntary")]
        lines.append(field("Context switches", "{:.1f} voluntary, {:.1f} involuntary per answered request".format(*switches)))
    beside = {name: seconds for name, seconds in load.get("cpu_seconds_beside", {}).items() if seconds > 0.01 * summary.seconds}
    if beside:
        shares = ", ".join(f"{name} {seconds / summary.seconds:.0%}" for name, seconds in beside.items())
        lines.append(field("CPU beside", f"{shares} of a core"))
    if cost:
        limit = limit_of(load, summary)
        lines.append(field("Limited by", f"{limit.by}: {limit.because}"))
    if load.get("noise", {}).get("contaminated"):
        lines.append(field("Contaminated", f"{load['noise']['contaminated']}; such a run has no part in intervals"))
    return lines


def published_beside_measured(load: dict[str, Any], summary: Summary) -> list[str]:
    published = load.get("published")
    if not published:
        return [field(what, count) for what, count in load.get("counted_in_log", {}).items()]
    here = measured(load, summary)
    lines = [f"{'Published beside measured':<28}{'published':>12}{'measured':>12}{'ratio':>8}"]
    for name, figure in published.items():
        found = here.get(name)
        ratio = ratio_to(name, figure, found, load)
        lines.append(f"  {name:<26}{figure:>12,g}{'-' if found is None else f'{found:,.4g}':>12}{ratio:>8}")
    extra = {name: count for name, count in load["counted_in_log"].items() if name not in published}
    return [*lines, *(f"  {name:<26}{'':>12}{count:>12,}" for name, count in extra.items())]


def save_percentiles(path: Path, load: dict[str, Any]) -> None:
    """ab's `-e`: a line for each percent."""
    total = Summary(load).total
    lines = ["Percentage served,Time in ms", *(f"{p},{percentiles.percentile(total, p):.3f}" for p in range(101) if len(total))]
    try:
        path.write_text("\n".join(lines) + "\n")
    except OSError as error:
        raise RecordError(f"cannot save {path}: {error.strerror}") from None
