"""Records: what a run leaves behind, as versioned JSON, written whole or not at all; compressed where the name ends in .gz."""

import gzip
import json
import os
import tempfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

VERSION = 2
SUFFIX = ".json.gz"  # of a scenario's record


class RecordError(Exception):
    """A record that cannot be written or read, said in one line."""


def save(path: Path, record: dict[str, Any]) -> None:
    record = {"version": VERSION, **record}
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("wb", dir=path.parent, prefix=path.name, suffix=".part", delete=False) as file:
            temporary = file.name
        with write_as(path.suffix)(temporary, "wt", encoding="utf-8") as text:
            text.writelines(pieces(record))
            text.write("\n")
        os.replace(temporary, path)
    except OSError as error:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
        raise RecordError(f"cannot save {path}: {error.strerror}") from None


def write_as(suffix: str) -> Callable[..., Any]:
    return partial(gzip.open, compresslevel=4) if suffix == ".gz" else open


def pieces(value: Any) -> Iterator[str]:
    """JSON in pieces, so that a million requests are never one list and one text at once."""
    if isinstance(value, dict):
        between = "{"
        for key, item in value.items():
            yield f"{between}{json.dumps(str(key))}: "
            yield from pieces(item)
            between = ",\n"
        yield "{}" if between == "{" else "}"
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for number, item in enumerate(value):
            yield "," if number else "["
            yield from pieces(item)
        yield "]"
    elif isinstance(value, np.ndarray):
        yield json.dumps(value.tolist(), separators=(",", ":"))
    else:
        yield json.dumps(value)


def load(path: Path) -> dict[str, Any]:
    """A record of loads, their columns of requests as arrays."""
    record = read(path)
    try:
        for load in record.get("loads", [record]):
            load["requests"] = {name: np.array(column, dtype=np.int64) for name, column in load["requests"].items()}
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
        raise RecordError(f"{path} is damaged: its requests are not columns of numbers") from None
    return record


def read(path: Path) -> dict[str, Any]:
    """A record of this version, or RecordError."""
    try:
        content = path.read_bytes()
        record = json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise RecordError(f"{path} is damaged: {error}") from None
    except OSError as error:
        raise RecordError(f"cannot read {path}: {error.strerror or error}") from None
    except ValueError as error:
        raise RecordError(f"{path} is not JSON: {error}") from None
    if not isinstance(record, dict) or "version" not in record:
        raise RecordError(f"{path} is not one of our records: it has no version")
    if record["version"] != VERSION:
        raise RecordError(f"{path} has version {record['version']}; this program reads version {VERSION}")
    return record


def read_directory(directory: Path) -> list[dict[str, Any]]:
    if not directory.is_dir():
        raise RecordError(f"{directory} is no directory of results")
    found = [load(path) for path in sorted(directory.rglob(f"*{SUFFIX}"))]
    if not found:
        raise RecordError(f"{directory} holds no results: ./run_all.sh makes some, and names their directory at its end")
    for one in found:
        if one.get("kind") != "scenario":
            raise RecordError(f"{directory} holds a record that is not of a scenario")
    return sorted(found, key=lambda one: (one["round"], one["started_at"]))
