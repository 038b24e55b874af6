"""What a project's own files say beside its settings: manage.py, wsgi.py, asgi.py and gunicorn.conf.py, read without running them."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from common.cli import UsageError
from common.results.words import join_words

SETTINGS, CONFIGURATION = "DJANGO_SETTINGS_MODULE", "DJANGO_CONFIGURATION"  # variables of Django, and of django-configurations
CHANGES_A_ROW = ("daemon", "max_requests", "preload_app")  # of gunicorn's settings, those that no launch line of ours gives


@dataclass(frozen=True)
class Written:
    """What a file makes of an environment variable."""

    value: str  # '' if it is computed
    has_last_word: bool  # it is assigned, whatever it was before; else only if there was none


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


def check_applications(settings: str, files: Iterable[str]) -> None:
    """What wsgi.py assigns is what servers use: they would ask another database than the one we look at."""
    for file in files:
        for each in written_in(Path(file), SETTINGS):
            if each.has_last_word and each.value not in ("", settings):
                raise UsageError(
                    f"{file} makes {SETTINGS} {each.value}, so servers would not use {settings}: "
                    f"name the settings that it names: --settings {each.value}"
                )


def explain_gunicorn_file(path: Path) -> Iterator[str]:
    if path.is_file():
        said = [name for name in CHANGES_A_ROW if name in names_set_in(path)]
        which = f", which sets {join_words(said)}" if said else ""
        yield f"gunicorn also reads the project's gunicorn.conf.py{which}; what the launch line says wins"


def names_set_in(path: Path) -> set[str]:
    return {node.id for node in ast.walk(parse(path)) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


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
