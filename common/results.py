"""A directory of results, read again: every scenario's record in it, in the order of the runs."""

from pathlib import Path
from typing import Any

from common import record
from common.record import SUFFIX, RecordError


def read(directory: Path) -> list[dict[str, Any]]:
    if not directory.is_dir():
        raise RecordError(f"{directory} is no directory of results")
    found = [record.load(path) for path in sorted(directory.rglob(f"*{SUFFIX}"))]
    if not found:
        raise RecordError(f"{directory} holds no results: ./run_all.sh makes some, and names their directory at its end")
    for one in found:
        if one.get("kind") != "scenario":
            raise RecordError(f"{directory} holds a record that is not of a scenario")
    return sorted(found, key=lambda one: (one["round"], one["started_at"]))
