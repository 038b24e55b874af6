"""Counts in a load's logs what its scenario names; a pattern may take for ever, so its time is limited."""

import re
import signal
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

from common.cli import Failed
from common.serving.places import short_path
from common.serving.process import Process
from common.serving.scenario import Scenario

COUNT_SECONDS = 60.0
MOST_DIFFERENT = 1_000_000  # matches of a pattern with a group


def count_in_log(scenario: Scenario, log_sizes: Mapping[Process, int]) -> dict[str, int]:
    """What the scenario counts in the lines logged since the logs had these sizes."""
    if not scenario.count_in_log:
        return {}
    lines = (line for process, size in log_sizes.items() for line in process.lines_since(size))
    try:
        with at_most(COUNT_SECONDS):
            return count_in_lines(scenario.count_in_log, lines)
    except TooMany as many:
        raise Failed(
            f"{short_path(scenario.path)}: COUNT_IN_LOG[{str(many)!r}] has more than {MOST_DIFFERENT:,} different matches: "
            "put less into its group, or leave the group out to count all matches"
        ) from None
    except TimeoutError:
        raise Failed(
            f"{short_path(scenario.path)}: COUNT_IN_LOG was not counted within {COUNT_SECONDS:g} s: "
            "simplify its patterns (a repetition in a repetition, as in (a+)+, may never end), or log less"
        ) from None


class TooMany(Exception):
    """Different matches of the pattern of this name."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """TimeoutError after so long. By a signal: nothing else interrupts a match."""

    def give_up(number: int, frame: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def count_in_lines(patterns: Mapping[str, str], lines: Iterable[str]) -> dict[str, int]:
    """The number of matches, or of different ones if the pattern has a group."""
    wanted = {what: re.compile(pattern) for what, pattern in patterns.items()}
    counts = dict.fromkeys(wanted, 0)
    different: dict[str, set[int]] = {what: set() for what in wanted}  # their hashes: a match may be as long as a line
    for line in lines:
        for what, pattern in wanted.items():
            matches = pattern.findall(line)
            counts[what] += len(matches)
            if pattern.groups:
                different[what].update(map(hash, matches))
            if len(different[what]) > MOST_DIFFERENT:
                raise TooMany(what)
    return {what: len(different[what]) if wanted[what].groups else counts[what] for what in wanted}
