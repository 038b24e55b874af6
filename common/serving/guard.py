"""Runs one command, and ends it and all that it started once the other end of our stdin is closed.

    python -I -S common/serving/guard.py SIGNAL GRACE_SECONDS USER PROGRAM ARGUMENT...

The process that starts a guard keeps the other end of its stdin. However that process ends
(even by SIGKILL), the kernel closes the pipe, and the guard ends the command's whole
process group: with the signal, then after the grace with SIGKILL; and then, where the system has subreapers, whatever has left
that group. If the guard itself is killed, the kernel sends the command the signal, where the system can.
The first line of stdout is the command's process id.
The command runs as USER, or as our own user if that is ''.
"""

import ctypes
import os
import pwd
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
LIBC = ctypes.CDLL(None)
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
CANNOT_RUN = 126  # as a shell says it
MOST_DESCRIPTORS = 65_536  # requested where the system sets no limit
ORPHANS_SECONDS = 5.0  # to end what left the group, each time with its children


def group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS says this about a group of zombies
        return False
    return True


def end_group(group: int, number: int, grace: float, meanwhile: Callable[[], object] = lambda: None) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
    deadline = time.monotonic() + grace
    meanwhile()
    while group_lives(group) and time.monotonic() < deadline:
        time.sleep(0.02)
        meanwhile()
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def adopt_orphans() -> None:
    """Become the reaper, if the system can: in a container often nothing else reaps, and a zombie still counts in its group."""
    with suppress(AttributeError):
        LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1)


def end_with_guard(guard: int, number: int) -> None:
    """Let this process get the signal when its guard is killed, if the system can."""
    with suppress(AttributeError):
        LIBC.prctl(PR_SET_PDEATHSIG, number)
        if os.getppid() != guard:
            os.kill(os.getpid(), number)


def reap(wanted: int) -> int:
    """Reap every child that ends until the wanted one has; return its exit code."""
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == wanted:
            return os.waitstatus_to_exitcode(status)


def reap_ended() -> bool:
    """Reap what has ended; False if we have no child left."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        return False
    return True


def children() -> Iterator[int]:
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            with open(f"/proc/{name}/stat", "rb") as file:
                parent = int(file.read().rpartition(b")")[2].split()[1])
            if parent == os.getpid():
                yield int(name)


def end_orphans() -> None:
    """End what has left the group: what these had started becomes ours in turn."""
    deadline = time.monotonic() + ORPHANS_SECONDS
    while reap_ended() and time.monotonic() < deadline:
        for child in children():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
        time.sleep(0.005)


def end_with_holder(group: int, number: int, grace: float) -> None:
    while os.read(0, 4096):
        pass
    end_group(group, number, grace)


def descriptors() -> int:
    """Allow as many as the system permits: a shell's usual limit is below one load's connections."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)


def allow_descriptors() -> None:
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors(), resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def identity(user: str) -> dict[str, Any]:
    """Arguments that make subprocess run a command as this user, who may not enter our folders."""
    entry = pwd.getpwnam(user)
    somewhere = {"cwd": "/", "env": {**os.environ, "HOME": "/"}}
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": [entry.pw_gid], **somewhere}


def main(number: int, grace: float, user: str, command: list[str]) -> int:
    for ending in SIGNALS:
        signal.signal(ending, signal.SIG_IGN)  # the pipe alone decides

    allow_descriptors()
    adopt_orphans()

    guard = os.getpid()

    def begin() -> None:
        for ending in SIGNALS:
            signal.signal(ending, signal.SIG_DFL)
        end_with_guard(guard, number)

    become = identity(user) if user else {}
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=2, start_new_session=True, preexec_fn=begin, **become)
    except OSError as error:
        os.write(2, f"cannot run {command[0]}: {error.strerror}\n".encode(errors="replace"))
        return CANNOT_RUN
    watcher = threading.Thread(target=end_with_holder, args=(child.pid, number, grace), daemon=True)
    watcher.start()
    with suppress(BrokenPipeError):  # the holder has already ended: the watcher ends the command
        os.write(1, f"{child.pid}\n".encode())
    code = child.returncode = reap(child.pid)
    end_group(child.pid, number, grace, meanwhile=reap_ended)
    end_orphans()
    return 128 - code if code < 0 else code


if __name__ == "__main__":
    try:
        ended = main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3], sys.argv[4:])
    except BaseException as error:
        os.write(2, f"the guard ended by {type(error).__name__}: {error}\n".encode(errors="replace"))
        os.kill(os.getpid(), signal.SIGKILL)  # so the run knows that nothing has been ended: it does it itself
        raise
    sys.exit(ended)
