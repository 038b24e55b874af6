"""Two scenarios side by side, for the terminal: the verdict in words, and its evidence."""

import statistics
from collections.abc import Sequence

from common.cli import printable
from common.client.load import Load
from common.client.options import parse_line
from common.results.intervals import Estimate, can_hide, no_difference_shown
from common.results.pairs import FAIR, MOST_FAILED, Kind, Pair, SideBySide, different_versions, has_long_slices, judge_pair, leaves_open
from common.results.questions import inverse
from common.results.sequential import restarts_needed
from common.results.words import describe_pinning, join_words, write_estimate, write_factor, write_number, write_tolerance

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
    return f"{load.parts[0]}, {load.concurrency:,} at a time, {'keep-alive' if load.keep_alive else 'close'}{added}"


def figures(pair: Pair, found: SideBySide) -> list[str]:
    slices = [one for restart in pair.restarts for one in restart.slices]
    seconds = sum(one.seconds for one in slices)
    lines = [f"  {len(pair.restarts)} restarts, {len(slices):,} slices, {seconds:.0f} s of load; {describe_pinning(pair.pinned)}"]
    if found.cpu and found.cpu_ms and is_comparable(found):
        each = ", ".join(f"{name} {write_number(ms)}" for name, ms in zip(pair.names, found.cpu_ms, strict=True))
        lines.append(f"  CPU per request    {write_ratio(found.cpu)}   (ms: {each})")
        lines.append(f"  capacity of a core {write_ratio(inverse(found.cpu))}")
        lines.append(f"  sharing a core     {say_bias(found.bias, has_long_slices(pair))}")
    if found.response and found.response_ms and is_comparable(found):
        each = ", ".join(f"{name} {write_number(ms)}" for name, ms in zip(pair.names, found.response_ms, strict=True))
        lines.append(f"  response time      {write_ratio(found.response)}   (ms: {each})")
    if any(found.failed):
        lines.append(f"  failed             {say_failed(pair, found)}")
    if pair.not_counted:
        lines.append(f"  not counted        the CPU of {join_words(pair.not_counted)}")
    if versions := different_versions(pair):
        lines.append(f"  packages           {', '.join(versions)}")
    return lines


def is_comparable(found: SideBySide) -> bool:
    return found.kind not in ("failed", "unfair")


def write_ratio(ratio: Estimate | None) -> str:
    """To a tenth of a percent: side by side can tell that."""
    if ratio is None:
        return "-"
    bounds = "" if ratio.low is None or ratio.high is None else f" [{ratio.low:.3f}, {ratio.high:.3f}]"
    return f"{ratio.middle:.3f}x{bounds}"


def say_bias(bias: Estimate | None, has_long: bool) -> str:
    """How far the ratio may differ from that of each alone, by the slices in which a server runs as if it were."""
    if not has_long:
        return "every slice is a long one, as if each ran alone"
    hidden = can_hide(bias) if bias else None
    if hidden is None:
        return f"changes the ratio by an unknown share: {'too few restarts' if bias else 'no long slice was answered'}"
    return f"changes the ratio by {write_factor(hidden)}"


def doubt_of_sharing(pair: Pair, found: SideBySide) -> str:
    """Where sharing a core could turn the verdict; before and after a change it hits both alike."""
    cpu, bias = found.cpu, found.bias
    if pair.is_change or found.kind not in ("more", "less") or not (cpu and cpu.low and cpu.high and bias):
        return ""
    hidden, nearest = can_hide(bias), min(max(bound, 1 / bound) for bound in (cpu.low, cpu.high))
    if hidden is None or hidden < nearest:
        return ""
    return f" Whether each alone differs so is not decided: sharing a core changes the ratio by {write_factor(hidden)}."


def say_failed(pair: Pair, found: SideBySide) -> str:
    return " and ".join(f"{name} {share:.1%}" for name, share in zip(pair.names, found.failed, strict=True))


def say(pair: Pair, found: SideBySide) -> str:
    """The verdict, in one sentence."""
    if pair.refused:
        return f"Not comparable side by side: {first_line(pair.refused)}."
    if found.kind == "failed":
        return f"Not compared: more than {MOST_FAILED:.0%} of the requests failed ({say_failed(pair, found)})."
    if found.kind == "unfair":
        return (
            f"Not comparable side by side: sharing a core changes the ratio by more than {FAIR:.0%} "
            f"(long slices {write_estimate(found.long_cpu, 'x')}). Use --rounds."
        )
    seconds = [restart.seconds for restart in pair.restarts]
    said = say_ratio(pair.names, found.kind, found.cpu, pair.within, statistics.fmean(seconds) if seconds else 0.0)
    if leaves_open(pair):
        return f"{said} Whether that is over {write_tolerance(pair.within)} is not decided."
    return f"{said}{doubt_of_sharing(pair, found)}"


def say_ratio(names: Sequence[str], kind: Kind, cpu: Estimate | None, within: float, seconds_of_each: float = 0.0) -> str:
    """Which costs more CPU per request, and how sure that is; undecided, how much longer it would take."""
    one, other = names
    if cpu is None or cpu.low is None or cpu.high is None:
        return f"Not decided: too few runs of {one} and {other} for an interval."
    if kind == "same":
        most = f"at most {percent((can_hide(cpu) or 1.0) - 1)} either way"
        if not no_difference_shown(cpu):
            most = f"{one} costs {say_difference(cpu)}"
        return f"{one} and {other} cost the same CPU per request within {write_tolerance(within)}: {most}."
    if kind == "undecided":
        bounds = " and ".join(f"{percent(abs(bound - 1))} {'more' if bound >= 1 else 'less'}" for bound in (cpu.low, cpu.high))
        needs = say_what_is_missing(cpu, within, seconds_of_each)
        return f"Not decided in time: {one} costs between {bounds} CPU per request than {other}{needs}."
    if not 1 / MANY_TIMES < cpu.middle < MANY_TIMES:
        between = f"between {write_number(cpu.low)} and {write_number(cpu.high)}"
        return f"{one} costs {write_number(cpu.middle)} times the CPU per request of {other}, {between}."
    return f"{one} costs {say_difference(cpu, f' CPU per request than {other}')}."


def say_difference(cpu: Estimate, than: str = "") -> str:
    """'4.1% more, between 2.0% and 6.2%', of an interval that lies on one side of 1."""
    middle, *bounds = (abs(value - 1) for value in (cpu.middle, cpu.low or 1.0, cpu.high or 1.0))
    low, high = sorted(bounds)
    return f"{percent(middle)} {'more' if cpu.middle > 1 else 'less'}{than}, between {percent(low)} and {percent(high)}"


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
    """Without the end of a log, which may follow."""
    return printable(words.partition("\n")[0])
