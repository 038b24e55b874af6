"""Locks on files: the kernel ends each with its holder, across containers and hosts that share the files."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def held(path: Path, make: bool = False) -> Iterator[bool]:
    """Hold the lock of this file meanwhile; False if somebody else holds it, or if the file has gone."""
    lock = take(path, os.O_CREAT if make else 0)
    try:
        yield lock is not None
    finally:
        if lock is not None:
            os.close(lock)


def take(path: Path, making: int) -> int | None:
    try:
        lock = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | making, 0o600)
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
