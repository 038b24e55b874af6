"""A run of many scenarios: begun or resumed, run turn by turn, then shown and compared."""

import argparse
import math
import random
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from common import cli, project_run
from common.bench import run_options_from, tell_of_copies
from common.cli import WrongAnswer
from common.client.progress import silent
from common.page import announce_page
from common.project import OwnRun
from common.report import decisions, terminal
from common.report.live import Watch
from common.results import files
from common.results.decisions import decided_in
from common.results.files import PLAN
from common.results.record import Plan, ScenarioRun
from common.running.directories import begun, new_directory, only_writer
from common.running.rounds import plan_turns
from common.running.sizing import RunOptions, planned_seconds
from common.running.until_decided import OpenRun, decide, first_rounds, try_again
from common.serving import postgres
from common.serving.choice import choose_one, choose_scenarios, read_scenarios
from common.serving.login import NotVisited
from common.serving.places import short_path
from common.serving.scenario import Scenario, ScenarioError, read_source, scenario_name
from studies import baselines_of, judge

SUMMARIES = "summaries.txt"  # ab's, of every load


def begin(paths: Sequence[Path], options: argparse.Namespace, watch: Watch, own: OwnRun | None) -> int:
    """Begin a run in a new directory, which keeps its plan."""
    names, baseline, run_options = [scenario_name(path) for path in paths], chosen_baseline(options, paths), run_options_from(options)
    directory = new_directory()
    seed = random.randrange(2**32) if options.seed is None else options.seed
    plan = Plan(
        names, options.rounds, seed, run_options.full, run_options.pin, run_options.sizes, baseline, workers=own.workers if own else 1
    )
    if options.until_decided:
        rounds = options.rounds if options.rounds > 1 else first_rounds(read_scenarios(paths)[0], run_options, options.minutes * 60)
        plan = replace(plan, rounds=rounds, within=options.within, minutes=options.minutes)
    with begun(directory / PLAN, plan):
        return run_plan(plan, directory, [], watch, own)


def chosen_baseline(options: argparse.Namespace, paths: Sequence[Path]) -> str:
    """'' where none was asked for."""
    if options.baseline is None:
        return ""
    path = choose_one("--baseline", options.baseline)
    if path not in paths:
        raise cli.UsageError(f"--baseline {options.baseline} is not among the scenarios of this run; name it too")
    return scenario_name(path)


def resume(directory: Path, minutes: float | None, watch: Watch) -> int:
    """Run what a stopped run still lacks, by the same plan; failed runs are results and are not repeated.

    A run until decided has all its minutes again, or these.
    """
    if not (directory / PLAN).exists():
        raise files.RecordError(f"{directory} is not a run of ./run_all.sh: it has no {PLAN}")
    with only_writer(directory / PLAN):
        plan = files.read(directory / PLAN, Plan)
        plan = replace(plan, minutes=minutes or plan.minutes)
        earlier = [run for run in saved_runs(directory) if run.status != "interrupted"]
        now = {scenario_name(path): read_source(path) for path in choose_scenarios(plan.scenarios)}
        changed = sorted({run.scenario for run in earlier if run.source != now.get(run.scenario)})
        if changed:
            raise ScenarioError(f"changed since {short_path(directory)} began: {', '.join(changed)}; start a new run")
        return run_plan(plan, directory, earlier, watch)


def saved_runs(directory: Path) -> list[ScenarioRun]:
    """Empty if the run was stopped before its first record."""
    return files.read_directory(directory) if files.paths_in(directory) else []


def run_plan(plan: Plan, directory: Path, earlier: Sequence[ScenarioRun], watch: Watch, own: OwnRun | None = None) -> int:
    """Run what is left of it, whatever becomes of each turn; then compare what can be compared."""
    options, began = RunOptions(plan.sizes, plan.full, plan.pin, plan.workers), time.monotonic()
    scenarios, unreadable = read_scenarios(choose_scenarios(plan.scenarios))
    tell_of_copies(scenarios)
    baselines = {scenario.study: baselines_among(scenarios, scenario.study, plan.baseline) for scenario in scenarios}
    had = {(run.scenario, run.round, run.control) for run in earlier}
    turns = plan_turns(scenarios, plan.rounds, plan.seed, baselines)
    left = [turn for turn in turns if (turn.scenario.name, turn.round, turn.control) not in had]
    watch.expect(plan.minutes * 60 if plan.within is not None else sum(planned_seconds(turn.scenario, options) for turn in left))
    watch.summaries = directory / SUMMARIES
    runs = list(earlier)
    alone: list[ScenarioRun] = []  # one request at a time, for advice
    stopped = False
    refused: cli.Problem | None = None  # by the site itself, whatever serves it
    lost: files.RecordError | None = None  # what could not be saved
    until = math.inf if plan.within is None else began + plan.minutes * 60
    with ExitStack() as locked, postgres.server(watch.tell if watch.is_seen else silent) as database:
        open_run = OpenRun(plan, options, scenarios, baselines, runs, directory, database, watch)
        try:
            if own is None:
                open_run.run(left, until, ended_by=(NotVisited,) if are_one_site(scenarios) else ())
            else:
                in_time = min(until, began + own.seconds * plan.rounds)
                project_run.run_first(left, open_run, in_time)
                open_run = project_run.go_on(own, open_run, in_time, alone, locked, complain)
            if plan.within is not None:
                if earlier:
                    try_again(open_run)
                decide(open_run, until, complain)
        except KeyboardInterrupt:
            stopped = True
        except (NotVisited, WrongAnswer) as problem:
            refused = problem
        except files.RecordError as problem:
            lost = problem
    if (nothing_more := refused or lost) is not None and not any(run.loads for run in runs):
        raise nothing_more
    show(open_run, alone, unreadable, own, watch.verbose)
    if lost is not None:
        complain(str(lost))
        return 1
    if refused is not None:
        complain("the rows that are left were not run: the site would refuse them too")
        return 1
    if stopped:
        print(f"stopped; to run the rest: ./run_all.sh --resume {short_path(directory)}", file=sys.stderr)
        return cli.STOPPED
    code = max(exit_code([*runs, *alone], unreadable), int(any(pair.fault for pair in files.read_pairs(directory))))
    return max(code, project_run.advise_on(own, runs, alone)) if own is not None else code


def are_one_site(scenarios: Sequence[Scenario]) -> bool:
    """A reader's own project, which refuses a login under every server or under none."""
    return bool(scenarios and scenarios[0].project) and len({scenario.project for scenario in scenarios}) == 1


def baselines_among(scenarios: Iterable[Scenario], study: str, wanted: str) -> list[str]:
    """The one asked for, else those that the study names, else the study's scenarios in the order of the command line."""
    names = [scenario.name for scenario in scenarios if scenario.study == study]
    return [*([wanted] if wanted in names else []), *(baselines_of(study) or names)]


def complain(text: str) -> None:
    cli.complain(f"run_all.sh: {text}")


def show(open_run: OpenRun, alone: Sequence[ScenarioRun], unreadable: Mapping[str, str], own: OwnRun | None, verbose: bool) -> None:
    """What was left out, what was decided, the tables and answers; then where all of it is kept."""
    plan, runs, directory = open_run.plan, open_run.runs, open_run.directory
    terminal.show_left_out([*runs, *alone], unreadable)
    if plan.within is not None:
        print("\n".join(["", *map(cli.printable, decisions.lines(decided_in(directory, runs), plan.minutes))]))
    if measured := [run for run in runs if run.loads]:
        terminal.show_tables(judge(measured), measured, max(run.round for run in runs), verbose)
    if own is not None:
        for line in [*project_run.tell_top(open_run), *(project_run.tell_choice(open_run) if own.wanted is None else [])]:
            print(line)
    announce_page(directory)
    print(f"Records and ab's summaries: {short_path(directory)}/")


def exit_code(runs: Sequence[ScenarioRun], unreadable: Mapping[str, str]) -> int:
    statuses = {run.status for run in runs}
    if unreadable or "failed" in statuses or any(run.unanswered for run in runs):
        return 1
    return cli.SKIPPED if statuses == {"skipped"} else 0
