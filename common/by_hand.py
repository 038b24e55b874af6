"""Scenarios served on their own ports until a person ends it: what --serve does."""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from common import cli
from common.report.following import Follower
from common.serving import postgres
from common.serving.login import NotVisited
from common.serving.places import HOST, short_path
from common.serving.scenario import Scenario
from common.serving.site import Serving, Site, wait_until_ready

LOOK_EVERY = 0.5  # seconds between checks that the sites still run


def serve(scenarios: Sequence[Scenario], directory: Path, host: str) -> int:
    """Serve on the scenarios' own ports until Ctrl-C, even sites that answer wrongly, so that you can see why."""
    most = max(scenario.max_connections for scenario in scenarios)  # one PostgreSQL serves them all
    with (
        Follower() as logs,
        postgres.server(cli.announce) as database,
        Serving(directory, database, by_hand=True, host=host) as by_hand,
    ):
        sites = []
        for scenario in scenarios:
            cli.announce(f"{scenario.name}: starting on port {scenario.ports['port']}: {scenario.server}")
            try:
                site = by_hand.begin(replace(scenario, max_connections=most))
            except cli.NotInstalled as missing:
                cli.complain(f"{scenario.name} skipped: {missing}")
                continue
            sites.append(site)
            if site.server.log is not None:
                logs.add(site.server.log, f"{scenario.name} | " if len(scenarios) > 1 else "")
            wait_by_hand(site)
        show_addresses(sites, by_hand.services, host)
        print(f"Logs: {short_path(directory)}. Ctrl-C ends all.", flush=True)
        while sites:
            for site in sites:
                site.check()
            time.sleep(LOOK_EVERY)
    return cli.SKIPPED


def show_addresses(sites: Sequence[Site], services: Mapping[str, int], host: str) -> None:
    if host != HOST:
        print(f"Anyone who can reach {host} can now use these sites: they are made for measuring, not for safety.", file=sys.stderr)
    for site in sites:
        others = "".join(f"  {name} {host}:{port}" for name, port in site.scenario.ports.items() if name != "port")
        print(f"{site.scenario.name:<36}{site.url}/{others}")
    for name, port in services.items():
        print(f"{name:<36}http://{HOST}:{port}/")


def wait_by_hand(site: Site) -> None:
    """Wait without showing its log, which is already on the terminal."""
    try:
        wait_until_ready(site, site.scenario.loads[0])
    except (cli.NotReady, NotVisited) as wrong:
        cli.complain(f"{str(wrong).partition(chr(10))[0]}; serving it anyway")
