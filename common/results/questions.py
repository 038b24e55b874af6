"""A study's questions: two scenarios under one load, and a sentence for each possible outcome."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from common.results.bottleneck import WAITING
from common.results.comparison import LoadComparison
from common.results.intervals import Estimate, can_hide, is_the_same
from common.results.rows import Row
from common.results.words import say_standing, write_factor, write_number, write_roughly


@dataclass(frozen=True)
class Question:
    """The sentences may use {ratio}, {inverse}, {rate} and {other_rate}, which are values of the metric, and {in_flight}."""

    one: str  # the scenario that the sentences are about
    other: str  # the one that it is compared with
    path: str  # of the load
    about: str  # how the sentence begins if nothing is decided
    more: str  # if `one` serves more, or has more of the metric
    less: str
    same: str = ""  # if the two are the same within 5%; without it, the sentence gives both rates
    latency_ms: int = 0
    metric: str = "req/s"  # of those in a table

    def answer(self, comparisons: Iterable[LoadComparison]) -> str:
        """The sentence; '' if the run did not measure both."""
        for comparison in comparisons:
            load = comparison.load
            rows = {row.scenario: row for row in comparison.rows}
            if (urlsplit(load.sent.path).path, load.latency_ms) == (self.path, self.latency_ms) and {self.one, self.other} <= set(rows):
                return self._say(comparison, rows[self.one], rows[self.other])
        return ""

    def _say(self, comparison: LoadComparison, one: Row, other: Row) -> str:
        unranked = [say_standing(row) for row in (one, other) if not row.is_ranked]
        ratio = comparison.ratio(self.one, self.other, self.metric)
        if unranked:
            return f"{self.about}: {'; '.join(unranked)}."
        if ratio is None:
            return f"{self.about}: no ratio, as {self._why_no_ratio(one, other)}."
        rates = {"rate": self._value(one), "other_rate": self._value(other), "in_flight": f"{comparison.load.sent.load.concurrency:,}"}
        if comparison.differ(ratio, self.one, self.other):
            is_more = (ratio.middle if ratio.low is None else ratio.low) > 1
            said = times(
                ratio if is_more else inverse(ratio), at_least=self._load_was_the_limit(*((one, other) if is_more else (other, one)))
            )
            return (self.more if is_more else self.less).format(ratio=said, inverse=said, **rates)
        if self.same and is_the_same(ratio):
            return self.same.format(**rates)
        return f"{self.about}: {one.scenario} and {other.scenario} {self._values(one, other)}, {not_decided(ratio)}."

    def _load_was_the_limit(self, more: Row, less: Row) -> bool:
        """Then the one with more could serve even more if more were asked for at once."""
        return self.metric == "req/s" and more.bottleneck == WAITING != less.bottleneck

    def _why_no_ratio(self, one: Row, other: Row) -> str:
        silent = next((row.scenario for row in (one, other) if not row.per_second), "")
        return f"{silent} answered nothing" if silent else f"{self.metric} is not known of both"

    def _values(self, one: Row, other: Row) -> str:
        values = f"{self._value(one)} and {self._value(other)}"
        return f"answered {values} requests a second" if self.metric == "req/s" else f"had {values} {self.metric}"

    def _value(self, row: Row) -> str:
        value = row.estimates[self.metric]
        return write_number(value.middle if value else None)


class Asks(Protocol):
    def answer(self, comparisons: Iterable[LoadComparison]) -> str: ...


def answer_questions(questions: Sequence[Asks], comparisons: Sequence[LoadComparison]) -> list[str]:
    """The answers to those questions that this run can answer."""
    return [answer for question in questions if (answer := question.answer(comparisons))]


def times(ratio: Estimate, at_least: bool = False) -> str:
    """'2.14 times (between 2.02 and 2.26)'; without an interval 'about 2.1 times'. At least so much: by the lower bound."""
    if ratio.low is None or ratio.low == ratio.high:
        return f"{'at least' if at_least else 'about'} {write_roughly(ratio.middle)} times"
    if at_least:
        return f"at least {write_number(ratio.low)} times"
    return f"{write_number(ratio.middle)} times (between {write_number(ratio.low)} and {write_number(ratio.high)})"


def inverse(ratio: Estimate) -> Estimate:
    """The ratio the other way round."""
    low, high = (None if bound is None else 1 / bound for bound in (ratio.high, ratio.low))
    return Estimate(1 / ratio.middle, low, high, ratio.runs)


def not_decided(ratio: Estimate) -> str:
    hidden = can_hide(ratio)
    if hidden is None:
        return "too close for single runs to decide" if ratio.runs == 1 else "too close to decide"
    return f"no difference shown ({write_factor(hidden)} either way)"
