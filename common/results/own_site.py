"""What a reader's own site is, from what was measured of it: whether it computes or waits, and what helps it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from common.results.answers import LESS, LEVEL, MORE, answer_load, side
from common.results.comparison import LoadComparison
from common.results.questions import times
from common.results.rows import Row
from common.results.words import join_words, write_number

COMPUTES = 0.8  # of the time that a page takes is CPU
GAINED = {
    MORE: "serve{s} {ratio} what one request at a time does",
    LESS: "serve{s} only {ratio} what one request at a time does",
    LEVEL: "gain{s} nothing",
}
PROCESSES_GAINED = {
    MORE: "serve {ratio} what the best single one does",
    LESS: "serve only {ratio} what the best single one does",
    LEVEL: "gain nothing beside the best single one",
}


@dataclass(frozen=True)
class Served:
    """Of a row's server."""

    kind: str  # how a process works on several requests
    processes: int


def answer_site(comparisons: Sequence[LoadComparison], shapes: Mapping[str, Served]) -> list[str]:
    """Load by load: what a page costs, what each kind of server and more processes gain, which serves most.

    Asked one request at a time, no server can gain anything: those loads are for advice.
    """
    several = [comparison for comparison in comparisons if comparison.load.sent.load.concurrency > 1]
    return [" ".join(answer_page(comparison, shapes)) for comparison in several if comparison.ranked]


def answer_page(comparison: LoadComparison, shapes: Mapping[str, Served]) -> Iterator[str]:
    yield from describe_page(comparison, shapes)
    yield from filter(None, [gain_of_processes(comparison, shapes)[1]])
    yield answer_load(comparison).said


def describe_page(comparison: LoadComparison, shapes: Mapping[str, Served]) -> Iterator[str]:
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
    if computes and gain_nothing and gain_of_processes(comparison, shapes)[0] in (MORE, ""):
        yield "Give it as many processes as you have cores."


def gains(comparison: LoadComparison, alone: Row, others: Sequence[Row], shapes: Mapping[str, Served]) -> Iterator[tuple[str, str, str]]:
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


def gain_of_processes(comparison: LoadComparison, shapes: Mapping[str, Served]) -> tuple[str, str]:
    """The best with several processes beside the best with one, and the sentence that says so; both empty if that is not known."""
    one = next((row for row in comparison.ranked if shapes[row.scenario].processes == 1), None)
    more = next((row for row in comparison.ranked if shapes[row.scenario].processes > 1), None)
    ratio = comparison.ratio(more.scenario, one.scenario) if one and more else None
    if one is None or more is None or ratio is None or one.disturbed or more.disturbed:
        return "", ""
    gained = side(comparison, ratio, more.scenario, one.scenario)
    return gained, f"{shapes[more.scenario].processes} processes {PROCESSES_GAINED[gained].format(ratio=times(ratio))}."
