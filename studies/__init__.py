"""What each study asks and claimed, and how a run decides it: one module each, found by the study's name."""

import importlib
import pkgutil
from collections.abc import Iterable, Sequence
from typing import Any

from common.results.claims import Judgement, Runs
from common.results.comparison import compare_loads
from common.results.own_site import Served, answer_site
from common.results.questions import answer_questions
from common.results.record import ScenarioRun
from common.serving.shape import shape_of

TEMPLATE = "gunicorn_gthread_wait"  # the model of a user's own scenario: small, and nothing depends on its view
SERVERS = "wait"  # the study whose launch lines serve a reader's own project


def judge(runs: Iterable[ScenarioRun]) -> dict[str, Judgement]:
    """Judge each study that was run; a study without a file here gets an empty judgement."""
    runs = list(runs)
    return {study: judge_study(study, runs) for study in dict.fromkeys(run.study for run in runs)}


def judge_study(study: str, runs: Iterable[ScenarioRun]) -> Judgement:
    module, of_it = module_of(study), [run for run in runs if run.study == study]
    if not module:
        return Judgement(answers=tuple(answer_project(of_it)))
    return Judgement(list(module.claims(Runs(of_it))), answer_questions(module.QUESTIONS, compare_loads(of_it)))


def answer_project(runs: Sequence[ScenarioRun]) -> Sequence[str]:
    """Empty for what is not a project of the reader's own."""
    shapes = {run.scenario: Served((found := shape_of(run.launch)).kind, found.processes) for run in runs if run.project}
    return answer_site(compare_loads(runs), shapes) if len(shapes) == len({run.scenario for run in runs}) else ()


def baselines_of(study: str) -> list[str]:
    """The scenarios to compare the others with: the first of these that was measured counts."""
    module = module_of(study)
    return list(module.BASELINES) if module else []


def module_of(study: str) -> Any:
    """The study's module; None if it has no file here."""
    name = study.replace("-", "_")
    known = {module.name for module in pkgutil.iter_modules(__path__)}
    return importlib.import_module(f"{__name__}.{name}") if name in known else None
