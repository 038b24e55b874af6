"""Two scenarios side by side: both are served on the same cores, one client asks them in turn, and both are restarted often.

Each restart draws which of the two is started and asked first. It ends when the pair is decided, which is checked
after a few fixed numbers of restarts, or when its time is up.
"""

import json
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from common.cli import Failed, Problem, UsageError
from common.client.load import Load
from common.client.progress import Tell
from common.results.intervals import SAME
from common.results.pairs import LOOKS, Pair, Restart, judge_pair
from common.running.in_turn import ANSWERS_LONG
from common.running.machine import describe_machine
from common.running.measure import LOOK_EVERY, send_load
from common.running.sizing import PlannedLoad, RunOptions, plan_loads
from common.serving import cores, folders
from common.serving.postgres import Server
from common.serving.process import Process
from common.serving.scenario import Scenario
from common.serving.site import Serving, Site

RESTART_SECONDS = 4.0  # of load on both, once they are up
SLOWEST_OF_ITS_TIME = 4  # slow answers may stretch it to this part
OF_ITS_TIME = 10  # a restart lasts at most this fraction of the whole, or there would be too few


@dataclass(frozen=True)
class Duel:
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


def plan_duels(one: Scenario, other: Scenario, options: RunOptions) -> list[Duel]:
    """A duel for each closed loop, ramps excepted, that both declare; UsageError if there is none."""
    theirs = {(planned.load.identity, planned.latency_ms) for planned in plan_loads(other, options)}
    common = [planned for planned in plan_loads(one, options) if (planned.load.identity, planned.latency_ms) in theirs]
    duels = [Duel(one, other, planned) for planned in common if not planned.load.is_open and planned.load.spawn_rate is None]
    if not duels:
        raise UsageError(f"{one.name} and {other.name} have no load in common that can be sent in turn: give both the same LOAD line")
    return duels


def fight(
    duel: Duel, options: RunOptions, directory: Path, database: Server, seconds: float, seed: int, tell: Tell, within: float = SAME
) -> Pair:
    """Measure until the pair is decided; whatever ends it, what was measured is kept."""
    pair = begin_pair(duel, within)
    chance, until = random.Random(f"{seed} {pair.names} {pair.identity} {pair.latency_ms}"), time.monotonic() + seconds
    length, most = min(RESTART_SECONDS, seconds / OF_ITS_TIME), seconds / SLOWEST_OF_ITS_TIME
    try:
        while time.monotonic() < until or len(pair.restarts) < LOOKS[0]:
            pair.restarts.append(restart(duel, pair, options, directory, database, (length, most), chance.randrange(2), tell))
            if len(pair.restarts) in LOOKS and judge_pair(pair).is_decided:
                break
    except Problem as problem:
        pair.fault = str(problem)
    return pair


def begin_pair(duel: Duel, within: float) -> Pair:
    load = duel.planned.load
    return Pair(
        names=duel.names,
        study=duel.one.study,
        line=duel.planned.line,
        identity=load.identity,
        latency_ms=duel.planned.latency_ms,
        within=within,
        launches=[scenario.server for scenario in duel.scenarios],
        sources=[scenario.source for scenario in duel.scenarios],
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        environment=describe_machine(duel.one.server, duel.one.python),
    )


def restart(
    duel: Duel, pair: Pair, options: RunOptions, directory: Path, database: Server, lasts: tuple[float, float], first: int, tell: Tell
) -> Restart:
    """Start both on the same cores, warm them up one after the other, then ask them in turn."""
    number = len(pair.restarts) + 1
    tell(f"{' beside '.join(pair.names)}: starting both · restart {number}")
    workers = max(scenario.workers for scenario in duel.scenarios)
    pair.pinned = cores.share_out(workers) if options.pin else None
    with cores.only_on(pair.pinned.others if pair.pinned else []), Serving(directory, database) as started:
        sites: dict[int, Site] = {}
        for side in (first, 1 - first):
            scenario = duel.scenarios[side]
            sites[side] = started.start(scenario, duel.planned.latency_ms, pair.pinned.server if pair.pinned else [])
            warmed = send_load(sites[side], duel.planned.load.burst(scenario.warm_up), directory, tell, "warming up")
            if warmed.failed:
                raise Failed(f"{scenario.name} does not answer its warm-up correctly{sites[side].server.log_tail()}")
        tell(f"{' beside '.join(pair.names)} · restart {number} · {duel.planned.load.describe()}")
        found = ask_in_turn([sites[0], sites[1]], duel.planned.load, lasts, first, directory)
    if not found.slices:
        answer = found.slice_seconds / ANSWERS_LONG
        raise Failed(f"answers take {answer:.1f} s under this load, too long to ask both in turn: use more --minutes, or --rounds")
    return found


def ask_in_turn(sites: Sequence[Site], load: Load, lasts: tuple[float, float], first: int, directory: Path) -> Restart:
    """Let a process of its own ask them; end it if a server has ended."""
    with folders.temporary() as folder:
        path = folder / "slices.json"
        with Process("the client of both", command_for(sites, load, lasts, first, path), log=directory / "in_turn.log") as client:
            while client.exit_code() is None:
                for site in sites:
                    site.check()
                time.sleep(LOOK_EVERY)
        if client.exit_code() or not path.exists():
            for site in sites:
                site.check()
            raise Failed(f"the client of both ended with exit code {client.exit_code()}{client.log_tail()}")
        found = json.loads(path.read_text(encoding="utf-8"))
    return msgspec.convert({"first": first, **found}, Restart)


def command_for(sites: Sequence[Site], load: Load, lasts: tuple[float, float], first: int, path: Path) -> list[str]:
    urls = [site.url + load.target for site in sites]
    roots = [str(site.server.pid) for site in sites]
    seconds, most = map(str, lasts)
    options = ["--seconds", seconds, "--most", most, "--first", str(first), "--json", str(path), "--load", load.identity, "--roots", *roots]
    return [sys.executable, "-m", "common.running.in_turn", *urls, *options]
