"""What a fault is: what is done, and what must be seen of it; the other files here are tables of faults, by group."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


def nothing_more(here: Path) -> str:
    return ""


@dataclass(frozen=True)
class Fault:
    name: str
    does: str  # a shell's line, with our commands by their names, {url} a server, and {here} a folder
    codes: tuple[int, ...] = (2,)  # with which it may end
    said: str | None = ""  # in the one line on stderr; '' where there is none; None: there may be one
    scenario: str = ""  # the source of the one that `scenario` starts and {name} names; '' if it needs none
    files: dict[str, bytes] = field(default_factory=dict)  # in {here} before
    seconds: float = 60.0  # until it has ended
    leaves: tuple[str, ...] = ()  # files in {here} afterwards, beside those before
    explains: bool = False  # lines of a log may follow the line
    litters: bool = False  # temporary folders may stay: a later run removes them
    cheap: bool = False  # tests try it as well, as a process of its own
    pure: bool = False  # it starts no process: tests try it as well, within theirs
    then: Callable[[Path], str] = nothing_more  # looks at {here} afterwards, and says what is wrong
    needs: tuple[str, ...] = ()  # programs without which it cannot be tried here
