"""The answer, in a sentence, from the data: who serves most, by how much, how sure that is, what limited whom."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from common.comparison import Group, Row, of_rates
from common.intervals import CONFIDENCE, Estimate, no_difference_shown
from common.limits import UNKNOWN
from common.words import digits, listed, shown, verdict_of

TELLS_IN_ONE_ROUND = 1.2  # less means nothing between single runs


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
    return [row for row in group.rows[1:] if not differs(of_rates(best.runs, row.runs))]


def differs(found: Estimate | None) -> bool:
    """With too few runs for an interval, only what is far apart."""
    if found is None or found.low is None:
        return found is None or found.middle >= TELLS_IN_ONE_ROUND
    return not no_difference_shown(found)


def has_intervals(group: Group) -> bool:
    return any((found := row.figures["req/s"]) is not None and found.low is not None for row in group.rows)


def why_level(group: Group) -> str:
    return (
        "differ by no more than chance does" if has_intervals(group) else "are within 20 % of each other, which few runs cannot tell apart"
    )


def sure(group: Group) -> str:
    """How sure that is, with the control that checks it."""
    controls = [f"A/A {shown(found, 'x')}: {verdict_of(found)}." for _, found in group.controls if found is not None]
    return " ".join([runs_of([group]), *(controls if has_intervals(group) else [])])


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
    """One sentence over all loads of a study: who serves most under how many of them."""
    compared = [group for group in groups if len(group.rows) > 1]
    if len(compared) <= 1:
        return of_load([*compared, *(group for group in groups if group.rows), *groups][0])
    answers = [of_load(group) for group in compared]
    wins = Counter(answer.winner for answer in answers if answer.winner)
    if not wins:
        return Answer(f"No winner is shown under any of {len(compared)} loads.", sure_of_all(compared), limits_of_all(compared))
    [(first, number), *others] = wins.most_common()
    said = f"{first} serves most under {number} of {len(compared)} loads{at_most(first, compared, answers)}"
    said += "".join(f", {label} under {times}" for label, times in others)
    level = len(compared) - wins.total()
    said += f"; under {level} no winner is shown" if level else ""
    return Answer(f"{said}.", sure_of_all(compared), limits_of_all(compared))


def sure_of_all(groups: Sequence[Group]) -> str:
    """What the figures rest on, and which of the controls say to doubt them."""
    differing = [where(group) for group in groups for _, found in group.controls if found and not no_difference_shown(found)]
    if differing:
        return f"{runs_of(groups)} A/A shows a difference, where there is none, under {listed(differing)}: doubt that."
    return f"{runs_of(groups)}{' No A/A control shows a difference.' if any(has_intervals(group) for group in groups) else ''}"


def limits_of_all(groups: Sequence[Group]) -> str:
    counted = Counter(row.limit.partition(" (")[0] for group in groups for row in group.rows)
    total, unknown = counted.total(), counted.pop(UNKNOWN, 0)
    known = [f"{limit} ({number} of {total} times)" for limit, number in counted.most_common()]
    said = [f"Limited by {listed(known)}."] if known else []
    said += [f"What limited {unknown} of {total} is not known."] if unknown else []
    return " ".join(said)


def at_most(label: str, groups: Sequence[Group], answers: Sequence[Answer]) -> str:
    """The load under which a winner leads the last by most."""
    leads = [
        (found, group)
        for group, answer in zip(groups, answers, strict=True)
        if answer.winner == label and (found := of_rates(group.rows[0].runs, group.rows[-1].runs)) is not None
    ]
    if not leads:
        return ""
    found, group = max(leads, key=lambda lead: lead[0].middle)
    return f" (up to {shown(found, 'x')} what {group.rows[-1].label} does: {where(group)})"


def where(group: Group) -> str:
    added = f", {group.load['latency_ms']} ms added" if group.load["latency_ms"] else ""
    return f"{group.load['path']}{added}"


def of(row: Row) -> str:
    found = row.figures["req/s"]
    return digits(found.middle) if found else "-"
