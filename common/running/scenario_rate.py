"""Finds how many requests per second a scenario's server takes before it breaks a target, on the path of its first load."""

import math
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from common.cli import UsageError
from common.client.load import Load
from common.client.options import DEFAULT_CAP, PROBE_SECONDS, START_RATE
from common.client.progress import Tell
from common.results import files
from common.results.record import Search
from common.results.targets import Target
from common.running.machine import describe_machine
from common.running.measure import begin_accounting, search_rate, warm_up
from common.running.sizing import START_SECONDS, RunOptions
from common.serving.descriptors import check_descriptors
from common.serving.postgres import Server
from common.serving.scenario import Scenario
from common.serving.site import serving

USUAL_PROBES = 20


def search_scenario(
    scenario: Scenario, target: Target, options: RunOptions, directory: Path, database: Server, tell: Tell, seconds: float = math.inf
) -> tuple[Search, Path]:
    """Search for so long against a server that runs as in a measured run; return the search and the path of its record."""
    load = first_probe(scenario.loads[0], options)
    check_descriptors(max(load.concurrency, scenario.warm_up))
    until = time.monotonic() + seconds
    with serving(scenario, load, directory, database, latency_ms=scenario.latencies_ms[0], pin=options.pin, tell=tell) as site:
        warm_up(site, load, directory, tell)
        meter = begin_accounting(site)
        search = search_rate(site, load, target.text, directory, tell, meter, until)
        meter.end()
        site.check()
    for probe in search.probes:
        started = datetime.fromisoformat(probe.sent.started_at).timestamp()
        probe.cost = meter.cost_between(started, started + probe.sent.seconds)
    search = replace(search, scenario=scenario.name, environment=describe_machine(scenario.server, scenario.python), pinned=site.pinned)
    path = directory / f"{scenario.name}.rate{files.SUFFIX}"
    files.write(path, search)
    return search, path


def planned_search_seconds(options: RunOptions) -> float:
    """About how long a search takes."""
    return USUAL_PROBES * ((options.sizes.seconds or PROBE_SECONDS) + 1) + START_SECONDS


def first_probe(load: Load, options: RunOptions) -> Load:
    """The first probe of a search, with the scenario's request."""
    if options.sizes.requests is not None:
        raise UsageError("--find-rate sends loads of its own: leave out -n")
    return replace(
        load.burst(1),
        requests=None,
        concurrency=options.sizes.concurrency or DEFAULT_CAP,
        seconds=options.sizes.seconds or PROBE_SECONDS,
        rate=load.rate or START_RATE,
        keep_alive=load.keep_alive or options.sizes.keep_alive,
    )
