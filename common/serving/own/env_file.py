"""The file of environment variables that a project has beside manage.py."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from common.cli import UsageError, typed_path

VARIABLE = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)[ \t]*=[ \t]*(?:'([^']*)'|"([^"\\]*)"|((?!['"]).*?)|['"].*)[ \t]*(?:(?<=\s)#.*)?$""",
    re.MULTILINE,
)


def find_env_file(folder: Path, named: str | None) -> Path | None:
    """None if there is none, or if none is wanted: ''."""
    if named == "":
        return None
    path = typed_path(named).resolve() if named else folder / ".env"
    if named and not path.is_file():
        raise UsageError(f"--env-file {named}: there is no such file")
    return path if path.is_file() else None


def read_env_file(path: Path) -> dict[str, str]:
    """Without what we cannot read rightly: the project may read it itself."""
    return {name: value for name, value in variables_in(path) if value is not None}


def variables_in(path: Path) -> Iterator[tuple[str, str | None]]:
    """NAME=VALUE a line, with or without quotes and `export`; None for what would have to be expanded."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    for name, single, double, plain in (match.groups() for match in VARIABLE.finditer(text)):
        value = double if double is not None else plain
        yield name, single if single is not None else None if value is None or "${" in value else value


def explain_env_file(path: Path, env: dict[str, str]) -> Iterator[str]:
    values = {name: value for name, value in variables_in(path) if name not in os.environ and name not in env}
    if used := [name for name, value in values.items() if value is not None]:
        yield f"variables from {path}: {', '.join(used)} (--env-file '' reads none)"
    if unread := [name for name, value in values.items() if value is None]:
        yield f"{path} writes {', '.join(unread)} with what would have to be expanded; if you need it: --env {unread[0]}=VALUE"
