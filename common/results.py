"""A directory of results, read again: every scenario's record in it, in the order of the runs."""

from pathlib import Path
from typing import Any

from common import record
from common.record import SUFFIX, RecordError

OF_A_SCENARIO = (
    "scenario",
    "label",
    "round",
    "started_at",
    "study",
    "question",
    "launch",
    "source",
    "environment",
    "mode",
    "status",
    "reason",
)
OF_A_LOAD = (
    "line",
    "description",
    "path",
    "latency_ms",
    "least_seconds",
    "load",
    "seconds",
    "outcomes",
    "client",
    "noise",
    "fault",
    "published",
)


def read(directory: Path) -> list[dict[str, Any]]:
    if not directory.is_dir():
        raise RecordError(f"{directory} is no directory of results")
    found = [record.load(path) for path in sorted(directory.rglob(f"*{SUFFIX}"))]
    if not found:
        raise RecordError(f"{directory} holds no results: ./run_all.sh makes some, and names their directory at its end")
    for one in found:
        if one.get("kind") != "scenario":
            raise RecordError(f"{directory} holds a record that is not of a scenario")
        check(one, directory)
    return sorted(found, key=lambda one: (one["round"], one["started_at"]))


def check(one: dict[str, Any], directory: Path) -> None:
    """Is it whole? Then those who read it need not ask again."""
    loads = one.get("loads")
    if not isinstance(loads, list):
        raise RecordError(f"{directory} holds a damaged record: it has no loads")
    missing = [name for name in OF_A_SCENARIO if name not in one] + [name for load in loads for name in OF_A_LOAD if name not in load]
    if missing:
        raise RecordError(f"{directory} holds a damaged record: it has no {missing[0]}")
