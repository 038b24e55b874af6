"""Runs one scenario: for each load it starts the server afresh, warms it up, sends the load and saves the record."""

import math
import time
import traceback
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Protocol

from common.cli import NotInstalled, Problem
from common.client.progress import Tell, silent
from common.results import files
from common.results.bottleneck import doubts_of_ideal
from common.results.record import Measured, ScenarioRun
from common.results.samples import Sample
from common.running.machine import describe_machine
from common.running.measure import measure, warm_up
from common.running.noise import Patience
from common.running.rounds import Turn
from common.running.sizing import PlannedLoad, RunOptions, plan_loads
from common.serving.descriptors import check_descriptors
from common.serving.places import short_path
from common.serving.postgres import Server
from common.serving.scenario import Scenario
from common.serving.site import serving


@cache
def patience() -> Patience:
    """Shared by all runs of this process."""
    return Patience()


class Watch(Protocol):
    """Follows a run: it hears what goes on now, how much is left, and of each measured load."""

    @property
    def is_seen(self) -> bool: ...

    def tell(self, text: str) -> None: ...

    def expect(self, seconds: float) -> None: ...

    def measured(self, sample: Sample) -> None: ...


def run_turns(
    turns: Iterable[Turn],
    runs: list[ScenarioRun],
    options: RunOptions,
    directory: Path,
    database: Server,
    watch: Watch,
    baselines: Mapping[str, Sequence[str]],
    seed: int | None,
    until: float = math.inf,
    ended_by: tuple[type[Problem], ...] = (),
) -> None:
    """One after the other, as long as there is time; a stop during one ends them all, as does a problem of these kinds."""
    for turn in turns:
        if time.monotonic() >= until:
            return
        met: list[Problem] = []
        runs.append(run_turn(turn, options, directory, database, watch, baselines[turn.scenario.study], seed, met))
        if runs[-1].status == "interrupted":
            raise KeyboardInterrupt
        for problem in met:
            if isinstance(problem, ended_by):
                raise problem


def run_turn(
    turn: Turn,
    options: RunOptions,
    directory: Path,
    database: Server,
    watch: Watch,
    baselines: Sequence[str] = (),
    seed: int | None = None,
    met: list[Problem] | None = None,
) -> ScenarioRun:
    """Save the record after each load, whatever becomes of the next, so that a stopped run keeps what it has. What ends it is also met."""
    scenario, folder = turn.scenario, directory / turn.folder
    path = folder / f"{scenario.name}{files.SUFFIX}"
    run = begin_run(turn, options, baselines, seed)
    tell = watch.tell if watch.is_seen else silent
    planned: list[PlannedLoad] = []
    faults: list[str] = []
    try:
        planned = plan_loads(scenario, options)
        for each in planned:
            check_descriptors(max(each.load.concurrency, scenario.warm_up))
        while planned:
            load = measure_afresh(scenario, planned[0], options, folder, database, tell)
            watch.expect(-planned.pop(0).planned_seconds)
            run.loads.append(load)
            faults += [fault for fault in (load.fault, save(path, run)) if fault]
            watch.measured(Sample(run, load))
        doubts = dict.fromkeys(f"no request of {load!r} was answered before its time was up" for load in run.unanswered)
        doubts |= dict.fromkeys(doubt for load in run.loads for doubt in doubts_of_ideal(load.metrics))
        run.status, run.reason = ("failed", "; ".join(faults)) if faults else ("ok", "; ".join(doubts))
    except NotInstalled as missing:
        run.status, run.reason = "skipped", str(missing)
    except Problem as problem:
        run.status, run.reason = "failed", "; ".join([*faults, str(problem)])
        if met is not None:
            met.append(problem)
    except KeyboardInterrupt:
        run.status = "interrupted"
    except Exception as error:  # whatever it is, later turns can still run: hours of rounds are not lost
        log = folder / f"{scenario.name}.log"
        note_traceback(log, error)
        run.status, run.reason = "failed", "; ".join([*faults, f"{one_line(error)} (its traceback is in {short_path(log)})"])
    finally:
        watch.expect(-sum(load.planned_seconds for load in planned))
        watch.tell("")
        unsaved = save(path, run)
        if unsaved and unsaved not in faults:
            run.status, run.reason = "failed", "; ".join([*filter(None, [run.reason]), unsaved])
    return run


def note_traceback(log: Path, error: Exception) -> None:
    with suppress(OSError):  # the reason says what it was
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as file:
            traceback.print_exception(error, file=file)


def one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def save(path: Path, run: ScenarioRun) -> str:
    """Save the record; return why that failed, or ''. The results are shown anyway."""
    try:
        files.write(path, run)
    except files.RecordError as error:
        return str(error)
    except Exception as error:  # as above: the next turn's record may be fine
        return f"cannot save {path}: {one_line(error)}"
    return ""


def begin_run(turn: Turn, options: RunOptions, baselines: Sequence[str], seed: int | None) -> ScenarioRun:
    scenario = turn.scenario
    return ScenarioRun(
        scenario=scenario.name,
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        study=scenario.study,
        baselines=list(baselines),
        question=scenario.question,
        differs_from=scenario.differs_from,
        launch=scenario.server,
        source=scenario.source,
        environment=describe_machine(scenario.server, scenario.python),
        mode="full" if options.full else "default",
        round=turn.round,
        control=turn.control,
        project=scenario.project,
        seed=seed,
    )


def measure_afresh(
    scenario: Scenario, planned: PlannedLoad, options: RunOptions, directory: Path, database: Server, tell: Tell
) -> Measured:
    """Measure on a fresh server; a fault during the load becomes part of its record."""
    tell(f"{scenario.name}: starting")
    with serving(
        scenario, planned.load, directory, database, latency_ms=planned.latency_ms, pin=options.pin, workers=options.workers, tell=tell
    ) as site:
        warmed = warm_up(site, planned.load, directory, tell)
        return measure(site, planned, warmed, database, directory, tell, patience())
