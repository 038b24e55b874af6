"""The ab summary: the text about one load, with ab's output field by field."""

import math
from pathlib import Path

from common.cli import printable
from common.client import percentiles
from common.client.sent import Sent
from common.results.bottleneck import bounds, doubts_of_client, doubts_of_ideal
from common.results.files import RecordError, opened
from common.results.intervals import Over
from common.results.metrics import LATE_MS, Metrics
from common.results.published import known_metrics, ratio_to_published, stated
from common.results.record import Measured
from common.results.timeline import slice_load
from common.results.words import TOO_SHORT, write_over

PERCENTS = (50, 66, 75, 80, 90, 95, 98, 99)
STEADY_DIFFERS = 0.03  # from the mean over the whole load
TIMELINE_LINES = 30  # a longer load has more than a second in each line
# How our outcomes fall into the four kinds of failure that ab tells apart.
AB_CONNECT = ("refused", "unreachable", "connect timeout")
AB_RECEIVE = ("reset", "disconnected", "read timeout", "total timeout", "malformed")
AB_LENGTH = ("body mismatch",)
AB_EXCEPTIONS = ("non-2xx", "client resource")
DIFFERENCES = (
    "Unlike ab: a non-2xx answer or a wrong body is a failure; rates, times and percentiles",
    "are of successes only; percentiles by nearest rank, in ms to the microsecond.",
    "Requests in flight when a load is cut off count in percentiles: each would have taken longer.",
)


def text(sent: Sent) -> str:
    """The summary of a load that the load generator sent on its own."""
    metrics = Metrics(sent)
    return "\n".join([*lines_of_ab(metrics), *lines_beyond_ab(metrics), *DIFFERENCES])


def scenario_text(name: str, load: Measured) -> str:
    """The summary of a scenario's load, with its server's cost."""
    latency = f" · {load.latency_ms} ms added" if load.latency_ms else ""
    title = f"{name} · {load.sent.load.describe()}{latency}"
    lines = [*lines_of_ab(load.metrics), *lines_beyond_ab(load.metrics, load), *DIFFERENCES]
    return "\n".join(["", title, "=" * len(title), *lines, ""])


def lines_of_ab(metrics: Metrics) -> list[str]:
    return [*heading(metrics), *totals(metrics), "", *connection_times(metrics), *served_within(metrics), *timeline(metrics.sent)]


def field(label: str, value: object) -> str:
    return f"{label + ':':<24}{value}"


def heading(metrics: Metrics) -> list[str]:
    sent = metrics.sent
    first, shortest, longest = metrics.lengths
    varies = "" if shortest == longest else f" (first; they vary from {shortest} to {longest})"
    return [
        field("Server Software", printable(sent.server)),
        field("Server Hostname", sent.host),
        field("Server Port", sent.port),
        "",
        field("Document Path", sent.path),
        field("Document Length", f"{first} bytes{varies}"),
        "",
        field("Concurrency Level", f"{sent.load.concurrency}{' (at most: the loop is open)' if sent.load.is_open else ''}"),
    ]


def totals(metrics: Metrics) -> list[str]:
    sent, load = metrics.sent, metrics.sent.load
    lines = [
        field("Time taken for tests", f"{metrics.seconds:.3f} seconds"),
        field("Complete requests", metrics.complete),
        field("Failed requests", metrics.failed),
    ]
    if metrics.failed:
        kinds = {"Connect": AB_CONNECT, "Receive": AB_RECEIVE, "Length": AB_LENGTH, "Exceptions": AB_EXCEPTIONS}
        counts = (f"{kind}: {sum(sent.outcomes.get(name, 0) for name in names)}" for kind, names in kinds.items())
        lines.append(f"   ({', '.join(counts)})")
    if "non-2xx" in sent.outcomes:
        lines.append(field("Non-2xx responses", sent.outcomes["non-2xx"]))
    if load.keep_alive:
        lines.append(field("Keep-Alive requests", sent.kept_alive))
    lines.append(field("Total transferred", f"{metrics.received_bytes} bytes"))
    if sent.body_bytes:
        lines.append(field("Total body sent", metrics.started * sent.body_bytes))
    lines.append(field("HTML transferred", f"{metrics.body_bytes} bytes"))
    lines.append(field("Requests per second", f"{metrics.mean_per_second:.2f} [#/sec] (mean)"))
    if metrics.ok:
        apiece = metrics.seconds * 1000 / metrics.ok
        if not load.is_open and load.spawn_rate is None and not sent.stopped:  # with the same number in flight from start to end
            lines.append(field("Time per request", f"{apiece * load.concurrency:.3f} [ms] (mean)"))
        lines.append(field("Time per request", f"{apiece:.3f} [ms] (mean, across all concurrent requests)"))
    if metrics.seconds:
        lines.append(field("Transfer rate", f"{metrics.received_bytes / 1024 / metrics.seconds:.2f} [Kbytes/sec] received"))
    return lines


def connection_times(metrics: Metrics) -> list[str]:
    if not metrics.ok:
        return []
    lines = ["Connection Times (ms)", f"{'':12}{'min':>10} {'mean':>10}{'[+/-sd]':>10} {'median':>10} {'max':>10}"]
    rows = {"Late": metrics.lateness} if metrics.sent.load.is_open else {}
    rows |= {"Connect": metrics.connecting, "Processing": metrics.processing, "Waiting": metrics.waiting, "Total": metrics.latencies}
    for label, times in rows.items():
        numbers = (times[0], times.mean(), times.std(ddof=min(1, len(times) - 1)), percentiles.percentile(times, 50), times[-1])
        low, mean, deviation, middle, high = (f"{number:.3f}" for number in numbers)
        lines.append(f"{label + ':':<12}{low:>10} {mean:>10}{deviation:>10} {middle:>10} {high:>10}")
    return [*lines, ""]


def served_within(metrics: Metrics) -> list[str]:
    if not metrics.ok:
        return ["No request was answered correctly: there are no times to show.", ""]
    lines = ["Percentage of the requests served within a certain time (ms)"]
    if metrics.sent.load.is_open:
        lines[0] += ", from the intended start and from the send"
    for percent in PERCENTS:
        few = percentiles.beyond(metrics.ok + metrics.cut_off, percent)
        flag = f"  (only {few} beyond)" if few < percentiles.FEW_BEYOND else ""
        lines.append(f"  {percent}%  {times_at(metrics, percent)}{flag}")
    return [*lines, f" 100%  {times_at(metrics, 100)} (longest request)", ""]


def times_at(metrics: Metrics, percent: float) -> str:
    """The time at a percentile; in an open loop, from the intended start and from the send. A cut-off one counts its time so far."""
    value = metrics.percentile(percent)
    time = write_over(value.value) if isinstance(value, Over) else f"{value:.3f}"
    return f"{time}  {percentiles.percentile(metrics.from_send, percent):.3f}" if metrics.sent.load.is_open else time


def timeline(sent: Sent) -> list[str]:
    """The timeline of a ramp, or of an open loop's stages."""
    if sent.load.spawn_rate is None and not sent.load.stages:
        return []
    width = max(1, math.ceil(sent.seconds / TIMELINE_LINES))
    first = "due" if sent.load.is_open else "users"
    lines = [
        "Timeline" + (f" (each line {width} s)" if width > 1 else ""),
        "".join(f"{word:>10}" for word in ("second", first, "sent", "ok", "failed", "p50 ms", "p95 ms")),
    ]
    for part in slice_load(sent, width):
        p50, p95 = ("-" if value is None else f"{value:.1f}" for value in (part.p50_ms, part.p95_ms))
        begun = part.due if sent.load.is_open else part.users
        lines.append("".join(f"{cell:>10}" for cell in (part.second, begun, part.sent, part.ok, part.failed, p50, p95)))
    return [*lines, ""]


def lines_beyond_ab(metrics: Metrics, measured: Measured | None = None) -> list[str]:
    """What ab does not show."""
    sent, load, client = metrics.sent, metrics.sent.load, metrics.sent.client
    outcomes = ", ".join(f"{name} {number:,}" for name, number in sent.outcomes.items()) or "none"
    lines = [
        field("Outcomes", f"{outcomes} (of {metrics.due:,} {'due' if load.is_open else 'sent'})"),
        *lines_of_the_schedule(metrics),
        field("Connections", f"{sent.connections:,} created, {metrics.reused:,} requests on a reused one"),
    ]
    if sent.stopped:
        asked = None if load.is_open else load.requests
        missing = f"; {asked - metrics.started:,} of {asked:,} were never sent" if asked else ""
        lines.append(field("Stopped", f"{sent.stopped} after {metrics.seconds:.1f} s with {metrics.cut_off:,} in flight{missing}"))
    if metrics.send_skew_ms is not None and not load.is_open and load.spawn_rate is None:
        wave = min(metrics.started, load.concurrency)
        lines.append(field("Send skew", f"{metrics.send_skew_ms:.1f} ms from the first to the last of the first {wave:,}"))
    busy = f"{client.cpu_share:.0%} of a core, {client.busiest_second_share:.0%} in its busiest second"
    late = f"loop late {client.loop_lag_p99_ms:.1f} ms (p99), {client.loop_lag_max_ms:.1f} ms (max)"
    lines.append(field("Client", f"{busy}; {late}; {client.loop}"))
    lines += [*lines_of_the_rate(metrics), *lines_of_the_ideal(metrics)]
    lines += [*lines_of_the_server(measured), *lines_of_the_study(measured)] if measured else []
    doubts = [*doubts_of_client(client, metrics.latency(50)), *doubts_of_ideal(metrics)]
    return [*lines, *(field("Warning", doubt) for doubt in doubts)]


def lines_of_the_schedule(metrics: Metrics) -> list[str]:
    """For an open loop: did the requests start when they were due?"""
    load = metrics.sent.load
    if not load.is_open:
        return []
    late = f"{metrics.late:,} of {metrics.started:,} started over {LATE_MS:g} ms after they were due"
    if metrics.started:
        late += f" ({percentiles.percentile(metrics.lateness, 50):.3f} ms in the median, {metrics.lateness[-1]:.3f} at most)"
    lines = [field("Offered", f"{metrics.ideal_per_second:.2f} requests per second, {metrics.due:,} due"), field("Late", late)]
    if metrics.unsent:
        because = "the client could start no more in its time" if metrics.was_overrun else f"{load.concurrency:,} were in flight"
        advice = "lower the rate" if metrics.was_overrun else "raise -c"
        lines.append(field("Unsent", f"{metrics.unsent:,}: {because}; percentiles leave them out: {advice}"))
    return lines


def lines_of_the_rate(metrics: Metrics) -> list[str]:
    """The rate while the load was steady, if it differs from the mean of the whole."""
    rate = metrics.rate
    if rate.too_short:
        return [field("Steady rate", f"{TOO_SHORT}: {rate.too_short}")]
    differs = abs(rate.per_second / metrics.mean_per_second - 1) > STEADY_DIFFERS if metrics.mean_per_second else False
    if rate.error is None and not differs:
        return []
    within = f" (to within {max(rate.error, 0.01):.0%}, from this run alone)" if rate.error is not None else ""
    return [field("Steady rate", f"{rate.per_second:.2f} [#/sec]{within}")]


def lines_of_the_ideal(metrics: Metrics) -> list[str]:
    if metrics.of_ideal is None:
        return []
    is_open = metrics.sent.load.is_open
    why = "all that was due, in time" if is_open else f"no answer can take less than {metrics.least_seconds:g} s"
    lines = [field("Of ideal", f"{metrics.of_ideal:.0%} of {metrics.ideal_per_second:.1f} requests per second ({why})")]
    if limits := bounds(metrics):
        least, most = (f"{limit:.1f}" for limit in limits)
        lines.append(
            field("CPU and waits allow", f"{least} requests per second where all go in step, {most} where none is in another's way")
        )
    return lines


def lines_of_the_server(measured: Measured) -> list[str]:
    """What a scenario's run knows about its server."""
    metrics, cost, pinned = measured.metrics, measured.cost, measured.pinned
    lines = []
    if cost:
        share = f"{cost.cpu_seconds / metrics.seconds if metrics.seconds else 0.0:.0%} of a core"
        each = ""
        if metrics.cpu_ms and metrics.one_core_per_second and not metrics.rate.too_short:
            room = f"a core has time for {metrics.one_core_per_second:,.0f} in a second"
            each = f"{metrics.cpu_ms:.2f} ms per answered request ({room}), "
            if metrics.cpu_is_bound:
                each = f"<= {metrics.cpu_ms:.2f} ms per answered request (includes failed and cut-off requests), "
        where = f", on core {', '.join(map(str, pinned.server))}{'' if pinned.shared else ' of its own'}" if pinned else ""
        lines.append(field("Server CPU", f"{each}{share if cost.cpu_known else 'not known: too few ticks of the clock'}{where}"))
        lines.append(field("Server memory", f"{metrics.peak_mb:.0f} MB at peak ({cost.memory_measure}), {cost.peak_threads} threads"))
        voluntary, involuntary = (switches / max(metrics.ok, 1) for switches in (cost.voluntary_switches, cost.involuntary_switches))
        lines.append(field("Context switches", f"{voluntary:.1f} voluntary, {involuntary:.1f} involuntary per answered request"))
    beside = {name: seconds for name, seconds in measured.cpu_seconds_beside.items() if seconds > 0.01 * metrics.seconds}
    if beside:
        shares = ", ".join(f"{name} {seconds / metrics.seconds:.0%}" for name, seconds in beside.items())
        lines.append(field("CPU beside", f"{shares} of a core"))
    if cost:
        lines.append(field("Limited by", f"{measured.bottleneck.by}: {measured.bottleneck.because}"))
    if measured.waited_for_ports_seconds >= 1:
        lines.append(field("Waited before", f"{measured.waited_for_ports_seconds:.0f} s until ports of ended connections were free"))
    if measured.noise.disturbed:
        lines.append(field("Disturbed", measured.noise.disturbed))
    return lines


def lines_of_the_study(measured: Measured) -> list[str]:
    """What was published beside what was measured, and what was counted in the server's log."""
    published, counted = stated(measured), measured.counted_in_log
    if not published:
        return [field(what, number) for what, number in counted.items()]
    metrics = known_metrics(measured)
    lines = [f"{'Published beside measured':<28}{'published':>12}{'measured':>12}{'ratio':>8}"]
    for name, value in published.items():
        found = metrics.get(name)
        ratio = ratio_to_published(value, found, measured)
        lines.append(f"  {name:<26}{value:>12,g}{'-' if found is None else f'{found:,.4g}':>12}{ratio:>8}")
    return [*lines, *(f"  {name:<26}{'':>12}{number:>12,}" for name, number in counted.items() if name not in published)]


def save_percentiles(path: Path, sent: Sent) -> None:
    """ab's `-e`: a line for each known percentile."""
    metrics = Metrics(sent)
    known = [(percent, metrics.percentile(percent)) for percent in range(101)]
    lines = [f"{percent},{value:.3f}" for percent, value in known if isinstance(value, float)]
    try:
        with opened(path) as file:
            file.write("\n".join(["Percentage served,Time in ms", *lines, ""]).encode())
    except OSError as error:
        raise RecordError(f"cannot save {path}: {error.strerror}") from None
