"""Two scenarios side by side: the records of their slices and restarts, and what follows from them.

A restart gives one ratio, of CPU per request over all its slices. Two starts of one program differ more than its slices do,
so the interval is over the restarts' ratios (Student's t on their logarithms), which includes the slices' spread. Its middle is
their geometric mean.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from common.client.options import parse_line
from common.client.turns import Slice
from common.results.circumstances import Environment, Pinned
from common.results.intervals import SAME, Estimate, estimate, is_the_same, no_difference_shown
from common.results.sequential import confidence_at

FAIR = 0.05  # how far the ratio may lie from that of long slices
IDLE_SHARE = 0.5  # of its core: if a server uses more, its response times are a queue's
MOST_FAILED = 0.01  # of the requests sent: beyond that, CPU per answer is only an upper bound

Kind = Literal["more", "less", "same", "undecided", "unfair", "failed"]


@dataclass
class Restart:
    """One restart of both servers, and what it measured."""

    first: int  # which was started and asked first: 0 or 1
    slice_seconds: float  # the intended length of a slice
    slices: list[Slice]  # in the order they were sent
    seconds: float = 0.0  # it took in all, with starting both


@dataclass
class Pair:
    """Two scenarios under one load, asked in turn."""

    names: list[str]  # of both scenarios
    study: str  # of the first scenario
    line: str  # the load line
    identity: str  # of the load
    latency_ms: int  # added
    within: float  # the difference that counts as the same
    launches: list[str]  # both launch lines
    sources: list[str]  # both files
    started_at: str  # UTC, ISO 8601
    environment: Environment
    other_environment: Environment | None = None  # the second one's, if it is not the same
    pinned: Pinned | None = None  # the cores that both ran on
    together: int = 1  # the number of comparisons whose intervals all hold together 95 times in 100
    fault: str = ""  # why it ended early; '' if it did not
    refused: str = ""  # why the two cannot be asked in turn; '' if they can
    restarts: list[Restart] = field(default_factory=list)  # in the order they were made
    is_change: bool = False  # of one scenario after and before: does it cost over `within` more?
    asked: str = ""  # what the change is, by the options that name it
    revisions: list[str] = field(default_factory=list)  # of both checkouts, or of the projects that they serve; '' where unknown
    not_counted: list[str] = field(default_factory=list)  # what stands beside the servers: its CPU is in no figure
    seed: int = 0  # of the order in which they were started

    def __post_init__(self) -> None:
        if not len(self.names) == len(self.launches) == len(self.sources) == 2:
            raise ValueError("A pair is of two scenarios")
        if not (0 < self.within < 1 and self.together >= 1 and self.latency_ms >= 0):
            raise ValueError("A pair's `within` is a share of 1, its latency is not below 0, and it is one of 1 or more")
        slices = [one for restart in self.restarts for one in restart.slices]
        if not all(one.side in (0, 1) and min(one.seconds, one.answers, one.failed) >= 0 for one in slices):
            raise ValueError("A slice is of side 0 or 1, and neither its time nor its answers are below 0")
        parse_line(self.identity)


@dataclass(frozen=True)
class SideBySide:
    """What the restarts so far show, as ratios of the first to the second."""

    kind: Kind
    cpu: Estimate | None  # the ratio of CPU per request
    response: Estimate | None  # of response times; None if they are not the servers' own
    long_cpu: Estimate | None  # the ratio of CPU per request in long slices
    cpu_ms: tuple[float, float] | None  # per request, for each
    failed: tuple[float, float] = (0.0, 0.0)  # shares
    bias: Estimate | None = None  # the ratio in short slices relative to that in long ones
    response_ms: tuple[float, float] | None = None  # of each


def judge_pair(pair: Pair) -> SideBySide:
    """Judge with the confidence that one of several looks needs."""
    cpu = estimate_over(pair, cpu_ratio, pair.together)
    long_cpu = estimate_over(pair, lambda restart: cpu_ratio(restart, is_long=True), pair.together)
    bias = estimate_over(pair, bias_of, of=1)  # other pairs do not make this one fairer
    each = tuple(cpu_ms_of(pair, side) for side in (0, 1))
    failed = (failed_share(pair, 0), failed_share(pair, 1))
    response = estimate_over(pair, response_ratio, pair.together) if shows_response_times(pair) else None
    kind: Kind
    if max(failed) > MOST_FAILED:
        kind = "failed"
    elif is_beyond(bias, FAIR):
        kind = "unfair"
    else:
        kind = kind_of(cpu, pair.within)
    known = (each[0], each[1]) if each[0] is not None and each[1] is not None else None
    response_ms = (mean_response_ms(pair, 0), mean_response_ms(pair, 1)) if response else None
    return SideBySide(kind, cpu, response, long_cpu, known, failed, bias, response_ms)


def is_over(pair: Pair) -> bool:
    """More restarts would not change what is said."""
    return judge_pair(pair).kind != "undecided" and not leaves_open(pair)


def leaves_open(pair: Pair) -> bool:
    """A change costs more, but whether that is more than is allowed is not decided."""
    found = judge_pair(pair)
    more = found.cpu if pair.is_change and found.kind == "more" else None
    return more is not None and more.low is not None and more.high is not None and more.low <= 1 + pair.within < more.high


def was_compared(pair: Pair) -> bool:
    """It may be undecided, but it tells something."""
    return not (pair.fault or pair.refused) and judge_pair(pair).kind not in ("failed", "unfair")


def costs_more(pair: Pair) -> bool:
    """The first needs more CPU than the second: the whole interval lies beyond what counts as the same."""
    found = judge_pair(pair)
    return found.kind == "more" and found.cpu is not None and found.cpu.low is not None and found.cpu.low > 1 + pair.within


def kind_of(ratio: Estimate | None, within: float = SAME) -> Kind:
    if ratio is None or ratio.low is None or ratio.high is None:
        return "undecided"
    if is_the_same(ratio, within):
        return "same"
    return "undecided" if no_difference_shown(ratio) else "more" if ratio.low > 1 else "less"


def is_beyond(ratio: Estimate | None, within: float) -> bool:
    """Its whole interval lies beyond."""
    return (
        ratio is not None and ratio.low is not None and ratio.high is not None and (ratio.low > 1 + within or ratio.high < 1 / (1 + within))
    )


def different_versions(pair: Pair) -> list[str]:
    """What the two run on, where that differs: the first one's versions against the second one's."""
    if pair.other_environment is None:
        return []
    one, other = ({"Python": each.python, **each.packages} for each in (pair.environment, pair.other_environment))
    return [f"{name} {one.get(name, '-')} against {other.get(name, '-')}" for name in {**one, **other} if one.get(name) != other.get(name)]


def estimate_over(pair: Pair, of_restart: Callable[[Restart], float | None], of: int) -> Estimate | None:
    values = [value for restart in pair.restarts if (value := of_restart(restart)) is not None]
    found = estimate(values, confidence_at(len(pair.restarts), of))
    if found is None or found.low is None or found.high is None:
        return found
    return replace(found, middle=math.sqrt(found.low * found.high))


def slices_of(restart: Restart, side: int, is_long: bool = False) -> Iterator[Slice]:
    return (one for one in restart.slices if one.side == side and one.is_long == is_long)


def cpu_per_request(restart: Restart, side: int, is_long: bool = False) -> float | None:
    """In seconds, without what the server uses when nothing is asked of it."""
    asked, idle = list(slices_of(restart, side, is_long)), idle_share(restart, side)
    answers, seconds = sum(one.answers for one in asked), sum(one.seconds for one in asked)
    if not answers or idle is None:
        return None
    return max(0.0, sum(one.cpu_seconds for one in asked) - idle * seconds) / answers or None


def idle_share(restart: Restart, side: int) -> float | None:
    """The CPU seconds a second that it uses while the other one is asked."""
    resting = list(slices_of(restart, 1 - side))
    rested = sum(one.seconds for one in resting)
    return sum(one.idle_cpu_seconds for one in resting) / rested if rested else None


def cpu_ratio(restart: Restart, is_long: bool = False) -> float | None:
    one, other = (cpu_per_request(restart, side, is_long) for side in (0, 1))
    return one / other if one and other else None


def bias_of(restart: Restart) -> float | None:
    """The ratio in short slices relative to that in long ones."""
    short, long = cpu_ratio(restart), cpu_ratio(restart, is_long=True)
    return short / long if short and long else None


def response_ratio(restart: Restart) -> float | None:
    one, other = (mean_response(slices_of(restart, side)) for side in (0, 1))
    return one / other if one and other else None


def mean_response(slices: Iterable[Slice]) -> float:
    asked = list(slices)
    answers = sum(one.answers for one in asked)
    return sum(one.response_seconds for one in asked) / answers if answers else 0.0


def mean_response_ms(pair: Pair, side: int) -> float:
    return 1000 * mean_response(one for restart in pair.restarts for one in slices_of(restart, side))


def has_long_slices(pair: Pair) -> bool:
    """False where every slice is long enough to be as if its server ran alone."""
    return any(one.is_long for restart in pair.restarts for one in restart.slices)


def shows_response_times(pair: Pair) -> bool:
    """One request at a time, or neither core is full: else response times are a queue's."""
    return parse_line(pair.identity).concurrency == 1 or all(
        share is not None and share <= IDLE_SHARE for share in (core_share(pair, 0), core_share(pair, 1))
    )


def core_share(pair: Pair, side: int) -> float | None:
    asked = [one for restart in pair.restarts for one in slices_of(restart, side)]
    seconds = sum(one.seconds for one in asked)
    return sum(one.cpu_seconds for one in asked) / seconds if seconds else None


def cpu_ms_of(pair: Pair, side: int) -> float | None:
    """CPU ms per request, as the geometric mean of the restarts."""
    values = [value for restart in pair.restarts if (value := cpu_per_request(restart, side))]
    return 1000 * math.exp(sum(map(math.log, values)) / len(values)) if values else None


def failed_share(pair: Pair, side: int) -> float:
    asked = [one for restart in pair.restarts for one in restart.slices if one.side == side]
    failed, answers = sum(one.failed for one in asked), sum(one.answers for one in asked)
    return failed / (failed + answers) if failed + answers else 0.0
