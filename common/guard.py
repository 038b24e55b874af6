"""Runs one command, and ends it with all that it started once nobody holds our stdin.

    python common/guard.py PROGRAM ARGUMENT...

Whoever starts a guard keeps the other end of its stdin. However that process ends
(even by SIGKILL), the kernel closes the pipe, and the guard ends the command's whole
process group. First line of stdout: the command's process id.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

GRACE_SECONDS = 3.0


def group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS says so of a group of zombies
        return False
    return True


def end_group(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while group_lives(group) and time.monotonic() < deadline:
        time.sleep(0.02)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def end_with_holder(group: int) -> None:
    while os.read(0, 4096):
        pass
    end_group(group)


def main(command: list[str]) -> int:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the pipe alone decides

    def own_signals() -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)

    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=2, start_new_session=True, preexec_fn=own_signals)
    watcher = threading.Thread(target=end_with_holder, args=(child.pid,), daemon=True)
    watcher.start()
    sys.stdout.write(f"{child.pid}\n")
    sys.stdout.flush()
    code = child.wait()
    end_group(child.pid)
    return 128 - code if code < 0 else code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
