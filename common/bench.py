"""One scenario: what `python scenarios/NAME.py` does."""

import argparse
import socket
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from common import by_hand, cli, elsewhere
from common.client.load import check_sizes
from common.client.options import add_size_options, sizes_from
from common.client.progress import Tell, silent
from common.report import rate
from common.report.live import Watch
from common.results import files, targets
from common.running.by_locust import run_locust
from common.running.directories import new_directory
from common.running.rounds import Turn
from common.running.run import run_turn
from common.running.scenario_rate import search_scenario
from common.running.sizing import RunOptions, planned_seconds
from common.serving import postgres
from common.serving.copies import find_copy
from common.serving.places import HOST, short_path
from common.serving.scenario import Scenario, read


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
        return by_hand.serve([scenario], directory, options.host)
    if options.locust is not None or options.locust_web:
        return send_by_locust(scenario, options, directory, tell)
    if target is not None:
        return find_rate(scenario, target, run_options, directory, tell)
    if options.target is not None:
        return elsewhere.send(options.target, scenario, run_options, directory, tell)
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
    options = parse_run_arguments(parser, arguments)
    kinds = {
        "--serve": options.serve,
        "--locust": options.locust is not None or options.locust_web,
        "--find-rate": options.find_rate is not None,
        "--target": options.target is not None,
    }
    chosen = [name for name, is_chosen in kinds.items() if is_chosen]
    if len(chosen) > 1:
        raise cli.UsageError(f"{' and '.join(chosen)} are different things to do: pass one of them")
    return options


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


def find_rate(scenario: Scenario, target: targets.Target, options: RunOptions, directory: Path, tell: Tell) -> int:
    with postgres.server(tell) as database:
        search, path = search_scenario(scenario, target, options, directory, database, tell)
    tell("")
    print(f"{scenario.name} · {scenario.loads[0].burst(1).describe()}\n\n{rate.text(search)}\nRecord: {short_path(path)}")
    return rate.exit_code(search)


def send_by_locust(scenario: Scenario, options: argparse.Namespace, directory: Path, tell: Tell) -> int:
    code = run_locust(scenario, options.locust or [], options.locust_web, directory, tell, cli.announce)
    print(f"Locust ended with exit code {code}; its files: {short_path(directory)}/locust*")
    return 1 if code else 0
