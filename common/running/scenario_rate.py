"""How many requests per second does a scenario's server take before a promise breaks? On the path of its first load."""

from argparse import Namespace
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from common.client.load import DEFAULT_CAP, Load, LoadError, parse_line
from common.report import rate
from common.report.live import watch
from common.results import files
from common.running import machine
from common.running.find_rate import PROBE_SECONDS, START_RATE, promise
from common.running.measure import send, warm_up
from common.serving import cores
from common.serving.postgres import Postgres
from common.serving.process import Cost
from common.serving.scenario import Scenario, shown
from common.serving.site import Stage


def run(scenario: Scenario, options: Namespace, directory: Path) -> int:
    """The server as in a measured run, on cores of its own, and one search against it."""
    promised = promise(options.find_rate)
    if options.requests is not None:
        raise LoadError("--find-rate sends loads of its own: no -n with it")
    load = probe_of(parse_line(scenario.load[0]), options)
    with Postgres() as postgres, ExitStack() as running:
        stage = Stage(directory, postgres, running)
        stage.server_cores, others = ([], []) if options.no_pin else cores.split()
        running.enter_context(cores.only_on(others))
        site = stage.start(scenario, scenario.latencies_ms[0])
        warm_up(site, load, directory)
        cost = Cost(site.server.pid)
        done = send(site, load, directory, f"searching the rate for {promised}", [cost], ["--find-rate", str(promised)])
        cost.end()
        site.check()
    for probe in done["loads"]:
        probe["server_cost"] = cost_of(cost, probe)
    path = directory / f"{scenario.name}.rate{files.SUFFIX}"
    pinned = {"server": stage.server_cores, "others": others} if others else None
    files.save(path, {**done, "scenario": scenario.name, "environment": machine.describe(), "pinned": pinned})
    watch.tell("")
    print(f"{scenario.name} · {load.burst(1).describe()}\n\n{rate.text(done)}\nRecord: {shown(path)}")
    return rate.exit_code(done)


def probe_of(load: Load, options: Namespace) -> Load:
    """The scenario's request, in the first run of a search."""
    return replace(
        load.burst(1),
        requests=None,
        concurrency=options.concurrency or DEFAULT_CAP,
        seconds=options.seconds or PROBE_SECONDS,
        rate=START_RATE,
        keep_alive=load.keep_alive or options.keep_alive,
    )


def cost_of(cost: Cost, probe: dict[str, Any]) -> dict[str, Any] | None:
    start = datetime.fromisoformat(probe["started_at"]).timestamp()
    return cost.as_record(start, start + probe["seconds"])
