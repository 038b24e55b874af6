"""What a study claimed and what a run says of it: here what rules are made of; the rules live in studies/."""

import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from common.results.record import Measured, ScenarioRun
from common.results.words import write_exactly

REPRODUCED, NOT_REPRODUCED, UNDECIDED = "reproduced", "not reproduced", "not decided by this run"
FEWEST = 3  # successes that a rate or a time may rest on


@dataclass(frozen=True)
class Claim:
    text: str
    verdict: str
    evidence: str


class Runs:
    """The measured loads of a suite that can decide a claim, by scenario, path and added latency."""

    def __init__(self, runs: Iterable[ScenarioRun]) -> None:
        self._loads = [(run.scenario, load) for run in runs for load in run.loads if can_decide(load)]
        self.quick = any(load.size == "quick" for _, load in self._loads)

    def median(self, of: Callable[[Measured], float | None], scenario: str, path: str, latency_ms: int = 0) -> float | None:
        """Over its runs; None if it was not run, or too little was answered to say."""
        wanted = (scenario, path, latency_ms)
        loads = [load for name, load in self._loads if (name, load.sent.path, load.latency_ms) == wanted and load.metrics.ok >= FEWEST]
        known = [value for load in loads if (value := of(load)) is not None]
        return statistics.median(known) if known else None


def can_decide(load: Measured) -> bool:
    """A claim is decided by its own load only, and by runs that went well."""
    return load.size != "changed" and not load.invalid


def per_second(load: Measured) -> float:
    return load.metrics.per_second


def decide(text: str, values: Mapping[str, float | None], rule: Callable[..., bool], refutable: bool = True) -> Claim:
    """The rule gets the values in their order; without one of them there is no verdict.

    What grows over minutes cannot be refuted by a ramp of seconds: such a run may only confirm it.
    """
    known = {name: value for name, value in values.items() if value is not None}
    missing = [name for name in values if name not in known]
    if missing:
        return Claim(text, UNDECIDED, f"too little was answered, or nothing sent: {', '.join(missing)}")
    evidence = ", ".join(f"{name} {write_exactly(value)}" for name, value in known.items())
    if rule(*known.values()):
        return Claim(text, REPRODUCED, evidence)
    if not refutable:
        return Claim(text, UNDECIDED, f"{evidence}; only --full can refute it")
    return Claim(text, NOT_REPRODUCED, evidence)
