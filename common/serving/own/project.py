"""A reader's own Django project: where its settings and its interpreter are, and how a server is started inside its environment."""

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from common.cli import UsageError, typed_path
from common.serving.own.env_file import explain_env_file, find_env_file, read_env_file
from common.serving.own.project_files import (
    CONFIGURATION,
    SETTINGS,
    explain_gunicorn_file,
    first_written,
    folders_added_by,
    settings_of_manage,
    written_in,
)
from common.serving.own.servers import folders_for
from common.serving.places import ROOT
from common.serving.scenario import Scenario

LAUNCHER = Path(__file__).with_name("launcher.py")
APPLICATIONS = Path(__file__).with_name("applications")
ENVIRONMENTS = (".venv", "venv", "env")


@dataclass(frozen=True)
class Project:
    folder: Path  # that of manage.py
    python: str
    settings: str
    env: dict[str, str] = field(default_factory=dict, hash=False)
    env_file: str = ""


def find(where: str, python: str | None, settings: str | None, env: dict[str, str], env_file: str | None) -> Project:
    """What is not named is looked for where projects have it."""
    folder = find_folder(where, settings)
    manage = folder / "manage.py"
    file = find_env_file(folder, env_file)
    given = {**(read_env_file(file) if file else {}), **os.environ, **env}
    named = settings or given.get(SETTINGS) or settings_of_manage(manage)
    if not named:
        raise UsageError(f"--project {where}: manage.py does not write out its settings module; name it: --settings mysite.settings")
    also = {
        CONFIGURATION: given.get(CONFIGURATION) or first_written(manage, CONFIGURATION),
        "PYTHONPATH": os.pathsep.join(filter(None, [env.get("PYTHONPATH"), *folders_added_by(manage)])),
    }
    env = {**env, **{name: value for name, value in also.items() if value}}
    return Project(folder, find_python(folder, python), named, env, str(file or ""))


def find_folder(where: str, settings: str | None) -> Path:
    """The folder of manage.py, or one below it; with --settings, any folder that has them."""
    folder = typed_path(where).resolve()
    if not folder.is_dir():
        raise UsageError(f"--project {where}: there is no such folder")
    found = [path.parent for path in manage_files(folder)]
    if settings:
        found = [path for path in dict.fromkeys([folder, *found]) if has_module(path, settings)] or found or [folder]
    if not found:
        raise UsageError(
            f"--project {where}: no manage.py in this folder; name that of your project, or its settings: --settings mysite.settings"
        )
    if len(found) > 1:
        raise UsageError(f"--project {where}: manage.py is in {' and '.join(str(path) for path in found)}; name one of these folders")
    return found[0]


def manage_files(folder: Path) -> list[Path]:
    here = folder / "manage.py"
    return [here] if here.is_file() else sorted(folder.glob("[!.]*/manage.py"))


def has_module(folder: Path, name: str) -> bool:
    path = folder.joinpath(*name.split("."))
    return (path / "__init__.py").is_file() or path.with_name(f"{path.name}.py").is_file()


def find_python(folder: Path, named: str | None) -> str:
    """The interpreter of the project's environment, not followed through its link, which is what makes it that environment."""
    for place in places_named(named) if named else places_of_environments(folder):
        for path in (Path(place), Path(place) / "bin" / "python"):
            if path.is_file() and os.access(path, os.X_OK):
                return os.path.abspath(path)
    if named:
        raise UsageError(f"--python {named}: there is no interpreter; name it, or its virtual environment")
    raise UsageError(f"--project {folder}: no environment in {', '.join(ENVIRONMENTS)} or VIRTUAL_ENV; name it: --python PATH/bin/python")


def places_named(name: str) -> list[str]:
    """A path, or a program's name, such as python3.12."""
    program = None if "/" in name else shutil.which(name)
    return [str(typed_path(name)), *([program] if program else [])]


def places_of_environments(folder: Path) -> Iterator[str]:
    """In the project, then the activated one, unless that is ours, then above the project; none is a project's that is above the home."""
    yield from environments_in(folder)
    active = os.environ.get("VIRTUAL_ENV", "")
    if active and Path(active).resolve() != Path(sys.prefix).resolve():
        yield active
    home = Path(os.path.expanduser("~"))
    for parent in folder.parents:
        if not home.is_relative_to(parent) or parent == home:
            yield from environments_in(parent)


def environments_in(folder: Path) -> Iterator[str]:
    yield from (str(folder / name) for name in ENVIRONMENTS if folder / name != ROOT / ".venv")


def environment(project: Project) -> dict[str, str]:
    """What is given by name wins over the reader's shell, and that over the file; nothing is written into the project's folders."""
    of_file = read_env_file(Path(project.env_file)) if project.env_file else {}
    given = {**{name: value for name, value in of_file.items() if name not in os.environ}, **project.env}
    path = [str(project.folder), given.get("PYTHONPATH"), os.environ.get("PYTHONPATH")]
    own = {SETTINGS: project.settings, "PYTHONPATH": os.pathsep.join(filter(None, path)), "PYTHONDONTWRITEBYTECODE": "1"}
    return {**given, **own}


def explain_reading(project: Project, applications: Sequence[str]) -> Iterator[str]:
    """What was read beside the settings, and what reads further options."""
    if project.env_file:
        yield from explain_env_file(Path(project.env_file), project.env)
    for name in (CONFIGURATION, "PYTHONPATH"):
        if name in project.env:
            yield f"{name} is {project.env[name]}"
    for file in applications:
        if any(each.has_last_word and not each.value for each in written_in(Path(file), SETTINGS)):
            yield f"{file} computes {SETTINGS}: under servers it may be another than {project.settings}, with another database"
    yield from explain_gunicorn_file(project.folder / "gunicorn.conf.py")


def served_by(scenario: Scenario) -> Project:
    return Project(Path(scenario.project), scenario.python, scenario.settings, scenario.env, scenario.env_file)


def command(scenario: Scenario, words: list[str]) -> list[str]:
    """The launch line's words, run by the project's interpreter: its own servers, or those that are installed beside it."""
    if not Path(scenario.python).is_file():
        raise UsageError(f"{scenario.name}: PYTHON names no interpreter: {scenario.python}; make its environment again, or use --renew")
    if not Path(scenario.project).is_dir():
        raise UsageError(f"{scenario.name}: PROJECT names no folder: {scenario.project}")
    folders = [*folders_for(scenario.server, scenario.python), str(APPLICATIONS)]
    return [scenario.python, str(LAUNCHER), os.pathsep.join(folders), *words]


def variables(scenario: Scenario) -> dict[str, str]:
    programs = os.pathsep.join([str(Path(scenario.python).parent), os.environ.get("PATH", "")])
    return {**environment(served_by(scenario)), "PATH": programs}
