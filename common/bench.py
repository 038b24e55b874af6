"""One scenario: what `python scenarios/NAME.py` does."""

import argparse
import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from common import cli
from common.client.carried import hand_over
from common.client.load import Load, check_sizes
from common.client.options import IDLE, SETTLE_SECONDS, add_size_options, sizes_from
from common.client.progress import Tell, silent
from common.client.request import Request
from common.client.sent import Sent
from common.report import rate
from common.report.following import Follower
from common.report.live import Watch
from common.results import files, targets
from common.results.metrics import LATE_MS, Metrics
from common.running.by_locust import run_locust
from common.running.directories import new_directory
from common.running.measure import wait_for_ports
from common.running.rounds import Turn
from common.running.run import run_turn
from common.running.scenario_rate import search_scenario
from common.running.sizing import RunOptions, plan_loads, planned_seconds
from common.serving import folders, postgres
from common.serving.copies import find_copy
from common.serving.guard import end_with_guard
from common.serving.login import NotVisited, visit
from common.serving.places import HOST, ROOT, short_path
from common.serving.scenario import Scenario, read
from common.serving.site import Serving, Site, wait_until_ready

LOOK_EVERY = 0.5  # seconds between checks that the sites still run


def main(file: str) -> NoReturn:
    cli.stop_on_signals()
    raise SystemExit(cli.run(Path(file).stem, lambda: run_command(Path(file), sys.argv[1:])))


def run_command(file: Path, arguments: list[str]) -> int:
    options = parse_arguments(short_path(file.resolve()), arguments)
    target = targets.parse_latency(options.find_rate) if options.find_rate is not None else None
    scenario, run_options = read(file), run_options_from(options)
    watch, directory = Watch(verbose=True), new_directory(file.stem)
    tell = watch.tell if watch.is_seen else silent
    if options.serve:
        return serve([scenario], directory, options.host)
    if options.locust is not None or options.locust_web:
        return send_by_locust(scenario, options, directory, tell)
    if target is not None:
        return find_rate(scenario, target, run_options, directory, tell)
    if options.target is not None:
        return send_to(options.target, scenario, run_options, directory, tell)
    return run_alone(scenario, run_options, directory, watch)


def parse_arguments(path: str, arguments: list[str]) -> argparse.Namespace:
    command = f"python {path}"
    examples = [
        (command, "start its server, send its loads, print their summaries"),
        (f"{command} -n 1000 -c 50 -k", "a different load: 1,000 requests, 50 at a time, keep-alive"),
        (f"{command} --full", "the published loads, if it has any"),
        (f"{command} --find-rate 'p99<=500ms'", "the highest rate it serves that fast"),
        (f"{command} --serve", "serve it until Ctrl-C, with its log on the terminal"),
    ]
    parser = cli.Parser(examples=examples, prog=command, description="Run one scenario.", allow_abbrev=False)
    add_run_options(parser)
    parser.add_argument("--target", metavar="URL", help="send the loads to this URL, where the scenario is already served")
    parser.add_argument("--locust-web", action="store_true", help="serve it, and start its load from Locust's web page on port 8089")
    parser.add_argument(
        "--locust", nargs=argparse.REMAINDER, metavar="OPTION", help="send the ramp with Locust; all further options go to Locust"
    )
    parser.add_argument(
        "--find-rate", metavar="TARGET", help="find the highest rate that keeps TARGET, such as 'p99<=500ms', on the first load's path"
    )
    return parse_run_arguments(parser, arguments)


def add_run_options(parser: argparse.ArgumentParser) -> None:
    add_size_options(parser)
    parser.add_argument("--full", action="store_true", help="send the published loads instead of the short ones")
    parser.add_argument("--no-pin", action="store_true", help="let the server and everything else share all cores")
    parser.add_argument("--serve", action="store_true", help="serve on the scenarios' own ports until Ctrl-C, and send nothing")
    parser.add_argument("--host", default=HOST, metavar="ADDRESS", help="with --serve: listen on this address, for other machines too")


def parse_run_arguments(parser: argparse.ArgumentParser, arguments: list[str]) -> argparse.Namespace:
    options = parser.parse_args(arguments)
    check_sizes(options.requests, options.concurrency)
    if options.host != HOST and not options.serve:
        raise cli.UsageError("--host needs --serve")
    check_host(options.host)
    return options


def check_host(host: str) -> None:
    try:
        socket.getaddrinfo(host, None, socket.AF_INET)
    except (OSError, UnicodeError):
        raise cli.UsageError(f"--host {host}: no IPv4 address; launch lines are written for those") from None


def run_options_from(options: argparse.Namespace) -> RunOptions:
    return RunOptions(sizes_from(options), full=options.full, pin=not options.no_pin)


def run_alone(scenario: Scenario, options: RunOptions, directory: Path, watch: Watch) -> int:
    tell_of_copies([scenario])
    watch.expect(planned_seconds(scenario, options))
    with postgres.server(watch.tell if watch.is_seen else silent) as database:
        run = run_turn(Turn(scenario), options, directory, database, watch)
    if run.status == "interrupted":
        raise KeyboardInterrupt
    print(f"Record: {short_path(directory / scenario.name)}{files.SUFFIX}")
    if run.status == "ok":
        if run.reason:
            cli.complain(f"{scenario.name}: {run.reason}")
        return 1 if run.unanswered else 0
    cli.complain(f"{scenario.name} {run.status}: {run.reason}")
    return cli.SKIPPED if run.status == "skipped" else 1


def tell_of_copies(scenarios: Iterable[Scenario]) -> None:
    """Warn, before they run, of copies that are still compared with their originals."""
    for copy in filter(None, map(find_copy, scenarios)):
        cli.complain(str(copy))


def send_to(target: str, scenario: Scenario, options: RunOptions, directory: Path, tell: Tell) -> int:
    """Send the scenario's loads to a server that we did not start; its costs stay unknown."""
    loads = [planned.load for planned in plan_loads(replace(scenario, latencies_ms=[0], latencies_ms_full=[]), options)]
    aims = [Aim(load, Request(target.rstrip("/") + load.target, load).url) for load in loads]
    for aim in aims:
        tell(f"{scenario.name}: warming up {aim.url}")
        site = "{0.scheme}://{0.netloc}".format(urlsplit(aim.url))
        aim.environment = {**os.environ, **hand_over({site: visit(scenario, aim.load, site)})}
        send_silently(aim, aim.load.burst(scenario.warm_up))
        aim.alone_ms = time_alone(aim)
    code = 0
    for number, aim in enumerate(aims):
        tell(f"{scenario.name}: waiting until {aim.url} has finished the requests sent before")
        settle(aim)
        wait_for_ports(aim.load, scenario.name, tell)
        tell("")
        print(f"\n{scenario.name} · {aim.load.describe()} · {target}", flush=True)
        command = generator_command(aim, aim.load, directory / f"{scenario.name}-{number}.json")
        code = max(code, subprocess.run(command, cwd=ROOT, env=aim.environment, preexec_fn=ending_with_us()).returncode)
    print(f"Records: {short_path(directory)}/")
    return code


@dataclass
class Aim:
    """A load for a server that we did not start."""

    load: Load
    url: str
    environment: dict[str, str] = field(default_factory=dict)  # of the load generator
    alone_ms: float = math.inf  # the response time of a request alone, at first


def settle(aim: Aim) -> None:
    """Wait, up to a limit, until a request alone takes at most twice as long as it did at first."""
    until = time.monotonic() + SETTLE_SECONDS
    while time_alone(aim) > max(IDLE * aim.alone_ms, aim.alone_ms + LATE_MS) and time.monotonic() < until:
        pass


def time_alone(aim: Aim) -> float:
    """The response time of one request in ms; infinite if it is not answered correctly."""
    return Metrics(send_silently(aim, aim.load.burst(1))).latency(50) or math.inf


def send_silently(aim: Aim, load: Load) -> Sent:
    with folders.temporary() as folder:
        command = generator_command(aim, load, folder / "load.json", "-q")
        done = subprocess.run(
            command,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=aim.environment,
            preexec_fn=ending_with_us(),
        )
        if not (folder / "load.json").exists():
            raise cli.Failed((done.stderr.strip().splitlines() or ["the load generator left no record"])[-1].removeprefix("loadgen: "))
        return files.read(folder / "load.json", Sent)


def ending_with_us() -> Callable[[], None]:
    """For a load generator that has the terminal, and so no guard: a killed run leaves none, where the system can tell it."""
    return partial(end_with_guard, os.getpid(), signal.SIGTERM)


def generator_command(aim: Aim, load: Load, path: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "common.loadgen", "--json", str(path), *load.arguments(), *more, aim.url]


def find_rate(scenario: Scenario, target: targets.Target, options: RunOptions, directory: Path, tell: Tell) -> int:
    with postgres.server(tell) as database:
        search, path = search_scenario(scenario, target, options, directory, database, tell)
    tell("")
    print(f"{scenario.name} · {scenario.loads[0].burst(1).describe()}\n\n{rate.text(search)}\nRecord: {short_path(path)}")
    return rate.exit_code(search)


def announce(text: str) -> None:
    print(text, flush=True)


def send_by_locust(scenario: Scenario, options: argparse.Namespace, directory: Path, tell: Tell) -> int:
    code = run_locust(scenario, options.locust or [], options.locust_web, directory, tell, announce)
    print(f"Locust ended with exit code {code}; its files: {short_path(directory)}/locust*")
    return 1 if code else 0


def serve(scenarios: list[Scenario], directory: Path, host: str) -> int:
    """Serve on the scenarios' own ports until Ctrl-C, even sites that answer wrongly, so that you can see why."""
    most = max(scenario.max_connections for scenario in scenarios)  # one PostgreSQL serves them all
    with (
        Follower() as logs,
        postgres.server(announce) as database,
        Serving(directory, database, by_hand=True, host=host) as by_hand,
    ):
        sites = []
        for scenario in scenarios:
            announce(f"{scenario.name}: starting on port {scenario.ports['port']}: {scenario.server}")
            try:
                site = by_hand.begin(replace(scenario, max_connections=most))
            except cli.NotInstalled as missing:
                cli.complain(f"{scenario.name} skipped: {missing}")
                continue
            sites.append(site)
            if site.server.log is not None:
                logs.add(site.server.log, f"{scenario.name} | " if len(scenarios) > 1 else "")
            wait_by_hand(site)
        if host != HOST:
            print(f"Anyone who can reach {host} can now use these sites: they are made for measuring, not for safety.", file=sys.stderr)
        for site in sites:
            others = "".join(f"  {name} {host}:{port}" for name, port in site.scenario.ports.items() if name != "port")
            print(f"{site.scenario.name:<36}{site.url}/{others}")
        for name, port in by_hand.services.items():
            print(f"{name:<36}http://{HOST}:{port}/")
        print(f"Logs: {short_path(directory)}. Ctrl-C ends all.", flush=True)
        while sites:
            for site in sites:
                site.check()
            time.sleep(LOOK_EVERY)
    return cli.SKIPPED


def wait_by_hand(site: Site) -> None:
    """Wait without showing its log, which is already on the terminal."""
    try:
        wait_until_ready(site, site.scenario.loads[0])
    except (cli.NotReady, NotVisited) as wrong:
        cli.complain(f"{str(wrong).partition(chr(10))[0]}; serving it anyway")
