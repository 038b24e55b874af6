"""What a reader's own site is, from what was measured of it: whether it computes or waits, and what helps it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from common.results.answers import LESS, LEVEL, MORE, answer_load, side
from common.results.comparison import LoadComparison, Row
from common.results.questions import times
from common.results.words import join_words, write_number

COMPUTES = 0.8  # of the time that a page takes is CPU
GAINED = {MORE: "serve{s} {ratio} what one request at a time does", LESS: "serve{s} less: {ratio} of it", LEVEL: "gain{s} nothing"}


@dataclass(frozen=True)
class Shape:
    """Of a row's server."""

    kind: str  # how a process works on several requests
    processes: int


def answer_site(comparisons: Sequence[LoadComparison], shapes: Mapping[str, Shape]) -> list[str]:
    """Load by load: what a page costs, what each kind of server gains, which serves most."""
    return [" ".join([*describe_page(comparison, shapes), answer_load(comparison).said]) for comparison in comparisons if comparison.ranked]


def describe_page(comparison: LoadComparison, shapes: Mapping[str, Shape]) -> Iterator[str]:
    """Beside a worker that serves one request at a time: all that a page takes there is CPU or waiting."""
    one = {row.scenario: row for row in comparison.ranked if shapes[row.scenario].processes == 1}
    alone = next((row for row in one.values() if shapes[row.scenario].kind == "sync"), None)
    cpu = alone.estimates["CPU ms/req"] if alone else None
    if alone is None or cpu is None or not alone.per_second:
        return
    if alone.disturbed:  # other programs make a page take longer than it waits
        yield f"{comparison.load.sent.path} costs {write_number(cpu.middle)} ms of CPU a page; other programs hide whether it also waits."
        return
    took_ms = 1000 / alone.per_second
    computes = cpu.middle >= COMPUTES * took_ms
    path = comparison.load.sent.path
    if computes:
        yield f"{path} computes: {write_number(took_ms)} ms a page, of which {min(1.0, cpu.middle / took_ms):.0%} is CPU."
    else:
        yield f"{path} waits: of {write_number(took_ms)} ms a page, {write_number(cpu.middle)} ms is CPU."
    sides = list(gains(comparison, alone, [row for row in one.values() if row is not alone], shapes))
    yield from tell_gains(sides)
    gain_nothing = all(gained != MORE for _, gained, _ in sides)
    if computes and gain_nothing:
        yield "Give it as many processes as you have cores."
    yield from tell_processes(comparison, shapes)


def gains(comparison: LoadComparison, alone: Row, others: Sequence[Row], shapes: Mapping[str, Shape]) -> Iterator[tuple[str, str, str]]:
    """Of each kind, by its best row: does it serve more than one request at a time, and how much?"""
    for kind, name in (("threads", "threads"), ("greenlets", "greenlets"), ("loop", "async")):
        best = next((row for row in others if shapes[row.scenario].kind == kind), None)  # they are ranked
        ratio = comparison.ratio(best.scenario, alone.scenario) if best else None
        if best and ratio:
            yield name, side(comparison, ratio, best.scenario, alone.scenario), times(ratio)


def tell_gains(sides: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    for name, gained, ratio in sides:
        if gained != LEVEL:
            yield f"{name.capitalize()} {GAINED[gained].format(s='s' * (name == 'async'), ratio=ratio)}."
    level = [name for name, gained, _ in sides if gained == LEVEL]
    if level:
        yield f"{join_words(level).capitalize()} {GAINED[LEVEL].format(s='s' * (level == ['async']))}."


def tell_processes(comparison: LoadComparison, shapes: Mapping[str, Shape]) -> Iterator[str]:
    """The best with several processes beside the best with one."""
    one = next((row for row in comparison.ranked if shapes[row.scenario].processes == 1), None)
    more = next((row for row in comparison.ranked if shapes[row.scenario].processes > 1), None)
    ratio = comparison.ratio(more.scenario, one.scenario) if one and more else None
    if one and more and ratio and side(comparison, ratio, more.scenario, one.scenario) == MORE:
        yield f"{shapes[more.scenario].processes} processes serve {times(ratio)} what the best single one does."
