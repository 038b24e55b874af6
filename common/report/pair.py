"""Two scenarios side by side, for the terminal: the verdict in words, and its evidence."""

import statistics
from collections.abc import Sequence

from common.client.load import Load
from common.client.options import parse_line
from common.results.intervals import Estimate, can_hide
from common.results.pairs import FAIR, MOST_FAILED, Kind, Pair, SideBySide, different_versions, judge_pair
from common.results.questions import inverse
from common.results.sequential import restarts_needed
from common.results.words import describe_pinning, write_estimate, write_number, write_share, write_tolerance

MANY_TIMES = 2.0  # larger ratios are said as such, not in percent


def text(pair: Pair) -> str:
    found = judge_pair(pair)
    lines = [title(pair), *figures(pair, found), say(pair, found)]
    return "\n".join([*lines, *([say_fault(pair)] if pair.fault else [])])


def title(pair: Pair) -> str:
    return f"{pair.names[0]} beside {pair.names[1]} · {load_of(pair)}"


def load_of(pair: Pair) -> str:
    load: Load = parse_line(pair.identity)
    added = f" · {pair.latency_ms} ms added" if pair.latency_ms else ""
    return f"{load.parts[0]}, {load.concurrency:,} at a time{added}"


def figures(pair: Pair, found: SideBySide) -> list[str]:
    slices = [one for restart in pair.restarts for one in restart.slices]
    seconds = sum(one.seconds for one in slices)
    lines = [f"  {len(pair.restarts)} restarts, {len(slices):,} slices, {seconds:.0f} s of load; {describe_pinning(pair.pinned)}"]
    if found.cpu and found.cpu_ms:
        each = ", ".join(f"{name} {write_number(ms)}" for name, ms in zip(pair.names, found.cpu_ms, strict=True))
        lines.append(f"  CPU per request    {write_estimate(found.cpu, 'x')}   (ms: {each})")
        lines.append(f"  capacity of a core {write_estimate(inverse(found.cpu), 'x')}")
    if found.response:
        lines.append(f"  response time      {write_estimate(found.response, 'x')}")
    if versions := different_versions(pair):
        lines.append(f"  packages           {', '.join(versions)}")
    return lines


def say(pair: Pair, found: SideBySide) -> str:
    """The verdict, in one sentence."""
    if pair.refused:
        return f"Not comparable side by side: {pair.refused}."
    if found.kind == "failed":
        shares = " and ".join(f"{name} {write_share(share)}" for name, share in zip(pair.names, found.failed, strict=True))
        return f"Not compared: more than {MOST_FAILED:.0%} of the requests failed ({shares})."
    if found.kind == "unfair":
        return (
            f"Not comparable side by side: sharing a core changes the ratio by more than {FAIR:.0%} "
            f"(long slices {write_estimate(found.long_cpu, 'x')}). Use --rounds."
        )
    seconds = [restart.seconds for restart in pair.restarts]
    return say_ratio(pair.names, found.kind, found.cpu, pair.within, statistics.fmean(seconds) if seconds else 0.0)


def say_ratio(names: Sequence[str], kind: Kind, cpu: Estimate | None, within: float, seconds_of_each: float = 0.0) -> str:
    """Which costs more CPU per request, and how sure that is; undecided, how much longer it would take."""
    one, other = names
    if cpu is None or cpu.low is None or cpu.high is None:
        return f"Not decided: too few runs of {one} and {other} for an interval."
    if kind == "same":
        most = percent((can_hide(cpu) or 1.0) - 1)
        return f"{one} and {other} cost the same CPU per request within {write_tolerance(within)}: at most {most} either way."
    if kind == "undecided":
        bounds = " and ".join(f"{percent(abs(bound - 1))} {'more' if bound >= 1 else 'less'}" for bound in (cpu.low, cpu.high))
        needs = say_what_is_missing(cpu, within, seconds_of_each)
        return f"Not decided in time: {one} costs between {bounds} CPU per request than {other}{needs}."
    if not 1 / MANY_TIMES < cpu.middle < MANY_TIMES:
        between = f"between {write_number(cpu.low)} and {write_number(cpu.high)}"
        return f"{one} costs {write_number(cpu.middle)} times the CPU per request of {other}, {between}."
    middle, *bounds_off = (abs(value - 1) for value in (cpu.middle, cpu.low, cpu.high))
    low, high = sorted(bounds_off)
    return f"{one} costs {percent(middle)} {kind} CPU per request than {other}, between {percent(low)} and {percent(high)}."


def say_what_is_missing(cpu: Estimate, within: float, seconds_of_each: float) -> str:
    needed = restarts_needed(cpu, within)
    if not needed or not seconds_of_each:
        return ""
    return f"; about {write_minutes((needed - cpu.runs) * seconds_of_each)} more would decide it"


def write_minutes(seconds: float) -> str:
    if seconds >= 7200:
        return f"{seconds / 3600:,.0f} hours"
    minutes = max(1, round(seconds / 60))
    return f"{minutes} minute{'s' * (minutes > 1)}"


def percent(share: float) -> str:
    return f"{share * 100:.1f}%"


def say_fault(pair: Pair) -> str:
    return f"It ended early: {first_line(pair.fault)}"


def first_line(words: str) -> str:
    return words.partition("\n")[0]
