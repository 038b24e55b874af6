"""Decides what a run's first rounds left open: side by side where that is fair, in more rounds otherwise, until the time is up."""

import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from common.client.progress import silent
from common.results import files
from common.results.decisions import Decision, decide_pairs
from common.results.record import Plan, ScenarioRun
from common.running.rounds import Turn
from common.running.run import Watch, run_turns
from common.running.side_by_side import Duel, Ring, begin_pair, fight_to_next_look, lengths_within, possible_duels
from common.running.sizing import RunOptions, planned_seconds
from common.serving.postgres import Server
from common.serving.scenario import Scenario

FIRST_ROUNDS = 3  # fewer have no interval
THEIR_SHARE = 0.5  # of the time: if they would take more, a single round comes first
LEAST_SECONDS = 10.0  # for a pair, however little is left: its restarts would be too short
FOLDER = "side-by-side"


def first_rounds(scenarios: Iterable[Scenario], options: RunOptions, seconds: float) -> int:
    each = sum(planned_seconds(scenario, options) for scenario in scenarios)
    return FIRST_ROUNDS if FIRST_ROUNDS * each <= THEIR_SHARE * seconds else 1


@dataclass(frozen=True)
class Field:
    """The run whose pairs are to be decided; its runs grow meanwhile."""

    plan: Plan
    options: RunOptions
    scenarios: Sequence[Scenario]
    baselines: Mapping[str, Sequence[str]]
    runs: list[ScenarioRun]
    directory: Path
    database: Server
    watch: Watch


def decide(field: Field, until: float, tell_fault: Callable[[str], None], more_rounds: bool = True) -> None:
    """Take each open pair to its next look, again and again, until none is open or the time is up."""
    tell = field.watch.tell if field.watch.is_seen else silent
    ring = Ring(
        field.options, field.directory / FOLDER, field.database, field.plan.seed, tell, lengths_within(share_of_a_pair(field, until))
    )
    broken: set[str] = set()  # scenarios that failed in a further round
    while time.monotonic() < until:
        pairs = open_pairs(field)
        in_turn = [each for each in pairs if each.next_step == "side by side"]
        in_rounds = [each for each in pairs if more_rounds and each.next_step == "rounds" and not broken & set(each.names)]
        if not in_turn and not in_rounds:
            return
        for each in in_turn:
            if time.monotonic() < until:
                ask_in_turn(each, field, ring, until, tell_fault)
        if in_rounds:
            had = len(field.runs)
            turns = plan_further_round(in_rounds, field)
            run_turns(
                turns, field.runs, field.options, field.directory, field.database, field.watch, field.baselines, field.plan.seed, until
            )
            broken |= {run.scenario for run in field.runs[had:] if run.status != "ok"}


def share_of_a_pair(field: Field, until: float) -> float:
    """The seconds that each open pair has if all take the same."""
    return max(LEAST_SECONDS, (until - time.monotonic()) / max(1, len(open_pairs(field))))


def open_pairs(field: Field) -> list[Decision]:
    assert field.plan.within is not None
    return [each for each in decide_pairs(field.runs, files.read_pairs(field.directory), field.plan.within) if each.next_step]


def ask_in_turn(each: Decision, field: Field, ring: Ring, until: float, tell_fault: Callable[[str], None]) -> None:
    duel, began = duel_of(each, field), time.monotonic()
    pair = each.pair or begin_pair(duel, each.within, each.together)
    fight_to_next_look(duel, pair, ring, until)
    field.watch.expect(began - time.monotonic())
    field.watch.tell("")
    if pair.fault:
        tell_fault(f"{' beside '.join(pair.names)}: {pair.fault}")


def duel_of(each: Decision, field: Field) -> Duel:
    by_name = {scenario.name: scenario for scenario in field.scenarios}
    one, other = (by_name[name] for name in each.names)
    load = each.comparison.load
    return next(
        duel
        for duel in possible_duels(one, other, field.options)
        if (duel.planned.load.identity, duel.planned.latency_ms) == (load.identity, load.latency_ms)
    )


def plan_further_round(pairs: Sequence[Decision], field: Field) -> list[Turn]:
    """Only the scenarios and loads of these pairs, in random order."""
    number = max(run.round for run in field.runs) + 1
    lines: dict[str, set[str]] = {}
    for each in pairs:
        for name, samples in zip(each.names, each.samples, strict=True):
            lines.setdefault(name, set()).add(samples[0].load.line)
    turns = [
        Turn(with_loads(scenario, lines[scenario.name]), number, folder=f"round-{number:02}")
        for scenario in field.scenarios
        if scenario.name in lines
    ]
    random.Random(f"{field.plan.seed} {number}").shuffle(turns)
    return turns


def with_loads(scenario: Scenario, lines: set[str]) -> Scenario:
    def kept(declared: list[str]) -> list[str]:
        return [line for line in declared if line in lines] or declared

    return replace(scenario, load=kept(scenario.load), load_full=kept(scenario.load_full))
