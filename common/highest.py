"""The highest rate of each of several scenarios: what ./run_all.sh --find-rate does."""

import argparse
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from common import cli
from common.bench import run_options_from
from common.client.progress import silent
from common.report import highest, rate
from common.report.live import Watch
from common.results.record import Search
from common.results.targets import Target, parse_latency
from common.running.directories import new_directory
from common.running.scenario_rate import first_probe, planned_search_seconds, search_scenario
from common.running.sizing import RunOptions
from common.serving import postgres
from common.serving.places import short_path
from common.serving.scenario import Scenario, read


def run(paths: Sequence[Path], options: argparse.Namespace, watch: Watch) -> int:
    """Search one after the other, whatever becomes of each; what was found is shown also if a person ends it."""
    target, run_options = parse_latency(options.find_rate), run_options_from(options)
    scenarios = {(scenario := read(path)).name: scenario for path in paths}
    titles = {name: title_of(scenario, run_options) for name, scenario in scenarios.items()}
    directory = new_directory("find-rate")
    found: dict[str, Search] = {}
    codes: list[int] = []
    planned = min(planned_search_seconds(run_options), (options.minutes or math.inf) * 60 / len(scenarios))
    watch.expect(planned * len(scenarios))
    try:
        for scenario, seconds in in_their_time(list(scenarios.values()), options.minutes):
            codes.append(search_one(scenario, target, run_options, seconds, directory, watch, found))
            watch.expect(-planned)
            if codes[-1] == cli.STOPPED:
                break
    except KeyboardInterrupt:
        codes.append(cli.STOPPED)
    for title in dict.fromkeys(titles[name] for name in found):
        print(f"\n{highest.text(title, [search for name, search in found.items() if titles[name] == title])}")
    print(f"Records: {short_path(directory)}/")
    return worst_of(codes)


def title_of(scenario: Scenario, options: RunOptions) -> str:
    """What is asked for: only searches with the same request share a table."""
    load = first_probe(scenario.loads[0], options)
    added = [f"+{scenario.latencies_ms[0]} ms"] if scenario.latencies_ms[0] else []
    sent = [f"-d {load.form!r}"] if load.form else [f"-p {load.body_file}"] if load.body_file else []
    headers = [f"{name}: {value}" for name, value in load.headers]
    return ", ".join([f"{load.method} {load.target}", *sent, *headers, "keep-alive" if load.keep_alive else "close", *added])


def in_their_time(scenarios: Sequence[Scenario], minutes: float | None) -> Iterator[tuple[Scenario, float]]:
    """Each with the seconds that its search may take: an equal share of what is left of --minutes, if there is such a limit."""
    until = math.inf if minutes is None else time.monotonic() + minutes * 60
    for done, scenario in enumerate(scenarios):
        yield scenario, max(0.0, until - time.monotonic()) / (len(scenarios) - done)


def search_one(
    scenario: Scenario, target: Target, options: RunOptions, seconds: float, directory: Path, watch: Watch, found: dict[str, Search]
) -> int:
    """Say in one line what was found; return the exit code that a search of its own would have."""
    try:
        with postgres.server(watch.tell if watch.is_seen else silent) as database:
            search, _ = search_scenario(scenario, target, options, directory, database, watch.tell if watch.is_seen else silent, seconds)
    except cli.Problem as problem:
        watch.tell("")
        said = "skipped" if isinstance(problem, cli.NotInstalled) else "failed"
        cli.complain(f"{said}: {scenario.name}: {problem}")
        return problem.exit_code
    found[scenario.name] = search
    watch.tell("")
    if not watch.quiet:
        print(f"\n{scenario.name} · {rate.text(search)}" if watch.verbose else f"{scenario.name}: {rate.answer(search)}", flush=True)
    return rate.exit_code(search)


def worst_of(codes: Sequence[int]) -> int:
    if cli.STOPPED in codes:
        return cli.STOPPED
    if set(codes) == {cli.SKIPPED}:
        return cli.SKIPPED
    return 1 if any(code not in (0, cli.SKIPPED) for code in codes) else 0
