"""How figures are written, wherever they stand: few digits, the interval beside the middle."""

import re
from collections.abc import Sequence

from common.results.intervals import Estimate, no_difference_shown


def shown(found: Estimate | None, unit: str = "") -> str:
    if found is None:
        return "-"
    if found.low is None or found.high is None:
        return f"{digits(found.middle)}{unit}"
    return f"{digits(found.middle)}{unit} [{digits(found.low)}, {digits(found.high)}]"


def digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def plainly(value: float) -> str:
    """Four digits, whole where there are more before the point."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def against(found: Estimate | None) -> str:
    if found is None:
        return "-"
    verdict = " no difference shown" if found.low is not None and no_difference_shown(found) else ""
    return f"{shown(found, 'x')}{verdict}"


def said_of(control: Estimate | None) -> str:
    return "no runs to compare" if control is None else f"{shown(control, 'x')} {verdict_of(control)}"


def verdict_of(found: Estimate) -> str:
    if found.runs == 1:
        return "(one run each: so much is chance)"
    if found.low is None:
        return "(too few runs for an interval)"
    return "no difference shown" if no_difference_shown(found) else "A DIFFERENCE, where there is none: doubt this table"


def listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def brief(texts: Sequence[str]) -> list[str]:
    """What tells them apart, behind their first words: the rest is said of all. Where nothing does, a number."""
    if not texts:
        return []
    parts = [re.split(r", | · ", text) for text in texts]
    common = set.intersection(*map(set, parts))
    short = [" · ".join([first, *(part for part in others if part not in common)]) for first, *others in parts]
    return [name if short.count(name) == 1 else f"{name} ({short[: at + 1].count(name)})" for at, name in enumerate(short)]
