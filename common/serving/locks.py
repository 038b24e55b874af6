"""Locks on files: the kernel ends each with its holder, across containers and hosts that share the files."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def held(path: Path | str, make: bool = False, folder: int | None = None) -> Iterator[bool]:
    """Hold the lock of this file meanwhile, below an open folder if one is given; False if somebody else holds it, or if it has gone."""
    lock = take(path, os.O_CREAT if make else 0, folder)
    try:
        yield lock is not None
    finally:
        if lock is not None:
            os.close(lock)


def take(path: Path | str, making: int, folder: int | None) -> int | None:
    try:
        lock = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | making, 0o600, dir_fd=folder)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(lock).st_nlink:  # else its last holder has just removed it
            return lock
    except BlockingIOError:
        pass
    except BaseException:
        os.close(lock)
        raise
    os.close(lock)
    return None
