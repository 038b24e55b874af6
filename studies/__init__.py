"""What each published study claimed, and the rule by which a run decides it: a module for each, found by the study's name."""

import importlib
import pkgutil
from collections.abc import Iterable
from typing import Any

from common.results.claims import Claim, Runs
from common.results.record import ScenarioRun


def judge_claims(runs: Iterable[ScenarioRun]) -> dict[str, list[Claim]]:
    """Of each study that was run."""
    runs = list(runs)
    return {study: judge_study(study, runs) for study in dict.fromkeys(run.study for run in runs)}


def judge_study(study: str, runs: Iterable[ScenarioRun]) -> list[Claim]:
    """Its claims; none where it has no file here."""
    module = module_of(study)
    return list(module.claims(Runs(run for run in runs if run.study == study))) if module else []


def baselines_of(study: str) -> list[str]:
    """The scenarios with which its others are compared: the first of them that was measured."""
    module = module_of(study)
    return list(module.BASELINES) if module else []


def module_of(study: str) -> Any:
    """None where the study has no file here."""
    name = study.replace("-", "_")
    known = {module.name for module in pkgutil.iter_modules(__path__)}
    return importlib.import_module(f"{__name__}.{name}") if name in known else None
