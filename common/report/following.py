"""Shows logs on the terminal while they grow."""

import sys
import threading
from pathlib import Path
from typing import BinaryIO

from common.cli import printable

LOOK_EVERY = 0.1
END_SECONDS = 1.0  # our output may have no reader
LONGEST_LINE = 2**15  # a longer one is shown in pieces


class Follower:
    """Follows each log from its beginning, in a thread, until the block ends."""

    def __init__(self) -> None:
        self._logs: list[tuple[BinaryIO, str]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> "Follower":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join(END_SECONDS)
        for log, _ in self._logs:
            log.close()

    def add(self, path: Path, prefix: str) -> None:
        self._logs.append((path.open("rb"), prefix))

    def _follow(self) -> None:
        while not self._over.wait(LOOK_EVERY):
            self._show_new()
        self._show_new(all_of_it=True)

    def _show_new(self, all_of_it: bool = False) -> None:
        for log, prefix in list(self._logs):
            while line := log.readline(LONGEST_LINE):
                if not line.endswith(b"\n") and len(line) < LONGEST_LINE and not all_of_it:
                    log.seek(-len(line), 1)  # the rest of the line is still to come
                    break
                text = printable(line.decode(errors="replace").rstrip("\r\n").expandtabs())
                print(f"{prefix}{text}", file=sys.stderr, flush=True)
