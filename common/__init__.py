"""Before anything of it is loaded, which takes up to a second: Ctrl-C is no fault, and shows no traceback."""

import os
import sys
from types import TracebackType


def end_quietly(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    print("stopped", file=sys.stderr, flush=True)
    sys.stdout.flush()
    os._exit(130)  # nothing was begun: a command that has begun hears of it by itself (common/cli.py)


sys.excepthook = end_quietly
