"""What a study claimed and what this run says of it: rules live in studies/, one file for each study."""

import importlib
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from common.client.selfwatch import doubts
from common.results.metrics import Summary
from common.results.words import plainly
from common.serving.process import ROOT

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
        whole = [(result["scenario"], load, Summary(load)) for result in results for load in result["loads"]]
        self._found = [run for run in whole if tells(run[1], run[2])]
        self.quick = any(load["size"] == "quick" for _, load, _ in self._found)

    def figure(self, of: Callable[[dict[str, Any], Summary], float | None], scenario: str, path: str, latency_ms: int = 0) -> float | None:
        """The median over its runs; None if it was not run, or too little was answered to say."""
        figures = [
            of(load, summary)
            for name, load, summary in self._found
            if (name, load["path"], load["latency_ms"]) == (scenario, path, latency_ms) and summary.ok >= FEWEST
        ]
        known = [figure for figure in figures if figure is not None]
        return statistics.median(known) if known else None


def tells(load: dict[str, Any], summary: Summary) -> bool:
    """A claim is decided by its own load only, and by runs that went well."""
    return load["size"] != "changed" and not load["fault"] and not doubts(load["client"], summary.latency(50))[0]


def per_second(load: dict[str, Any], summary: Summary) -> float:
    return summary.per_second


def decide(text: str, figures: dict[str, float | None], rule: Callable[..., bool], refutable: bool = True) -> Claim:
    """The rule gets the figures in their order; without one of them there is no verdict.

    What grows over minutes cannot be refuted by a ramp of seconds: such a run may only confirm it.
    """
    known = {name: value for name, value in figures.items() if value is not None}
    missing = [name for name in figures if name not in known]
    if missing:
        return Claim(text, UNDECIDED, f"too little was answered, or nothing sent: {', '.join(missing)}")
    evidence = ", ".join(f"{name} {plainly(value)}" for name, value in known.items())
    if rule(*known.values()):
        return Claim(text, REPRODUCED, evidence)
    if not refutable:
        return Claim(text, UNDECIDED, f"{evidence}; only --full can refute it")
    return Claim(text, NOT_REPRODUCED, evidence)


def of_study(study: str, results: list[dict[str, Any]]) -> list[Claim]:
    """The claims of the study that has a file in studies/; none for others."""
    known = file_of(study)
    return list(known.claims(Runs(results))) if known else []


def baseline_of(study: str, names: Iterable[str]) -> str:
    """What the others are compared with: the first of those that the study's file names, or else the first."""
    known, here = file_of(study), sorted(names)
    return next((name for name in known.BASELINES if name in here), here[0]) if known else here[0]


def file_of(study: str) -> Any:
    name = study.replace("-", "_")
    return importlib.import_module(f"studies.{name}") if (ROOT / "studies" / f"{name}.py").exists() else None
