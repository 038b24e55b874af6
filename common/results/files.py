"""Records as files: versioned JSON, written whole or not at all, checked when read; compressed where the name ends in .gz."""

import gzip
import os
import secrets
import shutil
import zlib
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import fields, is_dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, get_args, get_origin, get_type_hints

import msgspec
import numpy as np

from common.cli import Problem, is_plain
from common.client.sent import Column, Sent, compact
from common.results.pairs import Pair
from common.results.record import Plan, ScenarioRun, Search

VERSION = 4
SUFFIX = ".json.gz"  # of scenario records
PAIR_SUFFIX = ".pair.json"
PLAN = "suite.json"  # kept beside the results, so that a stopped run can be resumed
KINDS = {Sent: "load", ScenarioRun: "scenario", Search: "find-rate", Plan: "suite", Pair: "side by side"}
MANY = 1_000_000
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
            with opened(path) as file:  # devices, pipes and links stay what they are
                write_to(file, path.suffix, record)
        else:
            replace(path, record)
    except OSError as error:
        raise RecordError(f"cannot save {path}: {error.strerror}") from None


def replace(path: Path, record: Sent | ScenarioRun | Search | Plan | Pair) -> None:
    """Write the file whole or not at all."""
    temporary = path.with_name(f"{secrets.token_hex(8)}.part")  # not longer than its name, which may be as long as the system allows
    try:
        with open(temporary, "xb") as file:
            write_to(file, path.suffix, record)
        if path.exists():
            shutil.copymode(path, temporary)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def opened(path: Path) -> BinaryIO:
    """To write to. Our own stdout goes on where it is: opened anew, a file would be written from its beginning twice."""
    try:
        is_stdout = os.path.samestat(os.stat(path), os.fstat(1))
    except OSError:
        is_stdout = False
    return open(os.dup(1) if is_stdout else path, "wb")


def write_to(file: BinaryIO, suffix: str, record: Sent | ScenarioRun | Search | Plan | Pair) -> None:
    with gzip.open(file, "wb", compresslevel=4) if suffix == ".gz" else nullcontext(file) as packed:
        packed.writelines(pieces(record))


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
            yield from pieces_of(column)
    yield b"\n"


def pieces_of(column: Column) -> Iterator[bytes]:
    """A JSON list, a million numbers at a time: as objects they take ten times their place."""
    yield b"["
    for begin in range(0, len(column), MANY):
        part = msgspec.json.encode(column[begin : begin + MANY].tolist())[1:-1]
        yield b"," + part if begin else part
    yield b"]"


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
        record = msgspec.json.decode(content, type=kind, dec_hook=as_column)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RecordError(f"{path} is damaged: {error}") from None
    try:
        check_fields(content, kind, more=("version", "kind"))
    except msgspec.ValidationError as error:
        raise RecordError(f"{path} is damaged, or of another state of this program: {error}") from None
    if not all(map(is_plain, names_in(record))):
        raise RecordError(f"{path} is damaged: it has control characters in a name")
    return record


def check_fields(content: bytes | msgspec.Raw, kind: Any, where: str = "$", more: tuple[str, ...] = ()) -> None:
    """Every field is there and no other: what a type would add by itself, nobody measured."""
    inner = next((one for one in (kind, *get_args(kind)) if is_dataclass(one)), None)
    if inner is None:
        return
    if get_origin(kind) is list:
        for place, item in enumerate(msgspec.json.decode(content, type=list[msgspec.Raw])):
            check_fields(item, inner, f"{where}[{place}]")
        return
    found, hints = msgspec.json.decode(content, type=dict[str, msgspec.Raw] | None), get_type_hints(inner)
    if found is None:
        return
    names = [field.name for field in fields(inner)]
    for name in (*more, *names):
        if name not in found:
            raise msgspec.ValidationError(f"Object missing required field `{name}` - at `{where}`")
    for name in found:
        if name not in (*more, *names):
            raise msgspec.ValidationError(f"Object has unknown field {name!a} - at `{where}`")
    for name in names:
        check_fields(found[name], hints[name], f"{where}.{name}")


def names_in(record: Sent | ScenarioRun | Search | Plan | Pair) -> list[str]:
    """Which tables and commands repeat."""
    match record:
        case ScenarioRun():
            return [record.scenario, record.study, *record.differs_from]
        case Pair():
            return [*record.names, record.study]
        case Search():
            return [record.scenario]
        case Plan():
            return record.scenarios
    return []


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
    if column.size and column.min() < 0:
        raise ValueError("Expected a column of numbers of 0 or more")
    return compact(column.astype(np.int64))


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
