"""How large is the page of a large suite, and how long does it take? Results are made up: 30 scenarios, 10 rounds.

python -m benchmarks.page
"""

import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from common.client.outcomes import NUMBER, OUTCOMES, tally
from common.results import files
from common.results.comparison import AGAIN

ROOT = Path(__file__).resolve().parents[1]
LARGEST_MB, LONGEST_SECONDS = 5, 10
SOURCE = '"""Does a made-up scenario look like one?"""\n\nSTUDY = "made-up"\n' + 'LINES = ["as long as a real one"]  # so\n' * 60
# study: its loads, as (line, description, requests, users, users per second, least seconds, added ms)
STUDIES: dict[str, list[tuple[str, str, int | None, int, float | None, float | None, int]]] = {
    "waiting": [("-n 300 -c 100 /", "GET /, 300 requests, 100 at a time, close", 300, 100, None, 0.6, 0)],
    "burst": [("-n 300 -c 300 /", "GET /polls/, 300 requests at once, close", 300, 300, None, None, 0)],
    "ramps": [
        (f"--users 100 --spawn-rate 10 -t 30 {path}", f"GET {path}, 100 users, 10 more each second, 30 s", None, 100, 10.0, None, added)
        for path in ("/read/", "/create/")
        for added in (0, 100, 200)
    ],
}


def made_up(scenarios: int, rounds: int, seed: int = 1) -> list[dict[str, Any]]:
    """Results as a suite leaves them: some noisy, some at the client's limit, some failed."""
    chance = random.Random(seed)
    results = []
    for number in range(scenarios):
        study = list(STUDIES)[number % len(STUDIES)]
        first = number < len(STUDIES)
        base = f"{study}_server_{number % len(STUDIES):02}"
        for turn in range(1, rounds + 1):
            for again in ("", AGAIN) if first and rounds > 1 else ("",):
                one = result(f"{study}_server_{number:02}", again, study, turn, 20 + 9 * (number // len(STUDIES)), chance)
                results.append(one | {"differs_from": {} if first else {base: "one made-up thing, not another"}})
    return results


def result(name: str, again: str, study: str, turn: int, rate: float, chance: random.Random) -> dict[str, Any]:
    return {
        "version": files.VERSION,
        "kind": "scenario",
        "scenario": name,
        "label": name + again,
        "round": turn,
        "seed": 1,
        "started_at": f"2026-11-20T10:{turn:02}:00+00:00",
        "study": study,
        "question": "Does a made-up scenario look like one?",
        "launch": "uvicorn {app} --host {host} --port {port}",
        "source": SOURCE,
        "environment": ENVIRONMENT,
        "mode": "full",
        "status": "ok",
        "reason": "",
        "loads": [load(name, one, rate * chance.lognormvariate(0, 0.04), chance) for one in STUDIES[study]],
    }


def load(name: str, sent: tuple[Any, ...], rate: float, chance: random.Random) -> dict[str, Any]:
    line, description, requests, users, spawn_rate, least, added = sent
    seconds = 30.0 if spawn_rate else requests / rate
    number = requests or int(rate * seconds)
    ends = np.sort(np.array([chance.uniform(0.03, 1) for _ in range(number)])) * seconds
    if name.endswith(("1", "4", "7")):  # a queue
        starts = np.zeros(number) if users >= number else np.maximum(ends - users / rate, 0)
    else:
        starts = np.maximum(ends - np.array([chance.lognormvariate(0, 0.25) for _ in range(number)]) * min(users, number) / rate / 4, 0)
    outcome = np.zeros(number, dtype=np.int64)
    if spawn_rate and name.endswith(("2", "5")):
        outcome[(ends > 0.6 * seconds) & (np.arange(number) % 5 == 0)] = NUMBER["non-2xx"]
    moments = {"start": starts, "connected": starts, "sent": starts, "first_byte": ends, "end": ends}
    cpu_ms = 1000 * 0.95 / rate if name.endswith(("0", "3", "6")) else 6.0
    return {
        "line": line,
        "description": description,
        "path": line.split()[-1],
        "host": "127.0.0.1",
        "port": 8000,
        "server": "made up",
        "latency_ms": added,
        "size": "declared",
        "fault": "it ended with exit code 3" if chance.random() < 0.01 else "",
        "noise": {"available": True, "contaminated": "other processes used over 10% of the CPU" if chance.random() < 0.06 else ""},
        "load": {"concurrency": users, "spawn_rate": spawn_rate, "requests": requests, "seconds": None, "keep_alive": False},
        "least_seconds": least,
        "published": {"requests/s": 30.13, "p50 ms": 5026} if "polls" in description and not spawn_rate else {},
        "counted_in_log": {},
        "stopped": "",
        "seconds": seconds,
        "outcomes": tally(outcome),
        "command": ["uvicorn"],
        "server_cost": {
            "cpu_seconds": cpu_ms / 1000 * number * chance.lognormvariate(0, 0.05),
            "busiest_process_cpu_seconds": cpu_ms / 1000 * number,
            "peak_memory_bytes": (60 + 3 * rate) * 2**20,
            "memory_measure": "PSS",
            "peak_threads": 4,
        },
        "pinned": {"server": [0], "others": [1]},
        "cpu_seconds_beside": {},
        "client": {
            "seconds": seconds,
            "cpu_seconds": 0.1,
            "busiest_second_share": 0.95 if chance.random() < 0.02 else 0.2,
            "loop_lag_p99_ms": 0.0,
        },
        "requests": {
            **{moment: np.rint(at * 1e6).astype(np.int64) for moment, at in moments.items()},
            "outcome": outcome,
            **{fact: np.full(number, value) for fact, value in (("status", 200), ("body_bytes", 2), ("received_bytes", 150))},
        },
    }


ENVIRONMENT = {
    "system": "Linux 6.1",
    "machine": "x86_64",
    "processor": "a made-up processor",
    "cores": 2,
    "memory_bytes": 8 * 2**30,
    "python": "CPython 3.11.7",
    "packages": {"django": "5.2.19", "uvicorn": "0.54.0"},
    "revision": "",
}
assert OUTCOMES[0] == "ok"


def saved(directory: Path, results: list[dict[str, Any]]) -> Path:
    for one in results:
        folder = directory / f"round-{one['round']:02}" / ("again" if one["label"].endswith(AGAIN) else ".")
        files.save(folder / f"{one['scenario']}{files.SUFFIX}", one)
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
