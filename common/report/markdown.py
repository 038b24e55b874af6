"""Pairs that were asked in turn, as Markdown for a pull request: what a change costs first, then each verdict and its evidence."""

import re
from collections.abc import Iterable, Iterator, Sequence

from common.report import pair as report
from common.results.pairs import Pair, costs_more, different_versions, is_over, judge_pair, was_compared
from common.results.words import describe_environment, write_number, write_tolerance

HEAD = ("asked in turn", "load", "CPU ms per request", "ratio", "restarts")


def text(pairs: Sequence[Pair]) -> str:
    if not pairs:
        return "Nothing was measured.\n"
    lines = [f"**{sum_up(pairs)}**", ""] if pairs[0].is_change else []
    lines += [f"- {escape(line)}" for pair in pairs for line in verdict(pair)]
    lines += ["", row(HEAD), row("---" for _ in HEAD), *(row(map(escape, cells(pair))) for pair in pairs), ""]
    versions = dict.fromkeys(version for pair in pairs for version in different_versions(pair))
    lines += [f"{escape(line)}\n" for line in (*versions, describe_environment(pairs[0].environment))]
    return "\n".join(lines)


def sum_up(pairs: Sequence[Pair]) -> str:
    more, lost = sum(map(costs_more, pairs)), sum(not was_compared(pair) for pair in pairs)
    undecided = sum(was_compared(pair) and not is_over(pair) for pair in pairs)
    parts = [f"{more} of {len(pairs)} shown to cost over {write_tolerance(pairs[0].within)} more CPU per request"]
    parts += [f"{number} {what}" for number, what in ((undecided, "not decided"), (lost, "not compared")) if number]
    return "; ".join(parts) + "."


def verdict(pair: Pair) -> Iterator[str]:
    yield report.say(pair, judge_pair(pair))
    if pair.fault:
        yield report.say_fault(pair)


def cells(pair: Pair) -> Iterator[str]:
    found = judge_pair(pair)
    yield " beside ".join(pair.names)
    yield report.load_of(pair)
    yield " beside ".join(map(write_number, found.cpu_ms)) if found.cpu_ms else "-"
    yield report.write_ratio(found.cpu) if report.is_comparable(found) else "-"
    yield str(len(pair.restarts))


def row(values: Iterable[str]) -> str:
    return f"| {' | '.join(values)} |"


def escape(words: str) -> str:
    """On one line, and nothing in it is markup."""
    return re.sub(r"([\\`*_\[\]<>|#&~@])", r"\\\1", " ".join(words.split()))
