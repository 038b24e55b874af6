"""How far a load is, in one line, four times a second: on a terminal's stderr, or in a file for another program to show."""

import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

Tell = Callable[[str], None]


def silent(text: str) -> None:
    pass


def on_the_terminal(text: str) -> None:
    sys.stderr.write(f"\r\033[K{text}")
    sys.stderr.flush()


def teller(quiet: bool, file: Path | None) -> Tell:
    if file is not None:
        return lambda text: in_file(file, text)
    return silent if quiet or not sys.stderr.isatty() else on_the_terminal


def in_file(file: Path, text: str) -> None:
    with suppress(OSError):  # the program that shows it does without
        file.write_text(text, encoding="utf-8")
