"""Records: what a run leaves behind, as versioned JSON, written whole or not at all."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

VERSION = 1


class RecordError(Exception):
    """A record that cannot be written or read, said in one line."""


def save(path: Path, record: dict[str, Any]) -> None:
    record = {"version": VERSION, **record}
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=path.name, suffix=".part", delete=False) as file:
            temporary = file.name
            for piece in pieces(record):
                file.write(piece)
            file.write("\n")
        os.replace(temporary, path)
    except OSError as error:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
        raise RecordError(f"cannot save {path}: {error.strerror}") from None


def pieces(value: Any) -> Any:
    """JSON in pieces, so that a million requests are never one list and one text at once."""
    if isinstance(value, dict):
        between = "{"
        for key, item in value.items():
            yield f"{between}{json.dumps(str(key))}: "
            yield from pieces(item)
            between = ",\n"
        yield "{}" if between == "{" else "}"
    elif isinstance(value, np.ndarray):
        yield json.dumps(value.tolist(), separators=(",", ":"))
    else:
        yield json.dumps(value)


def load(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text())
    except OSError as error:
        raise RecordError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise RecordError(f"{path} is not JSON: {error}") from None
    if not isinstance(record, dict) or "version" not in record:
        raise RecordError(f"{path} is not one of our records: it has no version")
    if record["version"] != VERSION:
        raise RecordError(f"{path} has version {record['version']}; this program reads version {VERSION}")
    return record
