"""Many scenarios, one after the other, then the tables that compare them: what ./run_all.sh runs."""

import argparse
import math
import random
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from common import beside, cli, highest, project
from common.bench import add_run_options, parse_run_arguments, run_options_from, serve, tell_of_copies
from common.cli import UsageError
from common.client.options import at_least, positive, share
from common.client.progress import silent
from common.page import announce_page
from common.report import decisions as report_decisions
from common.report import tables
from common.report.live import Watch
from common.results import files
from common.results.decisions import Decision, decided_in
from common.results.files import PLAN
from common.results.intervals import SAME
from common.results.record import MOST_ROUNDS, MOST_SEED, Plan, ScenarioRun
from common.results.words import describe_environment
from common.running.deciding import Field, decide, first_rounds
from common.running.directories import new_directory, only_writer
from common.running.rounds import Turn, plan_turns
from common.running.run import run_turns
from common.running.sizing import RunOptions, planned_seconds
from common.serving import postgres
from common.serving.choice import choose_one, choose_scenarios, name_meant, on_ports_of_their_own, read_scenarios
from common.serving.places import short_path
from common.serving.scenario import Scenario, ScenarioError, read, read_source, scenario_name
from common.serving.template import write_new
from studies import TEMPLATE, baselines_of, judge

WIDTH = 120  # a narrower terminal wraps the lines of a table
EXAMPLES = [
    ("./run_all.sh", "every scenario, then the tables and the page that compare them"),
    ("./run_all.sh uvicorn_asgi 'uwsgi_*'", "only these"),
    ("./run_all.sh --list", "list all scenarios and their questions"),
    ("./run_all.sh A B --side-by-side", "compare two, asked in turn: a verdict in two minutes"),
    ("./run_all.sh A B --find-rate 'p99<=200ms'", "the highest rate that each serves that fast"),
    ("./run_all.sh A --against main", "compare one before and after a change"),
    ("./run_all.sh A --requirements new.txt", "compare one with itself under other packages"),
    ("./run_all.sh --project ../mysite", "your own Django project, unchanged, under each server"),
    ("./run_all.sh --new mine", "write scenarios/mine.py, for a view of your own"),
    ("./run_all.sh 'mine_*' --rounds 10", "run these ten times, for intervals"),
    ("./run_all.sh 'mine_*' --until-decided", "until it is known which of these differ, or that they do not"),
    ("./run_all.sh -n 1000 -c 50 -k", "a different load: 1,000 requests, 50 at a time, keep-alive"),
    ("./run_all.sh --serve", "serve them all until Ctrl-C"),
]
MINUTES, MINUTES_UNTIL_DECIDED = 2.0, 20.0
SUMMARIES = "summaries.txt"  # ab's, of every load
some_rounds = at_least(1, int, f"a whole number from 1 to {MOST_ROUNDS:,}", MOST_ROUNDS)
some_seed = at_least(0, int, f"a whole number from 0 to {MOST_SEED:,}", MOST_SEED)


def main(arguments: list[str]) -> int:
    cli.stop_on_signals()
    return cli.run("run_all.sh", lambda: run_command(arguments))


def run_command(arguments: list[str]) -> int:
    of_a_project, rest = project.parse_arguments(arguments)
    options = parse_arguments(rest)
    own = None
    if of_a_project is not None:
        own = project.write_scenarios(of_a_project, options.names, options.against is not None)
        options.names = own.names
    watch = Watch(options.quiet, options.verbose)
    if options.new is not None or options.like is not None:
        return begin_scenario(options)
    if options.resume is not None:
        return resume(only_resume(options), options.minutes, watch)
    paths = choose_scenarios(options.names)
    if options.list:
        return list_scenarios(paths)
    check_kind(options, advises=own is not None and own.wanted is not None)
    if options.find_rate is not None:
        return highest.run(paths, options, watch)
    if options.side_by_side or options.against is not None or beside.asks_for_environment(options):
        return beside.run(paths, options, watch)
    if options.serve:
        return serve(on_ports_of_their_own([read(path) for path in paths]), new_directory("serve"), options.host)
    return begin(paths, options, watch, own)


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = cli.Parser(examples=EXAMPLES, prog="./run_all.sh", description=(__doc__ or "").partition("\n")[0], allow_abbrev=False)
    parser.add_argument("names", nargs="*", metavar="NAME", help="scenarios to run: names or globs such as 'uwsgi_*' (default: all)")
    parser.add_argument("--list", action="store_true", help="list the scenarios and their questions")
    parser.add_argument(
        "--rounds", type=some_rounds, default=1, metavar="R", help="run each R times, in random order, for intervals (default 1)"
    )
    parser.add_argument("--resume", type=Path, metavar="DIR", help="resume a stopped run: its directory in results/")
    parser.add_argument("--seed", type=some_seed, metavar="N", help="seed of the random order; every record holds it")
    parser.add_argument(
        "-v", dest="verbose", action="store_true", help="print each load's ab summary, all changes, published figures and claims"
    )
    parser.add_argument("-q", dest="quiet", action="store_true", help="no progress and no line per load: print only the tables and answers")
    parser.add_argument("--baseline", metavar="NAME", help="compare the other scenarios of its study with this one")
    parser.add_argument("--side-by-side", action="store_true", help="ask the first and each of the others in turn: compare their CPU")
    parser.add_argument("--against", metavar="WHERE", help="side by side with the same scenario in another checkout or git revision")
    parser.add_argument(
        "--requirements",
        type=Path,
        metavar="FILE",
        help="side by side with the same scenario where these packages replace ours; with --against, they are those of the other checkout",
    )
    parser.add_argument("--python", metavar="PATH", help="the same with another Python")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write what side by side shows as Markdown, for a pull request")
    parser.add_argument("--until-decided", action="store_true", help="go on, side by side or in rounds, until each pair is decided")
    parser.add_argument(
        "--find-rate", metavar="TARGET", help="find the highest rate of each that keeps TARGET, such as 'p99<=200ms', on its first path"
    )
    limits = f"time limit of side by side (default {MINUTES:g}), of --until-decided ({MINUTES_UNTIL_DECIDED:g}) or of --find-rate (none)"
    parser.add_argument("--minutes", type=positive, metavar="M", help=limits)
    parser.add_argument(
        "--within", type=share, default=SAME, metavar="SHARE", help=f"what counts as the same (default {SAME:.0%})".replace("%", "%%")
    )
    parser.add_argument("--new", metavar="NAME", help="write scenarios/NAME.py, a scenario of your own, and run nothing")
    parser.add_argument("--like", metavar="NAME", help=f"with --new: the scenario to start from (default {TEMPLATE})")
    add_run_options(parser)
    options = parse_run_arguments(parser, arguments)
    if options.minutes is None and options.resume is None and options.find_rate is None:
        options.minutes = MINUTES_UNTIL_DECIDED if options.until_decided else MINUTES
    return options


def check_kind(options: argparse.Namespace, advises: bool) -> None:
    if options.find_rate is not None and goes_with_more(options, "find_rate", "names", "concurrency", "seconds", "keep_alive", "no_pin"):
        raise UsageError("--find-rate sends loads of its own: combine it with -c, -t, -k, --minutes and --no-pin only")
    beside_too = options.side_by_side or options.against is not None or beside.asks_for_environment(options)
    if options.markdown is not None and not beside_too:
        raise UsageError("--markdown writes what side by side shows: pass --side-by-side, --against or --requirements too")
    if options.until_decided and (beside_too or options.serve):
        raise UsageError("--until-decided chooses side by side itself: don't pass --side-by-side, --against, --requirements or --serve")
    if advises and (options.find_rate is not None or beside_too or options.serve):
        raise UsageError("--target asks for advice after a run: don't pass --find-rate, --side-by-side, --against or --serve")
    if options.side_by_side and len(options.names) > 1 and beside.asks_for_environment(options):
        raise UsageError("--requirements compares each scenario with itself in the present environment: don't pass --side-by-side")


def only_resume(options: argparse.Namespace) -> Path:
    """--resume follows the saved plan, so it takes no other options."""
    if goes_with_more(options, "resume"):
        raise UsageError("--resume reuses the original run's scenarios and options; don't pass any")
    return Path(options.resume)


def goes_with_more(options: argparse.Namespace, *names: str) -> bool:
    """Other options were given, beyond those that only affect printing."""
    free = (*names, "host", "rounds", "quiet", "verbose", "minutes", "within")
    return options.rounds != 1 or any(value for name, value in vars(options).items() if name not in free)


def begin_scenario(options: argparse.Namespace) -> int:
    """Write a file for the user's own view; run nothing."""
    if options.new is None or goes_with_more(options, "new", "like"):
        raise UsageError("--new NAME writes a scenario and runs nothing: combine it with --like only")
    like = read(choose_one("--like", options.like or TEMPLATE))
    made = write_new(name_meant(options.new), like)
    print(f"{short_path(made.path)}: the site, the launch line and the loads of {like.name}, in study {made.study}.")
    if made.study == like.study:
        print(f'Change one thing in it, and say what: DIFFERS_FROM = {{"{like.name}": "what differs, in a few words"}}\n')
        print(f"    ./run_all.sh {made.name}\n    ./run_all.sh {like.name} {made.name} --rounds 10")
    else:
        print("Replace its view with yours, run it, then make a second one to compare it with:\n")
        print(f"    ./run_all.sh {made.name}\n    ./run_all.sh --new {made.name}_2 --like {made.name}")
    return 0


def list_scenarios(paths: Sequence[Path]) -> int:
    code = 0
    width = max(len(scenario_name(path)) for path in paths)
    for path in paths:
        try:
            scenario = read(path)
        except ScenarioError as error:
            cli.complain(f"run_all.sh: {error}")
            code = 1
            continue
        print(f"{scenario.name:<{width}}  {scenario.study:<10}{scenario.question}")
    return code


def begin(paths: Sequence[Path], options: argparse.Namespace, watch: Watch, own: project.OwnRun | None) -> int:
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
    files.write(directory / PLAN, plan)
    with only_writer(directory / PLAN):
        return run_plan(plan, directory, [], watch, own)


def chosen_baseline(options: argparse.Namespace, paths: Sequence[Path]) -> str:
    """'' where none was asked for."""
    if options.baseline is None:
        return ""
    path = choose_one("--baseline", options.baseline)
    if path not in paths:
        raise UsageError(f"--baseline {options.baseline} is not among the scenarios of this run; name it too")
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


def run_plan(plan: Plan, directory: Path, earlier: Sequence[ScenarioRun], watch: Watch, own: project.OwnRun | None = None) -> int:
    """Run round by round, whatever becomes of each run; then compare what can be compared."""
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
    until = math.inf if plan.within is None else began + plan.minutes * 60
    with ExitStack() as locked, postgres.server(watch.tell if watch.is_seen else silent) as database:
        field = Field(plan, options, scenarios, baselines, runs, directory, database, watch)
        try:
            run_turns(left, runs, options, directory, database, watch, baselines, plan.seed, until)
            if own is not None:
                field = go_on(own, field, min(until, began + own.seconds * plan.rounds), alone, locked)
            if plan.within is not None:
                decide(field, until, complain)
        except KeyboardInterrupt:
            stopped = True
    pairs = files.read_pairs(directory)
    show_left_out([*runs, *alone], unreadable)
    if plan.within is not None:
        show_decisions(decided_in(directory, runs), plan.minutes)
    show_tables(runs, max((run.round for run in runs), default=1), watch.verbose)
    if own is not None:
        for line in project.tell_top(field):
            print(line)
    if stopped:
        print(f"stopped; to run the rest: ./run_all.sh --resume {short_path(directory)}", file=sys.stderr)
    announce_page(directory)
    print(f"Records and ab's summaries: {short_path(directory)}/")
    if stopped:
        return cli.STOPPED
    code = max(exit_code([*runs, *alone], unreadable), int(any(pair.fault for pair in pairs)))
    return max(code, project.advise_on(own, runs, alone)) if own is not None else code


def go_on(own: project.OwnRun, field: Field, until: float, alone: list[ScenarioRun], locked: ExitStack) -> Field:
    """What a project's run does after its first rows; what it asks one at a time is kept apart."""
    field = run_further(project.choose_further(own, field, until), field, locked)
    project.decide_top(field, until, complain)
    run_these(project.plan_alone(own, field), alone, field)
    return field


def run_further(scenarios: Sequence[Scenario], field: Field, locked: ExitStack) -> Field:
    """Run these too, as part of the same plan."""
    if not scenarios:
        return field
    plan = replace(field.plan, scenarios=[*field.plan.scenarios, *(scenario.name for scenario in scenarios)])
    files.write(field.directory / PLAN, plan)
    locked.enter_context(only_writer(field.directory / PLAN))  # the one that was locked has just been replaced
    turns = plan_turns(scenarios, plan.rounds, plan.seed, field.baselines)
    run_these([turn for turn in turns if not turn.control], field.runs, field)
    return replace(field, plan=plan, scenarios=[*field.scenarios, *scenarios])


def run_these(turns: Sequence[Turn], runs: list[ScenarioRun], field: Field) -> None:
    field.watch.expect(sum(planned_seconds(turn.scenario, field.options) for turn in turns))
    run_turns(turns, runs, field.options, field.directory, field.database, field.watch, field.baselines, field.plan.seed)


def complain(text: str) -> None:
    cli.complain(f"run_all.sh: {text}")


def show_decisions(decisions: Sequence[Decision], minutes: float) -> None:
    print("\n".join(["", *report_decisions.lines(decisions, minutes)]))


def baselines_among(scenarios: Iterable[Scenario], study: str, wanted: str) -> list[str]:
    """The one asked for, else those that the study names, else the study's scenarios in the order of the command line."""
    names = [scenario.name for scenario in scenarios if scenario.study == study]
    return [*([wanted] if wanted in names else []), *(baselines_of(study) or names)]


def saved_runs(directory: Path) -> list[ScenarioRun]:
    """Empty if the run was stopped before its first record."""
    return files.read_directory(directory) if files.paths_in(directory) else []


def exit_code(runs: Sequence[ScenarioRun], unreadable: dict[str, str]) -> int:
    statuses = {run.status for run in runs}
    if unreadable or "failed" in statuses or any(run.unanswered for run in runs):
        return 1
    return cli.SKIPPED if statuses == {"skipped"} else 0


def show_tables(runs: Sequence[ScenarioRun], rounds: int, verbose: bool) -> None:
    """Study by study; where and how it was measured; the answers last."""
    measured = [run for run in runs if run.loads]
    if not measured:
        return
    console = Console(highlight=False, markup=False, emoji=False)
    console.width = WIDTH
    judged = judge(measured)
    console.print()
    for study, judgement in judged.items():
        for part in tables.draw_study(study, [run for run in measured if run.study == study], judgement, WIDTH, len(judged) == 1, verbose):
            console.print(part)
    console.print(describe_environment(measured[0].environment), style="dim")
    if rounds == 1:
        console.print("One round is one sample: no interval can be given. --rounds 10 gives intervals.", style="dim")
    console.print()
    for part in tables.draw_answers(judged, measured):
        console.print(part)


def show_left_out(runs: Iterable[ScenarioRun], unreadable: dict[str, str]) -> None:
    """Print each reason, and each doubt, once: a control is skipped for the same reason as its scenario."""
    reasons = [("failed", name, reason) for name, reason in unreadable.items()]
    reasons += [(run.status, run.scenario, run.reason) for run in runs if run.status in ("skipped", "failed")]
    reasons += [("doubtful", run.scenario, run.reason) for run in runs if run.status == "ok" and run.reason]
    for status, name, reason in dict.fromkeys(reasons):
        cli.complain(f"{status}: {name}: {reason}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
