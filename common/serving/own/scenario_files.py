"""Writes the scenarios that serve a reader's own project: one for each server and shape, made from those of a study."""

import ast
import fnmatch
import hashlib
import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.cli import UsageError
from common.serving.own.project import Project
from common.serving.own.settings import Facts
from common.serving.places import short_path
from common.serving.scenario import FOLDER, Scenario, ScenarioError, files, parse, read, study_file
from common.serving.shape import GREENLETS, ShapeError, shape_of, with_shape

WIDTH = 140
WSGI, ASGI = "wsgi", "asgi"
WRITTEN = ".written.json"
NUMBERED = re.compile(r"_\d+_(threads|greenlets|workers)\b")
OF_PARTS = ("app", "backend", "code", "django", "project", "server", "site", "src", "web")  # many projects lie in a folder of such a name


@dataclass(frozen=True)
class Row:
    """A server in one shape."""

    name: str  # of its file
    server: str  # its launch line
    kind: str  # which application it serves
    words: str  # its shape
    differs_from: dict[str, str]  # the row that differs in one number only, by name


def servers_of(study: str, wanted: Sequence[str]) -> dict[str, Scenario]:
    """The study's scenarios that these names or globs choose, by what is left of their names without the study and its numbers."""
    of_it = {scenario.name: scenario for scenario in readable(files()) if scenario.study == study and not scenario.project}
    kept = [scenario for scenario in of_it.values() if "{app}" in scenario.server and not is_variant(scenario, of_it)]
    found = {NUMBERED.sub("", scenario.name.removesuffix(f"_{study}")): scenario for scenario in kept}
    for name in wanted:
        if not fnmatch.filter(found, name):
            raise UsageError(f"--servers {name}: there is none of that name; there are {', '.join(found)}")
    return {name: scenario for name, scenario in found.items() if any(fnmatch.fnmatchcase(name, glob) for glob in wanted or ["*"])}


def readable(paths: Iterable[Path]) -> Iterator[Scenario]:
    for path in paths:
        with suppress(ScenarioError):  # running that one reports it
            yield read(path)


def is_variant(scenario: Scenario, others: Mapping[str, Scenario]) -> bool:
    """It differs from another in numbers that we set, or in defaults: the server and its kind are the same."""
    shapes = [shape_of(others[name].server) for name in scenario.differs_from if name in others]
    mine = shape_of(scenario.server)
    return any((shape.program, shape.kind) == (mine.program, mine.kind) for shape in shapes)


def rows_of(name: str, model: Scenario, processes: Sequence[int], threads: Sequence[int]) -> list[Row]:
    """Every shape that this server can have; ShapeError if it has none. A sync worker and a loop have no number of threads."""
    rows: list[Row] = []
    kind = kind_of(model)
    shape = shape_of(model.server)
    numbers = threads if shape.threads is not None and shape.threads > 1 and kind == WSGI else [None]
    refused: ShapeError | None = None
    for workers in processes:
        for number in numbers:
            try:
                rows.append(make_row(name, model.server, kind, workers, number, rows))
            except ShapeError as one_process:
                refused = one_process
    if refused and not rows:
        raise refused
    return rows


def make_row(name: str, server: str, kind: str, workers: int, threads: int | None, earlier: Sequence[Row]) -> Row:
    line = with_shape(server, workers, threads)
    parts = [f"{threads} {'greenlets' if shape_of(line).kind == GREENLETS else 'threads'}"] if threads else []
    parts = [f"{workers} process{'es' * (workers > 1)}", *parts]
    shape = (f"_{workers}x" if workers > 1 else "_" if threads else "") + (str(threads) if threads else "")
    row = Row(f"{name}{shape}", line, kind, " of ".join(parts), {})
    row.differs_from.update(nearest(row, earlier))
    return row


def nearest(row: Row, earlier: Iterable[Row]) -> dict[str, str]:
    """The first row with which it has one of the two numbers in common."""
    for other in earlier:
        mine, theirs = row.words.split(" of "), other.words.split(" of ")
        changed = [(one, two.split()[0]) for one, two in zip(mine, theirs, strict=True) if one != two]
        if len(changed) == 1:
            return {other.name: f"{changed[0][0]}, not {changed[0][1]}"}
    return {}


def kind_of(model: Scenario) -> str:
    """By what the file's own application is made with."""
    names = {node.id for node in ast.walk(parse(model.path)) if isinstance(node, ast.Name)}
    return ASGI if "get_asgi_application" in names else WSGI


def folder_of(project: Project) -> Path:
    """scenarios/mysite for ~/code/mysite, scenarios/shop_backend for ~/code/shop/backend."""
    parts = project.folder.parts[-2:] if project.folder.name.lower() in OF_PARTS else [project.folder.name]
    name = re.sub(r"\W", "_", "_".join(parts)).strip("_").lower() or "project"
    if study_file(name).is_file():
        raise UsageError(f"--project {project.folder}: {short_path(study_file(name))} is a different study; rename the folder")
    folder = FOLDER / name
    others = {one.project for one in readable(folder.glob("*.py")) if one.project} - {str(project.folder)}
    if others:  # a table of two projects would compare the sites
        raise UsageError(f"--project {project.folder}: {short_path(folder)}/ serves {min(others)}; rename that folder, or remove it")
    return folder


def write(path: Path, source: str, renew: bool) -> bool:
    """False if the reader changed it, which is not lost; what nobody changed since we wrote it is written as it shall be now."""
    there = path.read_text(encoding="utf-8") if path.exists() else None
    if there == source:
        return True
    notes = path.with_name(WRITTEN)
    written = read_notes(notes)
    if there is not None and not renew and digest(there) != written.get(path.name):
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source, encoding="utf-8")
    notes.write_text(json.dumps({**written, path.name: digest(source)}, indent=1), encoding="utf-8")
    return True


def read_notes(path: Path) -> dict[str, str]:
    """What we wrote last: a digest of each file. Without it, every file counts as the reader's own."""
    try:
        notes = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return notes if isinstance(notes, dict) else {}


def digest(source: str) -> str:
    return hashlib.sha256(source.encode()).hexdigest()


def source_of(row: Row, study: str, project: Project, facts: Facts, loads: Sequence[str], model: Scenario, more: Mapping[str, Any]) -> str:
    """The whole file: constants, these too, then the model's own last lines."""
    app = (facts.wsgi if row.kind == WSGI else facts.asgi) or f"{row.kind}_by_default:application"
    differs = {f"{study}/{name}": what for name, what in row.differs_from.items()}
    constants: dict[str, Any] = {
        "STUDY": study,
        "DIFFERS_FROM": differs,
        "PROJECT": str(project.folder),
        "PYTHON": project.python,
        "SETTINGS": project.settings,
        "APP": app,
        "ENV": project.env,
        "ENV_FILE": project.env_file,
        "SERVER": row.server,
        "LOAD": list(loads),
        **more,
    }
    declared = "".join(declare(name, value) for name, value in constants.items() if value)
    return f"{docstring(row, study, model)}\nimport sys\nfrom pathlib import Path\n\n{declared}\n{tail_of(model)}"


def docstring(row: Row, study: str, model: Scenario) -> str:
    about = f"The project itself is served, with the launch line of {model.name}."
    return f'"""How fast is {study} under {row.name}: {row.words}?\n\n{about}\n"""\n'


def declare(name: str, value: Any) -> str:
    """As the formatter would have it."""
    line = f"{name} = {write_literal(value)}"
    if len(line) <= WIDTH:
        return f"{line}\n"
    match value:
        case str():
            opening, closing, end = "(", ")", ""
            items = [write_literal(part) for part in textwrap.wrap(value, WIDTH - 6, break_on_hyphens=False, drop_whitespace=False)]
        case list():
            opening, closing, end = "[", "]", ","
            items = [write_literal(item) for item in value]
        case _:
            opening, closing, end = "{", "}", ","
            items = [f"{write_literal(key)}: {write_literal(item)}" for key, item in value.items()]
    inner = "".join(f"    {item}{end}\n" for item in items)
    return f"{name} = {opening}\n{inner}{closing}\n"


def write_literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def tail_of(model: Scenario) -> str:
    source = model.path.read_text(encoding="utf-8")
    return source[source.index("if __name__ ==") :]
