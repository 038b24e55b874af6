"""Makes another state of a project import its own code, where an editable install would bring that of the working copy."""

import os
from dataclasses import replace
from functools import cache
from pathlib import Path

from common.cli import Failed, UsageError
from common.serving.own import asking, project
from common.serving.scenario import Scenario


def with_its_own_code(theirs: Scenario, repository: Path, tree: Path) -> Scenario:
    """The same, with the folders of the other checkout in front from which it would import the working copy's code."""
    astray = imported_astray(project.served_by(theirs), theirs.app, repository, tree)
    if not astray:
        return theirs
    folders = dict.fromkeys(str(tree / folder_of(name, file).relative_to(repository.resolve())) for name, file in astray)
    path = os.pathsep.join(filter(None, [*folders, theirs.env.get("PYTHONPATH")]))
    theirs = replace(theirs, env={**theirs.env, "PYTHONPATH": path})
    if left := imported_astray(project.served_by(theirs), theirs.app, repository, tree):
        name, file = left[0]
        raise UsageError(
            f"--against: both sides would import {name} from the working copy ({file}): "
            "use an environment in which the project is not installed in editable mode"
        )
    return theirs


@cache
def imported_astray(theirs: project.Project, app: str, repository: Path, tree: Path) -> list[tuple[str, Path]]:
    """The modules that do not come from the other checkout, but from the working copy; links that were made into it count as its own."""
    try:
        files = [(name, Path(file)) for name, file in asking.ask_modules(theirs, app)]
    except Failed as fault:
        raise Failed(f"--against: the project as it was: {fault}") from None
    own = (tree, tree.resolve())
    return [
        (name, file.resolve())
        for name, file in files
        if file.resolve().is_relative_to(repository.resolve()) and not any(map(file.is_relative_to, own))
    ]


def folder_of(module: str, file: Path) -> Path:
    """The one on sys.path in which the module is."""
    path = file.parent if file.name == "__init__.py" else file
    return path.parents[module.count(".")]
