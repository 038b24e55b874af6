"""The answer in sentences: which scenario serves most, by how much, how sure that is, what limited each, what to do."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from common.results.bottleneck import CLIENT, UNKNOWN
from common.results.circumstances import KERNEL
from common.results.comparison import LoadComparison, factor
from common.results.intervals import CONFIDENCE, Estimate, can_hide, no_difference_shown
from common.results.rows import Row
from common.results.words import (
    brief,
    join_words,
    judge_control,
    write_estimate,
    write_factor,
    write_number,
    write_remedy,
    write_share,
    write_standing,
)

MORE, LESS, LEVEL = "more", "less", "no difference"
ENOUGH_ROUNDS = 10


@dataclass(frozen=True)
class Answer:
    said: str
    sure: str = ""
    winner: str = ""  # '' if none is shown
    advice: str = ""  # what to do to learn more
    sentences: Sequence[str] = ()  # the sentences one by one, if they cover several loads or questions


def answer_load(comparison: LoadComparison) -> Answer:
    ranked = comparison.ranked
    said, winner = answer_ranked(comparison) if ranked else (explain_no_ranks(comparison), "")
    unranked = tell_unranked(comparison) if ranked else ""
    return Answer(
        f"{said} {unranked}".strip(),
        tell_sureness(comparison) if comparison.rows else "",
        winner,
        "" if winner else advise(comparison),
    )


def answer_ranked(comparison: LoadComparison) -> tuple[str, str]:
    """The first sentence, and the winner ('' if none is shown)."""
    best, *others = comparison.ranked
    if not others:
        ideal = f", {write_share(best.of_ideal)} of the ideal" if best.of_ideal is not None else ""
        alone = "" if len(comparison.rows) > 1 else "; there is nothing to compare it with"
        return f"{best.scenario} answers {rate_of(best)} requests per second{ideal}{alone}.", ""
    level = [row for row in others if side_of(comparison, best, row) != MORE]
    if level:
        return tell_no_winner(comparison, level), ""
    second = others[0]
    lead = (
        f"{best.scenario} serves most: {write_estimate(comparison.ratio(best.scenario, second.scenario), 'x')} what {second.scenario} does"
    )
    baseline = next((row for row in others[1:] if row.scenario == comparison.baseline), None)
    if baseline:
        lead += f", {write_estimate(comparison.ratio(best.scenario, baseline.scenario), 'x')} what {baseline.scenario}, the baseline, does"
    return f"{lead} ({rate_of(best)} against {rate_of(baseline or second)} requests per second).", best.scenario


def tell_no_winner(comparison: LoadComparison, level: Sequence[Row]) -> str:
    best, *others = comparison.ranked
    behind = [row for row in others if row not in level]
    names = join_words([best.scenario, *(row.scenario for row in level)])
    if not behind and not has_intervals(comparison) and (disturbed := count_disturbed(comparison)):
        runs = sum(len(row.samples) for row in comparison.ranked)
        return f"Nothing can be said of {names}: {disturbed} of {runs} runs were disturbed."
    return f"No winner is shown: {names} {explain_level(comparison, best, level)}{tell_behind(comparison, behind)}."


def tell_behind(comparison: LoadComparison, behind: Sequence[Row]) -> str:
    """Says 'serves least' only if that is shown against all others."""
    if not behind:
        return ""
    best, *_, last = comparison.ranked
    if last in behind and all(side_of(comparison, row, last) == MORE for row in comparison.ranked if row is not last):
        return f"; {last.scenario} serves least, {rate_of(last)} against {rate_of(best)} requests per second"
    return f"; {join_words([row.scenario for row in behind])} serve{'s' * (len(behind) == 1)} less than {best.scenario}"


def explain_no_ranks(comparison: LoadComparison) -> str:
    if comparison.rows:
        return f"Nothing can be said. {tell_unranked(comparison)}"
    if comparison.client_bound:
        return "Nothing is ranked: the load generator was the limit of every run that did not fail."
    return "Nothing is ranked: no run went well enough to be counted."


def tell_unranked(comparison: LoadComparison) -> str:
    """Why each scenario without a rank has none."""
    failing = [f"{row.scenario} {write_standing(row)}." for row in comparison.failing]
    short = [f"The load of {row.scenario} was {write_standing(row)}." for row in comparison.too_short]
    return " ".join([*failing, *short])


def side_of(comparison: LoadComparison, one: Row, other: Row) -> str:
    """Does one serve more than the other, or less, or can it not be told?"""
    return side(comparison, comparison.ratio(one.scenario, other.scenario), one.scenario, other.scenario)


def side(comparison: LoadComparison, ratio: Estimate | None, one: str, other: str) -> str:
    """The side that the interval shows, if there is one."""
    if ratio is None or not comparison.differ(ratio, one, other):
        return LEVEL
    return MORE if (ratio.middle if ratio.low is None else ratio.low) > 1 else LESS


def count_disturbed(comparison: LoadComparison) -> int:
    return sum(bool(sample.disturbed) for row in comparison.rows for sample in row.samples)


def has_intervals(comparison: LoadComparison) -> bool:
    return any((rate := row.estimates["req/s"]) is not None and rate.low is not None for row in comparison.rows)


def explain_level(comparison: LoadComparison, best: Row, level: Sequence[Row]) -> str:
    if not has_intervals(comparison):
        return "are too close for so few runs to tell apart"
    ratios = [comparison.ratio(best.scenario, row.scenario) for row in level]
    hidden = [found for ratio in ratios if ratio and (found := can_hide(ratio)) is not None]
    more = f" ({write_factor(max(hidden))} either way could still hide)" if len(hidden) == len(level) else ""
    return f"differ by no more than chance{more}"


def advise(comparison: LoadComparison) -> str:
    """What would tell more, where no winner is shown."""
    todo = []
    if count_disturbed(comparison):
        samples = [sample for row in comparison.rows for sample in row.samples if sample.disturbed]
        programs = Counter(name for sample in samples for name in sample.disturbers)
        if programs:
            todo.append(f"close {join_words([name for name, _ in programs.most_common(3)])}")
        elif not any(name.startswith(KERNEL) for sample in samples for name in sample.load.noise.foreign_programs):
            todo.append("close other programs")
    said_once = comparison.one_round and not todo  # of a single round it is said at the end, for all loads
    if len(comparison.ranked) > 1 and comparison.rounds < ENOUGH_ROUNDS and not said_once:
        todo.append(f"use --rounds {ENOUGH_ROUNDS}")
    if comparison.too_short:
        todo.append("send a longer load: -t 60, or --full")
    sentence = ", or ".join(todo)
    return f"To learn more: {sentence}." if sentence else ""


def tell_sureness(comparison: LoadComparison) -> str:
    """How sure the answer is, with the control that checks it."""
    ratios = [control.ratio for control in comparison.controls if control.ratio]
    controls = [f"A/A {write_estimate(ratio, 'x')}: {judge_control(ratio)}." for ratio in ratios]
    return " ".join([tell_samples([comparison]), *(controls if has_intervals(comparison) else [tell_chance([comparison])])]).strip()


def tell_chance(comparisons: Sequence[LoadComparison]) -> str:
    """How far two identical runs differ: with too few runs for an interval, nothing else is known of chance."""
    apart = {
        name_load(one): max(factors) for one in comparisons if (factors := [factor(each.ratio) for each in one.controls if each.ratio])
    }
    return f"Two equal ones (A/A, {join_words(list(apart))}) were {max(apart.values()):.2f}x apart." if apart else ""


def tell_samples(comparisons: Sequence[LoadComparison]) -> str:
    """How many runs the numbers rest on."""
    rows = [row for comparison in comparisons for row in comparison.rows]
    numbers = sorted({len(row.samples) for row in rows})
    if numbers == [1]:
        noisy = sum(map(count_disturbed, comparisons))
        beside = f", {noisy} of them disturbed" if noisy else ""
        return f"Single runs{beside}."
    each = f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
    if not any(has_intervals(comparison) for comparison in comparisons):
        return f"{each} runs each: too few for an interval."
    return f"{CONFIDENCE:.0%} intervals over {each} runs each."


def tell_remedy(comparison: LoadComparison) -> str:
    """What to do about the bottleneck that limits most scenarios, or about each in a tie; '' if there are none."""
    bottlenecks = Counter(row.bottleneck for row in comparison.rows) or Counter(CLIENT for _ in comparison.client_bound)
    total, most = bottlenecks.total(), max(bottlenecks.values(), default=0)
    whom = f"{most} of {total}" if most < total else "all" if total > 1 else "it"

    def say(bottleneck: str) -> str:
        if bottleneck == UNKNOWN:
            return f"Nothing was at its limit{f' in {whom}' if most < total else ''}: {write_remedy(bottleneck)}."
        return f"{bottleneck[0].upper()}{bottleneck[1:]} limited {whom}: {write_remedy(bottleneck)}."

    return " ".join(say(bottleneck) for bottleneck, number in bottlenecks.items() if number == most)


def answer_study(comparisons: Sequence[LoadComparison], written: Sequence[str] = ()) -> Answer:
    """The study's own sentences; or else, load by load, which scenario serves most."""
    compared = [comparison for comparison in comparisons if len(comparison.rows) > 1]
    if len(compared) <= 1 and not written:
        return answer_load([*compared, *(comparison for comparison in comparisons if comparison.rows), *comparisons][0])
    loads = brief([comparison.parts for comparison in compared])
    said = written or [f"{load}: {answer_load(comparison).said}" for load, comparison in zip(loads, compared, strict=True)]
    shown = compared or comparisons
    return Answer(" ".join(said), tell_sureness_of_all(shown), sentences=said)


def tell_sureness_of_all(comparisons: Sequence[LoadComparison]) -> str:
    """How many runs the numbers rest on, and which controls cast doubt on them."""
    differing = [
        name_load(comparison)
        for comparison in comparisons
        for control in comparison.controls
        if control.ratio and control.ratio.low is not None and not no_difference_shown(control.ratio)
    ]
    samples = tell_samples(comparisons)
    if differing:
        return f"{samples} A/A shows a difference between identical runs under {join_words(differing)}: doubt those loads."
    calm = "No A/A control shows a difference." if any(map(has_intervals, comparisons)) else tell_chance(comparisons)
    return f"{samples} {calm}".strip()


def name_load(comparison: LoadComparison) -> str:
    added = comparison.load.latency_ms
    return f"{comparison.load.sent.path}{f', {added} ms added' if added else ''}"


def rate_of(row: Row) -> str:
    rate = row.estimates["req/s"]
    return write_number(rate.middle if rate else None)
