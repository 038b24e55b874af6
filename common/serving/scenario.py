"""Reads what a scenario declares, without importing it."""

import ast
import re
import shlex
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from common.cli import UsageError
from common.client.load import Load
from common.client.options import parse_line
from common.serving.places import ROOT, short_path

FOLDER = ROOT / "scenarios"
MANY = 1000  # processes: more than there are cores


class ScenarioError(UsageError):
    """A scenario file that cannot be run, with its name and the line or constant at fault."""


@dataclass(frozen=True)
class Scenario:
    """The constants of a scenario file, in lower case; those with a default may be left out."""

    path: Path
    question: str
    study: str
    server: str
    ports: dict[str, int]
    load: list[str]
    load_full: list[str] = field(default_factory=list)
    differs_from: dict[str, str] = field(default_factory=dict)
    needs: list[str] = field(default_factory=list)
    least_seconds: float | dict[str, float] | None = None  # of all, or by path
    latencies_ms: list[int] = field(default_factory=lambda: [0])
    warm_up: int = 10
    tables: str | None = None
    max_connections: int = 100
    nginx: str | None = None
    count_in_log: dict[str, str] = field(default_factory=dict)
    published: list[dict[str, Any]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return scenario_name(self.path)

    @cached_property
    def loads(self) -> list[Load]:
        return [self._parse(line) for line in self.load]

    @cached_property
    def loads_full(self) -> list[Load]:
        return [self._parse(line) for line in self.load_full]

    def _parse(self, line: str) -> Load:
        try:
            return parse_line(line)
        except UsageError as error:
            raise ScenarioError(f"{short_path(self.path)}: load {line!r}: {error}") from None

    def least_seconds_of(self, load: Load) -> float | None:
        return self.least_seconds.get(urlsplit(load.target).path) if isinstance(self.least_seconds, dict) else self.least_seconds

    @property
    def workers(self) -> int:
        """The processes that do the work, by the launch line."""
        return workers_of(self.server)

    @property
    def module(self) -> str:
        return ".".join(self.path.relative_to(ROOT).with_suffix("").parts)

    def command(self, values: dict[str, object]) -> list[str]:
        """The launch line with its placeholders filled in: split first, so no value is split."""
        try:
            words = shlex.split(self.server)
        except ValueError as error:
            raise ScenarioError(f"{short_path(self.path)}: SERVER: {error}") from None
        if not words:
            raise ScenarioError(f"{short_path(self.path)}: SERVER is empty")
        return [self.fill("SERVER", word, values) for word in words]

    def fill(self, constant: str, text: str, values: dict[str, object]) -> str:
        values = {"app": f"{self.module}:application", "module": self.module, **values}
        try:
            return text.format_map(values)
        except (KeyError, IndexError, ValueError, AttributeError, TypeError) as error:
            known = " ".join(f"{{{name}}}" for name in values)
            raise ScenarioError(f"{short_path(self.path)}: {constant} has an unknown placeholder {error}; it may use {known}") from None


def is_list_of(kind: type) -> Callable[[object], bool]:
    return lambda value: isinstance(value, list) and bool(value) and all(type(item) is kind for item in value)


def is_dict_to(kind: type) -> Callable[[object], bool]:
    return lambda value: isinstance(value, dict) and all(type(item) is kind for item in value.values())


def is_positive(value: object) -> bool:
    return type(value) in (int, float) and value > 0  # type: ignore[operator]


def is_by_path(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(path, str) and is_positive(seconds) for path, seconds in value.items())


def is_dict_of_patterns(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    try:
        return all(re.compile(pattern) for pattern in value.values())
    except (re.error, TypeError):
        return False


REQUIRED = ("STUDY", "SERVER", "PORTS", "LOAD")
TEXT: tuple[str, Callable[[object], bool]] = "a string", lambda value: isinstance(value, str)
WHOLE: tuple[str, Callable[[object], bool]] = "a whole number of 1 or more", lambda value: type(value) is int and value > 0
KINDS: dict[str, tuple[str, Callable[[object], bool]]] = {
    "STUDY": TEXT,
    "SERVER": TEXT,
    "PORTS": ("a dict that maps names to port numbers", is_dict_to(int)),
    "LOAD": ("a list of strings, not empty", is_list_of(str)),
    "LOAD_FULL": ("a list of strings, not empty", is_list_of(str)),
    "DIFFERS_FROM": ("a dict that maps names of scenarios to what differs", is_dict_to(str)),
    "NEEDS": ("a list of strings, not empty", is_list_of(str)),
    "LEAST_SECONDS": ("a number above 0, or a dict that maps paths to such numbers", lambda value: is_positive(value) or is_by_path(value)),
    "LATENCIES_MS": ("a list of whole numbers, not empty", is_list_of(int)),
    "WARM_UP": WHOLE,
    "TABLES": TEXT,
    "MAX_CONNECTIONS": WHOLE,
    "NGINX": TEXT,
    "COUNT_IN_LOG": ("a dict that maps names to patterns", is_dict_of_patterns),
    "PUBLISHED": ("a list of dicts, not empty", is_list_of(dict)),
}


def read(path: Path) -> Scenario:
    path = path.resolve()
    if not path.is_relative_to(ROOT):
        raise ScenarioError(f"{path} is outside {ROOT}: copy scenarios to {FOLDER}, where the server can import them")
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except SyntaxError as error:
        raise ScenarioError(f"{short_path(path)}:{error.lineno}: {error.msg}") from None
    except (OSError, ValueError) as error:
        raise ScenarioError(f"{short_path(path)}: cannot be read: {error}") from None
    question = (ast.get_docstring(tree) or "").partition("\n")[0]
    scenario = Scenario(path, question, **{name.lower(): value for name, value in constants(path, tree).items()})
    _ = scenario.loads, scenario.loads_full  # a line at fault is named now
    return scenario


def constants(path: Path, tree: ast.Module) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for node in tree.body:
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name) or node.targets[0].id not in KINDS:
            continue
        name = node.targets[0].id
        kind, fits = KINDS[name]
        try:
            values[name] = ast.literal_eval(node.value)
        except (ValueError, TypeError):
            raise ScenarioError(f"{short_path(path)}:{node.lineno}: {name} must be written out, not computed") from None
        if not fits(values[name]):
            raise ScenarioError(f"{short_path(path)}:{node.lineno}: {name} must be {kind}")
        if name == "PUBLISHED":
            lists = [value for row in values[name] for value in row.values() if isinstance(value, list)]
            latencies = len(values.get("LATENCIES_MS", [0]))
            if any(len(figures) != latencies for figures in lists):
                raise ScenarioError(
                    f"{short_path(path)}:{node.lineno}: PUBLISHED must have {latencies} figures in each list: one for each of LATENCIES_MS"
                )
    missing = [name for name in REQUIRED if name not in values]
    if missing:
        raise ScenarioError(f"{short_path(path)}: has no {missing[0]}; every scenario declares {', '.join(REQUIRED)}")
    if "port" not in values["PORTS"]:
        raise ScenarioError(f"{short_path(path)}: PORTS has no 'port', the one that the server listens on")
    return values


def workers_of(launch: str) -> int:
    """As gunicorn, uvicorn, uWSGI and their like are told; without a word of it, one. A number that cannot be read is many."""
    short = "-p" if any(Path(word).name == "uwsgi" for word in launch.split()) else "-w"  # they mean other things to the other
    found = re.findall(rf"(?:^|\s)(?:(?:--workers|--processes)[=\s]+|{short}[=\s]*|WEB_CONCURRENCY=)(\S+)", launch)
    return max((int(word) if word.isdigit() else MANY for word in found), default=1)


@cache
def workers_in(study: str, least: int) -> int:
    """The most that a scenario of the study has: all its rows run on the same cores."""
    found = [least]
    for path in files():
        with suppress(ScenarioError):  # whoever asks for that one is told
            scenario = read(path)
            found += [scenario.workers] if scenario.study == study else []
    return max(found)


def scenario_name(path: Path) -> str:
    """Its path below scenarios/, so that copies in folders of their own stay apart."""
    return str(path.relative_to(FOLDER).with_suffix("")) if path.is_relative_to(FOLDER) else path.stem


def files() -> list[Path]:
    return sorted(path for path in FOLDER.rglob("*.py") if path.name != "__init__.py")
