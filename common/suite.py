"""Many scenarios, one after the other, then the tables that compare them: what ./run_all.sh runs."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from common import beside, by_hand, cli, highest, project, series
from common.bench import add_run_options, parse_run_arguments
from common.cli import UsageError
from common.client.options import at_least, positive, share
from common.report.live import Watch
from common.results.intervals import SAME
from common.results.record import MOST_ROUNDS, MOST_SEED
from common.running.directories import new_directory
from common.serving.choice import choose_one, choose_scenarios, name_meant, on_ports_of_their_own
from common.serving.places import short_path
from common.serving.scenario import ScenarioError, read, scenario_name
from common.serving.template import write_new
from studies import TEMPLATE

EXAMPLES = [
    ("./run_all.sh", "every scenario, then the tables and the page that compare them"),
    ("./run_all.sh uvicorn_asgi 'uwsgi_*'", "only these"),
    ("./run_all.sh --list", "list all scenarios and their questions"),
    ("./run_all.sh A B --side-by-side", "compare two, asked in turn: a verdict in a minute or two"),
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
        size_searches(options, of_a_project)
        own = project.write_scenarios(of_a_project, options.names, options.against is not None)
        options.names = own.names
    watch = Watch(options.quiet, options.verbose)
    if options.new is not None or options.like is not None:
        return begin_scenario(options)
    if options.resume is not None:
        return series.resume(only_resume(options), options.minutes, watch)
    paths = choose_scenarios(options.names or (["*"] if options.list else []))
    if options.list:
        return list_scenarios(paths)
    check_kind(options, advises=own is not None and own.wanted is not None)
    if options.find_rate is not None:
        return highest.run(paths, options, watch)
    if is_beside(options):
        return beside.run(paths, options, watch)
    if options.serve:
        return by_hand.serve(on_ports_of_their_own([read(path) for path in paths]), new_directory("serve"), options.host)
    return series.begin(paths, options, watch, own)


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = cli.Parser(examples=EXAMPLES, prog="./run_all.sh", description=(__doc__ or "").partition("\n")[0], allow_abbrev=False)
    which = "scenarios to run: names or globs such as 'uwsgi_*' (default: all but those of your own projects)"
    parser.add_argument("names", nargs="*", metavar="NAME", help=which)
    parser.add_argument("--list", action="store_true", help="list the scenarios and their questions")
    parser.add_argument(
        "--rounds", type=some_rounds, default=1, metavar="R", help="run each R times, in random order, for intervals (default 1)"
    )
    parser.add_argument("--resume", type=cli.directory, metavar="DIR", help="resume a stopped run: its directory in results/")
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
        type=cli.typed_path,
        metavar="FILE",
        help="side by side with the same scenario where these packages replace ours; with --against, they are those of the other checkout",
    )
    parser.add_argument("--python", metavar="PATH", help="the same with another Python")
    parser.add_argument(
        "--markdown", type=cli.typed_path, metavar="FILE", help="also write what side by side shows as Markdown, for a pull request"
    )
    parser.add_argument("--until-decided", action="store_true", help="go on, side by side or in rounds, until each pair is decided")
    parser.add_argument(
        "--find-rate", metavar="TARGET", help="find the highest rate of each that keeps TARGET, such as 'p99<=200ms', on its first path"
    )
    limits = f"time limit of side by side (default {MINUTES:g}), of --until-decided ({MINUTES_UNTIL_DECIDED:g}) or of --find-rate (none)"
    parser.add_argument("--minutes", type=positive, metavar="M", help=limits)
    parser.add_argument("--within", type=share, metavar="SHARE", help=f"what counts as the same (default {SAME:.0%})".replace("%", "%%"))
    parser.add_argument("--new", metavar="NAME", help="write scenarios/NAME.py, a scenario of your own, and run nothing")
    parser.add_argument("--like", metavar="NAME", help=f"with --new: the scenario to start from (default {TEMPLATE})")
    add_run_options(parser)
    options = parse_run_arguments(parser, arguments)
    judges = options.until_decided or is_beside(options)
    if options.within is not None and not judges:
        raise UsageError("--within is what counts as the same: it goes with --side-by-side, --against, --requirements or --until-decided")
    if options.minutes is not None and not judges and options.find_rate is None and options.resume is None:
        raise UsageError("--minutes is the time limit of side by side, --until-decided, --find-rate or --resume: pass one of them")
    options.within = options.within or SAME
    if options.minutes is None and options.resume is None and options.find_rate is None:
        options.minutes = MINUTES_UNTIL_DECIDED if options.until_decided else MINUTES
    return options


def size_searches(options: argparse.Namespace, of_a_project: argparse.Namespace) -> None:
    """What sizes a project's loads is not among the suite's own options."""
    if options.find_rate is None:
        return
    if len(of_a_project.paths or []) > 1:
        raise UsageError("--find-rate searches for one page: give one --path")
    options.requests, options.concurrency, options.seconds = of_a_project.requests, of_a_project.concurrency, of_a_project.seconds


def is_beside(options: argparse.Namespace) -> bool:
    """Two at a time, asked in turn."""
    return options.side_by_side or options.against is not None or beside.asks_for_environment(options)


def check_kind(options: argparse.Namespace, advises: bool) -> None:
    if options.find_rate is not None and goes_with_more(options, "find_rate", "names", "concurrency", "seconds", "keep_alive", "no_pin"):
        raise UsageError("--find-rate sends loads of its own: combine it with -c, -t, -k, --minutes and --no-pin only")
    beside_too = is_beside(options)
    if beside_too and options.serve:
        raise UsageError("--serve only serves: don't pass --side-by-side, --against or --requirements")
    if beside_too and (options.rounds != 1 or options.baseline is not None):
        raise UsageError("side by side has restarts in place of --rounds, and compares with the first scenario, not with a --baseline")
    if options.markdown is not None and not beside_too:
        raise UsageError("--markdown writes what side by side shows: pass --side-by-side, --against or --requirements too")
    if options.until_decided and (beside_too or options.serve):
        raise UsageError("--until-decided chooses side by side itself: don't pass --side-by-side, --against, --requirements or --serve")
    if advises and (options.find_rate is not None or beside_too or options.serve):
        raise UsageError("--target asks for advice after a run: don't pass --find-rate, --side-by-side, --against or --serve")
    if options.side_by_side and (options.against is not None or beside.asks_for_environment(options)):
        raise UsageError("--against and --requirements compare each scenario with itself, side by side: don't pass --side-by-side")


def only_resume(options: argparse.Namespace) -> Path:
    """--resume follows the saved plan, so it takes no other options."""
    if goes_with_more(options, "resume"):
        raise UsageError("--resume reuses the original run's scenarios and options; don't pass any")
    typed = cli.typed_path(options.resume)
    return typed if typed.exists() else Path(options.resume)  # as a run prints it: from our folder


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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
