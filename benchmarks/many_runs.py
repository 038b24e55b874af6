"""Is anything left after hundreds of runs, one after the other and at once, some of them killed?

    python -m benchmarks.many_runs                      200 runs, then 20 suites at once
    python -m benchmarks.many_runs --runs 20 --suites 4 [--seed N]

Runs share a temporary directory and a PostgreSQL, as a user's own; each suite has a copy of the tree. Which scenario runs, on whose
PostgreSQL, and which signal ends it in its middle, if any, are drawn independently. Each must end as its signal says: with 0, with 130 or
by SIGKILL. After every run nothing may run or listen any more, and on disk and in the PostgreSQL there may be only what those that were
killed have left. One run of each kind comes last, to remove that.
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
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg

from common.cli import STOPPED
from common.client.progress import silent
from common.serving import postgres
from common.serving.databases import OURS
from common.serving.places import ROOT

PLAIN, WITH_TABLES = "gunicorn_sync_wait", "gunicorn_gthread_posts"
SMALL = ("-n", "20", "-c", "2", "-t", "2")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
MARK = "MANY_RUNS"  # in the environment of all that this starts
ENDED_SHARE = 1 / 2  # of the runs, by a signal
MOST_SECONDS = 600.0  # of one run
SETTLING = 30.0  # seconds in which what has been killed may end


@dataclass(frozen=True)
class Kind:
    """What is run, and how it ends."""

    tables: bool
    own: bool  # with the PostgreSQL that all share, else with one that it makes
    how: signal.Signals | None = None  # which signal ends it in its middle
    after: float = 0.0  # so many seconds after it has begun

    @property
    def codes(self) -> tuple[int, ...]:
        """It may be over before its signal comes."""
        return (0,) if self.how is None else (0, -signal.SIGKILL) if self.how == signal.SIGKILL else (0, STOPPED)


def draw(chance: random.Random) -> Kind:
    how = chance.choice(SIGNALS) if chance.random() < ENDED_SHARE else None
    return Kind(chance.random() < 1 / 2, chance.random() < 1 / 2, how, chance.uniform(0, 8))


@dataclass
class Lab:
    """What all runs share."""

    folder: Path
    database: postgres.Server
    mark: str = field(default_factory=lambda: secrets.token_hex(8))
    ended: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    of_killed: set[str] = field(default_factory=set)  # what these have left, and nobody has removed yet

    @property
    def temporary(self) -> Path:
        return self.folder / "temporary"

    def run(self, tree: Path, arguments: list[str], kind: Kind, number: int) -> None:
        """To its end, or until its signal."""
        variables = self.database.variables() if kind.own else {}
        environment = {**os.environ, **variables, "TMPDIR": str(self.temporary), "WAIT_FOR_QUIET": "0", MARK: self.mark}
        log, before = self.folder / f"{number}.log", results_of(tree)
        with log.open("wb") as file:
            process = subprocess.Popen([sys.executable, *arguments, *SMALL], cwd=tree, env=environment, stdout=file, stderr=file)
        if kind.how is not None:
            wait_until_begun(process, tree, before)
            with suppress(subprocess.TimeoutExpired):
                process.wait(kind.after)
            process.send_signal(kind.how)
        with suppress(subprocess.TimeoutExpired):
            process.wait(MOST_SECONDS)
        if process.poll() is None:
            process.kill()
            process.wait()
            self.wrong.append(f"run {number}, {kind}: it had not ended after {MOST_SECONDS:g} s")
        elif process.returncode not in kind.codes:
            said = (log.read_text(errors="replace").strip().splitlines() or [""])[-1]
            self.wrong.append(f"run {number}, {kind}: exit code {process.returncode}: {said}")
        self.ended[f"exit code {process.returncode}"] += 1

    def look(self, number: int, kind: Kind) -> None:
        """After a run that had the machine to itself."""
        was_killed = kind.how == signal.SIGKILL
        left = self.settled(self.working if was_killed else lambda: {*self.working(), *(self.kept() - self.of_killed)})
        self.wrong += [f"run {number}, {kind}: {what}" for what in sorted(left)]
        kept = self.kept()
        self.of_killed = kept if was_killed else kept & self.of_killed

    def settled(self, look: Callable[[], set[str]]) -> set[str]:
        deadline = time.monotonic() + SETTLING
        while (left := look()) and time.monotonic() < deadline:
            time.sleep(0.2)
        return left

    def left(self) -> set[str]:
        return self.working() | self.kept()

    def kept(self) -> set[str]:
        """On disk, and in the PostgreSQL that all share."""
        return {*(f"in TMPDIR: {path.name}" for path in self.temporary.iterdir()), *(f"database: {name}" for name in self._databases())}

    def working(self) -> set[str]:
        """What runs, and what listens."""
        processes = list(self._processes())
        pids = [process.pid for process in processes]
        listening = [one for one in psutil.net_connections("tcp") if one.status == psutil.CONN_LISTEN and one.pid in pids]
        return {*(f"process {said(process)}" for process in processes), *(f"it listens on port {one.laddr.port}" for one in listening)}

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


def said(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return f"{process.pid}: {' '.join(process.cmdline())[:100]}"
    return f"{process.pid}"


def results_of(tree: Path) -> set[str]:
    return set(os.listdir(tree / "results")) if (tree / "results").is_dir() else set()


def wait_until_begun(process: "subprocess.Popen[bytes]", tree: Path, before: set[str]) -> None:
    """While it still loads its modules, a signal ends it as it ends any Python: nothing has begun."""
    deadline = time.monotonic() + MOST_SECONDS
    while results_of(tree) == before and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)


def copy_tree(folder: Path) -> Path:
    for package in ("common", "studies", "scenarios"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(ROOT / "requirements.txt", folder)
    return folder


def try_all(lab: Lab, runs: int, suites: int, chance: random.Random) -> None:
    alone = copy_tree(lab.folder / "alone")
    for number in range(runs):
        kind = draw(chance)
        lab.run(alone, [f"scenarios/{WITH_TABLES if kind.tables else PLAIN}.py"], kind, number)
        lab.look(number, kind)
    trees = [copy_tree(lab.folder / f"suite-{number}") for number in range(suites)]
    with ThreadPoolExecutor(max(1, suites)) as at_once:
        begun = [
            at_once.submit(lab.run, tree, ["-m", "common.suite", PLAIN, WITH_TABLES], draw(chance), runs + number)
            for number, tree in enumerate(trees)
        ]
    for each in begun:
        each.result()
    for number, own in enumerate((True, False)):
        lab.run(alone, [f"scenarios/{WITH_TABLES}.py"], Kind(tables=True, own=own), runs + suites + number)


def shared_memory() -> set[str]:
    """PostgreSQL's, of anybody on this machine."""
    return {f"shared memory: {path}" for path in Path("/dev/shm").glob("PostgreSQL.*")}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_runs", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=200, help="one after the other (default 200)")
    parser.add_argument("--suites", type=int, default=20, help="at once (default 20)")
    parser.add_argument("--seed", type=int, default=1, help="what is drawn follows from it (default 1)")
    options = parser.parse_args(arguments)
    os.environ.pop("PGHOST", None)
    with tempfile.TemporaryDirectory(prefix="many-runs-") as name, postgres.server(silent) as database:
        Path(name).chmod(0o755)  # PostgreSQL runs as another user than root
        database.serve(200, Path(name))
        lab, before = Lab(Path(name), database), shared_memory()
        lab.temporary.mkdir()
        try_all(lab, options.runs, options.suites, random.Random(options.seed))
        left = lab.settled(lambda: lab.left() | (shared_memory() - before))
        print(", ".join(f"{count} ended with {code}" for code, count in sorted(lab.ended.items())))
        print("\n".join([*lab.wrong, *sorted(left)]) or "all ended as they should, and nothing is left")
        return 1 if lab.wrong or left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
