"""Who gives way when two want a core.

What stands beside the server and the load generator share cores. A load generator that waits for its core
reads answers late and counts that as the server's time: so PostgreSQL, relays, nginx, services and our own
looking run at a lower priority. The server and the load generator do not: one is measured, the other measures.
Lowering needs no rights; raising would, so nothing here is ever raised again.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

NICE = 5
AUTOGROUP = Path("/proc/sys/kernel/sched_autogroup_enabled")


def give_way(pid: int) -> None:
    """A process, and what it starts from now on."""
    with suppress(OSError):  # it has ended
        os.setpriority(os.PRIO_PROCESS, pid, NICE)


def give_way_as_thread() -> None:
    """The thread that calls it alone, where the system can."""
    if sys.platform == "linux":
        give_way(threading.get_native_id())


def give_way_as_session(pid: int) -> bool:
    """Where the system shares cores out among sessions first, priorities count inside of each only: the session's own counts too.

    False if the system lets us do that again later only: it takes ten in a second.
    """
    try:
        Path(f"/proc/{pid}/autogroup").write_text(str(NICE))
    except BlockingIOError:
        return False
    except OSError:  # there are no such groups, or it has ended
        pass
    return True


class Sessions:
    """Each process of PostgreSQL is a session of its own, which begins at the usual priority: `look` now and then, and it gives way."""

    def __init__(self, processes: Callable[[], Iterable[int]]) -> None:
        self._processes = processes
        self._done: set[int] = set()
        self._grouped = AUTOGROUP.exists() and AUTOGROUP.read_text().strip() == "1"

    def look(self) -> None:
        for pid in set(self._processes()) - self._done if self._grouped else ():
            if not give_way_as_session(pid):
                return
            self._done.add(pid)
