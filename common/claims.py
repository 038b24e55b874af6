"""What a study claimed and what this run says of it: rules live in studies/, one file for each study."""

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from common.report import Summary
from common.server import ROOT

REPRODUCED, NOT_REPRODUCED, UNDECIDED = "reproduced", "not reproduced", "not decided by this run"
FEWEST = 3  # successes that a rate or a time may rest on


@dataclass(frozen=True)
class Claim:
    text: str
    verdict: str
    evidence: str


class Runs:
    """The measured loads of a suite, by scenario, path and added latency."""

    def __init__(self, results: list[dict[str, Any]]) -> None:
        self._found = {
            (result["scenario"], load["load"]["target"].partition("?")[0], load["latency_ms"]): (load, Summary(load))
            for result in results
            for load in result["loads"]
        }
        self.quick = any(load["cut_by_quick"] for load, _ in self._found.values())

    def figure(self, of: Callable[[dict[str, Any], Summary], float | None], scenario: str, path: str, latency_ms: int = 0) -> float | None:
        """None if it was not run, or too little was answered to say."""
        for (name, target, latency), (load, summary) in self._found.items():
            if (name, latency) == (scenario, latency_ms) and target.endswith(path):
                return of(load, summary) if summary.ok >= FEWEST else None
        return None


def per_second(load: dict[str, Any], summary: Summary) -> float:
    return summary.per_second


def decide(text: str, figures: dict[str, float | None], rule: Callable[..., bool], refutable: bool = True) -> Claim:
    """The rule gets the figures in their order; without one of them there is no verdict.

    What grows over minutes cannot be refuted by a ramp of seconds: such a run may only confirm it.
    """
    missing = [name for name, value in figures.items() if value is None]
    if missing:
        return Claim(text, UNDECIDED, f"too little was answered, or nothing sent: {', '.join(missing)}")
    evidence = ", ".join(f"{name} {value:,.4g}" for name, value in figures.items())
    if rule(*figures.values()):
        return Claim(text, REPRODUCED, evidence)
    if not refutable:
        return Claim(text, UNDECIDED, f"{evidence}; only --full can refute it")
    return Claim(text, NOT_REPRODUCED, evidence)


def of_study(study: str, results: list[dict[str, Any]]) -> Iterable[Claim]:
    """The claims of the study that has a file in studies/; none for others."""
    name = study.replace("-", "_")
    if not (ROOT / "studies" / f"{name}.py").exists():
        return []
    return list(importlib.import_module(f"studies.{name}").claims(Runs(results)))
