"""The answer, in a sentence, from the data: who serves most, by how much, how sure that is, what limited whom."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from common.results.bottleneck import UNKNOWN
from common.results.comparison import LoadComparison, Row, factor, ratio_of_rates
from common.results.intervals import CONFIDENCE, no_difference_shown
from common.results.words import brief, join_words, judge_control, write_estimate, write_number, write_share

LEVEL = "no difference"


@dataclass(frozen=True)
class Answer:
    said: str
    sure: str = ""
    limited: str = ""
    winner: str = ""  # '' where none is shown


def answer_load(comparison: LoadComparison) -> Answer:
    rows = comparison.rows
    if not rows:
        return Answer(explain_no_rows(comparison))
    sure, limited = tell_sureness(comparison), tell_bottlenecks(comparison)
    best = rows[0]
    if len(rows) == 1:
        ideal = f", {write_share(best.of_ideal)} of the ideal" if best.of_ideal is not None else ""
        said = f"{best.scenario} answers {rate_of(best)} requests per second{ideal}; it has nothing to be compared with."
        return Answer(said, sure, limited)
    level = rows_level_with_the_best(comparison)
    if level:
        names = join_words([best.scenario, *(row.scenario for row in level)])
        slowest = rows[-1]
        behind = f"; {slowest.scenario} serves least, {rate_of(slowest)} against {rate_of(best)} requests per second"
        said = f"No winner is shown: {names} {explain_level(comparison)}{'' if slowest in level else behind}."
        return Answer(said, sure, limited)
    second = rows[1]
    if not answers_any(second):
        others = join_words([row.scenario for row in rows[1:]])
        return Answer(
            f"{best.scenario} answers {rate_of(best)} requests per second; {others} answered nothing.", sure, limited, best.scenario
        )
    lead = f"{best.scenario} serves most: {write_estimate(ratio_of_rates(best.samples, second.samples), 'x')} what {second.scenario} does"
    baseline = next((row for row in rows[2:] if row.scenario == comparison.baseline), None)
    if baseline:
        ratio = ratio_of_rates(best.samples, baseline.samples)
        lead += f", {write_estimate(ratio, 'x')} what {baseline.scenario}, the baseline, does"
    said = f"{lead} ({rate_of(best)} against {rate_of(baseline or second)} requests per second)."
    return Answer(said, sure, limited, best.scenario)


def explain_no_rows(comparison: LoadComparison) -> str:
    if comparison.client_bound:
        return "Nothing is ranked: the load generator was the limit of every run that did not fail."
    return "Nothing is ranked: no run went well enough to be counted."


def rows_level_with_the_best(comparison: LoadComparison) -> list[Row]:
    best, *others = comparison.rows
    return [row for row in others if not comparison.differ(ratio_of_rates(best.samples, row.samples))]


def answers_any(row: Row) -> bool:
    return row.per_second > 0


def has_intervals(comparison: LoadComparison) -> bool:
    return any((rate := row.estimates["req/s"]) is not None and rate.low is not None for row in comparison.rows)


def explain_level(comparison: LoadComparison) -> str:
    if has_intervals(comparison):
        return "differ by no more than chance does"
    return "are too near to each other for so few runs to tell them apart"


def tell_sureness(comparison: LoadComparison) -> str:
    """How sure that is, with the control that checks it."""
    ratios = [control.ratio for control in comparison.controls if control.ratio]
    controls = [f"A/A {write_estimate(ratio, 'x')}: {judge_control(ratio)}." for ratio in ratios]
    return " ".join([tell_samples([comparison]), *(controls if has_intervals(comparison) else [tell_chance([comparison])])]).strip()


def tell_chance(comparisons: Sequence[LoadComparison]) -> str:
    """With too few runs for an interval, what two equal runs differ by is all that is known of chance."""
    factors = [factor(control.ratio) for comparison in comparisons for control in comparison.controls if control.ratio]
    return f"Two equal runs (A/A) were {max(factors):.2f}x apart." if factors else ""


def tell_samples(comparisons: Sequence[LoadComparison]) -> str:
    """What the numbers rest on."""
    rows = [row for comparison in comparisons for row in comparison.rows]
    numbers = sorted({len(row.samples) for row in rows})
    if numbers == [1]:
        noisy = sum(bool(sample.load.noise.contaminated) for row in rows for sample in row.samples)
        beside = f", and other programs disturbed {noisy} of the runs" if noisy else ""
        return f"One run each: no interval can be given{beside}."
    each = f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
    if not any(has_intervals(comparison) for comparison in comparisons):
        return f"{each} runs each: too few for an interval."
    return f"{CONFIDENCE:.0%} intervals over {each} runs each."


def tell_bottlenecks(comparison: LoadComparison) -> str:
    """What limited the best, and what the others."""
    scenarios: dict[str, list[str]] = {}
    for row in comparison.rows:
        scenarios.setdefault(row.bottleneck, []).append(row.scenario)
    unknown = scenarios.pop(UNKNOWN, [])
    if len(scenarios) == 1 and len(comparison.rows) > 1 and not unknown:
        return f"Limited by {next(iter(scenarios))}, all of them."
    known = "; ".join(f"{bottleneck}: {join_words(names)}" for bottleneck, names in scenarios.items())
    sentences = [f"Limited by {known}."] if known else []
    sentences += [f"What limited {join_words(unknown)} is not known."] if unknown else []
    return " ".join(sentences)


def answer_study(comparisons: Sequence[LoadComparison]) -> Answer:
    """One sentence over all loads of a study: what is served more, what less than the baseline, under how many of them."""
    compared = [comparison for comparison in comparisons if len(comparison.rows) > 1]
    if len(compared) <= 1:
        return answer_load([*compared, *(comparison for comparison in comparisons if comparison.rows), *comparisons][0])
    return Answer(f"{'; '.join(compare_with_the_baseline(compared))}.", tell_sureness_of_all(compared), tell_bottlenecks_of_all(compared))


def compare_with_the_baseline(comparisons: Sequence[LoadComparison]) -> list[str]:
    """Of each scenario that is not the baseline: under how many loads it serves more, or less; like ones together."""
    loads = brief([comparison.parts for comparison in comparisons])
    outcomes: dict[str, dict[str, list[tuple[float, str]]]] = {}  # by scenario and kind: how many times as much, under which load
    baselines: dict[str, str] = {}
    for comparison, load in zip(comparisons, loads, strict=True):
        rows = {row.scenario: row for row in comparison.rows}
        for scenario, row in rows.items():
            if scenario != comparison.baseline and comparison.baseline in rows:
                baselines[scenario] = comparison.baseline
                kind, times = compare_row(row, comparison)
                outcomes.setdefault(scenario, {}).setdefault(kind, []).append((times, load))
    scenarios: dict[str, list[str]] = {}
    for scenario, kinds in outcomes.items():
        scenarios.setdefault(put_in_words(kinds, baselines[scenario]), []).append(scenario)
    return [f"{join_words(names)} {words}" for words, names in scenarios.items()] or ["The baseline was not measured"]


def compare_row(row: Row, comparison: LoadComparison) -> tuple[str, float]:
    """More, less or no difference, and how many times as much."""
    if row.to_baseline is None:  # one of them answered nothing
        return ("more", math.inf) if answers_any(row) else ("less", 0.0)
    if not comparison.differ(row.to_baseline):
        return LEVEL, 1.0
    return ("more" if row.to_baseline.middle > 1 else "less"), row.to_baseline.middle


def put_in_words(kinds: dict[str, list[tuple[float, str]]], baseline: str) -> str:
    """Of one scenario: over one load the ratio, over several how many of each kind, and the farthest."""
    total = sum(map(len, kinds.values()))
    if set(kinds) == {LEVEL}:
        return f"cannot be told from {baseline}{f' under {total} loads' if total > 1 else ''}"
    if total == 1:
        [[(times, _)]] = kinds.values()
        return f"serves {write_number(times)}x what {baseline} does" if 0 < times < math.inf else f"or {baseline} answered nothing"
    words, than, of_loads = [], f" than {baseline}", f" of {total} loads"
    for kind, farthest, to in (("more", max, "up to"), ("less", min, "down to")):
        if kind in kinds:
            times, load = farthest(kinds[kind])
            how = f"{to} {write_number(times)}x: {load}" if 0 < times < math.inf else f"one answered nothing: {load}"
            words.append(f"{kind}{than} under {len(kinds[kind])}{of_loads} ({how})")
            than = of_loads = ""
    words += [f"no difference shown under {len(kinds[LEVEL])}"] if LEVEL in kinds else []
    return f"serves {', '.join(words)}"


def tell_sureness_of_all(comparisons: Sequence[LoadComparison]) -> str:
    """What the numbers rest on, and which of the controls say to doubt them."""
    differing = [
        name_load(comparison)
        for comparison in comparisons
        for control in comparison.controls
        if control.ratio and not no_difference_shown(control.ratio)
    ]
    samples = tell_samples(comparisons)
    if differing:
        return f"{samples} A/A shows a difference, where there is none, under {join_words(differing)}: doubt that."
    calm = "No A/A control shows a difference." if any(map(has_intervals, comparisons)) else tell_chance(comparisons)
    return f"{samples} {calm}".strip()


def tell_bottlenecks_of_all(comparisons: Sequence[LoadComparison]) -> str:
    counted = Counter(row.bottleneck for comparison in comparisons for row in comparison.rows)
    total, unknown = counted.total(), counted.pop(UNKNOWN, 0)
    known = [f"{bottleneck} ({number} of {total} times)" for bottleneck, number in counted.most_common()]
    sentences = [f"Limited by {join_words(known)}."] if known else []
    sentences += [f"What limited {unknown} of {total} is not known."] if unknown else []
    return " ".join(sentences)


def name_load(comparison: LoadComparison) -> str:
    added = comparison.load.latency_ms
    return f"{comparison.load.sent.path}{f', {added} ms added' if added else ''}"


def rate_of(row: Row) -> str:
    rate = row.estimates["req/s"]
    return write_number(rate.middle if rate else None)
