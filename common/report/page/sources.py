"""The sources of scenarios, highlighted, and what sets one apart from another, line by line."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.utils.safestring import SafeString, mark_safe
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import DiffLexer, PythonLexer

from common.results.changes import OneChange, diff_sources
from common.results.pairs import Pair
from common.results.record import ScenarioRun


@dataclass(frozen=True)
class Source:
    scenario: str
    question: str
    launch: str
    code: SafeString


@dataclass(frozen=True)
class Diff:
    """What sets one scenario apart from another, line by line."""

    scenario: str
    base: str
    what: str
    code: SafeString


def fill_sources(runs: Iterable[ScenarioRun]) -> list[Source]:
    """One run of each scenario."""
    last = {run.scenario: run for run in runs}
    return [Source(name, run.question, run.launch, highlighted(run.source, PythonLexer())) for name, run in sorted(last.items())]


def fill_sources_of_pairs(pairs: Iterable[Pair]) -> list[Source]:
    each = {name: (launch, source) for pair in pairs for name, launch, source in zip(pair.names, pair.launches, pair.sources, strict=True)}
    return [Source(name, "", launch, highlighted(source, PythonLexer())) for name, (launch, source) in each.items()]


def fill_diffs(changes: Iterable[OneChange], sources: Mapping[str, str]) -> list[Diff]:
    pairs = sorted({(change.scenario, change.base, change.what) for change in changes})
    return [
        Diff(scenario, base, what, highlighted(diff_sources(sources[base], sources[scenario]), DiffLexer()))
        for scenario, base, what in pairs
    ]


def highlighted(code: str, lexer: Lexer) -> SafeString:
    """Source as HTML; pygments escapes what it highlights."""
    return mark_safe(highlight(code, lexer, HtmlFormatter(nowrap=True)))
