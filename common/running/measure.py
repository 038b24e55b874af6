"""Sends one load to a site and accounts for what it cost: the server, those beside it, the machine."""

import math
import os
import re
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import psutil

from common.cli import Failed
from common.client.load import Load
from common.client.outcomes import failures
from common.client.progress import Tell, silent
from common.client.sent import Sent
from common.results import files
from common.results.facts import WarmUp
from common.results.record import Measured, Search
from common.running import noise
from common.running.sizing import PlannedLoad
from common.serving import cores, folders
from common.serving.cost import CostMeter, cpu_seconds
from common.serving.ports import ephemeral_ports, time_wait
from common.serving.postgres import Server
from common.serving.process import Process
from common.serving.scenario import Scenario
from common.serving.site import Site

LOOK_EVERY = 0.25
SAVING_AFTER = 0.5  # when a load was to be cut off this long ago, the load generator only saves
LONGEST_WAIT = 65.0  # for ports: a minute of TIME_WAIT and a little


def warm_up(site: Site, load: Load, directory: Path, tell: Tell) -> WarmUp:
    sent = send_load(site, load.burst(site.scenario.warm_up), directory, tell, "warming up")
    site.check()
    if sent.failed:
        raise Failed(f"{site.scenario.name} does not answer its warm-up as it should: {outcomes_of(sent)}\n{site.server.log_tail()}")
    return WarmUp(sent.outcomes, sent.seconds)


def measure(site: Site, planned: PlannedLoad, warmed: WarmUp, database: Server, directory: Path, tell: Tell) -> Measured:
    """Send one load and account for what it cost the server, those beside it, and the machine."""
    scenario, load = site.scenario, planned.load
    log_sizes = {process: process.log_size() for process in site.processes}
    waited = wait_for_ports(load, scenario.name, tell)
    surroundings, own = noise.look(), our_cpu_seconds()
    try:
        meter = CostMeter(site.server.pid)
        before = {process.name: cpu_seconds(process.pid) for process in site.processes}
    except psutil.Error:
        site.check()
        raise Failed(f"{scenario.name} ended before the load was sent\n{site.server.log_tail()}") from None
    sent = send_load(site, load, directory, tell, load.describe(), meter)
    cores.on_any(os.getpid())
    meter.end()
    # an idle server uses nothing: only what is cut off leaves work behind, which is not the load's
    cut_off_at = datetime.fromisoformat(sent.started_at).timestamp() + sent.seconds
    used = {process.name: cpu_seconds(process.pid) - before[process.name] for process in site.processes if lives(process)}
    with_tables = scenario.tables is not None
    logs_are_ours = database.process is not None or not with_tables  # a user's own PostgreSQL writes elsewhere
    logged = "".join(process.log_since(size) for process, size in log_sizes.items())
    return Measured(
        sent=sent,
        identity=load.identity,
        line=planned.line,
        latency_ms=planned.latency_ms,
        size=planned.size(sent.stopped),
        least_seconds=planned.least_seconds,
        published={} if planned.changed else published_for(scenario, planned),
        command=site.server.command,
        generator=generator_command(site, load),
        pinned=site.pinned,
        postgres=database.version if with_tables else "",
        warm_up=warmed,
        fault=fault_of(site, sent),
        cost=meter.cost_between(-math.inf, cut_off_at if sent.stopped else math.inf),
        cpu_seconds_beside={process.name: round(used.get(process.name, 0.0), 3) for process in site.beside},
        noise=noise.compare(surroundings, noise.look(), sum(used.values()) + our_cpu_seconds() - own),
        waited_for_ports_seconds=round(waited, 1),
        counted_in_log=count_in_log(scenario, logged) if logs_are_ours else {},
    )


def published_for(scenario: Scenario, planned: PlannedLoad) -> dict[str, float | None]:
    """What was published for this load; lists go by LATENCIES_MS."""
    at = scenario.latencies_ms.index(planned.latency_ms)
    for row in scenario.published:
        if row.get("path") == planned.load.target:
            return {name: value[at] if isinstance(value, list) else value for name, value in row.items() if name != "path"}
    return {}


def wait_for_ports(load: Load, name: str, tell: Tell) -> float:
    """Ports of ended connections are not free for a minute: wait, not for ever, until this load's connections find some."""
    began = time.monotonic()
    needed = load.concurrency if load.keep_alive else load.most_requests or load.concurrency
    while time_wait() + needed > ephemeral_ports() and time.monotonic() - began < LONGEST_WAIT:
        tell(f"{name}: waiting until ports are free: {time_wait():,} are in TIME_WAIT")
        time.sleep(1)
    return time.monotonic() - began


def our_cpu_seconds() -> float:
    """Of this process and those that it has waited for: the load generator among them."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def lives(process: Process) -> bool:
    return process.exit_code() is None and psutil.pid_exists(process.pid)


def count_in_log(scenario: Scenario, logged: str) -> dict[str, int]:
    return {what: count_in(logged, pattern) for what, pattern in scenario.count_in_log.items()}


def count_in(text: str, pattern: str) -> int:
    """How often it occurs; how many different ones, if it has a group."""
    matches = re.findall(pattern, text)
    return len(set(matches)) if re.compile(pattern).groups else len(matches)


def generator_command(site: Site, load: Load) -> list[str]:
    return [sys.executable, "-m", "common.loadgen", *load.arguments(), site.url + load.target]


def send_load(site: Site, load: Load, directory: Path, tell: Tell, label: str, meter: CostMeter | None = None) -> Sent:
    with folders.temporary() as folder:
        path = folder / "load.json"
        run_generator(site, load, path, directory, tell, label, meter)
        return files.read(path, Sent)


def search_rate(site: Site, load: Load, target: str, directory: Path, tell: Tell, meter: CostMeter) -> Search:
    with folders.temporary() as folder:
        path = folder / "load.json"
        run_generator(site, load, path, directory, tell, f"searching the rate for {target}", meter, ["--find-rate", target])
        return files.read(path, Search)


def run_generator(
    site: Site, load: Load, path: Path, directory: Path, tell: Tell, label: str, meter: CostMeter | None, more: Sequence[str] = ()
) -> None:
    """The load generator in a process of its own, until it has left its record at this path."""
    progress = path.with_name("progress")
    heard = ["-q"] if tell is silent else ["--progress", str(progress)]
    told_to_stop = False
    over_at = time.monotonic() + load.seconds + SAVING_AFTER if load.seconds and not (load.is_open or more) else math.inf
    command = [*generator_command(site, load), *heard, "--json", str(path), *more]
    with Process("the load generator", command, log=directory / f"{site.scenario.name}.load.log") as generator:
        while generator.exit_code() is None:
            if meter is not None:
                meter.look()
            tell(f"{site.scenario.name} · {label}\n{progress.read_text() if progress.exists() else ''}")
            if not told_to_stop and generator.pid and not site.lives():
                with suppress(ProcessLookupError):
                    os.kill(generator.pid, signal.SIGINT)  # it then saves what it has
                told_to_stop = True
            if time.monotonic() > over_at:
                cores.on_any(generator.pid)  # a database may go on for long with what was cut off
            time.sleep(LOOK_EVERY)
    if not path.exists():
        site.check()
        raise Failed(f"the load generator ended with exit code {generator.exit_code()} and no record\n{generator.log_tail()}")


def outcomes_of(sent: Sent) -> str:
    return ", ".join(f"{name} {number}" for name, number in sent.outcomes.items()) or "none was sent"


def fault_of(site: Site, sent: Sent) -> str:
    """What spoilt the load: a process that ended, or nothing but failures. Some are a result, and so is too slow for its time."""
    try:
        site.check()
    except Failed as error:
        return str(error)
    if sent.outcomes.get("ok") or not failures(sent.outcomes):
        return ""
    return f"no request of {sent.load.describe()!r} was answered as it should be: {outcomes_of(sent)}"
