"""A reader's own Django project: where its settings and its interpreter are, and how a server is started inside its environment."""

import ast
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from common.cli import Failed, UsageError, typed_path
from common.client.load import Load
from common.results.words import join_words
from common.serving.own.servers import folders_for
from common.serving.own.settings import Address, Facts, Pages, name_of
from common.serving.places import ROOT
from common.serving.process import surroundings
from common.serving.scenario import Scenario

LAUNCHER, INSPECTOR = (Path(__file__).with_name(name) for name in ("launcher.py", "inspector.py"))
APPLICATIONS = Path(__file__).with_name("applications")
ENVIRONMENTS = (".venv", "venv", "env")
SETTINGS, CONFIGURATION = "DJANGO_SETTINGS_MODULE", "DJANGO_CONFIGURATION"  # variables of Django, and of django-configurations
INSPECTOR_SECONDS = 60.0
LOG_LINES = 6
CHANGES_A_ROW = ("daemon", "max_requests", "preload_app")  # of gunicorn's settings, those that no launch line of ours gives
VARIABLE = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)[ \t]*=[ \t]*(?:'([^']*)'|"([^"\\]*)"|((?!['"]).*?)|['"].*)[ \t]*(?:(?<=\s)#.*)?$""",
    re.MULTILINE,
)
LACKS_VARIABLE = re.compile(r"environment variable|envvar|env var", re.IGNORECASE)

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Project:
    folder: Path  # that of manage.py
    python: str
    settings: str
    env: dict[str, str] = field(default_factory=dict, hash=False)
    env_file: str = ""


@dataclass(frozen=True)
class Written:
    """What a file makes of an environment variable."""

    value: str  # '' if it is computed
    has_last_word: bool  # it is assigned, whatever it was before; else only if there was none


@dataclass(frozen=True)
class Said:
    """One line of the inspector's."""

    asked: Address | None = None  # the database that it asks next
    error: str = ""
    traceback: list[str] = field(default_factory=list)
    found: Any = None


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


def settings_of_manage(path: Path) -> str:
    """'' if it computes them."""
    names = dict.fromkeys(each.value for each in written_in(path, SETTINGS) if each.value)
    if len(names) > 1:
        raise UsageError(f"{path} names {' and '.join(names)}; name the settings to be measured: --settings {next(iter(names))}")
    return "".join(names)


def first_written(path: Path, variable: str) -> str:
    return next((each.value for each in written_in(path, variable) if each.value), "")


def written_in(path: Path, variable: str) -> Iterator[Written]:
    """What manage.py or wsgi.py does with this variable."""
    tree = parse(path)
    for node in ast.walk(tree):
        match node:
            case ast.Call(args=[ast.Constant(name), value]) if name == variable:
                yield Written(literal(value), has_last_word=False)
            case ast.Assign(targets=[ast.Subscript(slice=ast.Constant(name))], value=value) if name == variable:
                if variable not in ast.unparse(value):  # it is not left as it is
                    yield Written(literal(value), has_last_word=node in tree.body)


def parse(path: Path) -> ast.Module:
    try:
        return ast.parse(read_text(path))
    except (ValueError, SyntaxError):
        return ast.Module([], [])


def read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def literal(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def folders_added_by(manage: Path) -> Iterator[str]:
    """Those below it that manage.py puts on sys.path, so far as it writes out their names: relative, for each checkout has its own."""
    for node in ast.walk(parse(manage)):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Attribute(value=ast.Name("sys"), attr="path"), attr="append" | "insert"), args=[*_, added]
            ):
                names = [each for each in ast.walk(added) if isinstance(each, ast.expr) and literal(each)]
                path = "/".join(literal(each).strip("/") for each in sorted(names, key=lambda each: (each.lineno, each.col_offset)))
                if path and (manage.parent / path).is_dir():
                    yield path


def check_applications(project: Project, facts: Facts) -> None:
    """What wsgi.py assigns is what servers use: they would ask another database than the one we look at."""
    for file in filter(None, (facts.wsgi_file, facts.asgi_file)):
        for each in written_in(Path(file), SETTINGS):
            if each.has_last_word and each.value not in ("", project.settings):
                raise UsageError(
                    f"{file} makes {SETTINGS} {each.value}, so servers would not use {project.settings}: "
                    f"name the settings that it names: --settings {each.value}"
                )


def explain_reading(project: Project, facts: Facts) -> Iterator[str]:
    """What was read beside the settings, and what reads further options."""
    if project.env_file:
        yield from explain_env_file(Path(project.env_file), project.env)
    for name in (CONFIGURATION, "PYTHONPATH"):
        if name in project.env:
            yield f"{name} is {project.env[name]}"
    for file in filter(None, (facts.wsgi_file, facts.asgi_file)):
        if any(each.has_last_word and not each.value for each in written_in(Path(file), SETTINGS)):
            yield f"{file} computes {SETTINGS}: under servers it may be another than {project.settings}, with another database"
    yield from explain_gunicorn_file(project.folder / "gunicorn.conf.py")


def explain_gunicorn_file(path: Path) -> Iterator[str]:
    if path.is_file():
        said = [name for name in CHANGES_A_ROW if name in names_set_in(path)]
        which = f", which sets {join_words(said)}" if said else ""
        yield f"gunicorn also reads the project's gunicorn.conf.py{which}; what the launch line says wins"


def names_set_in(path: Path) -> set[str]:
    return {node.id for node in ast.walk(parse(path)) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def explain_env_file(path: Path, env: dict[str, str]) -> Iterator[str]:
    values = {name: value for name, value in variables_in(path) if name not in os.environ and name not in env}
    if used := [name for name, value in values.items() if value is not None]:
        yield f"variables from {path}: {', '.join(used)} (--env-file '' reads none)"
    if unread := [name for name, value in values.items() if value is None]:
        yield f"{path} writes {', '.join(unread)} with what would have to be expanded; if you need it: --env {unread[0]}=VALUE"


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


def find_env_file(folder: Path, named: str | None) -> Path | None:
    """None if there is none, or if none is wanted: ''."""
    if named == "":
        return None
    path = typed_path(named).resolve() if named else folder / ".env"
    if named and not path.is_file():
        raise UsageError(f"--env-file {named}: there is no such file")
    return path if path.is_file() else None


def read_env_file(path: Path) -> dict[str, str]:
    """Without what we cannot read rightly: the project may read it itself."""
    return {name: value for name, value in variables_in(path) if value is not None}


def variables_in(path: Path) -> Iterator[tuple[str, str | None]]:
    """NAME=VALUE a line, with or without quotes and `export`; None for what would have to be expanded."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    for name, single, double, plain in (match.groups() for match in VARIABLE.finditer(text)):
        value = double if double is not None else plain
        yield name, single if single is not None else None if value is None or "${" in value else value


def ask_settings(project: Project, host: str) -> Facts:
    """Import them as its servers will, in a process of its own."""
    return ask(project, Facts, what="settings", host=host)


def ask_for_pages(project: Project, host: str, loads: Sequence[Load], asked: Sequence[Load]) -> Pages:
    """How each view is written, and what those that are asked answer to one GET."""
    headers = loads[0].headers if loads else ()
    paths = [load.target for load in loads]
    return ask(project, Pages, what="pages", host=host, headers=headers, paths=paths, asked=[load.target for load in asked])


def ask_modules(project: Project, app: str) -> list[tuple[str, str]]:
    """The modules that its settings, its URLs and its application import, each with its file, but for those of the environment."""
    return ask(project, list[tuple[str, str]], what="modules", app=app)


def ask(project: Project, kind: type[Answer], **request: Any) -> Answer:
    mark = secrets.token_hex(8)  # of the inspector's own lines, whatever else the project prints
    try:
        done = subprocess.run(
            [project.python, str(INSPECTOR), project.settings],
            cwd=project.folder,
            env={**surroundings(root=project.folder), **environment(project)},
            input=json.dumps({**request, "mark": mark}),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=INSPECTOR_SECONDS,
        )
    except subprocess.TimeoutExpired as late:
        raise Failed(explain_silence(project, said_in((late.stdout or b"").decode(errors="replace"), mark))) from None
    except OSError as error:
        raise UsageError(f"--python {project.python}: it does not run: {error.strerror}") from None
    said = said_in(done.stdout, mark)
    if done.returncode or not said or said[-1].asked:
        raise Failed(explain_fault(project, said, done.stderr))
    try:
        return msgspec.convert(said[-1].found, type=kind)
    except msgspec.MsgspecError as error:
        raise Failed(f"--project {project.folder}: what {project.settings} says cannot be read: {error}") from None


def said_in(output: str, mark: str) -> list[Said]:
    return [msgspec.json.decode(line.removeprefix(mark), type=Said) for line in output.splitlines() if line.startswith(mark)]


def explain_silence(project: Project, said: Sequence[Said]) -> str:
    asked = said[-1].asked if said else None
    if asked is not None:
        return (
            f"the project's database {asked.alias} does not answer: {name_of(asked)}: nothing came from it within {INSPECTOR_SECONDS:g} s"
        )
    return f"--project {project.folder}: {project.settings} did not answer within {INSPECTOR_SECONDS:g} s"


def explain_fault(project: Project, said: Sequence[Said], stderr: str) -> str:
    """The last lines of the project's own traceback, behind what to do."""
    error, lines = (said[-1].error, said[-1].traceback) if said and said[-1].error else ("", stderr.strip().splitlines())
    error = error or (lines[-1] if lines else "it says nothing")
    if error == "ModuleNotFoundError: No module named 'django'":
        return f"{project.python} has no Django: name the project's own environment with --python"
    tail = "\n".join(f"    {line}" for line in lines[-LOG_LINES:])
    return f"{project.settings} cannot be used by {project.python}: {error}{hint_at(project, error, lines)}\n{tail}"


def hint_at(project: Project, error: str, lines: Sequence[str]) -> str:
    if LACKS_VARIABLE.search(error) or (error.startswith("KeyError: ") and any("os.environ" in line for line in lines)):
        return "; give it the variable: --env NAME=VALUE, or --env-file FILE"
    if error.startswith("ModuleNotFoundError: ") and "sys.path" in read_text(project.folder / "manage.py"):
        return "; if it is in a folder that manage.py adds: --env PYTHONPATH=FOLDER"
    return ""


def environment(project: Project) -> dict[str, str]:
    """What is given by name wins over the reader's shell, and that over the file; nothing is written into the project's folders."""
    of_file = read_env_file(Path(project.env_file)) if project.env_file else {}
    given = {**{name: value for name, value in of_file.items() if name not in os.environ}, **project.env}
    path = [str(project.folder), given.get("PYTHONPATH"), os.environ.get("PYTHONPATH")]
    own = {SETTINGS: project.settings, "PYTHONPATH": os.pathsep.join(filter(None, path)), "PYTHONDONTWRITEBYTECODE": "1"}
    return {**given, **own}


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
