"""How large is the page of a large suite, and how long does it take? The results are made up: 30 scenarios, 10 rounds.

python -m benchmarks.page
"""

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from common.client.options import parse_line
from common.client.outcomes import NUMBER
from common.client.sent import Requests
from common.results import files
from common.results.circumstances import Noise, Pinned
from common.results.record import Measured, ScenarioRun
from tests.made_up import make_client, make_cost, make_measured, make_run, make_sent

ROOT = Path(__file__).resolve().parents[1]
LARGEST_MB, LONGEST_SECONDS = 5, 10
SOURCE = '"""Does a made-up scenario look like one?"""\n\nSTUDY = "made-up"\n' + 'LINES = ["as long as a real one"]  # so\n' * 60


@dataclass(frozen=True)
class Declared:
    line: str
    least_seconds: float | None = None
    latency_ms: int = 0


STUDIES = {
    "waiting": [Declared("-n 300 -c 100 /", least_seconds=0.6)],
    "burst": [Declared("-n 300 -c 300 /polls/")],
    "ramps": [
        Declared(f"--users 100 --spawn-rate 10 -t 30 {path}", latency_ms=added)
        for path in ("/read/", "/create/")
        for added in (0, 100, 200)
    ],
}


def made_up(scenarios: int, rounds: int, seed: int = 1) -> list[ScenarioRun]:
    """Results as a suite leaves them: some noisy, some client-bound, some failed."""
    chance = random.Random(seed)
    runs = []
    for number in range(scenarios):
        study = list(STUDIES)[number % len(STUDIES)]
        is_base = number < len(STUDIES)
        base = f"{study}_server_{number % len(STUDIES):02}"
        for turn in range(1, rounds + 1):
            for control in (False, True) if is_base and rounds > 1 else (False,):
                run = made_up_run(f"{study}_server_{number:02}", study, turn, 20 + 9 * (number // len(STUDIES)), chance)
                runs.append(replace(run, control=control, differs_from={} if is_base else {base: "one made-up thing, not another"}))
    return runs


def made_up_run(name: str, study: str, turn: int, rate: float, chance: random.Random) -> ScenarioRun:
    return make_run(
        name,
        *(made_up_load(name, declared, rate * chance.lognormvariate(0, 0.04), chance) for declared in STUDIES[study]),
        study=study,
        round=turn,
        seed=1,
        started_at=f"2026-11-20T10:{turn:02}:00+00:00",
        question="Does a made-up scenario look like one?",
        launch="uvicorn {app} --host {host} --port {port}",
        source=SOURCE,
    )


def made_up_load(name: str, declared: Declared, rate: float, chance: random.Random) -> Measured:
    load = parse_line(declared.line)
    is_ramp = load.spawn_rate is not None
    seconds = 30.0 if load.requests is None else load.requests / rate
    count = load.requests or int(rate * seconds)
    ends = np.array([place + chance.uniform(0.3, 1) for place in range(count)]) * seconds / count  # as evenly as a steady load has them
    if name.endswith(("1", "4", "7")):  # a queue
        starts = np.zeros(count) if load.concurrency >= count else np.maximum(ends - load.concurrency / rate, 0)
    else:
        in_flight = min(load.concurrency, count)
        starts = np.maximum(ends - np.array([chance.lognormvariate(0, 0.25) for _ in range(count)]) * in_flight / rate / 4, 0)
    outcome = np.zeros(count, dtype=np.int64)
    if is_ramp and name.endswith(("2", "5")):
        outcome[(ends > 0.6 * seconds) & (np.arange(count) % 10 == 0)] = NUMBER["non-2xx"]
    start, end = (np.rint(moments * 1e6).astype(np.int64) for moments in (starts, ends))
    status, body_bytes, received_bytes = (np.full(count, number) for number in (200, 2, 150))
    requests = Requests(start, start, start, end, end, outcome, status, body_bytes, received_bytes)
    cpu_seconds = count * (0.95 / rate if name.endswith(("0", "3", "6")) else 0.006)
    fault = "it ended with exit code 3" if chance.random() < 0.01 else ""
    disturbed = "other processes used over 10% of the CPU" if chance.random() < 0.06 else ""
    cost = make_cost(cpu_seconds * chance.lognormvariate(0, 0.05), mb=60 + 3 * rate, threads=4, busiest=cpu_seconds)
    client = make_client(seconds, busiest=0.95 if chance.random() < 0.02 else 0.2, lag_ms=0)
    return make_measured(
        make_sent(requests, load, seconds, client=client),
        line=declared.line,
        latency_ms=declared.latency_ms,
        least_seconds=declared.least_seconds,
        published={"requests/s": 30.13, "p50 ms": 5026} if load.target == "/polls/" else {},
        pinned=Pinned(server=[0], others=[1]),
        fault=fault,
        noise=Noise(available=True, disturbed=disturbed),
        cost=cost,
    )


def saved(directory: Path, runs: Iterable[ScenarioRun]) -> Path:
    for run in runs:
        folder = directory / f"round-{run.round:02}" / ("again" if run.control else ".")
        files.write(folder / f"{run.scenario}{files.SUFFIX}", run)
    return directory


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        directory = saved(Path(folder), made_up(30, 10))
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "common.page", str(directory)], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        seconds, size = time.perf_counter() - began, (directory / "report.html").stat().st_size / 1e6
    print(f"{size:.1f} MB of at most {LARGEST_MB}, {seconds:.1f} s of at most {LONGEST_SECONDS}")
    return int(size > LARGEST_MB or seconds > LONGEST_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
