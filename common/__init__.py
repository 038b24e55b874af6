"""Ctrl-C while a command is still loading, which takes up to a second, ends it without a traceback."""

import os
import sys
from types import TracebackType


def end_quietly(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    print("stopped", file=sys.stderr, flush=True)
    sys.stdout.flush()
    os._exit(130)  # nothing has begun; a command that has begun handles Ctrl-C itself (common/cli.py)


sys.excepthook = end_quietly
