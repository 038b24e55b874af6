"""What all commands share: their words, their errors, and what they end with.

0    done
1    it failed, or did not keep a target
2    usage error
77   skipped: a program that it needs is not installed
130  stopped by a person
"""

import argparse
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

SKIPPED, STOPPED = 77, 130


class Problem(Exception):
    """What ends a command: said in one line, before the end of a log if there is one."""

    exit_code = 1


class UsageError(Problem, ValueError):
    """Words, a file or a constant that a person wrote and that cannot be used."""

    exit_code = 2


class Failed(Problem):
    """Something that we started did not do what it was started for."""


class NotInstalled(Problem):
    """A program that is needed is not on this machine."""

    exit_code = SKIPPED


class Parser(argparse.ArgumentParser):
    """argparse, but errors are raised: a scenario's line is parsed too, and is then named with its fault."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def run(name: str, command: Callable[[], int]) -> int:
    """The command's exit code; what ends it early is one line on stderr."""
    try:
        return command()
    except NotInstalled as missing:
        print(f"{name} skipped: {missing}", file=sys.stderr)
        return missing.exit_code
    except Problem as problem:
        print(f"{name}: {problem}", file=sys.stderr)
        return problem.exit_code
    except KeyboardInterrupt:
        print(f"{name}: stopped", file=sys.stderr)
        return STOPPED


def stop_on_signals() -> None:
    """SIGTERM and SIGHUP end a run as Ctrl-C does, so that everything is cleaned up on the way out."""

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, stop)
