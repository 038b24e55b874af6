"""The pairs of a run, each in one sentence: which costs more, by how much, how sure that is, and how it was decided."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from common.report.pair import first_line, say, say_ratio, write_minutes
from common.results.decisions import Decision
from common.results.words import write_tolerance


def lines(decisions: Sequence[Decision], minutes: float) -> list[str]:
    """Load by load; then how many are left over."""
    if not decisions:
        return ["No two scenarios of this run are to be compared: name a scenario and its baseline, or one that it differs from."]
    found = []
    for title, of_load in groupby(decisions, key=lambda each: each.comparison.title):
        found += [title, *(f"  {say_decision(each)}" for each in of_load)]
    left = [each for each in decisions if each.kind not in ("more", "less", "same")]
    within = f"within {write_tolerance(decisions[0].within)}"
    sure = "All intervals hold together 95 times in 100."
    if left:
        return [*found, f"{len(left)} of {len(decisions)} pairs are not decided {within} in {write_minutes(minutes * 60)}. {sure}"]
    return [*found, f"{'The pair is' if len(decisions) == 1 else f'All {len(decisions)} pairs are'} decided {within}. {sure}"]


def say_decision(each: Decision) -> str:
    return " ".join([say_verdict(each), *say_how(each)])


def say_verdict(each: Decision) -> str:
    if each.in_turn is not None and each.pair is not None:
        return say(each.pair, each.in_turn)
    if each.why_not:
        return f"Not decided, {' and '.join(each.names)}: {each.why_not}."
    return say_ratio(each.names, each.kind, each.cpu, each.within, each.seconds_of_a_round)


def say_how(each: Decision) -> Iterable[str]:
    """The evidence, in brackets."""
    if each.in_turn is not None and each.pair is not None:
        yield f"({len(each.pair.restarts)} restarts side by side)"
        return
    if each.rounds and not each.why_not:
        yield f"({each.rounds} round{'s' * (each.rounds > 1)})"
    if each.pair is not None:
        yield f"Not side by side: {why_not_side_by_side(each)}."


def why_not_side_by_side(each: Decision) -> str:
    assert each.pair is not None
    return first_line(each.pair.refused or each.pair.fault).partition(": use more")[0] or "sharing a core changes their ratio"
