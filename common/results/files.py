"""Records as files: versioned JSON, written whole or not at all, checked when read; compressed where the name ends in .gz."""

import gzip
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np

from common.cli import Problem
from common.client.sent import Column, Sent
from common.results.pairs import Pair
from common.results.record import Plan, ScenarioRun, Search

VERSION = 3
SUFFIX = ".json.gz"  # of scenario records
PAIR_SUFFIX = ".pair.json"
PLAN = "suite.json"  # kept beside the results, so that a stopped run can be resumed
KINDS = {Sent: "load", ScenarioRun: "scenario", Search: "find-rate", Plan: "suite", Pair: "side by side"}
COLUMN = b"\0"  # marks the place of a column: JSON never holds this byte

Record = TypeVar("Record", Sent, ScenarioRun, Search, Plan, Pair)


class RecordError(Problem):
    """A record that cannot be written or read."""


class Head(msgspec.Struct):
    version: int
    kind: str = ""


def write(path: Path, record: Sent | ScenarioRun | Search | Plan | Pair) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink() or (path.exists() and not path.is_file()):
            write_to(path, path.suffix, record)  # devices, pipes and links stay what they are
        else:
            replace(path, record)
    except OSError as error:
        raise RecordError(f"cannot save {path}: {error.strerror}") from None


def replace(path: Path, record: Sent | ScenarioRun | Search | Plan | Pair) -> None:
    """Write the file whole or not at all."""
    with tempfile.NamedTemporaryFile("wb", dir=path.parent, prefix=path.name, suffix=".part", delete=False) as file:
        temporary = Path(file.name)
    try:
        write_to(temporary, path.suffix, record)
        if path.exists():
            shutil.copymode(path, temporary)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_to(path: Path, suffix: str, record: Sent | ScenarioRun | Search | Plan | Pair) -> None:
    with write_as(suffix)(path, "wb") as file:
        file.writelines(pieces(record))


def write_as(suffix: str) -> Callable[..., Any]:
    return partial(gzip.open, compresslevel=4) if suffix == ".gz" else open


def pieces(record: Sent | ScenarioRun | Search | Plan | Pair) -> Iterator[bytes]:
    """JSON in pieces: each column is written in its place, so that a million requests never become one string."""
    columns: list[Column] = []

    def set_aside(column: Column) -> msgspec.Raw:
        columns.append(column)
        return msgspec.Raw(COLUMN)

    head = msgspec.json.encode({"version": VERSION, "kind": KINDS[type(record)]})
    body = msgspec.json.encode(record, enc_hook=set_aside)
    yield head[:-1] + b","
    for text, column in zip_longest(body[1:].split(COLUMN), columns):
        yield text
        if column is not None:
            yield msgspec.json.encode(column.tolist())
    yield b"\n"


def read(path: Path, kind: type[Record]) -> Record:
    """A record of this version and kind; else RecordError names the file and what is wrong with it."""
    content = content_of(path)
    try:
        head = msgspec.json.decode(content, type=Head)
    except msgspec.ValidationError:
        raise RecordError(f"{path} is not one of our records: it has no version") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RecordError(f"{path} is not JSON: {error}") from None
    if head.version != VERSION:
        raise RecordError(f"{path} has version {head.version}; this program reads version {VERSION}")
    if head.kind != KINDS[kind]:
        raise RecordError(f"{path} is not a record of a {KINDS[kind]}")
    try:
        return msgspec.json.decode(content, type=kind, dec_hook=as_column)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RecordError(f"{path} is damaged: {error}") from None


def content_of(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise RecordError(f"{path} is damaged: {error}") from None
    except OSError as error:
        raise RecordError(f"cannot read {path}: {error.strerror or error}") from None


def as_column(kind: type, value: Any) -> Column:
    column = np.array(value if isinstance(value, list) else [value])
    if column.size and (column.ndim != 1 or column.dtype.kind not in "iu"):
        raise ValueError("Expected a column of whole numbers")
    return column.astype(np.int64)


def read_directory(directory: Path) -> list[ScenarioRun]:
    """Every scenario run in it, in the order they were made."""
    if not directory.is_dir():
        raise RecordError(f"{directory} is not a results directory")
    runs = [read(path, ScenarioRun) for path in paths_in(directory)]
    if not runs:
        raise RecordError(f"{directory} holds no results: give a directory that ./run_all.sh printed at its end")
    return sorted(runs, key=lambda run: (run.round, run.started_at))


def paths_in(directory: Path) -> list[Path]:
    """The paths of its scenario records."""
    return sorted(directory.rglob(f"*{SUFFIX}"))


def read_pairs(directory: Path) -> list[Pair]:
    """Every pair that was asked in turn, in the order they were begun."""
    return sorted((read(path, Pair) for path in directory.rglob(f"*{PAIR_SUFFIX}")), key=lambda pair: pair.started_at)


def name_of_pair(pair: Pair) -> str:
    """The file's name: of both scenarios, and of the load, whose line may be long."""
    load = f"{zlib.crc32(pair.identity.encode()):08x}{f'-{pair.latency_ms}ms' if pair.latency_ms else ''}"
    return f"{'-beside-'.join(pair.names).replace('/', '_')}-{load}{PAIR_SUFFIX}"
