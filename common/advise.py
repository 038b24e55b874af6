"""What should you run? From measured scenarios to a server, processes, threads, memory, and machines for a rate and a promise.

    python -m common.advise results/RUN --rate 200 --target 'p99<=1s' [--cores 4] [--memory 2GB] [--verify]

The records must hold two loads of a path: many requests at a time, which says what CPU a request takes, and one at a time,
which says how long it waits. --verify serves what is advised and sends it the rate for half a minute, at random moments: exit code 1 if
the promise is not kept, or if nothing can be advised.
"""

import argparse
import ast
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

from common import cli
from common.cli import UsageError
from common.client.load import Load
from common.client.options import DEFAULT_CAP, count, rate
from common.client.progress import silent
from common.report import advice as report
from common.report.console import PlainConsole
from common.report.live import Watch
from common.results import files, targets
from common.results.advice import Advice, Forecast, Wanted, advise
from common.results.demand import Demand, Server, find_demand, is_alone, why_unusable
from common.results.record import Measured, ScenarioRun
from common.running.directories import new_directory
from common.running.find_rate import judge
from common.running.rounds import Turn
from common.running.run import run_turn
from common.running.sizing import RunOptions
from common.serving import cores, postgres
from common.serving.places import HOST, short_path
from common.serving.ports import backlog
from common.serving.scenario import DEFAULT_PORTS, KINDS, Scenario, assignments
from common.serving.shape import PROGRAMS, SYNC, UNKNOWN, shape_of, with_shape
from common.serving.variant import derive

WIDTH = 120
VERIFIED_SECONDS, GRACE_SECONDS = 30.0, 10.0
ALONE, ALONE_SECONDS = 100, 10.0
UNITS = {"GB": 1024.0, "MB": 1.0}
EXAMPLES = [
    ("python -m common.advise results/RUN --rate 200 --target 'p99<=1s'", "what to run for 200 requests a second"),
    ("python -m common.advise results/RUN --rate 200 --target 'p99<=1s' --cores 4 --memory 2GB", "on such a machine"),
    ("python -m common.advise results/RUN --rate 200 --target 'p99<=1s' --verify", "and try it for half a minute"),
]


@dataclass(frozen=True)
class OwnSite:
    """What is also known of a reader's own project."""

    with_database: bool = False  # one that is asked through connections: SQLite is a file
    beside: Sequence[ScenarioRun] = ()  # runs that are not weighed, such as those with more processes


@dataclass(frozen=True)
class Case:
    """What is asked of a site."""

    method: str
    path: str
    latency_ms: int

    @property
    def title(self) -> str:
        return f"{self.method} {self.path}{f' · {self.latency_ms} ms added' if self.latency_ms else ''}"


def main(arguments: list[str]) -> int:
    cli.stop_on_signals()
    return cli.run("advise", lambda: give_advice(arguments))


def give_advice(arguments: list[str]) -> int:
    options = parse_arguments(arguments)
    return advise_from([run for directory in options.directories for run in files.read_directory(directory)], options)


def advise_from(runs: Sequence[ScenarioRun], options: argparse.Namespace, own: OwnSite | None = None) -> int:
    wanted = wanted_from(options, runs)
    cases = cases_of(runs, options.path)
    if options.verify:
        runs = [*runs, *(run for case in cases for run in send_alone(runs, case))]
    return max([advise_case(runs, case, wanted, options.verify, own or OwnSite()) for case in cases])


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    description = (__doc__ or "").partition("\n")[0]
    parser = cli.Parser(examples=EXAMPLES, prog="python -m common.advise", description=description, allow_abbrev=False)
    parser.add_argument("directories", nargs="+", type=cli.directory, metavar="DIR", help="of one run, or of several that belong together")
    parser.add_argument("--rate", type=rate, required=True, metavar="R", help="requests per second to serve")
    parser.add_argument("--path", metavar="PATH", help="advise for this path only (default: each that was measured)")
    add_wanted_options(parser, required=True)
    return parser.parse_args(arguments)


def add_wanted_options(parser: argparse.ArgumentParser, required: bool) -> None:
    """What is asked for, beside the rate."""
    what = "advise what keeps this promise: a percentile and its limit, such as 'p99<=1s'"
    parser.add_argument("--target", required=required, metavar="TARGET", help=what)
    parser.add_argument("--cores", type=count, metavar="N", help="of a machine that is to serve (default: as measured on)")
    parser.add_argument("--memory", type=megabytes, metavar="SIZE", help="of such a machine: 2GB, 512MB (default: as measured on)")
    parser.add_argument("--verify", action="store_true", help=f"serve what is advised, and send the rate for {VERIFIED_SECONDS:g} s")


def megabytes(text: str) -> float:
    try:
        value = float(text[:-2]) * UNITS[text[-2:].upper()]
    except (ValueError, KeyError):
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size: write 2GB or 512MB")
    return value


def wanted_from(options: argparse.Namespace, runs: Sequence[ScenarioRun]) -> Wanted:
    machine = runs[0].environment
    wanted = Wanted(
        rate=options.rate,
        target=targets.parse_latency(options.target, "--target"),
        cores=options.cores or machine.cores,
        memory_mb=options.memory or machine.memory_bytes / 2**20,
    )
    check_can_verify(options, wanted.cores)
    return wanted


def check_can_verify(options: argparse.Namespace, needed: int) -> None:
    if options.verify and needed > cores.count():
        raise UsageError(f"--verify needs a machine of --cores {needed}; this one has {cores.count()}")


def cases_of(runs: Sequence[ScenarioRun], path: str | None) -> list[Case]:
    cases = list(dict.fromkeys(case_of(load) for run in runs for load in run.loads))
    if not cases:
        raise files.RecordError(f"nothing was measured: {runs[0].reason or runs[0].status}")
    chosen = [case for case in cases if path in (None, case.path)]
    if not chosen:
        raise UsageError(f"--path {path}: these results have only {', '.join(sorted({case.path for case in cases}))}")
    return chosen


def case_of(load: Measured) -> Case:
    return Case(load.sent.load.method, load.sent.path, load.latency_ms)


def advise_case(runs: Sequence[ScenarioRun], case: Case, wanted: Wanted, verify: bool, own: OwnSite) -> int:
    found = {name: demand_of(name, runs, case, own) for name in names_of(runs, case)}
    demands = [demand for demand in found.values() if isinstance(demand, Demand)]
    refused = [f"{name}: {reason}" for name, reason in found.items() if isinstance(reason, str)]
    console = PlainConsole(width=WIDTH, highlight=False)
    console.rule(case.title, align="left", style="dim")
    if not demands:
        console.print("No advice: nothing that was measured is enough for any.")
        console.print("\n".join(refused))
        console.print(how_to_measure(runs, case))
        return 1
    advice = advise(demands, wanted)
    console.print(report.say(advice), style="bold")
    launch = launch_of(advice.advised, runs) if advice.advised else ""
    if advice.advised and launch:
        shown = fill_in(launch, last_run(advice.advised.shape.demand.scenario, runs))
        console.print(f"\n    {shown}\n", soft_wrap=True)
    console.print(report.draw(advice, refused))
    if advice.advised is None:
        return 1
    return verify_advice(advice, advice.advised, launch, runs, case, console) if verify else 0


def demand_of(name: str, runs: Sequence[ScenarioRun], case: Case, own: OwnSite) -> Demand | str:
    server = server_of(name, runs)
    if server.kind == UNKNOWN:
        return "its launch line does not say how it works on several requests"
    demand = find_demand(server, loads_of(name, runs, case))
    if isinstance(demand, str):
        return demand
    others = [(shape_of(run.launch), rate) for run in own.beside if family_of(run) == server.family for rate in rates_of(run, case)]
    return replace(
        demand,
        with_database=demand.with_database or own.with_database,
        wider={shape.processes: rate for shape, rate in others if shape.processes != server.processes},
        also_measured=frozenset((shape.processes, shape.threads) for shape, _ in others),
    )


def rates_of(run: ScenarioRun, case: Case) -> list[float]:
    return [load.metrics.per_second for load in loads_in(run, case) if not why_unusable(load)]


def how_to_measure(runs: Sequence[ScenarioRun], case: Case) -> str:
    lacking = without_alone(runs, case)
    if not lacking:
        return f"Measure again: ./run_all.sh {' '.join(names_of(runs, case))}"
    command = f"./run_all.sh {' '.join(lacking)} -n {ALONE} -c 1"
    return f"Send one at a time: {command}; and give its directory too. Or add --verify, which sends them."


def names_of(runs: Sequence[ScenarioRun], case: Case) -> list[str]:
    return list(dict.fromkeys(run.scenario for run in runs if loads_in(run, case)))


def last_run(name: str, runs: Sequence[ScenarioRun]) -> ScenarioRun:
    return [run for run in runs if run.scenario == name][-1]


def loads_of(name: str, runs: Sequence[ScenarioRun], case: Case) -> list[Measured]:
    """Of the launch line that was measured last: another one is another server."""
    launch = last_run(name, runs).launch
    return [load for run in runs if run.scenario == name and run.launch == launch for load in loads_in(run, case)]


def loads_in(run: ScenarioRun, case: Case) -> list[Measured]:
    return [load for load in run.loads if case_of(load) == case]


def server_of(name: str, runs: Sequence[ScenarioRun]) -> Server:
    """A sync worker could get threads; where servers with threads were measured, those say what threads cost."""
    run = last_run(name, runs)
    shape = shape_of(run.launch)
    program = PROGRAMS.get(shape.program)
    numbered = program is not None and bool(program.at_a_time) and shape.kind in (SYNC, *dict(program.at_a_time))
    if shape.kind == SYNC:
        numbered = numbered and all(shape_of(run.launch).kind == SYNC for run in runs)
    one_process = program is None or not program.processes
    return Server(name, shape.kind, shape.processes, shape.threads, one_process, numbered, family_of(run))


def family_of(run: ScenarioRun) -> str:
    """Its launch line without numbers, and its source without what it declares."""
    try:
        tree = ast.parse(run.source)
        declared = [node for name, node in assignments(tree).items() if name in KINDS]
        site = [ast.unparse(node) for node in tree.body if node not in declared and not is_text(node)]
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise files.RecordError(f"the record of {run.scenario} is damaged: its source cannot be read as Python: {error}") from None
    return "\n".join([re.sub(r"[0-9]+", "#", run.launch), *site])


def is_text(node: ast.stmt) -> bool:
    """A docstring."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def launch_of(forecast: Forecast, runs: Sequence[ScenarioRun]) -> str:
    """A pool's connections stand in the settings."""
    shape = forecast.shape
    launch = last_run(shape.demand.scenario, runs).launch
    return with_shape(launch, shape.processes, shape.at_a_time if shape.demand.server.numbered else None)


def fill_in(launch: str, run: ScenarioRun) -> str:
    """A launch line of a reader's own project, as a shell takes it."""
    if not run.project:
        return launch
    declared = assignments(ast.parse(run.source)).get("APP")
    values = {
        "app": ast.literal_eval(declared.value) if declared else "{app}",
        "host": HOST,
        "port": DEFAULT_PORTS["port"],
        "backlog": backlog(),
    }
    return re.sub(r"\{(\w+)\}", lambda found: str(values.get(found[1], found[0])), launch)


def send_alone(runs: Sequence[ScenarioRun], case: Case) -> list[ScenarioRun]:
    """Measure what the records lack: how long a request takes when it is alone."""
    made = []
    for name in without_alone(runs, case):
        load = alone(request_of(loads_of(name, runs, case)))
        run = last_run(name, runs)
        print(f"{name}: sending {case.title} one at a time first, for at most {ALONE_SECONDS:g} s", flush=True)
        made.append(replace(send(derive_from(run, "alone", load, case, run.launch)), scenario=name, launch=run.launch))
    return made


def without_alone(runs: Sequence[ScenarioRun], case: Case) -> list[str]:
    return [name for name in names_of(runs, case) if not any(map(is_alone, loads_of(name, runs, case)))]


def alone(load: Load) -> Load:
    """The same request one at a time, often enough to know how long it takes."""
    return replace(load.burst(1), requests=ALONE, seconds=ALONE_SECONDS)


def request_of(loads: Sequence[Measured]) -> Load:
    """The request alone."""
    return replace(loads[0].sent.load.burst(1), target=loads[0].sent.path)


def derive_from(run: ScenarioRun, what: str, load: Load, case: Case, launch: str) -> Scenario:
    """The run's site by this launch line, with one load, in a new results directory."""
    return derive(run.source, f"{run.scenario.rpartition('/')[2]}_{what}", new_directory(what), launch, [load.identity], case.latency_ms)


def send(scenario: Scenario) -> ScenarioRun:
    directory = scenario.path.parent
    with postgres.server(silent) as database:
        run = run_turn(Turn(scenario), RunOptions(), directory, database, Watch())
    if run.status == "interrupted":
        raise KeyboardInterrupt
    if run.status == "skipped":
        raise cli.NotInstalled(run.reason)
    if not run.loads:
        raise cli.Failed(f"{scenario.name} {run.status}: {run.reason}")
    return run


def verify_advice(advice: Advice, forecast: Forecast, launch: str, runs: Sequence[ScenarioRun], case: Case, console: PlainConsole) -> int:
    """Half a minute of the rate, at random moments, against what is advised."""
    name = forecast.shape.demand.scenario
    load = replace(request_of(loads_of(name, runs, case)), requests=None, concurrency=DEFAULT_CAP, rate=forecast.rate, poisson=True)
    load = replace(load, seconds=VERIFIED_SECONDS, grace=GRACE_SECONDS)
    scenario = derive_from(last_run(name, runs), "advised", load, case, launch)
    measured = send(scenario).loads[0]
    kept, said = report.verdict(forecast, advice.wanted.target, measured, judge(advice.wanted.target, measured.sent))
    console.print(f"\n{said}\nIts scenario, and the record beside it: {short_path(scenario.path)}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
