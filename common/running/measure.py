"""Sends one load to a site and accounts for what it cost: the server, those beside it, the machine."""

import math
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from http.client import HTTPException
from pathlib import Path

import numpy as np
import psutil

from common.cli import Failed
from common.client.load import Load
from common.client.outcomes import NON_2XX, failures
from common.client.progress import Tell, silent
from common.client.request import Request
from common.client.sent import Sent
from common.client.site_headers import hand_over
from common.results import files
from common.results.circumstances import WarmUp
from common.results.record import Measured, Search
from common.running.counting import count_in_log
from common.running.find_rate import MOST_SECONDS
from common.running.noise import MachineMeter, Patience
from common.running.sizing import PlannedLoad
from common.serving import cores, folders
from common.serving.cost import CostMeter, looking
from common.serving.ports import lacks_ports, time_wait
from common.serving.postgres import Server
from common.serving.priority import Sessions
from common.serving.probe import why_in
from common.serving.process import GRACE_SECONDS, Process
from common.serving.scenario import Scenario
from common.serving.single_request import exchange
from common.serving.site import Site

Look = Callable[[], None]
GENERATOR_SECONDS = 60.0  # to start, and to save a million requests
LONGEST_SEARCH = 2 * MOST_SECONDS  # the last probe may have begun just before its deadline
CALIBRATIONS, CALIBRATION_STEPS = 5, 100_000
LONGEST_WAIT = 65.0  # for ports: a minute of TIME_WAIT and a bit
STARTING_SECONDS = 3.0  # of a load generator, which then keeps what it has if it is told to stop
SAVING_SECONDS = 5.0  # to write the record of a search that a person ends
SETTLING_SECONDS, SETTLED = 2.5, 1.2  # for bursts before a load; two of which neither takes this many times as long as the other
ALONE_SECONDS = 10.0  # that a request alone may take
MOST_OPENED = 10_000  # connections a second, by the load generator


def warm_up(site: Site, load: Load, directory: Path, tell: Tell) -> WarmUp:
    """The first requests, which must be answered correctly; a reader's own project goes on until its times settle."""
    before, scenario = site.server.log_size(), site.scenario
    first = send_load(site, load.burst(scenario.warm_up), directory, tell, "warming up")
    site.check()
    if first.failed:
        said = ": ".join(filter(None, [outcomes_of(first), why_in(site.server.lines_since(before))]))
        raise Failed(f"{scenario.name} does not answer its warm-up correctly: {said}{site.server.log_tail()}")
    bursts = [first, *(settle(site, load, first, directory, tell) if scenario.project else [])]
    outcomes = sum((Counter(burst.outcomes) for burst in bursts), Counter())
    at_once = max(burst.load.concurrency for burst in bursts)
    return WarmUp(dict(outcomes), sum(burst.seconds for burst in bursts), at_once, time_alone(site, load))


def settle(site: Site, load: Load, first: Sent, directory: Path, tell: Tell) -> Iterator[Sent]:
    """As many requests as the load has in flight, again and again, until two bursts take about as long; as far as there is time."""
    until = time.monotonic() + SETTLING_SECONDS
    size = load.concurrency if load.is_steady else site.scenario.warm_up
    takes, middle = first.seconds * size / site.scenario.warm_up, 0.0
    while time.monotonic() + takes < until:
        burst = send_load(site, load.burst(size), directory, tell, "warming up")
        site.check()
        yield burst
        takes, before, middle = burst.seconds, middle, middle_of(burst)
        if burst.failed or max(before, middle) <= SETTLED * min(before, middle):
            return


def middle_of(sent: Sent) -> float:
    """The median time of its requests."""
    return float(np.median(np.subtract(sent.requests.end, sent.requests.start)))


def time_alone(site: Site, load: Load) -> float | None:
    """The time of a single request in ms, with its connection; None if it is not answered in time."""
    began = time.monotonic()
    with suppress(OSError, HTTPException):
        exchange(Request(site.url + load.target, load, site.carried), min(load.timeout, ALONE_SECONDS))
        return round((time.monotonic() - began) * 1000, 3)
    return None


def measure(
    site: Site, planned: PlannedLoad, warmed: WarmUp, database: Server, directory: Path, tell: Tell, patience: Patience
) -> Measured:
    """Send one load and account for what it cost the server, those beside it, and the machine."""
    scenario, load = site.scenario, planned.load
    log_sizes = {process: process.log_size() for process in site.processes}
    waited_for_ports = wait_for_ports(load, scenario.name, tell)
    server_cores = site.pinned.server if site.pinned else []
    waited_for_quiet = patience.wait(outside=list(site.outside.values()), tell=tell)
    calibration_ms = time_fixed_work(server_cores)
    meter = begin_accounting(site)
    machine = MachineMeter(server_cores, list(site.outside.values()))
    sessions = Sessions(lambda: meter.processes_of(process.name for process in site.beside))
    sent = send_load(site, load, directory, tell, load.describe(), [meter.look, machine.look, sessions.look])
    cores.on_any(os.getpid())
    meter.end()
    machine.look()
    started = datetime.fromisoformat(sent.started_at).timestamp()
    ended = started + sent.seconds
    # an idle server uses nothing; only a cut-off load leaves work behind, which does not count
    counted = (-math.inf, ended if sent.stopped else math.inf)
    on_cores = meter.cpu_on_sides(started, ended, all_here=not site.pinned or site.pinned.shared)
    with_tables = scenario.tables is not None
    logs_are_ours = database.process is not None or not with_tables  # a user's own PostgreSQL writes elsewhere
    in_log, uncounted = count(scenario, log_sizes) if logs_are_ours else ({}, "")
    return Measured(
        sent=sent,
        identity=load.identity,
        line=planned.line,
        latency_ms=planned.latency_ms,
        size=planned.size,
        least_seconds=planned.least_seconds,
        published=published_for(scenario, planned) if planned.is_published else {},
        command=site.server.command,
        generator=generator_command(site, load),
        pinned=site.pinned,
        postgres=database.version if with_tables else "",
        warm_up=warmed,
        fault=fault_of(site, sent) or uncounted,
        cost=meter.cost_between(*counted),
        cpu_seconds_beside=meter.cpu_beside(*counted),
        noise=replace(machine.noise(started, ended, *on_cores), waited_for_quiet_seconds=round(waited_for_quiet, 1)),
        waited_for_ports_seconds=round(waited_for_ports, 1),
        counted_in_log=in_log,
        calibration_ms=calibration_ms,
    )


def count(scenario: Scenario, log_sizes: Mapping[Process, int]) -> tuple[dict[str, int], str]:
    """What is counted in its logs, and why it is not: the load has been sent, and its record is kept."""
    try:
        return count_in_log(scenario, log_sizes), ""
    except Failed as error:
        return {}, str(error)


def begin_accounting(site: Site) -> CostMeter:
    """Of the server and of all that stands beside it."""
    try:
        return CostMeter(site.server.pid, {process.name: process.pid for process in site.beside} | site.outside, site.server.guard)
    except psutil.Error:
        site.check()
        raise Failed(f"{site.scenario.name} ended before the load was sent{site.server.log_tail()}") from None


def time_fixed_work(server_cores: list[int]) -> float | None:
    """How fast the server's core is now: the shortest of a few tries, in CPU time, so that sharing the core does not count."""
    with cores.only_on(server_cores[:1]):
        times = []
        for _ in range(CALIBRATIONS):
            began = time.thread_time()
            work = 0
            for number in range(CALIBRATION_STEPS):
                work += number & 3
            times.append(time.thread_time() - began)
    return round(min(times) * 1000, 4)


def published_for(scenario: Scenario, planned: PlannedLoad) -> dict[str, float | None]:
    """The published metrics of this load; lists follow LATENCIES_MS."""
    if planned.latency_ms not in scenario.published_latencies_ms:
        return {}
    at = scenario.published_latencies_ms.index(planned.latency_ms)
    for row in scenario.published:
        if row.get("path") == planned.load.target:
            return {name: value[at] if isinstance(value, list) else value for name, value in row.items() if name != "path"}
    return {}


def wait_for_ports(load: Load, name: str, tell: Tell) -> float:
    """Wait, up to a limit, until enough ports are free for this load: those of ended connections are not for a minute."""
    began = time.monotonic()
    needed = most_connections(load)
    while lacks_ports(needed) and time.monotonic() - began < LONGEST_WAIT:
        tell(f"{name}: waiting until ports are free: {time_wait():,} are in TIME_WAIT")
        time.sleep(1)
    return time.monotonic() - began


def most_connections(load: Load) -> int:
    """The most connections that it can open."""
    if load.keep_alive or load.most_requests is None:
        return load.concurrency
    in_its_time = load.concurrency + MOST_OPENED * load.seconds if load.seconds is not None else math.inf
    return int(min(load.most_requests, in_its_time))


def generator_command(site: Site, load: Load) -> list[str]:
    return [sys.executable, "-m", "common.loadgen", *load.arguments(), site.url + load.target]


def send_load(site: Site, load: Load, directory: Path, tell: Tell, label: str, looks: Sequence[Look] = ()) -> Sent:
    with folders.temporary() as folder:
        path = folder / "load.json"
        run_generator(site, load, path, directory, tell, label, load.longest_seconds, looks)
        return files.read(path, Sent)


def search_rate(site: Site, load: Load, target: str, directory: Path, tell: Tell, meter: CostMeter, until: float) -> Search:
    """Search until that moment; a search that a person ends keeps what it has tried."""
    label = f"searching the highest rate that holds {target}"
    with folders.temporary() as folder:
        path = folder / "load.json"
        until = max(until, time.monotonic() + STARTING_SECONDS)  # before, it could save nothing
        try:
            run_generator(
                site, load, path, directory, tell, label, LONGEST_SEARCH, [meter.look], ["--find-rate", target], until, SAVING_SECONDS
            )
        except KeyboardInterrupt:
            if not path.exists():
                raise
            return files.read(path, Search)
        search = files.read(path, Search)
    return replace(search, ended="undecided", said="its time was up") if search.ended == "stopped" else search


def run_generator(
    site: Site,
    load: Load,
    path: Path,
    directory: Path,
    tell: Tell,
    label: str,
    longest: float,
    looks: Sequence[Look],
    more: Sequence[str] = (),
    until: float = math.inf,
    grace: float = GRACE_SECONDS,
) -> None:
    """Run the load generator in a process of its own until it has left its record at this path; after `until`, it is told to stop."""
    progress = path.with_name("progress")
    heard = ["-q"] if tell is silent else ["--progress", str(progress)]
    command = [*generator_command(site, load), *heard, "--json", str(path), *more]
    log = directory / f"{site.scenario.name}.load.log"
    afterwards = cores.told_for_afterwards()  # a database may work on for long at what was cut off
    surroundings = afterwards | hand_over({site.url: site.carried})
    told_to_stop = False

    def look() -> None:
        nonlocal told_to_stop
        done = progress.read_text(encoding="utf-8", errors="replace") if progress.exists() else ""
        tell(f"{site.scenario.name} · {label}\n{done}")
        if not told_to_stop and generator.pid and (not site.lives() or time.monotonic() > until):
            with suppress(ProcessLookupError):
                os.kill(generator.pid, signal.SIGINT)  # it still saves what it has
            told_to_stop = True

    with Process("the load generator", command, surroundings, log, grace=grace) as generator, looking(looks):
        generator.wait_at_most(longest + GENERATOR_SECONDS, look)
    if not path.exists():
        site.check()
        raise Failed(f"the load generator ended with exit code {generator.exit_code()} and no record{generator.log_tail()}")


def outcomes_of(sent: Sent) -> str:
    """The counts of outcomes by name, with the statuses of non-2xx answers."""
    statuses = {int(status) for status in sent.requests.status[np.equal(sent.requests.outcome, NON_2XX)]}
    said = f" (status {', '.join(map(str, sorted(statuses)))})" if statuses else ""
    return (", ".join(f"{name} {number}" for name, number in sent.outcomes.items()) or "none was sent") + said


def fault_of(site: Site, sent: Sent) -> str:
    """What made the load invalid: a process ended, or everything failed. Some failures, or being too slow, are results."""
    try:
        site.check()
    except Failed as error:
        return str(error)
    if sent.outcomes.get("ok") or not failures(sent.outcomes):
        return ""
    return f"no request of {sent.load.describe()!r} was answered correctly: {outcomes_of(sent)}"
