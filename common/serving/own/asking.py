"""Asks a project about itself, in a process of its own under its interpreter: its settings, its pages, the modules that it imports."""

import json
import os
import re
import secrets
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any, TypeVar

import msgspec

from common.cli import Failed, UsageError
from common.client.load import Load
from common.serving.guard import end_with_guard
from common.serving.own.project import Project, environment
from common.serving.own.project_files import read_text
from common.serving.own.settings import Address, Facts, Pages, name_of
from common.serving.process import surroundings

INSPECTOR = Path(__file__).with_name("inspector.py")
INSPECTOR_SECONDS = 60.0
MOST_READ = 2**22  # bytes of what it prints
LOG_LINES = 6
LACKS_VARIABLE = re.compile(r"environment variable|envvar|env var", re.IGNORECASE)

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Said:
    """One line of the inspector's."""

    asked: Address | None = None  # the database that it asks next
    error: str = ""
    traceback: list[str] = field(default_factory=list)
    found: Any = None


def ask_settings(project: Project, host: str) -> Facts:
    """Import them as its servers will, in a process of its own."""
    return ask(project, Facts, what="settings", host=host)


def ask_for_pages(project: Project, host: str, loads: Sequence[Load], asked: Sequence[Load]) -> Pages:
    """How each view is written, and what those that are asked answer to one GET."""
    headers = loads[0].headers if loads else ()
    paths = [load.target for load in loads]
    return ask(project, Pages, what="pages", host=host, headers=headers, paths=paths, asked=[load.target for load in asked])


def ask_modules(project: Project, app: str) -> list[tuple[str, str]]:
    """The modules that its settings, its URLs and its application import, each with its file, but for those of the environment."""
    return ask(project, list[tuple[str, str]], what="modules", app=app)


def ask(project: Project, kind: type[Answer], **request: Any) -> Answer:
    mark = secrets.token_hex(8)  # of the inspector's own lines, whatever else the project prints
    code, stdout, stderr = run_inspector(project, json.dumps({**request, "mark": mark}))
    said = said_in(stdout, mark)
    if code is None:
        raise Failed(explain_silence(project, said))
    if code or not said or said[-1].asked:
        raise Failed(explain_fault(project, said, stderr))
    try:
        return msgspec.convert(said[-1].found, type=kind)
    except msgspec.MsgspecError as error:
        raise Failed(f"--project {project.folder}: what {project.settings} says cannot be read: {error}") from None


def run_inspector(project: Project, request: str) -> tuple[int | None, str, str]:
    """Its exit code, None if it took too long, and the end of what it printed; what the project started is ended with it."""
    with tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as errors:
        try:
            inspector = subprocess.Popen(
                [project.python, str(INSPECTOR), project.settings],
                cwd=project.folder,
                env={**surroundings(root=project.folder), **environment(project)},
                stdin=subprocess.PIPE,
                stdout=printed,
                stderr=errors,
                start_new_session=True,
                preexec_fn=partial(end_with_guard, os.getpid(), signal.SIGKILL),
            )
        except OSError as error:
            raise UsageError(f"--python {project.python}: it does not run: {error.strerror}") from None
        code: int | None = None
        with inspector, suppress(subprocess.TimeoutExpired):
            try:
                inspector.communicate(request.encode(), timeout=INSPECTOR_SECONDS)
                code = inspector.returncode
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(inspector.pid, signal.SIGKILL)
        return code, end_of(printed), end_of(errors)


def end_of(file: IO[bytes]) -> str:
    file.seek(max(0, file.seek(0, os.SEEK_END) - MOST_READ))
    return file.read().decode(errors="replace")


def said_in(output: str, mark: str) -> list[Said]:
    return [msgspec.json.decode(line.removeprefix(mark), type=Said) for line in output.splitlines() if line.startswith(mark)]


def explain_silence(project: Project, said: Sequence[Said]) -> str:
    asked = said[-1].asked if said else None
    if asked is not None:
        return (
            f"the project's database {asked.alias} does not answer: {name_of(asked)}: nothing came from it within {INSPECTOR_SECONDS:g} s"
        )
    return f"--project {project.folder}: {project.settings} did not answer within {INSPECTOR_SECONDS:g} s"


def explain_fault(project: Project, said: Sequence[Said], stderr: str) -> str:
    """The last lines of the project's own traceback, behind what to do."""
    error, lines = (said[-1].error, said[-1].traceback) if said and said[-1].error else ("", stderr.strip().splitlines())
    error = error or (lines[-1] if lines else "it says nothing")
    if error == "ModuleNotFoundError: No module named 'django'":
        return f"{project.python} has no Django: name the project's own environment with --python"
    tail = "\n".join(f"    {line}" for line in lines[-LOG_LINES:])
    return f"{project.settings} cannot be used by {project.python}: {error}{hint_at(project, error, lines)}\n{tail}"


def hint_at(project: Project, error: str, lines: Sequence[str]) -> str:
    if LACKS_VARIABLE.search(error) or (error.startswith("KeyError: ") and any("os.environ" in line for line in lines)):
        return "; give it the variable: --env NAME=VALUE, or --env-file FILE"
    if error.startswith("ModuleNotFoundError: ") and "sys.path" in read_text(project.folder / "manage.py"):
        return "; if it is in a folder that manage.py adds: --env PYTHONPATH=FOLDER"
    return ""
