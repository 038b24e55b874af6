"""Temporary folders: removed when their owner ends them, and by a later run where it could not. A lock tells whether it lives."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from common.cli import Failed, to_the_end
from common.serving.locks import held

PREFIX = "django-sync-or-async-"
OURS = PREFIX + 8 * "?"  # mkdtemp adds eight letters
LOCK = "owner"  # the file in each folder that its owner keeps locked


@contextmanager
def temporary() -> Iterator[Path]:
    """A folder until then. Its path is short, because a unix socket's path may have at most 107 letters."""
    with ExitStack() as lock:
        folder = make(lock)
        try:
            yield folder
        finally:
            to_the_end(lambda: remove(folder))


def make(lock: ExitStack) -> Path:
    """Made again if another run removes it before it is locked."""
    try:
        remove_leftovers()
        while True:
            folder = Path(tempfile.mkdtemp(prefix=PREFIX))
            if lock.enter_context(held(folder / LOCK, make=True)):
                return folder
    except OSError as error:
        raise Failed(f"cannot make a temporary folder: {error}; set TMPDIR to where there is room") from None


def remove_leftovers() -> None:
    """Remove the folders that nobody holds any more; one that holds something else and no lock is not ours."""
    for folder in Path(tempfile.gettempdir()).glob(OURS):
        with suppress(OSError), held(folder / LOCK) as abandoned:
            if abandoned:
                remove(folder)
            else:
                folder.rmdir()  # if its owner was killed before it locked it


def remove(folder: Path) -> None:
    """The lock last: while it is there, a later run can go on where this one was killed."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != LOCK:
            path.unlink(missing_ok=True)
    with suppress(OSError):
        if [path.name for path in folder.iterdir()] == [LOCK]:
            (folder / LOCK).unlink()
            folder.rmdir()
