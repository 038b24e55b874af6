"""Two scenarios side by side: both are served on the same cores, one client asks them in turn, and both are restarted often.

Which of the two is started and asked first is drawn for every other restart, and the next one swaps them. It ends when the pair is
decided, which is asked at a few looks, or when its time is up.
"""

import json
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from common.cli import Failed, Problem, UsageError
from common.client.load import Load
from common.client.progress import Tell
from common.client.site_headers import hand_over
from common.results import files
from common.results.intervals import SAME
from common.results.pairs import Pair, Restart, failed_share, is_over
from common.results.sequential import LOOKS, next_look
from common.results.words import write_number
from common.running.in_turn import ANSWERS_LONG
from common.running.machine import describe_machine, revision
from common.running.measure import GENERATOR_SECONDS
from common.running.sizing import PlannedLoad, RunOptions, plan_loads
from common.serving import cores, folders
from common.serving.descriptors import check_descriptors
from common.serving.postgres import Server
from common.serving.process import Process
from common.serving.scenario import Scenario
from common.serving.site import Serving, Site

RESTART_SECONDS = 4.0  # of load on both, once they are up
LONGEST_SECONDS = 30.0  # slow answers may stretch it to this
SLOWEST_OF_ITS_TIME = 4  # or to this part of the time, if that is limited
MOST_UNANSWERED = 8  # slices of a restart that may end by a timeout before its time is up
OF_ITS_TIME = 10  # a restart lasts at most this fraction of the whole, or there would be too few
ONE_EACH = ("nginx", "a relay")  # of what stands beside the servers; they share the rest
LEAST_SECONDS = 10.0  # for a pair, however little is left: its restarts would be too short


@dataclass(frozen=True)
class PlannedPair:
    """Two scenarios to compare under a load that both have."""

    one: Scenario
    other: Scenario
    planned: PlannedLoad

    @property
    def scenarios(self) -> tuple[Scenario, Scenario]:
        return self.one, self.other

    @property
    def names(self) -> list[str]:
        return [scenario.name for scenario in self.scenarios]


@dataclass(frozen=True)
class Procedure:
    """How pairs are compared, and where what they leave is kept."""

    options: RunOptions
    directory: Path
    database: Server
    seed: int
    tell: Tell
    lasts: tuple[float, float] = (RESTART_SECONDS, LONGEST_SECONDS)  # of a restart's load, and what slow answers may stretch it to


class NotInTurn(Failed):
    """The two cannot be asked in turn under this load."""


def plan_pairs(one: Scenario, other: Scenario, options: RunOptions) -> list[PlannedPair]:
    """One for each load that both can be sent in turn; UsageError if there is none."""
    if planned_pairs := possible_pairs(one, other, options):
        return planned_pairs
    raise UsageError(f"{one.name} and {other.name} have no load in common that can be sent in turn: give both the same LOAD line")


def possible_pairs(one: Scenario, other: Scenario, options: RunOptions) -> list[PlannedPair]:
    """One for each closed loop, ramps excepted, that both declare."""
    theirs = {(planned.load.identity, planned.latency_ms) for planned in plan_loads(other, options)}
    common = [planned for planned in plan_loads(one, options) if (planned.load.identity, planned.latency_ms) in theirs]
    return [PlannedPair(one, other, planned) for planned in common if planned.load.is_steady]


def lengths_within(seconds: float) -> tuple[float, float]:
    """How long restarts last if there is so much time for them: there must be several."""
    seconds = max(LEAST_SECONDS, seconds)
    return min(RESTART_SECONDS, seconds / OF_ITS_TIME), seconds / SLOWEST_OF_ITS_TIME


def run_pair(both: PlannedPair, pair: Pair, procedure: Procedure, until: float) -> None:
    """Go on until the pair is decided or the time is up."""
    while not (pair.fault or pair.refused or is_over(pair)) and is_time(pair, until):
        run_to_next_look(both, pair, procedure, until)


def run_to_next_look(both: PlannedPair, pair: Pair, procedure: Procedure, until: float) -> None:
    """Restart both until it is time to judge the pair; whatever ends it, what was measured is saved."""
    look = next_look(len(pair.restarts))
    try:
        while len(pair.restarts) < look and is_time(pair, until):
            pair.restarts.append(restart(both, pair, procedure))
            save(pair, procedure.directory)
            if any(failed_share(pair, side) == 1 for side in (0, 1)):
                break  # one answers nothing rightly, so more restarts would show nothing
    except NotInTurn as refusal:
        pair.refused = str(refusal)
    except Problem as problem:
        pair.fault = str(problem)
    save(pair, procedure.directory)


def is_time(pair: Pair, until: float) -> bool:
    """There always is for the first look: fewer restarts show nothing."""
    return time.monotonic() < until or len(pair.restarts) < LOOKS[0]


def save(pair: Pair, directory: Path) -> None:
    files.write(directory / files.name_of_pair(pair), pair)


def begin_pair(both: PlannedPair, within: float = SAME, together: int = 1, is_change: bool = False, seed: int = 0, asked: str = "") -> Pair:
    load = both.planned.load
    environment, other = (describe_machine(scenario.server, scenario.python, scenario.interpreter) for scenario in both.scenarios)
    return Pair(
        names=both.names,
        study=both.one.study,
        line=both.planned.line,
        identity=load.identity,
        latency_ms=both.planned.latency_ms,
        within=within,
        launches=[scenario.server for scenario in both.scenarios],
        sources=[scenario.source for scenario in both.scenarios],
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        environment=environment,
        other_environment=None if other == environment else other,
        together=together,
        is_change=is_change,
        seed=seed,
        asked=asked,
        revisions=[revision(scenario.folder) for scenario in both.scenarios],
        not_counted=not_counted(both),
    )


def not_counted(both: PlannedPair) -> list[str]:
    """What stands beside the servers, and whether they share it."""
    one, other = (beside_of(scenario, both.planned.latency_ms) for scenario in both.scenarios)
    how = {name: " (one each)" if name in ONE_EACH else " (shared)" for name in one if name in other}
    return [f"{name}{how.get(name, '')}" for name in dict.fromkeys([*one, *other])]


def beside_of(scenario: Scenario, latency_ms: int) -> list[str]:
    """What stands beside its server."""
    there = {"PostgreSQL": scenario.tables is not None, "nginx": scenario.nginx is not None, "a relay": latency_ms > 0}
    return [*scenario.needs, *(name for name, is_there in there.items() if is_there)]


def restart(both: PlannedPair, pair: Pair, procedure: Procedure) -> Restart:
    """Start both on the same cores, then ask them in turn."""
    check_database(both, procedure.database)
    check_descriptors(2 * both.planned.load.concurrency)
    number, began = len(pair.restarts) + 1, time.monotonic()
    first = who_is_first(pair, procedure.seed, number)
    procedure.tell(f"{' beside '.join(pair.names)}: starting both · restart {number}")
    workers = max(scenario.workers for scenario in both.scenarios)
    pair.pinned = cores.share_out(workers) if procedure.options.pin else None
    with cores.only_on(pair.pinned.others if pair.pinned else []), Serving(procedure.directory, procedure.database) as started:
        sites: dict[int, Site] = {}
        for side in (first, 1 - first):
            scenario = both.scenarios[side]
            sites[side] = started.start(scenario, both.planned.load, both.planned.latency_ms, pair.pinned.server if pair.pinned else [])
        procedure.tell(f"{' beside '.join(pair.names)} · restart {number} · {both.planned.load.describe()}")
        found = ask_in_turn([sites[0], sites[1]], both.planned.load, procedure.lasts, first, procedure.directory)
    if not found.slices:
        raise NotInTurn(say_too_slow(found.slice_seconds / ANSWERS_LONG, procedure.lasts[1]))
    return replace(found, seconds=time.monotonic() - began)


def say_too_slow(answer_seconds: float, most: float) -> str:
    least = f"a restart may last {most:.1f} s, and answers take {write_number(answer_seconds)} s under this load"
    return f"{least}, too long to ask both in turn: use more --minutes, or --rounds"


def who_is_first(pair: Pair, seed: int, number: int) -> int:
    """Drawn for the odd ones; the restart after each swaps the two."""
    swapped = (number - 1) % 2
    return random.Random(f"{seed} {pair.names} {pair.identity} {pair.latency_ms} {number - swapped}").randrange(2) ^ swapped


def check_database(both: PlannedPair, database: Server) -> None:
    """They share one PostgreSQL, and ours would be restarted for the second."""
    allowed = {scenario.max_connections for scenario in both.scenarios if scenario.tables is not None}
    if len(allowed) > 1 and not database.is_theirs:
        raise NotInTurn("they share one PostgreSQL and allow it different MAX_CONNECTIONS: use --rounds")


def ask_in_turn(sites: Sequence[Site], load: Load, lasts: tuple[float, float], first: int, directory: Path) -> Restart:
    """Let a process of its own ask them; end it if a server has ended."""
    with folders.temporary() as folder:
        path = folder / "slices.json"
        carried = hand_over({site.url: site.carried for site in sites})
        with Process("the client of both", command_for(sites, load, lasts, first, path), carried, directory / "in_turn.log") as client:
            client.wait_at_most(lasts[1] + MOST_UNANSWERED * load.timeout + GENERATOR_SECONDS, lambda: check_all(sites))
        if client.exit_code() or not path.exists():
            check_all(sites)
            raise Failed(f"the client of both ended with exit code {client.exit_code()}{client.log_tail()}")
        found = json.loads(path.read_text(encoding="utf-8"))
    return msgspec.convert({"first": first, **found}, Restart)


def check_all(sites: Sequence[Site]) -> None:
    for site in sites:
        site.check()


def command_for(sites: Sequence[Site], load: Load, lasts: tuple[float, float], first: int, path: Path) -> list[str]:
    urls = [site.url + load.target for site in sites]
    roots = [str(site.server.guard) for site in sites]  # they adopt what a server leaves behind
    seconds, most = map(str, lasts)
    options = ["--seconds", seconds, "--most", most, "--first", str(first), "--json", str(path), "--load", load.identity, "--roots", *roots]
    return [sys.executable, "-m", "common.running.in_turn", *urls, *options]
