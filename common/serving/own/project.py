"""A reader's own Django project: where its settings and its interpreter are, and how a server is started inside its environment."""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from common.cli import Failed, UsageError
from common.client.load import Load
from common.results.words import join_words
from common.serving.own.servers import folders_for
from common.serving.own.settings import Facts
from common.serving.places import ROOT
from common.serving.process import surroundings
from common.serving.scenario import Scenario

LAUNCHER, INSPECTOR = (Path(__file__).with_name(name) for name in ("launcher.py", "inspector.py"))
APPLICATIONS = Path(__file__).with_name("applications")
ENVIRONMENTS = (".venv", "venv", "env")
INSPECTOR_SECONDS = 60.0
LOG_LINES = 6
CHANGES_A_ROW = ("daemon", "max_requests", "preload_app")  # of gunicorn's settings, those that no launch line of ours gives


@dataclass(frozen=True)
class Project:
    folder: Path  # that of manage.py
    python: str
    settings: str
    env: dict[str, str] = field(default_factory=dict)
    env_file: str = ""


def find(where: str, python: str | None, settings: str | None, env: dict[str, str], env_file: str | None) -> Project:
    """What is not named is looked for where projects have it."""
    folder = find_folder(where, settings)
    file = find_env_file(folder, env_file)
    named = settings or {**(read_env_file(file) if file else {}), **env}.get("DJANGO_SETTINGS_MODULE") or settings_in(folder / "manage.py")
    if not named:
        raise UsageError(f"--project {where}: manage.py does not write out its settings module; name it: --settings mysite.settings")
    return Project(folder, find_python(folder, python), named, env, str(file) if file else "")


def find_folder(where: str, settings: str | None) -> Path:
    """The folder of manage.py, or one below it; with --settings, any folder."""
    folder = Path(where).resolve()
    if not folder.is_dir():
        raise UsageError(f"--project {where}: there is no such folder")
    found = [folder] if settings and not (folder / "manage.py").is_file() else [path.parent for path in manage_files(folder)]
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


def settings_in(path: Path) -> str:
    """The settings module that manage.py or wsgi.py sets; '' if there is none, or if it is computed."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):
        return ""
    for node in ast.walk(tree):
        match node:
            case ast.Call(args=[ast.Constant("DJANGO_SETTINGS_MODULE"), ast.Constant(str(name))]):
                return name
            case ast.Assign(targets=[ast.Subscript(slice=ast.Constant("DJANGO_SETTINGS_MODULE"))], value=ast.Constant(str(name))):
                return name
    return ""


def settings_of_wsgi(project: Project, facts: Facts) -> str:
    """Those that its wsgi.py names, which are often the ones for serving."""
    module = facts.wsgi.partition(":")[0].replace(".", "/")
    return settings_in(project.folder / f"{module}.py")


def read_by_servers(project: Project) -> Iterator[str]:
    """Files that a server takes further options from."""
    path = project.folder / "gunicorn.conf.py"
    if path.is_file():
        said = [name for name in CHANGES_A_ROW if name in names_set_in(path)]
        which = f", which sets {join_words(said)}" if said else ""
        yield f"gunicorn also reads the project's gunicorn.conf.py{which}; what the launch line says wins"


def names_set_in(path: Path) -> set[str]:
    with suppress(OSError, ValueError, SyntaxError):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        return {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return set()


def find_python(folder: Path, named: str | None) -> str:
    """The interpreter of the project's environment, not followed through its link, which is what makes it that environment."""
    for place in [named] if named else places_of_environments(folder):
        for path in (Path(place), Path(place) / "bin" / "python"):
            if path.is_file() and os.access(path, os.X_OK):
                return os.path.abspath(path)
    if named:
        raise UsageError(f"--python {named}: there is no interpreter; name it, or its virtual environment")
    raise UsageError(f"--project {folder}: no environment in {', '.join(ENVIRONMENTS)} or VIRTUAL_ENV; name it: --python PATH/bin/python")


def places_of_environments(folder: Path) -> Iterator[str]:
    """In the project, above it, then the activated one, unless that is ours."""
    for parent in (folder, *folder.parents):
        yield from (str(parent / name) for name in ENVIRONMENTS if parent / name != ROOT / ".venv")
    active = os.environ.get("VIRTUAL_ENV", "")
    if active and Path(active).resolve() != Path(sys.prefix).resolve():
        yield active


def find_env_file(folder: Path, named: str | None) -> Path | None:
    path = Path(named).resolve() if named else folder / ".env"
    if named and not path.is_file():
        raise UsageError(f"--env-file {named}: there is no such file")
    return path if path.is_file() else None


def read_env_file(path: Path) -> dict[str, str]:
    """NAME=VALUE a line, with or without quotes and `export`."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    pairs = re.compile(r"""\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(?:'([^']*)'|"([^"]*)"|(.*?))\s*(?:\s#.*)?""")
    found = [match.groups() for line in lines if (match := pairs.fullmatch(line))]
    return {name: single or double or plain or "" for name, single, double, plain in found}


def ask(project: Project, host: str, loads: Sequence[Load]) -> Facts:
    """Import its settings and ask for its pages as its servers will, in a process of its own."""
    request = {"host": host, "headers": loads[0].headers if loads else [], "paths": [load.target for load in loads]}
    try:
        done = subprocess.run(
            [project.python, str(INSPECTOR), project.settings],
            cwd=project.folder,
            env={**surroundings(root=project.folder), **environment(project.settings, project.env, project.env_file)},
            input=json.dumps(request),
            capture_output=True,
            text=True,
            timeout=INSPECTOR_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"--project {project.folder}: {project.settings} did not answer within {INSPECTOR_SECONDS:g} s") from None
    except OSError as error:
        raise UsageError(f"--python {project.python}: it does not run: {error.strerror}") from None
    if done.returncode:
        raise Failed(explain(project, done.stderr))
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Facts)


def explain(project: Project, stderr: str) -> str:
    """The last lines of the project's own traceback, then what to do."""
    lines = stderr.strip().splitlines() or ["it says nothing"]
    if lines[-1] == "ModuleNotFoundError: No module named 'django'":
        return f"{project.python} has no Django: name the project's own environment with --python"
    tail = "\n".join(f"    {line}" for line in lines[-LOG_LINES:])
    return f"{project.settings} cannot be used by {project.python}: {lines[-1]}\n{tail}"


def environment(settings: str, env: dict[str, str], env_file: str) -> dict[str, str]:
    """What is given by name wins over the file; nothing is written into the project's folders."""
    kept = read_env_file(Path(env_file)) if env_file else {}
    return {**kept, **env, "DJANGO_SETTINGS_MODULE": settings, "PYTHONDONTWRITEBYTECODE": "1"}


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
    return {**environment(scenario.settings, scenario.env, scenario.env_file), "PATH": programs}
