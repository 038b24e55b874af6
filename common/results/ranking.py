"""A study's questions of all that ran: which scenarios have the best of one metric, and a sentence for each outcome."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from common.results.comparison import LoadComparison
from common.results.intervals import Estimate, is_the_same
from common.results.questions import times
from common.results.rows import Row
from common.results.words import TOO_SHORT, join_words, write_estimate, write_number, write_standing

FEWEST = 3  # of two, a question of the two says it


@dataclass(frozen=True)
class Ranking:
    """The sentences may use {names}, {value}, {second}, {ratio}, {in_flight} and {ideal}."""

    path: str  # of the load
    metric: str  # of those in a table
    leads: str  # if one is ahead of all others
    level: str  # if several are too near to tell apart
    farthest: str  # what is said of the one farthest behind, which is {name} with {value}
    but: Mapping[str, str] = field(default_factory=dict)  # scenarios that are left out, and why

    def answer(self, comparisons: Iterable[LoadComparison]) -> str:
        """'' if the run measured too few of them."""
        for comparison in comparisons:
            load = comparison.load
            if (urlsplit(load.sent.path).path, load.latency_ms) == (self.path, 0) and len(comparison.scenarios) >= FEWEST:
                return self._say(comparison)
        return ""

    def _say(self, comparison: LoadComparison) -> str:
        rows = sorted((row for row in comparison.rows if not self._why_not(row)), key=self._order)
        if len(rows) < 2:
            return ""
        best, second, *_ = rows
        level = [row for row in rows if row is best or not self._is_ahead(comparison, best, row)]
        ratio = self._ratio(comparison, best, second)
        words = {
            "value": self._write(best),
            "second": second.scenario,
            "ratio": times(ratio) if ratio else "",
            "in_flight": f"{comparison.load.sent.load.concurrency:,}",
            "ideal": write_number(comparison.ideal),
        }
        sentences = [self.leads.format(names=best.scenario, **words) if level == [best] else self._say_level(level, words)]
        if rows[-1] not in level and len(rows) > 2:
            sentences.append(self.farthest.format(name=rows[-1].scenario, value=self._write(rows[-1])))
        return " ".join([*sentences, *self._tell_left_out(comparison)])

    def _say_level(self, level: Sequence[Row], words: dict[str, str]) -> str:
        names = join_words([f"{row.scenario} ({self._write(row)})" for row in level])
        return self.level.format(names=names, **words)

    def _tell_left_out(self, comparison: LoadComparison) -> list[str]:
        """Those that might lead, for all that is known, and those that fail."""
        reasons = {row.scenario: why for row in comparison.rows if (why := self._why_not(row))}
        measured = {row.scenario for row in comparison.rows}
        reasons |= {name: "no run counts" for name in comparison.scenarios if name not in measured}
        names = {why: [name for name in reasons if reasons[name] == why] for why in reasons.values()}
        return [f"Left out: {'; '.join(f'{join_words(names[why])} ({why})' for why in names)}."] if reasons else []

    def _why_not(self, row: Row) -> str:
        """Why a row can neither lead nor follow; '' if it can."""
        if row.scenario in self.but:
            return self.but[row.scenario]
        if not row.is_ranked:
            return TOO_SHORT if row.too_short else write_standing(row)
        value = row.estimates[self.metric]
        if value is None or not value.middle:
            return "its value is not known"
        if value.bound:
            return f"known only as {write_estimate(value)}"
        return ""

    def _order(self, row: Row) -> float:
        value = row.estimates[self.metric]
        middle = value.middle if value else 0.0
        return -middle if self.metric == "req/s" else middle

    def _is_ahead(self, comparison: LoadComparison, best: Row, row: Row) -> bool:
        """By more than chance, and by more than what counts as the same."""
        ratio = self._ratio(comparison, best, row)
        return ratio is not None and comparison.differ(ratio, best.scenario, row.scenario) and not is_the_same(ratio)

    def _ratio(self, comparison: LoadComparison, best: Row, row: Row) -> Estimate | None:
        """How many times as much the one with more has."""
        more, less = (best, row) if self.metric == "req/s" else (row, best)
        return comparison.ratio(more.scenario, less.scenario, self.metric)

    def _write(self, row: Row) -> str:
        value = row.estimates[self.metric]
        return write_number(value.middle if value else None)
