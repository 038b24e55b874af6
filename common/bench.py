"""One scenario: its server up, its loads sent, each saved and then printed."""

import argparse
import os
import signal
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import psutil

from common import environment, record, report
from common.load import Load, LoadError, Parser, add_size_options, check_sizes, parse_line, resized
from common.outcomes import failures
from common.progress import tell
from common.scenario import Scenario, ScenarioError, read, shown
from common.server import HOST, ROOT, Cost, Failed, NotInstalled, Process
from common.site import Ports, Site, start
from common.stop import stop_on_signals

QUICK_SECONDS = 10.0
WARM_UP = 10  # requests, all at once, outside the clock
LOOK_EVERY = 0.25
SKIPPED_EXIT = 77


def main(file: str) -> NoReturn:
    """What `python scenarios/NAME.py` does."""
    stop_on_signals()
    name = Path(file).stem
    parser = Parser(description=f"Run {name}: start its server, send its loads, print the summaries.", allow_abbrev=False)
    add_run_options(parser)
    try:
        options = parse_run_options(parser, sys.argv[1:])
        scenario = read(Path(file))
        directory = new_directory(name)
        code = serve([scenario], directory) if options.serve else run_alone(scenario, options, directory)
    except (LoadError, ScenarioError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        code = 2
    except (Failed, record.RecordError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        print(f"{name}: stopped", file=sys.stderr)
        code = 130
    raise SystemExit(code)


def run_alone(scenario: Scenario, options: argparse.Namespace, directory: Path) -> int:
    result = run(scenario, options, directory)
    print(f"Record: {shown(directory / scenario.name)}.json")
    if result["status"] == "ok":
        return 0
    print(f"{scenario.name} {result['status']}: {result['reason']}", file=sys.stderr)
    return SKIPPED_EXIT if result["status"] == "skipped" else 1


def run(scenario: Scenario, options: argparse.Namespace, directory: Path) -> dict[str, Any]:
    """The scenario's record: saved after each load, whatever happens to the next."""
    result = blank(scenario, options)
    path = directory / f"{scenario.name}.json"
    lines = scenario.load + (scenario.load_full if options.full else [])
    try:
        with ExitStack() as running:
            tell(f"{scenario.name}: starting")
            site = start(scenario, directory, running, Ports(by_hand=False), {})
            result["command"] = site.server.command
            result["warm_up"] = warm_up(site, sized(lines[0], options), directory)
            for line in lines:
                load = measure(site, line, options, directory)
                result["loads"].append(load)
                record.save(path, result)
                tell("")
                print(report.scenario_report(scenario.name, load), flush=True)
                site.check()
        result["status"], result["reason"] = verdict(result["loads"])
    except NotInstalled as missing:
        result["status"], result["reason"] = "skipped", str(missing)
    except (Failed, ScenarioError, LoadError) as error:
        result["status"], result["reason"] = "failed", str(error)
    finally:
        tell("")
        record.save(path, result)
    return result


def blank(scenario: Scenario, options: argparse.Namespace) -> dict[str, Any]:
    return {
        "kind": "scenario",
        "scenario": scenario.name,
        "study": scenario.study,
        "question": scenario.question,
        "launch": scenario.server,
        "source": scenario.path.read_text(encoding="utf-8"),
        "environment": environment.describe(),
        "mode": "full" if options.full else "quick",
        "status": "interrupted",
        "reason": "",
        "loads": [],
    }


def sized(line: str, options: argparse.Namespace) -> Load:
    """A scenario's load as this run sends it."""
    load = resized(parse_line(line), options)
    if options.full or options.seconds is not None:
        return load
    return replace(load, seconds=min(load.seconds or QUICK_SECONDS, QUICK_SECONDS))


def warm_up(site: Site, load: Load, directory: Path) -> dict[str, Any]:
    once = replace(load, requests=WARM_UP, concurrency=WARM_UP, seconds=None, spawn_rate=None)
    done = send(site, once, directory, "warming up", None)
    site.check()
    if failures(done["outcomes"]):
        counted = ", ".join(f"{name} {number}" for name, number in done["outcomes"].items())
        raise Failed(f"{site.scenario.name} does not answer its warm-up as it should: {counted}\n{site.server.log_tail()}")
    return {"outcomes": done["outcomes"], "seconds": done["seconds"]}


def measure(site: Site, line: str, options: argparse.Namespace, directory: Path) -> dict[str, Any]:
    """Send one load and account for what it cost the server."""
    load = sized(line, options)
    try:
        cost = Cost(site.server.pid)
    except psutil.NoSuchProcess:
        raise Failed(f"{site.scenario.name} ended before {line!r} was sent\n{site.server.log_tail()}") from None
    done = send(site, load, directory, load.describe(), cost)
    try:
        server_cost = cost.as_record()
    except psutil.Error:
        server_cost = None  # the server did not survive the load
    return {
        "line": line,
        "cut_by_quick": load.seconds != resized(parse_line(line), options).seconds,
        "least_seconds": site.scenario.least_seconds,
        "server_cost": server_cost,
        **done,
    }


def send(site: Site, load: Load, directory: Path, label: str, cost: Cost | None) -> dict[str, Any]:
    """Run the load generator, a process of its own, and take over the record that it leaves."""
    path = directory / f"{site.scenario.name}.load.json"
    command = [sys.executable, "-m", "common.loadgen", "-q", "--json", str(path), *load.arguments(), site.url + load.target]
    began, told_to_stop = time.monotonic(), False
    with Process("the load generator", command, log=directory / f"{site.scenario.name}.load.log") as generator:
        while generator.exit_code() is None:
            if cost:
                cost.look()
            tell(f"{site.scenario.name}: {label}: {time.monotonic() - began:.0f} s")
            if not told_to_stop and not site.lives():
                os.kill(generator.pid, signal.SIGINT)  # it then saves what it has
                told_to_stop = True
            time.sleep(LOOK_EVERY)
        if not path.exists():
            site.check()
            raise Failed(f"the load generator ended with exit code {generator.exit_code()} and no record\n{generator.log_tail()}")
    done = record.load(path)
    path.unlink()
    del done["version"]
    return done


def verdict(loads: list[dict[str, Any]]) -> tuple[str, str]:
    """A run in which nothing was answered has failed; failed requests beside answered ones are its result."""
    for load in loads:
        if not load["outcomes"].get("ok"):
            counted = ", ".join(f"{name} {number}" for name, number in load["outcomes"].items())
            return "failed", f"no request of {load['line']!r} was answered as it should be: {counted or 'none was sent'}"
    return "ok", ""


def serve(scenarios: list[Scenario], directory: Path) -> int:
    """Serve them by hand, on their own ports, until a person ends it."""
    services: dict[str, int] = {}
    with ExitStack() as running:
        sites = []
        for scenario in scenarios:
            try:
                sites.append(start(scenario, directory, running, Ports(by_hand=True), services))
            except NotInstalled as missing:
                print(f"{scenario.name} skipped: {missing}", file=sys.stderr)
        for site in sites:
            others = "".join(f"  {name} {HOST}:{port}" for name, port in site.scenario.ports.items() if name != "port")
            print(f"{site.scenario.name:<24}{site.url}/{others}")
        for name, port in services.items():
            print(f"{name:<24}http://{HOST}:{port}/")
        print(f"Logs: {shown(directory)}. Ctrl-C ends all.", flush=True)
        while sites:
            for site in sites:
                site.check()
            time.sleep(LOOK_EVERY)
    return SKIPPED_EXIT


def new_directory(name: str = "") -> Path:
    stamp = datetime.now().strftime("%Y-%m-%dT%H-%M-%S")
    directory = ROOT / "results" / "-".join([stamp, *([name] if name else [])])
    try:
        while directory.exists():  # another run of the same second
            directory = directory.with_name(directory.name + "+")
        directory.mkdir(parents=True)
    except OSError as error:
        raise record.RecordError(f"cannot make {shown(directory)}: {error.strerror}") from None
    return directory


def add_run_options(parser: argparse.ArgumentParser) -> None:
    add_size_options(parser)
    parser.add_argument("--quick", action="store_true", help=f"cut every load off at {QUICK_SECONDS:g} s (the default)")
    parser.add_argument("--full", action="store_true", help="send the loads as they are declared, the long ones too")
    parser.add_argument("--serve", action="store_true", help="serve on the scenarios' own ports, by hand, until Ctrl-C")


def parse_run_options(parser: argparse.ArgumentParser, arguments: list[str]) -> argparse.Namespace:
    options = parser.parse_args(arguments)
    check_sizes(options.requests, options.concurrency)
    if options.quick and options.full:
        raise LoadError("--quick and --full contradict each other")
    return options
