"""One scenario: for each of its loads its server up, the load sent, the record saved and then printed."""

import argparse
import math
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from common.cli import stop_on_signals
from common.client import schedule
from common.client.load import Load, LoadError, Parser, add_size_options, check_sizes, lasting, parse_line, resized
from common.report import ab
from common.report.live import watch
from common.results import files
from common.results.comparison import Group, Run, rate
from common.results.metrics import Summary
from common.running import by_locust, find_rate, machine, scenario_rate
from common.running.measure import fault_of, measure, warm_up
from common.serving import cores
from common.serving.postgres import Postgres
from common.serving.process import HOST, ROOT, Failed, NotInstalled
from common.serving.scenario import Scenario, ScenarioError, read, shown
from common.serving.site import Stage

QUICK_SECONDS = 10.0
QUICK_ANSWERS = 20  # a burst whose answers take long has the time for so many of them, one after the other
QUICK_RAMP_SECONDS = 6.0
QUICK_GRACE_SECONDS = 5.0  # for what is in flight when the last request of an open loop has started
START_SECONDS = 3.0  # what a start and a warm-up take, to say how long is left
LOOK_EVERY = 0.5  # whether what is served by hand still lives
SKIPPED_EXIT = 77


def main(file: str) -> NoReturn:
    """What `python scenarios/NAME.py` does."""
    stop_on_signals()
    name = Path(file).stem
    parser = Parser(description=f"Run {name}: start its server, send its loads, print the summaries.", allow_abbrev=False)
    add_run_options(parser)
    parser.add_argument("--target", metavar="URL", help="send the loads to this URL, where the scenario is served already")
    parser.add_argument("--locust-web", action="store_true", help="serve, and let Locust's web page at port 8089 start its load")
    parser.add_argument(
        "--locust", nargs=argparse.REMAINDER, metavar="OPTION", help="run the ramp by Locust; all that follows is for Locust"
    )
    parser.add_argument("--find-rate", metavar="PROMISE", help="find the highest rate that holds 'p99<=500ms', on the first load's path")
    try:
        options = parse_run_options(parser, sys.argv[1:])
        if options.find_rate is not None:
            find_rate.promise(options.find_rate)
        scenario = read(Path(file))
        directory = new_directory(name)
        if options.serve:
            code = serve([scenario], directory, options.host)
        elif options.locust is not None or options.locust_web:
            code = by_locust.run(scenario, options, directory)
        elif options.find_rate is not None:
            code = scenario_rate.run(scenario, options, directory)
        elif options.target:
            code = load_target(scenario, options, directory)
        else:
            code = run_alone(scenario, options, directory)
    except (LoadError, ScenarioError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        code = 2
    except (Failed, files.RecordError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        code = 1
    except NotInstalled as missing:
        print(f"{name} skipped: {missing}", file=sys.stderr)
        code = SKIPPED_EXIT
    except KeyboardInterrupt:
        print(f"{name}: stopped", file=sys.stderr)
        code = 130
    raise SystemExit(code)


def run_alone(scenario: Scenario, options: argparse.Namespace, directory: Path) -> int:
    watch.expect(planned_seconds(scenario, options))
    with Postgres() as postgres:
        result = blank(scenario, options)
        run(scenario, options, directory, postgres, result)
    print(f"Record: {shown(directory / scenario.name)}{files.SUFFIX}")
    if result["status"] == "ok":
        return 0
    print(f"{scenario.name} {result['status']}: {result['reason']}", file=sys.stderr)
    return SKIPPED_EXIT if result["status"] == "skipped" else 1


def load_target(scenario: Scenario, options: argparse.Namespace, directory: Path) -> int:
    """The scenario's loads against a server that somebody else started: nothing is known of its costs."""
    code = 0
    for number, (_, line) in enumerate(plan(replace(scenario, latencies_ms=[0]), options)):
        load = sized(line, options, scenario.least_seconds)
        path = directory / f"{scenario.name}-{number}.json"
        url = options.target.rstrip("/") + load.target
        command = [sys.executable, "-m", "common.loadgen", "--json", str(path), *load.arguments(), url]
        print(f"\n{scenario.name} · {load.describe()} · {options.target}", flush=True)
        code = max(code, subprocess.run(command, cwd=ROOT).returncode)
    print(f"Records: {shown(directory)}/")
    return code


def plan(scenario: Scenario, options: argparse.Namespace) -> list[tuple[int, str]]:
    """The runs: each added latency with each load line."""
    lines = scenario.load + (scenario.load_full if options.full else [])
    return [(latency_ms, line) for latency_ms in scenario.latencies_ms for line in lines]


def planned_seconds(scenario: Scenario, options: argparse.Namespace) -> float:
    return sum(seconds_of(sized(line, options, scenario.least_seconds)) + START_SECONDS for _, line in plan(scenario, options))


def run(scenario: Scenario, options: argparse.Namespace, directory: Path, postgres: Postgres, result: dict[str, Any]) -> None:
    """Fill the scenario's record: saved after each load, whatever happens to the next."""
    left = planned_seconds(scenario, options)
    path = directory / f"{scenario.name}{files.SUFFIX}"
    faults = []
    try:
        for latency_ms, line in plan(scenario, options):
            load = run_load(scenario, line, latency_ms, options, directory, postgres)
            result["loads"].append(load)
            took = seconds_of(sized(line, options, scenario.least_seconds)) + START_SECONDS
            left -= took
            watch.expect(-took)
            unsaved = save(path, result)
            watch.tell("")
            done = Run(result["label"], result["round"], load, Summary(load))
            if not done.spoilt:
                watch.answered(Group(scenario.study, [done]).title, done.label, rate(done))
            if not watch.quiet:
                print(ab.scenario_report(scenario.name, load), flush=True)
            faults += [fault for fault in (load["fault"], unsaved) if fault]
        result["status"], result["reason"] = ("failed", "; ".join(faults)) if faults else ("ok", "")
    except NotInstalled as missing:
        result["status"], result["reason"] = "skipped", str(missing)
    except (Failed, ScenarioError, LoadError) as error:
        result["status"], result["reason"] = "failed", "; ".join([*faults, str(error)])
    finally:
        watch.expect(-left)
        watch.tell("")
        unsaved = save(path, result)
        if unsaved and unsaved not in faults:
            result["status"], result["reason"] = "failed", "; ".join([*filter(None, [result["reason"]]), unsaved])


def save(path: Path, result: dict[str, Any]) -> str:
    """What cannot be saved is printed all the same: '' or why it was not saved."""
    try:
        files.save(path, result)
    except files.RecordError as error:
        return str(error)
    return ""


def blank(scenario: Scenario, options: argparse.Namespace) -> dict[str, Any]:
    """A record of nothing yet: what stands when a person stops the run."""
    return {
        "kind": "scenario",
        "scenario": scenario.name,
        "label": scenario.name,
        "round": 1,
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "study": scenario.study,
        "question": scenario.question,
        "differs_from": scenario.differs_from,
        "launch": scenario.server,
        "source": scenario.path.read_text(encoding="utf-8"),
        "environment": machine.describe(),
        "mode": "full" if options.full else "quick",
        "status": "interrupted",
        "reason": "",
        "loads": [],
    }


def sized(line: str, options: argparse.Namespace, least_seconds: float | None = None) -> Load:
    """A scenario's load as this run sends it: quickly, a burst is cut off; ramps and stages keep their shape in less time."""
    load = resized(parse_line(line), options)
    if options.full or options.seconds is not None:
        return load
    if load.spawn_rate is not None and load.seconds is not None and load.seconds > QUICK_RAMP_SECONDS:
        return replace(load, seconds=QUICK_RAMP_SECONDS, spawn_rate=load.spawn_rate * load.seconds / QUICK_RAMP_SECONDS)
    if load.is_open:
        load = replace(load, grace=min(load.grace or load.timeout, QUICK_GRACE_SECONDS))
        return lasting(load, min(seconds_of(load), QUICK_SECONDS))
    return lasting(load, min(load.seconds or math.inf, max(QUICK_SECONDS, QUICK_ANSWERS * (least_seconds or 0))))


def seconds_of(load: Load) -> float:
    return schedule.length(load.schedule) if load.is_open else load.seconds or QUICK_SECONDS


def run_load(
    scenario: Scenario, line: str, latency_ms: int, options: argparse.Namespace, directory: Path, postgres: Postgres
) -> dict[str, Any]:
    """Start afresh, warm up, measure. A fault during the load is part of its record."""
    load = sized(line, options, scenario.least_seconds)
    with ExitStack() as running:
        watch.tell(f"{scenario.name}: starting")
        stage = Stage(directory, postgres, running)
        stage.server_cores, others = ([], []) if options.no_pin else cores.split()
        running.enter_context(cores.only_on(others))
        site = stage.start(scenario, latency_ms)
        warmed = warm_up(site, load, directory)
        measured = measure(site, load, directory)
        return {
            "line": line,
            "latency_ms": latency_ms,
            "size": size_of(line, load, measured, options),
            "least_seconds": scenario.least_seconds,
            "published": published(scenario, load, latency_ms) if resized(parse_line(line), options) == parse_line(line) else {},
            "command": site.server.command,
            "pinned": {"server": stage.server_cores, "others": others} if others else None,
            "postgres": postgres.version if scenario.tables is not None else "",
            "warm_up": warmed,
            "fault": fault_of(site, measured),
            **measured,
            **({"counted_in_log": {}} if scenario.tables is not None and not postgres.own else {}),  # its log is not ours to read
        }


def size_of(line: str, load: Load, done: dict[str, Any], options: argparse.Namespace) -> str:
    """Was it the declared load, one that --quick cut or compressed, or one that the user changed?"""
    if resized(parse_line(line), options) != parse_line(line):
        return "changed"
    declared = parse_line(line)
    shorter = load.schedule != declared.schedule or load.spawn_rate != declared.spawn_rate
    return "quick" if shorter or (load != declared and done["stopped"] == "cut off") else "declared"


def published(scenario: Scenario, load: Load, latency_ms: int) -> dict[str, Any]:
    """The figures published for this load; lists go by LATENCIES_MS."""
    at = scenario.latencies_ms.index(latency_ms)
    for row in scenario.published:
        if row.get("path") == load.target:
            return {name: value[at] if isinstance(value, list) else value for name, value in row.items() if name != "path"}
    return {}


def serve(scenarios: list[Scenario], directory: Path, host: str) -> int:
    """Serve them by hand, on their own ports, until a person ends it."""
    if host != HOST:
        print(f"Whoever reaches {host} can now use these sites: they are made for measuring, not for safety.", file=sys.stderr)
    most = max(scenario.max_connections for scenario in scenarios)  # one PostgreSQL serves them all
    scenarios = [replace(scenario, max_connections=most) for scenario in scenarios]
    with Postgres() as postgres, ExitStack() as running:
        stage = Stage(directory, postgres, running, by_hand=True, host=host)
        sites = []
        for scenario in scenarios:
            try:
                sites.append(stage.start(scenario))
            except NotInstalled as missing:
                print(f"{scenario.name} skipped: {missing}", file=sys.stderr)
        for site in sites:
            others = "".join(f"  {name} {host}:{port}" for name, port in site.scenario.ports.items() if name != "port")
            print(f"{site.scenario.name:<36}{site.url}/{others}")
        for name, port in stage.services.items():
            print(f"{name:<36}http://{HOST}:{port}/")
        print(f"Logs: {shown(directory)}. Ctrl-C ends all.", flush=True)
        while sites:
            for site in sites:
                site.check()
            time.sleep(LOOK_EVERY)
    return SKIPPED_EXIT


def new_directory(name: str = "") -> Path:
    stamp = datetime.now().strftime("%Y-%m-%dT%H-%M-%S")
    directory = ROOT / "results" / (f"{stamp}-{name}" if name else stamp)
    try:
        while directory.exists():  # another run of the same second
            directory = directory.with_name(directory.name + "+")
        directory.mkdir(parents=True)
    except OSError as error:
        raise files.RecordError(f"cannot make {shown(directory)}: {error.strerror}") from None
    return directory


def add_run_options(parser: argparse.ArgumentParser) -> None:
    add_size_options(parser)
    parser.add_argument(
        "--quick", action="store_true", help=f"cut loads off at {QUICK_SECONDS:g} s, ramps in {QUICK_RAMP_SECONDS:g} s (the default)"
    )
    parser.add_argument("--full", action="store_true", help="send the loads as they are declared, the long ones too")
    parser.add_argument("--no-pin", action="store_true", help="let server and load share all cores")
    parser.add_argument("--serve", action="store_true", help="serve on the scenarios' own ports, by hand, until Ctrl-C")
    parser.add_argument("--host", default=HOST, metavar="ADDRESS", help="with --serve: serve other machines too, on this address")


def parse_run_options(parser: argparse.ArgumentParser, arguments: list[str]) -> argparse.Namespace:
    options = parser.parse_args(arguments)
    check_sizes(options.requests, options.concurrency)
    if options.quick and options.full:
        raise LoadError("--quick and --full contradict each other")
    if options.host != HOST and not options.serve:
        raise LoadError("--host goes with --serve")
    return options
