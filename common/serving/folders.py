"""Temporary folders: removed when their owner ends them, and by a later run where it could not. A lock tells whether it lives.

All is done by an open descriptor of the folder: anybody may put a link of such a name into a shared temporary directory.
"""

import os
import pwd
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
CLUSTER_USERS = ("postgres", "nobody")  # as one of these PostgreSQL runs where we are root, and its folder is then theirs


@contextmanager
def temporary() -> Iterator[Path]:
    """A folder until then. Its path is short, because a unix socket's path may have at most 107 letters."""
    with ExitStack() as kept:
        path, folder = make(kept)
        try:
            yield path
        finally:
            to_the_end(lambda: remove(path, folder))


def make(kept: ExitStack) -> tuple[Path, int]:
    """Made again if another run removes it before it is locked."""
    try:
        remove_leftovers()
        while True:
            path = Path(tempfile.mkdtemp(prefix=PREFIX))
            with suppress(FileNotFoundError):
                folder = kept.enter_context(opened(path))
                if kept.enter_context(held(LOCK, make=True, folder=folder)):
                    return path, folder
    except OSError as error:
        raise Failed(f"cannot make a temporary folder: {error}; set TMPDIR to where there is room") from None


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """Its descriptor; OSError if it is a link, or no folder."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield folder
    finally:
        os.close(folder)


def remove_leftovers() -> None:
    """Remove the folders that nobody holds any more; one that holds something else and no lock is not ours."""
    for path in Path(tempfile.gettempdir()).glob(OURS):
        with suppress(OSError), opened(path) as folder:
            if os.fstat(folder).st_uid in our_users():
                remove_abandoned(path, folder)


def our_users() -> set[int]:
    users = {os.getuid()}
    for name in CLUSTER_USERS if os.getuid() == 0 else ():
        with suppress(KeyError):
            users.add(pwd.getpwnam(name).pw_uid)
    return users


def remove_abandoned(path: Path, folder: int) -> None:
    with held(LOCK, folder=folder) as abandoned:
        if abandoned:
            remove(path, folder)
        else:
            path.rmdir()  # if its owner was killed before it locked it


def remove(path: Path, folder: int) -> None:
    """The lock last: while it is there, a later run can go on where this one was killed."""
    with os.scandir(folder) as found:
        entries = list(found)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.name, ignore_errors=True, dir_fd=folder)
        elif entry.name != LOCK:
            with suppress(FileNotFoundError):
                os.unlink(entry.name, dir_fd=folder)
    with suppress(OSError):
        if os.listdir(folder) == [LOCK]:
            os.unlink(LOCK, dir_fd=folder)
            path.rmdir()
