"""Is anything left after hundreds of runs, one after the other and at once, some of them killed?

    python -m benchmarks.many_runs                      200 runs, then 20 suites at once
    python -m benchmarks.many_runs --runs 20 --suites 4

Runs share a temporary directory and a PostgreSQL, as a user's own; each suite has a copy of the tree. Every third is ended in its
middle, by a signal that changes. One run of each kind comes last, to remove what killed ones left.
"""

import argparse
import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg

from common.client.progress import silent
from common.serving import postgres
from common.serving.databases import OURS
from common.serving.places import ROOT

PLAIN, WITH_TABLES = "gunicorn_sync_wait", "gunicorn_gthread_posts"
SMALL = ("-n", "20", "-c", "2", "-t", "2")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
MARK = "MANY_RUNS"  # in the environment of all that this starts
MOST_SECONDS = 600.0  # of one run
SETTLING = 30.0  # seconds in which what has been killed may end


@dataclass
class Lab:
    """What all runs share."""

    folder: Path
    database: postgres.Server
    mark: str = field(default_factory=lambda: secrets.token_hex(8))
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    ended: Counter[str] = field(default_factory=Counter)

    @property
    def temporary(self) -> Path:
        return self.folder / "temporary"

    def run(self, tree: Path, arguments: list[str], own: bool, number: int) -> None:
        """To its end, or for a few seconds; `own`: with the PostgreSQL that all share, else with one that it makes."""
        variables = self.database.variables() if own else {}
        environment = {**os.environ, **variables, "TMPDIR": str(self.temporary), "WAIT_FOR_QUIET": "0", MARK: self.mark}
        with (self.folder / f"{number}.log").open("wb") as log:
            process = subprocess.Popen([sys.executable, *arguments, *SMALL], cwd=tree, env=environment, stdout=log, stderr=log)
        how = SIGNALS[number // 3 % len(SIGNALS)] if number % 3 == 2 else None
        try:
            process.wait(self.chance.uniform(0.2, 8) if how else MOST_SECONDS)
        except subprocess.TimeoutExpired:
            process.send_signal(how or signal.SIGKILL)
            process.wait(MOST_SECONDS)
        self.ended[f"exit code {process.returncode}"] += 1

    def left(self) -> Iterator[str]:
        yield from (f"in TMPDIR: {path.name}" for path in self.temporary.iterdir())
        yield from (f"database: {name}" for name in self._databases())
        yield from (f"process {process.pid}: {' '.join(process.cmdline())[:100]}" for process in self._processes())

    def _databases(self) -> list[str]:
        with psycopg.connect(**self.database.arguments()) as session:
            rows = session.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", (OURS,)).fetchall()
        return [name for (name,) in rows]

    def _processes(self) -> Iterator[psutil.Process]:
        """PostgreSQL and nginx write over their environment: their folder tells that they are ours."""
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                ours = process.environ().get(MARK) == self.mark or str(self.temporary) in f"{process.cwd()} {' '.join(process.cmdline())}"
                if ours and process.status() != psutil.STATUS_ZOMBIE:
                    yield process


def copy_tree(folder: Path) -> Path:
    for package in ("common", "studies", "scenarios"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(ROOT / "requirements.txt", folder)
    return folder


def try_all(lab: Lab, runs: int, suites: int) -> None:
    alone = copy_tree(lab.folder / "alone")
    for number in range(runs):
        name = WITH_TABLES if number % 4 == 1 else PLAIN
        lab.run(alone, [f"scenarios/{name}.py"], own=number % 8 == 1, number=number)
    trees = [copy_tree(lab.folder / f"suite-{number}") for number in range(suites)]
    with ThreadPoolExecutor(max(1, suites)) as at_once:
        begun = [
            at_once.submit(lab.run, tree, ["-m", "common.suite", PLAIN, WITH_TABLES], number % 2 == 0, runs + number)
            for number, tree in enumerate(trees)
        ]
    for each in begun:
        each.result()
    for number, own in ((0, True), (3, False)):  # numbers of runs that are not ended in their middle
        lab.run(alone, [f"scenarios/{WITH_TABLES}.py"], own, 3 * (runs + suites) + number)


def shared_memory() -> set[str]:
    """PostgreSQL's, of anybody on this machine."""
    return {f"shared memory: {path}" for path in Path("/dev/shm").glob("PostgreSQL.*")}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_runs", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=200, help="one after the other (default 200)")
    parser.add_argument("--suites", type=int, default=20, help="at once (default 20)")
    options = parser.parse_args(arguments)
    os.environ.pop("PGHOST", None)
    with tempfile.TemporaryDirectory(prefix="many-runs-") as name, postgres.server(silent) as database:
        Path(name).chmod(0o755)  # PostgreSQL runs as another user than root
        database.serve(200, Path(name))
        lab, before = Lab(Path(name), database), shared_memory()
        lab.temporary.mkdir()
        try_all(lab, options.runs, options.suites)
        deadline = time.monotonic() + SETTLING
        while (left := [*lab.left(), *(shared_memory() - before)]) and time.monotonic() < deadline:
            time.sleep(0.5)
        print(", ".join(f"{count} ended with {code}" for code, count in sorted(lab.ended.items())))
        print("\n".join(left) or "nothing left")
        return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
