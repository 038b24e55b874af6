"""What all commands share: their arguments, their errors and their exit codes.

0    done
1    it failed, or did not keep a target
2    usage error
77   skipped: a program that it needs is not installed
130  stopped by a person
"""

import argparse
import io
import math
import os
import re
import select
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

SKIPPED, STOPPED = 77, 130
LONGEST_END = 60.0  # seconds that ending everything may take, before a signal counts again
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # what a terminal obeys rather than shows


class Problem(Exception):
    """Ends a command: one line says why, and the end of a log may follow."""

    exit_code = 1


class UsageError(Problem, ValueError):
    """An argument, a file or a constant that the user wrote and that cannot be used."""

    exit_code = 2


class Failed(Problem):
    """Something that we started did not do its job."""


class NotInstalled(Problem):
    """A needed program is not on this machine."""

    exit_code = SKIPPED


class NotReady(Failed):
    """A server runs but does not answer correctly."""


class WrongAnswer(NotReady):
    """It answers, and goes on to answer wrongly: that is what the site says to this request."""


class Parser(argparse.ArgumentParser):
    """argparse, but help begins with examples, and errors are raised: those of a scenario's load line must name its file."""

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


def directory(text: str) -> Path:
    """A directory's name; '' would be the one that we are in, which nobody means."""
    if not text:
        raise argparse.ArgumentTypeError("it is empty: name a directory")
    return Path(text)


def typed_path(text: str | Path) -> Path:
    """Of a path that a person typed: run_all.sh goes to its own folder, and says which one they are in."""
    return Path(os.environ.get("CALLED_FROM", "")) / text


class Outlet(io.FileIO):
    """A standard stream that may close or fill up: only what it cannot write is lost."""

    lost: OSError | None = None  # why output was lost, unless its reader has gone

    def write(self, data: Any) -> int:
        try:
            while (written := super().write(data)) is None:  # whoever gave it to us made it non-blocking, and its reader is slow
                self._wait()
            return written
        except BrokenPipeError:
            pass
        except OSError as error:
            self.lost = error
        return len(memoryview(data))

    def _wait(self) -> None:
        room = select.poll()
        room.register(self, select.POLLOUT)
        room.poll()


def keep_saying(name: str, descriptor: int) -> Outlet | None:
    """Keep a closed pipe (| head), a full disk or a narrow encoding from ending a command: it may measure for hours."""
    stream = getattr(sys, name)
    if stream is None or stream is not getattr(sys, f"__{name}__"):
        return None  # it is closed, or belongs to a program that uses us
    stream.flush()
    outlet = Outlet(descriptor, "w", closefd=False)
    by_line = stream.line_buffering or stream.write_through
    setattr(sys, name, io.TextIOWrapper(io.BufferedWriter(outlet), stream.encoding, "backslashreplace", line_buffering=by_line))
    return outlet


def run(name: str, command: Callable[[], int]) -> int:
    """Run the command and return its exit code; whatever ends it early is one line on stderr."""
    outlet, _ = keep_saying("stdout", 1), keep_saying("stderr", 2)
    code = end_in_one_line(name, command)
    if outlet is None:
        return code
    sys.stdout.flush()
    if outlet.lost is None:
        return code
    print(f"{name}: cannot write to stdout: {outlet.lost.strerror}", file=sys.stderr)
    return code or 1


def printable(text: str) -> str:
    """Escape control characters: a server, or a file's name, may hold what a terminal obeys."""
    return "".join(mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in text)


def is_plain(text: str) -> bool:
    """Whether it is in one line, and nothing in it moves the cursor."""
    return CONTROLS.search(text) is None


def complain(text: str) -> None:
    """In one line on stderr; the end of a log, which is indented, may follow."""
    print("\n    ".join(map(printable, text.split("\n    "))), file=sys.stderr, flush=True)


def announce(text: str) -> None:
    print(text, flush=True)


def end_in_one_line(name: str, command: Callable[[], int]) -> int:
    try:
        return command()
    except NotInstalled as missing:
        complain(f"{name} skipped: {missing}")
        return missing.exit_code
    except Problem as problem:
        complain(f"{name}: {problem}")
        return problem.exit_code
    except OSError as error:  # a file or folder that the user named and that the system refuses
        complain(f"{name}: {f'{error.filename}: ' if error.filename else ''}{error.strerror or error}")
        return 1
    except SystemExit as ended:  # argparse's, after --help
        return int(ended.code or 0)
    except KeyboardInterrupt:
        complain(f"{name}: stopped")
        return STOPPED


def stop_on_signals(heard: bool = False) -> None:
    """SIGTERM and SIGHUP end a run as Ctrl-C does. Only the first counts: what was started and made is removed on the way out.

    `heard`: the first has just come.
    """
    stopped_at = time.monotonic() if heard else -math.inf

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopped_at
        if time.monotonic() < stopped_at + LONGEST_END:
            return
        stopped_at = time.monotonic()
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, stop)


def to_the_end(work: Callable[[], object]) -> None:
    """Do it from its beginning again if the signal that stops us came in its middle."""
    try:
        work()
    except KeyboardInterrupt:
        work()
        raise
