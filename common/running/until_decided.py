"""Decides what a run's first rounds left open: side by side where that is fair, in more rounds otherwise, until the time is up."""

import math
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from common.cli import Problem
from common.client.progress import silent
from common.results import files
from common.results.decisions import Decision, decide_pairs
from common.results.record import Plan, ScenarioRun
from common.running.rounds import Turn
from common.running.run import Watch, run_turns
from common.running.side_by_side import PlannedPair, Procedure, begin_pair, lengths_within, possible_pairs, run_to_next_look, save
from common.running.sizing import RunOptions, planned_seconds
from common.serving.postgres import Server
from common.serving.scenario import Scenario

FIRST_ROUNDS = 3  # fewer have no interval
THEIR_SHARE = 0.5  # of the time: if they would take more, a single round comes first
FOLDER = "side-by-side"


def first_rounds(scenarios: Iterable[Scenario], options: RunOptions, seconds: float) -> int:
    each = sum(planned_seconds(scenario, options) for scenario in scenarios)
    return FIRST_ROUNDS if FIRST_ROUNDS * each <= THEIR_SHARE * seconds else 1


@dataclass(frozen=True)
class OpenRun:
    """A run of many scenarios that is under way; its runs grow meanwhile."""

    plan: Plan
    options: RunOptions
    scenarios: Sequence[Scenario]
    baselines: Mapping[str, Sequence[str]]
    runs: list[ScenarioRun]
    directory: Path
    database: Server
    watch: Watch

    def run(
        self,
        turns: Iterable[Turn],
        until: float = math.inf,
        runs: list[ScenarioRun] | None = None,
        ended_by: tuple[type[Problem], ...] = (),
    ) -> None:
        """Run these turns; what they leave becomes a part of the run, unless it is collected apart."""
        to, seed = self.runs if runs is None else runs, self.plan.seed
        run_turns(turns, to, self.options, self.directory, self.database, self.watch, self.baselines, seed, until, ended_by)


def decide(open_run: OpenRun, until: float, tell_fault: Callable[[str], None], more_rounds: bool = True) -> None:
    """Take each open pair to its next look, again and again, until none is open or the time is up.

    Those with fast answers come first: what they leave of the time is shared by those whose restarts must be longer.
    """
    tell = open_run.watch.tell if open_run.watch.is_seen else silent
    procedure = Procedure(open_run.options, open_run.directory / FOLDER, open_run.database, open_run.plan.seed, tell)
    broken: set[str] = set()  # scenarios that failed in a further round
    while time.monotonic() < until:
        pairs = open_pairs(open_run)
        in_turn = sorted((each for each in pairs if each.next_step == "side by side"), key=seconds_of_an_answer)
        in_rounds = [each for each in pairs if more_rounds and each.next_step == "rounds" and not broken & set(each.names)]
        if not in_turn and not in_rounds:
            return
        for number, each in enumerate(in_turn):
            left = until - time.monotonic()
            if left > 0:
                lasts = lengths_within(left / (len(in_turn) - number))
                ask_in_turn(each, open_run, replace(procedure, lasts=lasts), until, tell_fault)
        if in_rounds:
            had = len(open_run.runs)
            turns = plan_further_round(in_rounds, open_run)
            open_run.run(turns, until)
            broken |= {run.scenario for run in open_run.runs[had:] if run.status != "ok"}


def try_again(open_run: OpenRun) -> None:
    """Pairs that could not be asked in turn when the run was stopped: it may have more time now, or what failed may be over."""
    for pair in files.read_pairs(open_run.directory):
        if pair.refused or pair.fault:
            save(replace(pair, refused="", fault=""), open_run.directory / FOLDER)


def seconds_of_an_answer(each: Decision) -> float:
    """Of the slower one, on average, by how many were in flight (Little's law)."""
    loads = [samples[-1].load for samples in each.samples if samples]
    return max((load.sent.load.concurrency / (load.metrics.per_second or 1e-9) for load in loads), default=0.0)


def open_pairs(open_run: OpenRun) -> list[Decision]:
    assert open_run.plan.within is not None
    return [each for each in decide_pairs(open_run.runs, files.read_pairs(open_run.directory), open_run.plan.within) if each.next_step]


def ask_in_turn(each: Decision, open_run: OpenRun, procedure: Procedure, until: float, tell_fault: Callable[[str], None]) -> None:
    both, began = planned_pair_of(each, open_run), time.monotonic()
    pair = each.pair or begin_pair(both, each.within, each.together, seed=open_run.plan.seed)
    run_to_next_look(both, pair, procedure, until)
    open_run.watch.expect(began - time.monotonic())
    open_run.watch.tell("")
    if pair.fault:
        tell_fault(f"{' beside '.join(pair.names)}: {pair.fault}")


def planned_pair_of(each: Decision, open_run: OpenRun) -> PlannedPair:
    by_name = {scenario.name: scenario for scenario in open_run.scenarios}
    one, other = (by_name[name] for name in each.names)
    load = each.comparison.load
    return next(
        both
        for both in possible_pairs(one, other, open_run.options)
        if (both.planned.load.identity, both.planned.latency_ms) == (load.identity, load.latency_ms)
    )


def plan_further_round(pairs: Sequence[Decision], open_run: OpenRun) -> list[Turn]:
    """Only the scenarios and loads of these pairs, in random order."""
    number = max(run.round for run in open_run.runs) + 1
    lines: dict[str, set[str]] = {}
    for each in pairs:
        for name, samples in zip(each.names, each.samples, strict=True):
            lines.setdefault(name, set()).add(samples[0].load.line)
    turns = [
        Turn(with_loads(scenario, lines[scenario.name]), number, folder=f"round-{number:02}")
        for scenario in open_run.scenarios
        if scenario.name in lines
    ]
    random.Random(f"{open_run.plan.seed} {number}").shuffle(turns)
    return turns


def with_loads(scenario: Scenario, lines: set[str]) -> Scenario:
    def kept(declared: list[str]) -> list[str]:
        return [line for line in declared if line in lines] or declared

    return replace(scenario, load=kept(scenario.load), load_full=kept(scenario.load_full))
