"""Runs one command, and ends it with all that it started once nobody holds our stdin.

    python common/guard.py SIGNAL GRACE_SECONDS PROGRAM ARGUMENT...

Whoever starts a guard keeps the other end of its stdin. However that process ends
(even by SIGKILL), the kernel closes the pipe, and the guard ends the command's whole
process group: by the signal, and after the grace by SIGKILL. First line of stdout: the command's process id.
"""

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

MOST_DESCRIPTORS = 65_536  # asked for where the system sets no limit


def group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS says so of a group of zombies
        return False
    return True


def end_group(group: int, number: int, grace: float) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
    deadline = time.monotonic() + grace
    while group_lives(group) and time.monotonic() < deadline:
        time.sleep(0.02)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def end_with_holder(group: int, number: int, grace: float) -> None:
    while os.read(0, 4096):
        pass
    end_group(group, number, grace)


def descriptors() -> int:
    """As many as the system lets us have: a shell's usual limit is less than one load's connections."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)


def allow_descriptors() -> None:
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors(), resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def main(number: int, grace: float, command: list[str]) -> int:
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)  # the pipe alone decides

    allow_descriptors()

    def own_signals() -> None:
        for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(one, signal.SIG_DFL)

    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=2, start_new_session=True, preexec_fn=own_signals)
    watcher = threading.Thread(target=end_with_holder, args=(child.pid, number, grace), daemon=True)
    watcher.start()
    with suppress(BrokenPipeError):  # the holder is gone already: the watcher ends the command
        os.write(1, f"{child.pid}\n".encode())
    code = child.wait()
    end_group(child.pid, number, grace)
    return 128 - code if code < 0 else code


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
