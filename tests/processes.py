"""Runs the project's programs as a person does, in a copy of the tree, and finds what they leave running."""

import gzip
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import jsonschema
import psutil

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = jsonschema.Draft202012Validator(json.loads((ROOT / "docs" / "record.schema.json").read_text()))
MARK = "RUN_OF_A_TEST"  # in the environment of a program and of all that it starts
LOOK_EVERY = 0.1  # seconds: a look reads what every process of the machine is, and takes that time from those that are tested

TAIL = """
if __name__ == "__main__":
    import sys
    from pathlib import Path

    sys.path.insert(0, str(next(folder for folder in Path(__file__).resolve().parents if (folder / "common").is_dir())))
    from common.bench import main

    main(__file__)
"""

# The smallest scenario: no framework, so that it starts at once.
TINY = (
    '''"""Is it answered?"""

import asyncio
import os

asked = 0


async def application(scope, receive, send):
    global asked
    asked += 1
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


STUDY = "tests"
PORTS = {"port": 8099}
SERVER = "uvicorn {app} --host {host} --port {port} --lifespan off --no-access-log --log-level warning"
LOAD = ["-n 20 -c 2 --expect ok /"]
'''
    + TAIL
)


def changed(*replacements: tuple[str, str], source: str = TINY) -> str:
    for old, new in replacements:
        assert old in source
        source = source.replace(old, new)
    return source


def copy_tree(folder: Path, scenarios: dict[str, str] | None = None, page: bool = False) -> Path:
    """The project in a folder of its own: with its scenarios, or with these in their place.

    A suite ends with its page only where it is asked for: to make it takes as long as to run the smallest scenario.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy2(ROOT / "requirements.txt", folder)
    for package in ("common", "studies"):
        shutil.copytree(ROOT / package, folder / package)  # with what Python compiled: it is valid there too
    if scenarios is None:
        shutil.copytree(ROOT / "scenarios", folder / "scenarios", ignore=shutil.ignore_patterns("__pycache__"))
    for name, source in (scenarios or {}).items():
        path = folder / "scenarios" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    if not page:
        path = folder / "common" / "page.py"
        path.write_text(changed(("if files.paths_in(directory) or files.read_pairs(directory):", "if False:"), source=path.read_text()))
    return folder


class Program:
    """`python ARGUMENT...` in a copy of the tree; on the way out all that it started is ended, by process id."""

    def __init__(self, tree: Path, *arguments: str, **environment: str) -> None:
        self.mark = secrets.token_hex(8)
        self.temporary = Path(tempfile.mkdtemp(prefix="tests-"))
        self.temporary.chmod(0o755)  # PostgreSQL runs as another user than root
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=tree,
            env={
                **os.environ,
                "PYTHONDONTWRITEBYTECODE": "1",
                "WAIT_FOR_QUIET": "0",
                "TMPDIR": str(self.temporary),
                MARK: self.mark,
                **environment,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        self.stdout = self.stderr = ""

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *error: object) -> None:
        end_all(self.running())
        self.process.communicate(timeout=10)
        shutil.rmtree(self.temporary, ignore_errors=True)

    def finish(self, seconds: float = 150) -> int:
        self.stdout, self.stderr = self.process.communicate(timeout=seconds)
        return self.process.returncode

    def running(self) -> list[psutil.Process]:
        """The program and all that it started, wherever they are in the tree of processes."""
        return running_with(self.mark, self.temporary)

    def left_files(self) -> list[str]:
        """What it left in its temporary directory."""
        return [path.name for path in self.temporary.iterdir()]

    def left_over(self, seconds: float = 10) -> list[str]:
        """What still runs of it after so long."""
        deadline = time.monotonic() + seconds
        while (left := self.running()) and time.monotonic() < deadline:
            time.sleep(LOOK_EVERY)
        return [said(process) for process in left]

    def wait_for(self, *words: str, seconds: float = 90) -> psutil.Process:
        """Until one of its processes has all these words in its command line; a load may wait a minute for ports."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for process in self.running():
                line = said(process)
                if "guard.py" not in line and all(word in line for word in words):
                    return process
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(LOOK_EVERY)
        raise AssertionError(f"nothing with {words} runs: {[said(process) for process in self.running()]}")


def running_with(mark: str, temporary: Path) -> list[psutil.Process]:
    """Those that have the mark, and all that they started.

    PostgreSQL and nginx write over their environment: their folder tells that they are ours.
    """
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        try:
            ours = process.environ().get(MARK) == mark or process.ppid() in found
            ours = ours or str(temporary) in f"{process.cwd()} {said(process)}"
            if ours and process.status() != psutil.STATUS_ZOMBIE:
                found[process.pid] = process
        except psutil.Error:
            continue
    return list(found.values())


def end_all(processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.Error):
            process.kill()


def said(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def run(tree: Path, *arguments: str, **environment: str) -> Program:
    """To its end, with nothing left over."""
    with Program(tree, *arguments, **environment) as program:
        program.finish()
        assert program.left_over() == []
        assert program.left_files() == []
    return program


def check_record(record: dict) -> None:
    """By the schema in docs/; of the requests' columns, the first rows."""
    wrong = jsonschema.exceptions.best_match(SCHEMA.iter_errors(shortened(record)))
    assert wrong is None, f"{wrong.json_path}: {wrong.message}"


def shortened(part: Any) -> Any:
    """The same with at most nine rows in each list of numbers."""
    if isinstance(part, dict):
        return {name: shortened(value) for name, value in part.items()}
    if isinstance(part, list):
        return part[:9] if part and isinstance(part[0], int) else [shortened(value) for value in part]
    return part


def records(tree: Path) -> dict[str, dict]:
    """The scenarios' records under results/, by name; each as the schema says."""
    found = {}
    for path in sorted((tree / "results").glob("*/**/*.json.gz")):
        record = json.loads(gzip.decompress(path.read_bytes()))
        check_record(record)
        if path.parent.name != "again":  # the control's second runs
            found[record["scenario"]] = record
    return found


def get(url: str, seconds: float = 10) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=seconds) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def one_line(text: str) -> bool:
    return len(text.strip().splitlines()) == 1 and "Traceback" not in text
