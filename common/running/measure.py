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
from typing import Any

import psutil

from common.client.load import Load
from common.client.outcomes import failures
from common.report.live import watch
from common.results import files
from common.running import noise
from common.serving import cores, folders
from common.serving.process import Cost, Failed, Process, cpu_seconds
from common.serving.site import Site

LOOK_EVERY = 0.25
SAVING_AFTER = 0.5  # when a load was to be cut off this long ago, the load generator only saves
LONGEST_WAIT = 65.0  # for ports: a minute of TIME_WAIT and a little


def warm_up(site: Site, load: Load, directory: Path) -> dict[str, Any]:
    count = site.scenario.warm_up
    done = send(site, load.burst(count), directory, "warming up", [])
    site.check()
    if failures(done["outcomes"]):
        raise Failed(f"{site.scenario.name} does not answer its warm-up as it should: {counted(done)}\n{site.server.log_tail()}")
    return {"outcomes": done["outcomes"], "seconds": done["seconds"]}


def measure(site: Site, load: Load, directory: Path) -> dict[str, Any]:
    """Send one load and account for what it cost the server, those beside it, and the machine."""
    marks = {process: process.log_size() for process in site.processes}
    waited = wait_for_ports(load, site.scenario.name)
    surroundings, own = noise.look(), our_cpu_seconds()
    try:
        cost = Cost(site.server.pid)
        before = {process.name: cpu_seconds(process.pid) for process in site.processes}
    except psutil.Error:
        site.check()
        raise Failed(f"{site.scenario.name} ended before the load was sent\n{site.server.log_tail()}") from None
    done = send(site, load, directory, load.describe(), [cost])
    cores.on_any(os.getpid())
    cost.end()
    # an idle server uses nothing: only what is cut off leaves work behind, which is not the load's
    cut_off_at = datetime.fromisoformat(done["started_at"]).timestamp() + done["seconds"]
    done["server_cost"] = cost.as_record(-math.inf, cut_off_at if done["stopped"] else math.inf)
    used = {process.name: cpu_seconds(process.pid) - before[process.name] for process in site.processes if lives(process)}
    done["cpu_seconds_beside"] = {process.name: round(used.get(process.name, 0.0), 3) for process in site.beside}
    done["noise"] = noise.between(surroundings, noise.look(), sum(used.values()) + our_cpu_seconds() - own)
    done["waited_for_ports_seconds"] = round(waited, 1)
    logged = "".join(process.log_since(mark) for process, mark in marks.items())
    done["counted_in_log"] = {what: count_in(logged, pattern) for what, pattern in site.scenario.count_in_log.items()}
    return done


def wait_for_ports(load: Load, name: str) -> float:
    """Ports of ended connections are not free for a minute: wait, not for ever, until this load's connections find some."""
    began = time.monotonic()
    needed = load.concurrency if load.keep_alive else load.most_requests or load.concurrency
    while noise.time_wait() + needed > noise.ephemeral_ports() and time.monotonic() - began < LONGEST_WAIT:
        watch.tell(f"{name}: waiting until ports are free: {noise.time_wait():,} are in TIME_WAIT")
        time.sleep(1)
    return time.monotonic() - began


def our_cpu_seconds() -> float:
    """Of this process and those that it has waited for: the load generator among them."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def lives(process: Process) -> bool:
    return process.exit_code() is None and psutil.pid_exists(process.pid)


def count_in(text: str, pattern: str) -> int:
    """How often it occurs; how many different ones, if it has a group."""
    found = re.findall(pattern, text)
    return len(set(found)) if re.compile(pattern).groups else len(found)


def send(site: Site, load: Load, directory: Path, label: str, costs: list[Cost], more: Sequence[str] = ()) -> dict[str, Any]:
    """Run the load generator, a process of its own, and take over the record that it leaves."""
    with folders.temporary() as folder:
        log = directory / f"{site.scenario.name}.load.log"
        return run_generator(site, load, folder / "load.json", log, label, costs, more)


def run_generator(site: Site, load: Load, path: Path, log: Path, label: str, costs: list[Cost], more: Sequence[str]) -> dict[str, Any]:
    progress = path.with_name("progress")
    heard = ["--progress", str(progress)] if watch.is_seen else ["-q"]
    command = [sys.executable, "-m", "common.loadgen", *heard, "--json", str(path), *load.arguments(), *more, site.url + load.target]
    told_to_stop = False
    over_at = time.monotonic() + load.seconds + SAVING_AFTER if load.seconds and not (load.is_open or more) else math.inf
    with Process("the load generator", command, log=log) as generator:
        while generator.exit_code() is None:
            for cost in costs:
                cost.look()
            said = progress.read_text() if progress.exists() else ""
            watch.tell(f"{site.scenario.name} · {label}\n{said}")
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
    done = files.load(path)
    del done["version"]
    done["generator"] = command
    return done


def counted(done: dict[str, Any]) -> str:
    return ", ".join(f"{name} {number}" for name, number in done["outcomes"].items()) or "none was sent"


def fault_of(site: Site, done: dict[str, Any]) -> str:
    """What spoilt the load: a process that ended, or nothing but failures. Some are a result, and so is too slow for its time."""
    try:
        site.check()
    except Failed as error:
        return str(error)
    if done["outcomes"].get("ok") or not failures(done["outcomes"]):
        return ""
    return f"no request of {done['description']!r} was answered as it should be: {counted(done)}"
