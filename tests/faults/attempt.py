"""Tries a fault, as a person would or within this process, and says in a line what was not as it must be."""

import contextlib
import io
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from common import advise, bench, compare, loadgen, page, suite
from common.cli import is_plain, run
from common.serving import scenario
from tests.faults import Fault
from tests.processes import MARK, end_all, one_line, running_with

OURS = """
loadgen() { python -m common.loadgen "$@"; }
suite() { python -m common.suite "$@"; }
compare() { python -m common.compare "$@"; }
page() { python -m common.page "$@"; }
advise() { python -m common.advise "$@"; }
scenario() { python {file} "$@"; }
"""
COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "loadgen": loadgen.main,
    "suite": suite.main,
    "compare": compare.main,
    "page": page.main,
    "advise": advise.main,
}
END_SECONDS = 10.0  # for what it started to end after it


@dataclass(frozen=True)
class Around:
    """What faults are tried on: a misbehaving server, and a copy of the project."""

    url: str
    tree: Path


class Missing(Exception):
    """It cannot be tried on this machine."""


def attempt(fault: Fault, around: Around, here: Path) -> str:
    """What was not as it must be, when a shell has done it in the copy of the project; '' if all was."""
    if missing := [program for program in fault.needs if subprocess.run(["sh", "-c", program], capture_output=True).returncode]:
        raise Missing(missing[0])
    mark, temporary = secrets.token_hex(8), here / "tmp"
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "WAIT_FOR_QUIET": "0",
        "TMPDIR": str(temporary),
        MARK: mark,
    }
    with scenario_of(fault, around.tree) as file:
        prepare(fault, here)
        temporary.mkdir()
        temporary.chmod(0o755)
        line = OURS.replace("{file}", shlex.quote(str(file))) + filled_in(fault.does, file, around, here)
        command = ["bash", "-o", "pipefail", "-c", line]
        began = time.monotonic()
        try:
            done = subprocess.run(
                command,
                cwd=around.tree,
                env=environment,
                capture_output=True,
                timeout=fault.seconds,
                stdin=subprocess.DEVNULL,
                preexec_fn=hear_signals,
            )
        except subprocess.TimeoutExpired:
            end_all(running_with(mark, temporary))
            return f"it had not ended after {fault.seconds:g} s"
        took = time.monotonic() - began
        left = left_over(mark, temporary, min(END_SECONDS, fault.seconds))
    wrong = [
        *judge(fault, done.returncode, *(stream.decode(errors="replace") for stream in (done.stderr, done.stdout))),
        *left,
        *litter(fault, here, temporary),
    ]
    wrong += [] if wrong else filter(None, [fault.then(here)])
    return "; ".join(wrong and [*wrong, f"after {took:.1f} s"])


def hear_signals() -> None:
    """As in a terminal: who tries it in the background, or under nohup, has those ignored."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def attempt_within(fault: Fault, around: Around, here: Path) -> str:
    """The same without a process of its own, for a fault that starts none: its command is called."""
    with scenario_of(fault, around.tree) as file:
        prepare(fault, here)
        name, *arguments = shlex.split(filled_in(fault.does, file, around, here))
        said, shown = io.StringIO(), io.StringIO()
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(shown), project_in(around.tree):
            try:
                code = run(file.stem, lambda: bench.run_command(file, arguments)) if name == "scenario" else COMMANDS[name](arguments)
            except Exception as error:  # a traceback, had it been a process
                return f"{type(error).__name__}: {error}"
    return "; ".join(
        [*judge(fault, code, said.getvalue(), shown.getvalue()), *litter(fault, here, here / "tmp"), *filter(None, [fault.then(here)])]
    )


@contextlib.contextmanager
def project_in(tree: Path) -> Iterator[None]:
    before = scenario.ROOT, scenario.FOLDER
    scenario.ROOT, scenario.FOLDER = tree, tree / "scenarios"
    try:
        yield
    finally:
        scenario.ROOT, scenario.FOLDER = before


@contextlib.contextmanager
def scenario_of(fault: Fault, tree: Path) -> Iterator[Path]:
    """The file of its scenario, which exists meanwhile, in a study of its own."""
    name = f"fault_{secrets.token_hex(4)}"
    file = tree / "scenarios" / f"{name}.py"
    if fault.scenario:
        file.write_bytes(fault.scenario.replace("{name}", name).encode(errors="surrogateescape"))
    try:
        yield file
    finally:
        file.unlink(missing_ok=True)


def prepare(fault: Fault, here: Path) -> None:
    for name, content in fault.files.items():
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_bytes(content)


def filled_in(line: str, file: Path, around: Around, here: Path) -> str:
    for name, value in {"{url}": around.url, "{here}": str(here), "{tree}": str(around.tree), "{name}": file.stem}.items():
        line = line.replace(name, value)
    return line


def judge(fault: Fault, code: int, said: str, shown: str) -> Iterator[str]:
    """What is wrong with the exit code, with stderr and with stdout."""
    first = said.partition("\n")[0]
    if code not in fault.codes:
        yield f"exit code {code}, not {' or '.join(map(str, fault.codes))}"
    for name, text in (("stderr", said), ("stdout", shown)):
        if not is_plain(text.replace("\n", "").replace("\t", "")):
            yield f"a control character on {name}"
    if text := next(filter(has_traceback, (said, shown)), ""):
        yield f"a traceback: {text.strip().splitlines()[-1]}"
    elif fault.said is None and not said:
        return
    elif fault.said == "":
        yield from [f"said: {first}"] if said else []
    elif not (one_line(said) or (fault.explains and all(line.startswith(("    ", "run_all.sh: ")) for line in said.splitlines()[1:]))):
        yield f"{len(said.splitlines())} lines: {' | '.join(said.splitlines()[:4])}"
    elif (fault.said or "") not in first:
        yield f"said: {first}"


def has_traceback(text: str) -> bool:
    """A server's own may be in its log, which is indented."""
    return any(line.startswith("Traceback") for line in text.splitlines())


def left_over(mark: str, temporary: Path, seconds: float) -> list[str]:
    until = time.monotonic() + seconds
    while (left := running_with(mark, temporary)) and time.monotonic() < until:
        time.sleep(0.05)
    end_all(left)
    return [f"left running: {len(left)} processes"] if left else []


def litter(fault: Fault, here: Path, temporary: Path) -> list[str]:
    left = [path.name for path in temporary.iterdir()] if temporary.exists() and not fault.litters else []
    shutil.rmtree(temporary, ignore_errors=True)
    expected = {*(name.partition("/")[0] for name in fault.files), *fault.leaves}
    files = {path.name for path in here.iterdir()}
    wrong = [f"left in TMPDIR: {', '.join(left)}"] if left else []
    return [*wrong, *([f"files: {', '.join(sorted(files)) or 'none'}"] if files != expected else [])]
