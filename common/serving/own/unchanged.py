"""Notices that a project's code was changed while a run goes on, which would measure two programs as one."""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from common.serving.scenario import ScenarioError

CODE = (".py", ".html")
NOT_ITS_OWN = ("node_modules", "__pycache__")
File = tuple[str, int, int]


def check_unchanged(folder: Path) -> None:
    if code_of(folder) != code_at_first(folder):
        raise ScenarioError(f"code in {folder} was changed while the run went on: start a new one to measure what it is now")


@cache
def code_at_first(folder: Path) -> list[File]:
    """As this run found it."""
    return code_of(folder)


def code_of(folder: Path) -> list[File]:
    return sorted(files_in(folder))


def files_in(folder: Path) -> Iterator[File]:
    """Its code and its templates, with when they were written and how long they are; not those of an environment in it."""
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name[0] != "." and name not in NOT_ITS_OWN and not is_environment(Path(parent, name))]
        for name in names:
            path = Path(parent, name)
            if path.suffix in CODE and path.exists():
                found = path.stat()
                yield str(path), found.st_mtime_ns, found.st_size


def is_environment(folder: Path) -> bool:
    return (folder / "pyvenv.cfg").exists()
