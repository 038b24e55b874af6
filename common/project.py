"""A reader's own project under every server: the options of --project, and the scenarios it writes."""

import argparse
import math
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from common import advise, cli
from common.client.load import Load
from common.client.options import add_load_options, at_least, body_file, load_from, parse_line, unicode
from common.client.request import check_can_be_sent
from common.results import targets
from common.serving import cores
from common.serving.own import asking, project, project_files, scenario_files, servers, settings
from common.serving.own.scenario_files import Row
from common.serving.own.settings import Facts
from common.serving.places import HOST, short_path
from common.serving.scenario import Fits, Scenario, from_source, is_login, is_path, scenario_name
from common.serving.shape import ShapeError
from studies import SERVERS, baselines_of

EXAMPLES = [
    ("./run_all.sh --project ../mysite --path /dashboard/", "the project in that folder under each server, asked for this page"),
    ("./run_all.sh --project ../mysite --servers 'gunicorn_*' --threads 4,16", "only these servers, with so many threads"),
    ("./run_all.sh --project ../mysite --path /dashboard/ --against main", "beside its revision main: does a change cost CPU?"),
    (
        "./run_all.sh --project ../mysite --path /dashboard/ --rate 200 --target 'p99<=1s'",
        "then what to run for 200 requests a second",
    ),
    ("./run_all.sh 'mysite/*'", "the same again"),
]
PROCESSES, THREADS, IN_FLIGHT = [1], [8, 32], 32
LEADERS, WORKERS = 2, 2  # so many servers that serve most are run again, with so many processes
SECONDS = 240.0  # for one path, under all servers, in each round
LEAST, MOST, START = 2.0, 10.0, 5.0  # seconds of a load, and of the start and the warm-up of its server
USUAL = ["-s", "30.0", "-m", "GET"]


@dataclass(frozen=True)
class OwnRun:
    """What a project's run begins with, and whether it goes on."""

    names: list[str]  # of its scenarios
    workers: int  # processes that those which serve most are also run with; 1: the run does not go on
    seconds: float  # that a round may take; infinite if the reader says how much is sent
    renew: bool  # files that exist already are written anew
    wanted: argparse.Namespace | None = None  # what advice is asked for, as of python -m common.advise
    with_database: bool = False  # one that is asked through connections


def numbers(text: str) -> list[int]:
    one = at_least(1, int, "a whole number of 1 or more, or several: 8,32")
    return [one(part) for part in text.split(",")]


def variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"{text!r} is not a variable: write NAME=VALUE")
    return name, unicode(value)


def fitting(fits: Fits, what: str) -> Callable[[str], str]:
    """Text that a scenario's constant may hold."""

    def checked(text: str) -> str:
        if not fits(unicode(text)):
            raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
        return text

    return checked


some_path = fitting(is_path, "a path: it must begin with '/', without blanks or non-ASCII letters")
some_login = fitting(is_login, "NAME:PASSWORD, or '$VARIABLE' that holds it")
some_value = fitting(lambda text: bool(re.fullmatch(r"[\t -~]+", str(text))), "the value of a header: it must be ASCII, and not empty")


def parse_arguments(arguments: list[str]) -> tuple[argparse.Namespace | None, list[str]]:
    """The options for a project and its load, None without --project; and what is left for the suite."""
    if not any(word.partition("=")[0] == "--project" for word in arguments):
        return None, arguments
    parser = cli.Parser(
        examples=EXAMPLES,
        prog="./run_all.sh --project",
        allow_abbrev=False,
        description="Run a Django project of your own, unchanged, under each server.",
        epilog="All further options are those of ./run_all.sh.",
    )
    parser.add_argument("--project", required=True, metavar="FOLDER", help="the folder of its manage.py")
    parser.add_argument("--path", dest="paths", action="append", metavar="PATH", help="ask for this path (default /; repeatable)")
    parser.add_argument("--settings", metavar="MODULE", help="its settings module (default: DJANGO_SETTINGS_MODULE, or as manage.py says)")
    parser.add_argument("--python", metavar="PATH", help="its interpreter or environment (default: .venv, venv, env or VIRTUAL_ENV)")
    parser.add_argument(
        "--env", type=variable, action="append", default=[], metavar="NAME=VALUE", help="a variable that it needs (repeatable)"
    )
    parser.add_argument("--env-file", metavar="FILE", help="a file of such variables (default: .env beside manage.py; '': none)")
    parser.add_argument("--servers", type=lambda text: text.split(","), default=[], metavar="NAME,NAME", help="only these: names or globs")
    parser.add_argument(
        "--processes", type=numbers, metavar="N,N", help=f"numbers of processes (default 1; then {WORKERS} for those that serve most)"
    )
    parser.add_argument("--threads", type=numbers, default=THREADS, metavar="N,N", help="numbers of threads or greenlets (default 8,32)")
    parser.add_argument("--host-header", type=some_value, metavar="HOST", help="send this Host, as ALLOWED_HOSTS demands")
    parser.add_argument("--cookie", type=some_value, metavar="'NAME=VALUE'", help="send these cookies")
    parser.add_argument(
        "--login", type=some_login, metavar="NAME:PASSWORD", help="send all requests as this user; '$VARIABLE' keeps it secret"
    )
    parser.add_argument("--login-path", type=some_path, metavar="PATH", help="the page of its login form (default: LOGIN_URL)")
    parser.add_argument("--csrf", type=some_path, metavar="PATH", help="a page with a form, whose token goes with -p and -d")
    parser.add_argument("--debug-anyway", action="store_true", help="measure it even with DEBUG on")
    parser.add_argument("--renew", action="store_true", help="write scenario files anew that exist already")
    add_load_options(parser, lambda text: body_file(str(cli.typed_path(text))))
    advise.add_wanted_options(parser, required=False)
    return parser.parse_known_args(arguments)


def write_scenarios(options: argparse.Namespace, names: Sequence[str], against: bool = False) -> OwnRun:
    """Write a scenario for each server and shape. A change is measured under one server, unless --servers says more."""
    if names:
        raise cli.UsageError(f"--project runs the scenarios that it writes, not {' '.join(names)}; choose among them with --servers")
    wanted = wanted_from(options)
    found = project.find(options.project, options.python, options.settings, dict(options.env), options.env_file)
    folder = scenario_files.folder_of(found)
    rows = choose_rows(options, found.python, only_one=against and not options.servers)
    workers = WORKERS if options.processes is None and not against and cores.count() > 1 else 1
    seconds = math.inf if is_sized(options) else SECONDS * len(options.paths or ["/"])
    lines = load_lines(options, len(rows) + (LEADERS if workers > 1 else 0))
    facts, login_path = look_at(found, options, [parse_line(line) for line in lines], [row.server for row, _ in rows])
    more = {"LOGIN": options.login, "LOGIN_PATH": login_path, "CSRF": options.csrf}
    sources = {
        folder / f"{row.name}.py": scenario_files.source_of(row, folder.name, found, facts, lines, model, more) for row, model in rows
    }
    write_files(sources, options.renew)
    print(f"{short_path(folder)}/: {len(sources)} scenarios; the same again: ./run_all.sh {again(folder, sources)}", flush=True)
    install([model.server for _, model in rows], found.python)
    with_database = any(database.engine != "sqlite" for database in facts.databases)
    return OwnRun([scenario_name(path) for path in sources], workers, seconds, options.renew, wanted, with_database)


def choose_rows(options: argparse.Namespace, python: str, only_one: bool) -> list[tuple[Row, Scenario]]:
    """Each server in each shape with its model, first the baseline, with which the others are compared; why one is left out is said."""
    rows: list[tuple[Row, Scenario]] = []
    left_out: list[str] = []
    for name, model in scenario_files.servers_of(SERVERS, options.servers).items():
        try:
            fitted = replace(model, server=servers.fit(model.server, python))
            shapes = scenario_files.rows_of(name, fitted, options.processes or PROCESSES, options.threads)
        except (cli.NotInstalled, ShapeError) as why:
            left_out.append(f"{name}: {why}")
        else:
            rows += [(row, fitted) for row in shapes]
    if not rows:
        raise cli.UsageError(f"no server is left: {'; '.join(left_out)}")
    rows.sort(key=lambda pair: pair[1].name not in baselines_of(SERVERS))
    if only_one:
        return rows[:1]
    for why_not in left_out:
        cli.complain(f"run_all.sh: left out: {why_not}")
    return rows


def again(folder: Path, sources: Iterable[Path]) -> str:
    """How to name these scenarios, though older ones may lie beside them."""
    names = [scenario_name(path) for path in sources]
    return f"'{folder.name}/*'" if set(folder.glob("*.py")) == set(sources) else " ".join(names)


def wanted_from(options: argparse.Namespace) -> argparse.Namespace | None:
    """What advice is asked for, as for python -m common.advise."""
    if options.target is None:
        if options.cores is not None or options.memory is not None:
            raise cli.UsageError("--cores and --memory are of a machine to advise for: add --rate and --target")
        if options.verify:
            raise cli.UsageError("--verify tries what is advised: add --rate and --target")
        return None
    if options.rate is None:
        raise cli.UsageError("--target needs --rate R, the requests per second to serve")
    targets.parse_latency(options.target, "--target")  # before anything runs
    advise.check_can_verify(options, options.cores or 1)
    wanted = {name: getattr(options, name) for name in ("rate", "target", "cores", "memory", "verify")}
    return argparse.Namespace(**wanted, path=None)


def look_at(found: project.Project, options: argparse.Namespace, loads: Sequence[Load], launches: Sequence[str]) -> tuple[Facts, str]:
    """Say what matters about the project, which database before all, unless it cannot be measured; return that and its login page."""
    host = host_sent(loads[0])
    facts = asking.ask_settings(found, host)
    print(f"{found.folder}: {found.settings}, Django {facts.django}, {found.python}", flush=True)
    project_files.check_applications(found.settings, facts.application_files)
    settings.refuse(facts, found.settings, project_files.first_written(Path(facts.wsgi_file), project_files.SETTINGS), options.debug_anyway)
    say(*settings.explain(facts, loads, launches, bool(options.login)), *project.explain_reading(found, facts.application_files))
    asked = [] if options.login else [load for load in loads if load.method == "GET"]  # only a server logs in
    pages = asking.ask_for_pages(found, host, loads, asked)
    settings.refuse_answers(facts, pages, asked)
    login_path = options.login_path or pages.login_path if options.login else ""
    say(*settings.explain_views(pages, launches), *tell_login(options.login, login_path))
    return facts, login_path


def host_sent(load: Load) -> str:
    return next((value for name, value in load.headers if name.lower() == "host"), f"{HOST}:8000")


def say(*sentences: str) -> None:
    for sentence in sentences:
        print(f"  {sentence}", flush=True)


def tell_login(login: str | None, path: str) -> list[str]:
    at = f" at {path}" if path else ""
    return [f"each start of a server logs the user in{at}, which saves a session and last_login"] if login else []


def write_files(sources: dict[Path, str], renew: bool) -> None:
    """Nothing is written unless all of it can be read again."""
    for path, source in sources.items():
        from_source(path, source)
    kept = [path for path, source in sources.items() if not scenario_files.write(path, source, renew)]
    if kept:
        names = ", ".join(path.name for path in kept)
        print(f"{names}: run as you left them, whatever else is asked for; --renew writes them anew", file=sys.stderr)


def install(launches: Sequence[str], python: str) -> None:
    """Now, so that no measured run waits for it; a run reports what cannot be installed."""
    for launch in dict.fromkeys(launches):
        with suppress(cli.NotInstalled):
            servers.folders_for(launch, python, lambda text: print(f"{text} ...", flush=True))


def is_sized(options: argparse.Namespace) -> bool:
    """The reader says how much is sent."""
    return any(value is not None for value in (options.requests, options.seconds, rate_sent(options), options.stages, options.users))


def rate_sent(options: argparse.Namespace) -> float | None:
    """With --target, --rate is to be served, and is no load."""
    return None if options.target is not None else options.rate


def load_lines(options: argparse.Namespace, rows: int) -> list[str]:
    """One for each path; as long as the time allows, unless it is sized."""
    paths, options = options.paths or ["/"], argparse.Namespace(**vars(options))
    options.rate = rate_sent(options)
    if not is_sized(options):
        options.seconds = float(math.floor(min(MOST, max(LEAST, SECONDS / (rows + 1) - START))))
    if options.users is None and options.rate is None and options.stages is None:
        options.concurrency = options.concurrency or min(IN_FLIGHT, options.requests or IN_FLIGHT)
    if options.body_file is not None:
        options.body_file = os.path.abspath(options.body_file)
    extra = [("Host", options.host_header), ("Cookie", options.cookie)]
    options.headers = [*options.headers, *((name, value) for name, value in extra if value is not None)]
    for path in paths:
        if not path.startswith("/"):
            raise cli.UsageError(f"--path {path}: it must begin with '/'")
        check_can_be_sent(path)
    return [line_of(load_from(options, path)) for path in paths]


def line_of(load: Load) -> str:
    """As a person would write it."""
    words = load.arguments()
    words = words[len(USUAL) :] if words[: len(USUAL)] == USUAL else words
    return shlex.join([*(word.removesuffix(".0") if word[:1].isdigit() else word for word in words), load.target])
