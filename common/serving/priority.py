"""Which process gives way when two want a core.

The load generator shares cores with what runs beside the server. If it has to wait for its core, it
reads answers late and counts that as the server's time: so PostgreSQL, relays, nginx, services and our own
accounting run at a lower priority. The server and the load generator do not: one is measured, the other measures.
Lowering a priority needs no rights but raising it does, so nothing here is ever raised again.
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
    """Lower the priority of a process, and of what it starts from now on."""
    with suppress(OSError):  # it has ended
        os.setpriority(os.PRIO_PROCESS, pid, NICE)


def give_way_as_thread() -> None:
    """Lower only the calling thread, where the system can."""
    if sys.platform == "linux":
        give_way(threading.get_native_id())


def give_way_as_session(pid: int) -> bool:
    """Lower a session too: where the system divides cores among sessions first, priorities only count within one.

    False if we must try again later: the system accepts only ten a second.
    """
    try:
        Path(f"/proc/{pid}/autogroup").write_text(str(NICE))
    except BlockingIOError:
        return False
    except OSError:  # the system has no such groups, or it has ended
        pass
    return True


class Sessions:
    """Lowers PostgreSQL's processes: each is a session of its own that starts at normal priority, so `look` now and then."""

    def __init__(self, processes: Callable[[], Iterable[int]]) -> None:
        self._processes = processes
        self._done: set[int] = set()
        self._grouped = AUTOGROUP.exists() and AUTOGROUP.read_text().strip() == "1"

    def look(self) -> None:
        for pid in set(self._processes()) - self._done if self._grouped else ():
            if not give_way_as_session(pid):
                return
            self._done.add(pid)
