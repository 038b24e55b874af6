"""One run of one scenario: for each of its loads its server started afresh, warmed up, the load sent, the record saved."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from common.cli import NotInstalled, Problem
from common.client.progress import Tell, silent
from common.results import files
from common.results.comparison import Sample
from common.results.record import Measured, ScenarioRun
from common.running.machine import describe_machine
from common.running.measure import measure, warm_up
from common.running.rounds import Turn
from common.running.sizing import PlannedLoad, RunOptions, plan_loads
from common.serving.postgres import Server
from common.serving.scenario import Scenario
from common.serving.site import serving


class Watch(Protocol):
    """Who follows a run: told what goes on now, how much is left, and each load that was measured."""

    @property
    def is_seen(self) -> bool: ...

    def tell(self, text: str) -> None: ...

    def expect(self, seconds: float) -> None: ...

    def measured(self, sample: Sample) -> None: ...


def run_turn(
    turn: Turn,
    options: RunOptions,
    directory: Path,
    database: Server,
    watch: Watch,
    baselines: Sequence[str] = (),
    seed: int | None = None,
) -> ScenarioRun:
    """The record is saved after each load, whatever becomes of the next; a person who stops the run has it as it is."""
    scenario, folder = turn.scenario, directory / turn.folder
    path = folder / f"{scenario.name}{files.SUFFIX}"
    run = begin_run(turn, options, baselines, seed)
    tell = watch.tell if watch.is_seen else silent
    planned = plan_loads(scenario, options)
    faults: list[str] = []
    try:
        while planned:
            load = measure_afresh(scenario, planned[0], options, folder, database, tell)
            watch.expect(-planned.pop(0).planned_seconds)
            run.loads.append(load)
            faults += [fault for fault in (load.fault, save(path, run)) if fault]
            watch.measured(Sample(run, load))
        run.status, run.reason = ("failed", "; ".join(faults)) if faults else ("ok", "")
    except NotInstalled as missing:
        run.status, run.reason = "skipped", str(missing)
    except Problem as problem:
        run.status, run.reason = "failed", "; ".join([*faults, str(problem)])
    except KeyboardInterrupt:
        run.status = "interrupted"
    finally:
        watch.expect(-sum(load.planned_seconds for load in planned))
        watch.tell("")
        unsaved = save(path, run)
        if unsaved and unsaved not in faults:
            run.status, run.reason = "failed", "; ".join([*filter(None, [run.reason]), unsaved])
    return run


def save(path: Path, run: ScenarioRun) -> str:
    """What cannot be saved is shown all the same: '' or why it was not saved."""
    try:
        files.write(path, run)
    except files.RecordError as error:
        return str(error)
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
        source=scenario.path.read_text(encoding="utf-8"),
        environment=describe_machine(),
        mode="full" if options.full else "quick",
        round=turn.round,
        control=turn.control,
        seed=seed,
    )


def measure_afresh(
    scenario: Scenario, planned: PlannedLoad, options: RunOptions, directory: Path, database: Server, tell: Tell
) -> Measured:
    """A fault during the load is part of its record."""
    tell(f"{scenario.name}: starting")
    with serving(scenario, directory, database, latency_ms=planned.latency_ms, pin=options.pin, tell=tell) as site:
        warmed = warm_up(site, planned.load, directory, tell)
        return measure(site, planned, warmed, database, directory, tell)
