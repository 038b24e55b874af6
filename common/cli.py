"""What all commands share: their words, their errors, and what they end with.

0    done
1    it failed, or did not keep a target
2    usage error
77   skipped: a program that it needs is not installed
130  stopped by a person
"""

import argparse
import io
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, NoReturn

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


class NotReady(Failed):
    """A server that runs and does not answer as it should."""


class Parser(argparse.ArgumentParser):
    """argparse, but help begins with examples, and errors are raised: a scenario's line is parsed too, and is then named with its fault."""

    def __init__(self, *, examples: Sequence[tuple[str, str]] = (), **keywords: Any) -> None:
        super().__init__(**keywords)
        self._examples = examples

    def format_help(self) -> str:
        """Each example with what it does; then all options."""
        width = max((len(command) for command, _ in self._examples), default=0)
        lines = [f"  {command:<{width}}   {does}\n" for command, does in self._examples]
        return "".join(["examples:\n", *lines, "\n"] if lines else []) + super().format_help()

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


class Outlet(io.FileIO):
    """A standard stream that may close or fill up: what cannot be said is lost, and nothing else is."""

    lost: OSError | None = None  # why, if it is not that its reader has gone

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            pass
        except OSError as error:
            self.lost = error
        return len(memoryview(data))


def keep_saying(name: str, descriptor: int) -> Outlet | None:
    """A reader that goes (| head), a full disk and a narrow encoding end no command: it may measure for hours."""
    stream = getattr(sys, name)
    if stream is None or stream is not getattr(sys, f"__{name}__"):
        return None  # it is closed, or belongs to a program that uses us
    stream.flush()
    outlet = Outlet(descriptor, "w", closefd=False)
    by_line = stream.line_buffering or stream.write_through
    setattr(sys, name, io.TextIOWrapper(io.BufferedWriter(outlet), stream.encoding, "backslashreplace", line_buffering=by_line))
    return outlet


def run(name: str, command: Callable[[], int]) -> int:
    """The command's exit code; what ends it early is one line on stderr."""
    outlet, _ = keep_saying("stdout", 1), keep_saying("stderr", 2)
    code = end_in_one_line(name, command)
    if outlet is None:
        return code
    sys.stdout.flush()
    if outlet.lost is None:
        return code
    print(f"{name}: cannot write to stdout: {outlet.lost.strerror}", file=sys.stderr)
    return code or 1


def end_in_one_line(name: str, command: Callable[[], int]) -> int:
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
