"""A promise that must hold, in a few words: 'p99<=800ms', 'req/s>=100', 'failed<=1%', 'cpu<=5ms'."""

import re
from dataclasses import dataclass

from common.results.metrics import Summary

FIGURES = "p50 to p99.9, mean or max in ms or s; req/s; failed in %; cpu in ms per request"
FORM = re.compile(r"(p100|p\d{1,2}(?:\.\d+)?|mean|max|req/s|failed|cpu)\s*(<=|>=)\s*(\d+(?:\.\d+)?)\s*(ms|s|%|)")
UNITS = {"req/s": {"": 1.0}, "failed": {"%": 1.0}, "cpu": {"ms": 1.0, "s": 1000.0}}
TIMES = {"ms": 1.0, "s": 1000.0}


class GateError(ValueError):
    """A promise that cannot be read, said in one line."""


@dataclass(frozen=True)
class Gate:
    text: str
    figure: str
    at_most: bool
    value: float  # in ms, percent, or requests per second

    def of(self, summary: Summary) -> float | None:
        """What was measured; None where nothing was."""
        if self.figure == "req/s":
            return summary.per_second
        if self.figure == "failed":
            return 100 * summary.failed / summary.complete if summary.complete else None
        if self.figure == "cpu":
            return summary.cpu_ms
        if self.figure == "mean":
            return float(summary.total.mean()) if summary.ok else None
        return summary.latency(100.0 if self.figure == "max" else float(self.figure[1:]))

    def holds(self, measured: float | None) -> bool:
        return measured is not None and (measured <= self.value if self.at_most else measured >= self.value)


def parse(text: str) -> Gate:
    found = FORM.fullmatch(text.strip())
    if not found:
        raise GateError(f"{text!r} is not a promise: write FIGURE<=VALUE or >=, where FIGURE is {FIGURES}")
    figure, sign, value, unit = found.groups()
    units = UNITS.get(figure, TIMES)
    if unit not in units:
        raise GateError(f"{text!r}: {figure} is in {' or '.join(units) or 'requests per second, without a unit'}")
    return Gate(text, figure, sign == "<=", float(value) * units[unit])
