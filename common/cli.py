"""SIGTERM and SIGHUP end a run as Ctrl-C does, so that everything is cleaned up on the way out."""

import signal
from types import FrameType
from typing import NoReturn


def stop_on_signals() -> None:
    def stop(number: int, frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, stop)
