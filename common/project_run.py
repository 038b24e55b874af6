"""What the run of a reader's own project goes on to do once each server was measured with one process.

The servers that served most run again with more processes; those too near to tell are asked in turn; for advice, the best of
each kind are asked for each page one at a time.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace

from common import advise, cli
from common.cli import WrongAnswer
from common.project import LEADERS, OwnRun, line_of, write_files
from common.report.decisions import say_decision
from common.results import files
from common.results.comparison import compare_loads
from common.results.decisions import Decision, decide_pairs
from common.results.files import PLAN
from common.results.intervals import SAME
from common.results.leaders import find_leaders, too_near_to_tell
from common.results.record import ScenarioRun
from common.results.words import join_words
from common.running.directories import begun
from common.running.rounds import Turn, plan_turns
from common.running.sizing import planned_seconds
from common.running.until_decided import OpenRun, decide, with_loads
from common.serving.login import NotVisited
from common.serving.own.wider import can_be_wider, server_of, widen
from common.serving.places import short_path
from common.serving.scenario import Scenario, ScenarioError, read
from common.serving.shape import LOOP, shape_of

KINDS = 4  # of servers: sync, threads, greenlets, loop
ALONE = "alone"  # the folder of what advice needs, below that of the run
NUMERALS = {1: "one", 2: "two"}
LEAST_TO_DECIDE = 30.0  # seconds: for a few restarts of two servers


def run_first(turns: Sequence[Turn], open_run: OpenRun, until: float) -> None:
    """Every server once, in its first shape, then the others as long as there is time; what the site itself refuses ends it."""
    servers = [server_of(turn.scenario) for turn in turns]
    once = [turn for place, turn in enumerate(turns) if server_of(turn.scenario) not in servers[:place]]
    others = [turn for place, turn in enumerate(turns) if server_of(turn.scenario) in servers[:place]]
    first = sorted(once, key=lambda turn: shape_of(turn.scenario.server).kind == LOOP)[:1]  # a loop may refuse what no other does
    open_run.run(first, ended_by=(NotVisited, WrongAnswer))
    open_run.run([turn for turn in once if turn not in first], ended_by=(NotVisited,))
    had = len(open_run.runs)
    open_run.run(others, until, ended_by=(NotVisited,))
    if left_out := others[len(open_run.runs) - had :]:
        open_run.watch.expect(-sum(planned_seconds(turn.scenario, open_run.options) for turn in left_out))
        names = join_words([turn.name for turn in left_out])
        again = f"./run_all.sh --resume {short_path(open_run.directory)}"
        print(f"No time is left for {names}; to run what is left: {again}", flush=True)


def go_on(
    own: OwnRun, open_run: OpenRun, until: float, alone: list[ScenarioRun], locked: ExitStack, tell_fault: Callable[[str], None]
) -> OpenRun:
    """Return the run with what it has grown by; what is asked one at a time is kept apart."""
    open_run = run_further(choose_further(own, open_run, until), open_run, locked)
    decide_top(open_run, until, tell_fault)
    run_as_well(plan_alone(own, open_run), open_run, alone)
    return open_run


def choose_further(own: OwnRun, open_run: OpenRun, until: float) -> list[Scenario]:
    """Those that served most, each under the loads where it did, with more processes; none if that would take too long."""
    wider = {scenario.name: scenario for scenario in open_run.scenarios if can_be_wider(scenario, own.workers)}
    if own.workers == 1 or not wider:
        return []
    lines = lines_of_leaders(open_run, {name: server_of(scenario) for name, scenario in wider.items()}, LEADERS)
    if not lines:
        print(f"No server is run with {own.workers} processes: none that can have them was measured undisturbed.", flush=True)
        return []
    seconds = sum(planned_seconds(with_loads(wider[name], lines[name]), open_run.options) for name in lines) * open_run.plan.rounds
    most = f"the {NUMERALS.get(len(lines), 'ones')} that served most, with {own.workers} processes: {join_words(list(lines))}"
    if time.monotonic() + seconds > until:
        print(f"No time is left for {most}; to run all with them: --processes 1,{own.workers}", flush=True)
        return []
    print(f"Now {most}", flush=True)
    return list(write_wider([(wider[name], lines[name]) for name in lines], own))


def lines_of_leaders(open_run: OpenRun, servers: Mapping[str, str], number: int) -> dict[str, set[str]]:
    """The scenarios that lead a load, each with the lines of these loads."""
    lines: dict[str, set[str]] = {}
    for comparison in compare_loads(open_run.runs):
        for name in find_leaders(comparison, servers, number):
            lines.setdefault(name, set()).add(comparison.load.line)
    return lines


def write_wider(scenarios: Sequence[tuple[Scenario, set[str]]], own: OwnRun) -> Iterator[Scenario]:
    """Each with these of its loads; what the reader made unreadable is said, and the others are run."""
    for scenario, lines in scenarios:
        path, source = widen(scenario, own.workers)
        write_files({path: source}, own.renew)
        try:
            yield with_loads(read(path, scenario.root), lines)
        except ScenarioError as error:
            cli.complain(f"run_all.sh: {error}")


def run_further(scenarios: Sequence[Scenario], open_run: OpenRun, locked: ExitStack) -> OpenRun:
    """Run these too, as part of the same plan."""
    if not scenarios:
        return open_run
    plan = replace(open_run.plan, scenarios=[*open_run.plan.scenarios, *(scenario.name for scenario in scenarios)])
    locked.enter_context(begun(open_run.directory / PLAN, plan))
    turns = [turn for turn in plan_turns(scenarios, plan.rounds, plan.seed, open_run.baselines) if not turn.control]
    run_as_well(turns, open_run, open_run.runs)
    return replace(open_run, plan=plan, scenarios=[*open_run.scenarios, *scenarios])


def run_as_well(turns: Sequence[Turn], open_run: OpenRun, runs: list[ScenarioRun]) -> None:
    open_run.watch.expect(sum(planned_seconds(turn.scenario, open_run.options) for turn in turns))
    open_run.run(turns, runs=runs)


def decide_top(open_run: OpenRun, until: float, tell_fault: Callable[[str], None]) -> None:
    """Ask the best two of each load in turn, where rates are too near to tell and the time of the run leaves enough."""
    pairs = list(top_pairs(open_run))
    for number, pair in enumerate(pairs):
        now = time.monotonic()
        seconds = (until - now) / (len(pairs) - number)
        open_ones = [each for each in decisions_of(pair) if each.next_step == "side by side"]
        if open_ones and LEAST_TO_DECIDE <= seconds < math.inf:
            names = " and ".join(open_ones[0].names)
            print(f"Now side by side, as they are too near to tell, for at most {seconds:.0f} s: {names}", flush=True)
            decide(pair, now + seconds, tell_fault, more_rounds=False)


def tell_top(open_run: OpenRun) -> Iterator[str]:
    """What is known of the best two where rates are too near to tell, or the command that would decide it."""
    for each in [each for pair in top_pairs(open_run) for each in decisions_of(pair)]:
        path, (one, other) = each.comparison.load.sent.path, each.names
        said = f"{one} and {other} are too near to tell." if each.kind == "undecided" and each.pair is None else say_decision(each)
        how = "--side-by-side" if each.next_step == "side by side" else "--rounds 10"
        command = f" To decide which costs less CPU: ./run_all.sh {one} {other} {how}" if each.kind == "undecided" else ""
        yield f"{path}: {said}{command}"


def tell_choice(open_run: OpenRun) -> Iterator[str]:
    """What we would run for each page, by its launch line: what serves most, or of what may, the one whose requests cost least."""
    servers = {scenario.name: server_of(scenario) for scenario in open_run.scenarios}
    decisions = [each for pair in top_pairs(open_run) for each in decisions_of(pair) if each.kind in ("more", "less")]
    cheaper = {each.comparison.load.identity: each.names[each.kind == "more"] for each in decisions}
    for comparison in compare_loads(open_run.runs):
        path, leaders = comparison.load.sent.path, find_leaders(comparison, servers, 1)
        if len({servers.get(sample.scenario) for sample in comparison.samples}) == 1:
            continue  # there is no choice
        if comparison.load.sent.load.concurrency == 1 or not leaders:
            alone = "requests that come one at a time do not tell which server serves most"
            yield f"{path}: nothing is advised: {'no server was measured undisturbed and without failures' if not leaders else alone}."
            continue
        name = cheaper.get(comparison.load.identity, leaders[0])
        run = advise.last_run(name, open_run.runs)
        near = too_near_to_tell(comparison, servers)
        why = "none is shown to serve more, and its requests cost least" if near else "it serves most"
        yield f"{path}: we would run {name}: {why}.\n    {advise.fill_in(run.launch, run)}"


def top_pairs(open_run: OpenRun) -> Iterator[OpenRun]:
    """The two, as a run of their own under that load alone."""
    servers = {scenario.name: server_of(scenario) for scenario in open_run.scenarios}
    for comparison in compare_loads(open_run.runs):
        names = too_near_to_tell(comparison, servers)
        samples = [sample for sample in comparison.samples if sample.scenario in names and not sample.run.control]
        if names and open_run.plan.within is None:
            runs = [replace(sample.run, loads=[sample.load]) for sample in samples]
            yield replace(open_run, runs=runs, plan=replace(open_run.plan, within=SAME))


def decisions_of(pair: OpenRun) -> list[Decision]:
    return decide_pairs(pair.runs, files.read_pairs(pair.directory), SAME)


def plan_alone(own: OwnRun, open_run: OpenRun) -> list[Turn]:
    """For advice: the best of each kind of server, asked for each page one at a time, which says how long a request waits."""
    if own.wanted is None:
        return []
    kinds = {one.name: shape_of(one.server).kind for one in open_run.scenarios if one.workers == 1}
    lines = lines_of_leaders(open_run, kinds, KINDS)
    chosen = [with_loads(scenario, lines[scenario.name]) for scenario in open_run.scenarios if scenario.name in lines]
    if chosen:
        print(f"Now one request at a time, for advice: {join_words([one.name for one in chosen])}", flush=True)
    return [Turn(replace(one, load=[line_of(advise.alone(load)) for load in one.loads]), folder=ALONE) for one in chosen]


def advise_on(own: OwnRun, runs: Sequence[ScenarioRun], alone: Sequence[ScenarioRun]) -> int:
    """By those that were also asked one at a time; 1 if they bear no advice."""
    if own.wanted is None:
        return 0
    chosen = {run.scenario for run in alone if run.loads}
    if not chosen:
        print("No advice: no server of one process was measured undisturbed.")
        return 1
    beside = [run for run in runs if run.scenario not in chosen]
    site = advise.OwnSite(own.with_database, beside)
    return advise.advise_from([run for run in [*runs, *alone] if run.scenario in chosen], own.wanted, site)
