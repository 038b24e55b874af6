"""The answer, in a sentence, from the data: who serves most, by how much, how sure that is, what limited whom."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from common.results.bottleneck import UNKNOWN
from common.results.comparison import Group, Row, apart, of_rates
from common.results.intervals import CONFIDENCE, no_difference_shown
from common.results.words import brief, digits, listed, shown, verdict_of

LEVEL = "no difference"


@dataclass(frozen=True)
class Answer:
    said: str
    sure: str = ""
    limited: str = ""
    winner: str = ""  # '' where none is shown


def of_load(group: Group) -> Answer:
    if not group.rows:
        return Answer(nothing_to_rank(group))
    if len(group.rows) == 1:
        [row] = group.rows
        ideal = f", {row.of_ideal:.0%} of the ideal" if row.of_ideal is not None else ""
        return Answer(
            f"{row.label} answers {of(row)} requests per second{ideal}; it has nothing to be compared with.", sure(group), limits(group)
        )
    best, second = group.rows[:2]
    level = level_with_the_best(group)
    if level:
        names = listed([best.label, *(row.label for row in level)])
        slowest = group.rows[-1]
        behind = "" if slowest in level else f"; {slowest.label} serves least, {of(slowest)} against {of(best)} requests per second"
        return Answer(f"No winner is shown: {names} {why_level(group)}{behind}.", sure(group), limits(group))
    if not answered(second):
        return Answer(
            f"{best.label} answers {of(best)} requests per second; {listed([row.label for row in group.rows[1:]])} answered nothing.",
            sure(group),
            limits(group),
            best.label,
        )
    lead = f"{best.label} serves most: {shown(of_rates(best.runs, second.runs), 'x')} what {second.label} does"
    further = next((row for row in group.rows[2:] if row.label == group.baseline), None)
    if further:
        lead += f", {shown(of_rates(best.runs, further.runs), 'x')} what {further.label}, the baseline, does"
    return Answer(f"{lead} ({of(best)} against {of(further or second)} requests per second).", sure(group), limits(group), best.label)


def nothing_to_rank(group: Group) -> str:
    if group.client_bound:
        return "Nothing is ranked: the load generator was the limit of every run that did not fail."
    return "Nothing is ranked: no run went well enough to be counted."


def level_with_the_best(group: Group) -> list[Row]:
    best = group.rows[0]
    return [row for row in group.rows[1:] if not group.differ(of_rates(best.runs, row.runs))]


def answered(row: Row) -> bool:
    found = row.figures["req/s"]
    return found is not None and found.middle > 0


def has_intervals(group: Group) -> bool:
    return any((found := row.figures["req/s"]) is not None and found.low is not None for row in group.rows)


def why_level(group: Group) -> str:
    return "differ by no more than chance does" if has_intervals(group) else "are too near to each other for so few runs to tell them apart"


def sure(group: Group) -> str:
    """How sure that is, with the control that checks it."""
    controls = [f"A/A {shown(found, 'x')}: {verdict_of(found)}." for _, found in group.controls if found is not None]
    return " ".join([runs_of([group]), *(controls if has_intervals(group) else [chance([group])])]).strip()


def chance(groups: Sequence[Group]) -> str:
    """With too few runs for an interval, what two equal runs differ by is all that is known of chance."""
    found = [apart(control) for group in groups for _, control in group.controls if control is not None]
    return f"Two equal runs (A/A) were {max(found):.2f}x apart." if found else ""


def runs_of(groups: Sequence[Group]) -> str:
    """What the figures rest on."""
    numbers = sorted({len(row.runs) for group in groups for row in group.rows})
    if numbers == [1]:
        noisy = sum(bool(run.contaminated) for group in groups for row in group.rows for run in row.runs)
        beside = f", and other programs disturbed {noisy} of the runs" if noisy else ""
        return f"One run each: no interval can be given{beside}."
    runs = f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
    if not any(has_intervals(group) for group in groups):
        return f"{runs} runs each: too few for an interval."
    return f"{CONFIDENCE:.0%} intervals over {runs} runs each."


def limits(group: Group) -> str:
    """What limited the best, and what the others."""
    by: dict[str, list[str]] = {}
    for row in group.rows:
        by.setdefault(row.limit.partition(" (")[0], []).append(row.label)
    unknown = by.pop(UNKNOWN, [])
    said = [f"What limited {listed(unknown)} is not known."] if unknown else []
    if len(by) == 1 and len(group.rows) > 1 and not unknown:
        return f"Limited by {next(iter(by))}, all of them."
    known = "; ".join(f"{limit}: {listed(labels)}" for limit, labels in by.items())
    return " ".join([*([f"Limited by {known}."] if known else []), *said])


def of_study(groups: Sequence[Group]) -> Answer:
    """One sentence over all loads of a study: what is served more, what less than the baseline, under how many of them."""
    compared = [group for group in groups if len(group.rows) > 1]
    if len(compared) <= 1:
        return of_load([*compared, *(group for group in groups if group.rows), *groups][0])
    return Answer(f"{'; '.join(against_the_baseline(compared))}.", sure_of_all(compared), limits_of_all(compared))


def against_the_baseline(groups: Sequence[Group]) -> list[str]:
    """Of each scenario that is not the baseline: under how many loads it serves more, or less; like ones together."""
    names = brief([group.sent for group in groups])
    outcomes: dict[str, dict[str, list[tuple[float, str]]]] = {}
    baselines: dict[str, str] = {}
    for group, name in zip(groups, names, strict=True):
        rows = {row.label: row for row in group.rows}
        for label, row in rows.items():
            if label != group.baseline and group.baseline in rows:
                baselines[label] = group.baseline
                kind, factor = outcome(row, group)
                outcomes.setdefault(label, {}).setdefault(kind, []).append((factor, name))
    said: dict[str, list[str]] = {}
    for label, kinds in outcomes.items():
        said.setdefault(in_words(kinds, baselines[label]), []).append(label)
    return [f"{listed(labels)} {words}" for words, labels in said.items()] or ["The baseline was not measured"]


def outcome(row: Row, group: Group) -> tuple[str, float]:
    """More, less or no difference, and how many times as much."""
    if row.to_baseline is None:  # one of them answered nothing
        return ("more", math.inf) if answered(row) else ("less", 0.0)
    if not group.differ(row.to_baseline):
        return LEVEL, 1.0
    return ("more" if row.to_baseline.middle > 1 else "less"), row.to_baseline.middle


def in_words(kinds: dict[str, list[tuple[float, str]]], baseline: str) -> str:
    """Of one scenario: over one load the ratio, over several how many of each kind, and the farthest."""
    total = sum(map(len, kinds.values()))
    if set(kinds) == {LEVEL}:
        return f"cannot be told from {baseline}{f' under {total} loads' if total > 1 else ''}"
    if total == 1:
        [[(factor, _)]] = kinds.values()
        return f"serves {digits(factor)}x what {baseline} does" if 0 < factor < math.inf else f"or {baseline} answered nothing"
    words, than, loads = [], f" than {baseline}", f" of {total} loads"
    for kind, farthest, to in (("more", max, "up to"), ("less", min, "down to")):
        if kind in kinds:
            factor, name = farthest(kinds[kind])
            how = f"{to} {digits(factor)}x: {name}" if 0 < factor < math.inf else f"one answered nothing: {name}"
            words.append(f"{kind}{than} under {len(kinds[kind])}{loads} ({how})")
            than = loads = ""
    return f"serves {', '.join([*words, *([f'no difference shown under {len(kinds[LEVEL])}'] if LEVEL in kinds else [])])}"


def sure_of_all(groups: Sequence[Group]) -> str:
    """What the figures rest on, and which of the controls say to doubt them."""
    differing = [where(group) for group in groups for _, found in group.controls if found and not no_difference_shown(found)]
    if differing:
        return f"{runs_of(groups)} A/A shows a difference, where there is none, under {listed(differing)}: doubt that."
    calm = "No A/A control shows a difference." if any(has_intervals(group) for group in groups) else chance(groups)
    return f"{runs_of(groups)} {calm}".strip()


def limits_of_all(groups: Sequence[Group]) -> str:
    counted = Counter(row.limit.partition(" (")[0] for group in groups for row in group.rows)
    total, unknown = counted.total(), counted.pop(UNKNOWN, 0)
    known = [f"{limit} ({number} of {total} times)" for limit, number in counted.most_common()]
    said = [f"Limited by {listed(known)}."] if known else []
    said += [f"What limited {unknown} of {total} is not known."] if unknown else []
    return " ".join(said)


def where(group: Group) -> str:
    added = f", {group.load['latency_ms']} ms added" if group.load["latency_ms"] else ""
    return f"{group.load['path']}{added}"


def of(row: Row) -> str:
    found = row.figures["req/s"]
    return digits(found.middle) if found else "-"
