"""Many scenarios, one after the other, then the tables that compare them: what ./run_all.sh runs."""

import argparse
import difflib
import fnmatch
import random
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console

from common import cli
from common.bench import add_run_options, parse_run_arguments, run_options_from, serve
from common.cli import UsageError
from common.client.options import count
from common.client.progress import silent
from common.report import tables
from common.report.live import Watch
from common.results import files
from common.results.record import Plan, ScenarioRun
from common.results.words import describe_environment
from common.running.directories import new_directory
from common.running.rounds import plan_turns
from common.running.run import run_turn
from common.running.sizing import RunOptions, planned_seconds
from common.serving import postgres
from common.serving.places import short_path
from common.serving.scenario import Scenario, ScenarioError, read, scenario_name
from common.serving.scenario import files as scenario_files
from studies import baselines_of, judge_claims

WIDTH = 150  # a narrower terminal wraps the lines of a table: nothing is left out
PLAN = "suite.json"  # kept beside the results, so that a run that was stopped can go on


def main(arguments: list[str]) -> int:
    cli.stop_on_signals()
    return cli.run("run_all.sh", lambda: run_command(arguments))


def run_command(arguments: list[str]) -> int:
    options = parse_arguments(arguments)
    watch = Watch(options.quiet)
    if options.resume is not None:
        return resume(only_resume(options), watch)
    paths = choose_scenarios(options.names)
    if options.list:
        return list_scenarios(paths)
    if options.serve:
        return serve([read(path) for path in paths], new_directory("serve"), options.host)
    return begin(paths, options, watch)


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = cli.Parser(prog="run_all.sh", description=(__doc__ or "").partition("\n")[0], allow_abbrev=False)
    parser.add_argument("names", nargs="*", metavar="NAME", help="scenarios to run: names or globs such as 'uwsgi_*' (default: all)")
    parser.add_argument("--list", action="store_true", help="name the scenarios and their questions")
    parser.add_argument("--rounds", type=count, default=1, metavar="R", help="run all R times, in random order, for intervals (default 1)")
    parser.add_argument("--resume", type=Path, metavar="DIR", help="go on with a run that was stopped: a directory in results/")
    parser.add_argument("--seed", type=int, metavar="N", help="of the random order; it is in every record")
    parser.add_argument("-q", dest="quiet", action="store_true", help="no progress and no summaries: only the tables")
    add_run_options(parser)
    return parse_run_arguments(parser, arguments)


def only_resume(options: argparse.Namespace) -> Path:
    """--resume goes by the plan that was kept: nothing else may be asked for."""
    others = {name for name, value in vars(options).items() if value and name not in ("resume", "host", "rounds", "quiet")}
    if others or options.rounds != 1:
        raise UsageError("--resume reuses the original run's scenarios and options; don't pass any")
    return Path(options.resume)


def choose_scenarios(names: Sequence[str]) -> list[Path]:
    """The files that the names and globs mean, each once."""
    paths = scenario_files()
    chosen: list[Path] = []
    for name in names or ["*"]:
        wanted = name.removesuffix(".py").rpartition("scenarios/")[2]
        matches = [path for path in paths if any(fnmatch.fnmatchcase(one, wanted) for one in (path.stem, scenario_name(path)))]
        if not matches:
            close = difflib.get_close_matches(wanted, [scenario_name(path) for path in paths], n=3, cutoff=0.4)
            hint = f"did you mean {', '.join(close)}?" if close else "--list shows them all"
            raise ScenarioError(f"there is no scenario {name!r}; {hint}")
        chosen += [path for path in matches if path not in chosen]
    return chosen


def list_scenarios(paths: Sequence[Path]) -> int:
    code = 0
    width = max(len(scenario_name(path)) for path in paths)
    for path in paths:
        try:
            scenario = read(path)
        except ScenarioError as error:
            print(f"run_all.sh: {error}", file=sys.stderr)
            code = 1
            continue
        print(f"{scenario.name:<{width}}  {scenario.study:<10}{scenario.question}")
    return code


def begin(paths: Sequence[Path], options: argparse.Namespace, watch: Watch) -> int:
    """A run of its own directory, its plan kept in it."""
    directory, run_options = new_directory(), run_options_from(options)
    seed = random.randrange(2**32) if options.seed is None else options.seed
    plan = Plan([scenario_name(path) for path in paths], options.rounds, seed, run_options.full, run_options.pin, run_options.sizes)
    files.write(directory / PLAN, plan)
    return run_plan(plan, directory, [], watch)


def resume(directory: Path, watch: Watch) -> int:
    """What is missing of a run that was stopped, by the same plan; runs that failed are results too."""
    if not (directory / PLAN).exists():
        raise files.RecordError(f"{directory} is not a run of ./run_all.sh: it has no {PLAN}")
    plan = files.read(directory / PLAN, Plan)
    earlier = [run for run in saved_runs(directory) if run.status != "interrupted"]
    now = {scenario_name(path): path.read_text(encoding="utf-8") for path in choose_scenarios(plan.scenarios)}
    changed = sorted({run.scenario for run in earlier if run.source != now[run.scenario]})
    if changed:
        raise ScenarioError(f"changed since {short_path(directory)} was begun: {', '.join(changed)}; begin a run of its own")
    return run_plan(plan, directory, earlier, watch)


def run_plan(plan: Plan, directory: Path, earlier: Sequence[ScenarioRun], watch: Watch) -> int:
    """Round by round, whatever becomes of each run; then what can be compared is."""
    options = RunOptions(plan.sizes, plan.full, plan.pin)
    scenarios, unreadable = read_scenarios(choose_scenarios(plan.scenarios))
    baselines = {scenario.study: baselines_of(scenario.study) for scenario in scenarios}
    had = {(run.scenario, run.round, run.control) for run in earlier}
    turns = plan_turns(scenarios, plan.rounds, plan.seed, baselines)
    left = [turn for turn in turns if (turn.scenario.name, turn.round, turn.control) not in had]
    watch.expect(sum(planned_seconds(turn.scenario, options) for turn in left))
    runs = list(earlier)
    stopped = False
    with postgres.server(watch.tell if watch.is_seen else silent) as database:
        try:
            for turn in left:
                runs.append(run_turn(turn, options, directory, database, watch, baselines[turn.scenario.study], plan.seed))
                if runs[-1].status == "interrupted":
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            stopped = True
    show_tables(runs, plan.rounds)
    show_left_out(runs, unreadable)
    if stopped:
        print(f"stopped; what is missing: ./run_all.sh --resume {short_path(directory)}", file=sys.stderr)
    print(f"Records: {short_path(directory)}/")
    make_page(directory)
    return cli.STOPPED if stopped else exit_code(runs, unreadable)


def read_scenarios(paths: Iterable[Path]) -> tuple[list[Scenario], dict[str, str]]:
    """Those that can be read; of the others, by their names, why not."""
    scenarios: list[Scenario] = []
    unreadable: dict[str, str] = {}
    for path in paths:
        try:
            scenarios.append(read(path))
        except ScenarioError as error:
            unreadable[scenario_name(path)] = str(error)
    return scenarios, unreadable


def saved_runs(directory: Path) -> list[ScenarioRun]:
    """None where the run was stopped before its first."""
    return files.read_directory(directory) if files.paths_in(directory) else []


def make_page(directory: Path) -> None:
    """Of what was saved, and only now: what draws it takes half a second to import."""
    try:
        if runs := saved_runs(directory):
            from common.report.page import html

            print(f"Report: {short_path(html.save(directory, runs, judge_claims(runs)))}")
    except Exception as error:  # whatever it is, the results were printed and saved
        print(f"run_all.sh: no report was made: {type(error).__name__}: {str(error).partition(chr(10))[0]}", file=sys.stderr)


def exit_code(runs: Sequence[ScenarioRun], unreadable: dict[str, str]) -> int:
    statuses = {run.status for run in runs}
    if unreadable or "failed" in statuses:
        return 1
    return cli.SKIPPED if statuses == {"skipped"} else 0


def show_tables(runs: Sequence[ScenarioRun], rounds: int) -> None:
    measured = [run for run in runs if run.loads]
    if not measured:
        return
    console = Console(highlight=False)
    console.width = WIDTH
    for study, claims in judge_claims(measured).items():
        for part in tables.draw_study(study, [run for run in measured if run.study == study], claims):
            console.print()
            console.print(part)
    if rounds == 1:
        console.print("\nOne round is one sample: no interval can be given. --rounds 10 gives them.", style="dim")
    console.print()
    console.print(describe_environment(measured[0].environment), style="dim", soft_wrap=True)


def show_left_out(runs: Iterable[ScenarioRun], unreadable: dict[str, str]) -> None:
    """Each reason once, and what is to be doubted: a control that is skipped as its scenario was says nothing new."""
    reasons = [("failed", name, reason) for name, reason in unreadable.items()]
    reasons += [(run.status, run.scenario, run.reason) for run in runs if run.status in ("skipped", "failed")]
    reasons += [("doubtful", run.scenario, run.reason) for run in runs if run.status == "ok" and run.reason]
    for status, name, reason in dict.fromkeys(reasons):
        print(f"{status}: {name}: {reason}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
