"""Two scenarios side by side, for the terminal: the verdict in words, and its evidence."""

from common.client.load import Load
from common.client.options import parse_line
from common.results.intervals import can_hide
from common.results.pairs import FAIR, MOST_FAILED, Pair, SideBySide, judge_pair
from common.results.questions import inverse
from common.results.words import describe_pinning, write_estimate, write_number, write_share


def text(pair: Pair) -> str:
    found = judge_pair(pair)
    lines = [title(pair), *figures(pair, found), say(pair, found)]
    return "\n".join([*lines, *([f"It ended early: {pair.fault}"] if pair.fault else [])])


def title(pair: Pair) -> str:
    load: Load = parse_line(pair.line)
    added = f" · {pair.latency_ms} ms added" if pair.latency_ms else ""
    return f"{pair.names[0]} beside {pair.names[1]} · {load.parts[0]}, {load.concurrency:,} at a time{added}"


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
    return lines


def say(pair: Pair, found: SideBySide) -> str:
    """The verdict, in one sentence."""
    one, other = pair.names
    if found.kind == "failed":
        shares = " and ".join(f"{name} {write_share(share)}" for name, share in zip(pair.names, found.failed, strict=True))
        return f"Not compared: more than {MOST_FAILED:.0%} of the requests failed ({shares})."
    if found.cpu is None or found.cpu.low is None or found.cpu.high is None:
        return "Not decided: too few restarts."
    if found.kind == "unfair":
        return (
            f"Not comparable side by side: sharing a core changes the ratio by more than {FAIR:.0%} "
            f"(long slices {write_estimate(found.long_cpu, 'x')}). Use --rounds."
        )
    if found.kind == "same":
        most = percent((can_hide(found.cpu) or 1.0) - 1)
        return f"{one} and {other} cost the same CPU per request within {pair.within:.0%}: at most {most} either way."
    if found.kind == "undecided":
        bounds = " and ".join(f"{percent(abs(bound - 1))} {'more' if bound >= 1 else 'less'}" for bound in (found.cpu.low, found.cpu.high))
        return f"Not decided in time: {one} costs between {bounds} CPU per request than {other}."
    middle, *bounds_off = (abs(value - 1) for value in (found.cpu.middle, found.cpu.low, found.cpu.high))
    low, high = sorted(bounds_off)
    return f"{one} costs {percent(middle)} {found.kind} CPU per request than {other}, between {low * 100:.1f} and {percent(high)}."


def percent(share: float) -> str:
    return f"{share * 100:.1f}%"
