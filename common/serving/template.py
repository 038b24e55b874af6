"""Writes a user's own scenario from another one, with nothing in it that is true of the other alone."""

import ast
import keyword
import re
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from common.cli import UsageError
from common.client.options import parse_line
from common.serving.places import short_path
from common.serving.scenario import FOLDER, Scenario, ScenarioError, assignments, parse, read, read_source, study_file

OF_A_STUDY = ("LOAD_FULL", "LEAST_SECONDS")  # dropped with --expect: within a study, scenarios keep the same loads
EXPECT = re.compile(r"""--expect[= ]('[^']*'|\\?"[^"\\]*\\?"|[^\s'"\\]+) """)
ABOUT_LOAD = "# any 2xx answer counts as correct until a line has --expect 'words of the page'\n"

Edits = dict[tuple[int, int], str]  # lines of the source, from and up to, and their replacement


def write_new(name: str, like: Scenario) -> Scenario:
    path = check_name(name)
    study = name if study_file(like.study).is_file() else like.study  # within a user's own study, scenarios are compared
    if study == name and study_file(study).is_file():
        raise UsageError(f"--new {name}: {short_path(study_file(study))} belongs to a different study; choose a different name")
    source = make_source(path.stem, study, like)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(source)
    except FileExistsError:
        raise UsageError(f"--new {name}: {short_path(path)} already exists; choose a different name, or remove it") from None
    except OSError as error:
        raise UsageError(f"--new {name}: cannot write {short_path(path)}: {error.strerror}") from None
    return read(path)


def check_name(name: str) -> Path:
    parts = name.split("/")
    for part in parts:
        if not part.isidentifier() or keyword.iskeyword(part) or part.startswith("__"):
            raise UsageError(f"--new {name}: {part!r} cannot name a Python module; use letters, digits and _")
        if find_spec(part) is not None:
            raise UsageError(f"--new {name}: Python already has a module {part!r}, which this file would hide; choose a different name")
    return FOLDER.joinpath(*parts).with_suffix(".py")


def make_source(name: str, study: str, like: Scenario) -> str:
    """The other's source, letter for letter except for the edits."""
    tree, lines = parse(like.path), read_source(like.path).splitlines(keepends=True)
    declared = assignments(tree)
    edits: Edits = {lines_of(tree.body[0]): docstring(name, like)} if like.question else {(0, 0): docstring(name, like)}
    dropped = ["DIFFERS_FROM", *(["PORTS"] if set(like.ports) == {"port"} else [])]  # SERVER uses the names of any others
    if study != like.study:
        first, end = lines_of(declared["LOAD"])
        edits[first, end] = ABOUT_LOAD + without_expect("".join(lines[first:end]), like)
        edits[lines_of(declared["STUDY"])] = f'STUDY = "{study}"\n'
        dropped += OF_A_STUDY
    edits |= {with_comments(lines_of(declared[constant]), lines): "" for constant in dropped if constant in declared}
    for (first, end), text in sorted(edits.items(), reverse=True):
        lines[first:end] = [text]
    return "".join(lines)


def docstring(name: str, like: Scenario) -> str:
    return f'"""How fast is {name}?\n\nMade from {like.name}: replace its view with yours, and put your own question here.\n"""\n'


def lines_of(node: ast.stmt) -> tuple[int, int]:
    return node.lineno - 1, node.end_lineno or node.lineno


def with_comments(span: tuple[int, int], lines: list[str]) -> tuple[int, int]:
    """Include the comments right above, which are about it."""
    first, end = span
    while first and lines[first - 1].startswith("#"):
        first -= 1
    return first, end


def without_expect(source: str, like: Scenario) -> str:
    """The constant, letter for letter except for its --expect words."""
    cut = EXPECT.sub("", source)
    try:
        loads = [parse_line(line) for line in ast.literal_eval(cut.partition("=")[2].strip())]
    except (ValueError, SyntaxError):
        loads = []
    if loads != [replace(load, expect=None) for load in like.loads]:
        raise ScenarioError(f"{short_path(like.path)}: LOAD: write each --expect before the path, its text in one pair of quotes")
    return cut
