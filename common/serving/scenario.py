"""Reads what a scenario declares, without importing it."""

import ast
import re
import shlex
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from common.cli import UsageError, is_plain
from common.client.load import Load
from common.client.options import parse_line
from common.serving.places import ROOT, short_path
from common.serving.shape import shape_of

FOLDER, STUDIES = ROOT / "scenarios", ROOT / "studies"
DEFAULT_PORTS = {"port": 8000}
MOST = 1e15  # for any number: what is computed from it stays finite


class ScenarioError(UsageError):
    """A scenario file that cannot be run, with its name and the line or constant at fault."""


@dataclass(frozen=True)
class Scenario:
    """The constants of a scenario file, in lower case; those with a default may be left out."""

    path: Path
    question: str
    study: str
    server: str
    load: list[str]
    differs_from: dict[str, str] = field(default_factory=dict)
    needs: list[str] = field(default_factory=list)
    ports: dict[str, int] = field(default_factory=lambda: dict(DEFAULT_PORTS))
    load_full: list[str] = field(default_factory=list)
    login: str | None = None
    login_path: str = "/accounts/login/"
    csrf: str | None = None
    least_seconds: float | dict[str, float] | None = None  # for all paths, or by path
    nginx: str | None = None
    max_connections: int = 100
    tables: str | None = None
    latencies_ms: list[int] = field(default_factory=lambda: [0])
    latencies_ms_full: list[int] = field(default_factory=list)  # if there are more with --full
    warm_up: int = 10
    count_in_log: dict[str, str] = field(default_factory=dict)
    project: str = ""  # the folder of a Django project that is served in place of this file
    python: str = ""  # the project's interpreter
    settings: str = ""  # its settings module
    app: str = ""  # what the server is to serve, as module:name; '': this file's application
    env: dict[str, str] = field(default_factory=dict)  # environment variables that the project needs
    env_file: str = ""  # a file of more of them, which may be secret
    source: str = ""  # the file, as it was when it was read
    published: list[dict[str, Any]] = field(default_factory=list)  # by its study, read from studies/
    root: Path = ROOT  # of its checkout
    label: str = ""  # what sets it apart from the same file in another checkout or environment
    interpreter: str = ""  # of the environment that its server runs in; '': ours

    @property
    def name(self) -> str:
        return f"{self.label}{scenario_name(self.path)}"

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

    @property
    def published_latencies_ms(self) -> list[int]:
        return self.latencies_ms_full or self.latencies_ms

    def least_seconds_of(self, load: Load) -> float | None:
        return self.least_seconds.get(urlsplit(load.target).path) if isinstance(self.least_seconds, dict) else self.least_seconds

    @property
    def workers(self) -> int:
        """The number of worker processes, by the launch line."""
        return shape_of(self.server).processes

    @property
    def folder(self) -> Path:
        """Where its server runs, and imports from first."""
        return Path(self.project) if self.project else self.root

    @property
    def module(self) -> str:
        return ".".join(self.path.relative_to(self.root).with_suffix("").parts)

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
        values = {"app": self.app or f"{self.module}:application", "module": self.module, **values}
        try:
            return text.format_map(values)
        except (KeyError, IndexError, ValueError, AttributeError, TypeError) as error:
            known = " ".join(f"{{{name}}}" for name in values)
            raise ScenarioError(f"{short_path(self.path)}: {constant} has an unknown placeholder {error}; it may use {known}") from None


Fits = Callable[[object], bool]


def is_text(value: object) -> bool:
    """Text that a command line and a record can hold."""
    return isinstance(value, str) and "\0" not in value and not any("\ud800" <= mark <= "\udfff" for mark in value)


def is_line(value: object) -> bool:
    """What a terminal shows as it is."""
    return is_text(value) and is_plain(str(value))


def is_lines(value: object) -> bool:
    return is_line(re.sub("[\t\r\n]", " ", value) if isinstance(value, str) else value)


def is_study(value: object) -> bool:
    """It names a file too."""
    return is_text(value) and 0 < len(str(value).strip()) <= LONGEST_NAME and str(value).isprintable()


def is_whole(least: int, most: int) -> Fits:
    return lambda value: type(value) is int and least <= value <= most


def is_number(value: object) -> bool:
    return type(value) in (int, float) and -MOST <= value <= MOST  # type: ignore[operator]


def is_positive(value: object) -> bool:
    return is_number(value) and value > 0  # type: ignore[operator]


def is_pattern(value: object) -> bool:
    try:
        return is_text(value) and bool(re.compile(str(value)))
    except (re.error, OverflowError, RecursionError):
        return False


def is_list_of(fits: Fits) -> Fits:
    return lambda value: isinstance(value, list) and bool(value) and all(map(fits, value))


def is_dict_to(fits: Fits) -> Fits:
    return lambda value: isinstance(value, dict) and all(is_line(name) and fits(item) for name, item in value.items())


def is_variables(value: object) -> bool:
    return is_dict_to(is_text)(value) and all("=" not in name and name for name in value)  # type: ignore[attr-defined]


def is_published(value: object) -> bool:
    """A metric, or one for each latency."""
    return value is None or is_number(value) or is_list_of(lambda one: one is None or is_number(one))(value)


def is_row(value: object) -> bool:
    return isinstance(value, dict) and is_text(value.get("path", "/")) and is_dict_to(is_published)({**value, "path": None})


def is_login(value: object) -> bool:
    return is_text(value) and (":" in str(value).strip(":") or str(value).startswith("$"))


def is_path(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch("/[!-~]*", value) is not None


LONGEST_NAME = 100
REQUIRED = ("STUDY", "SERVER", "LOAD")
OF_A_PROJECT = ("PYTHON", "SETTINGS", "APP")  # required with PROJECT
TEXT: tuple[str, Fits] = "a string", is_text
PATH: tuple[str, Fits] = "a path that begins with '/'", is_path
LINE: tuple[str, Fits] = "a string in one line", is_line
TEXTS: tuple[str, Fits] = "a list of strings, not empty", is_list_of(is_text)
LINES: tuple[str, Fits] = "a list of strings in one line, not empty", is_list_of(is_line)
LATENCIES: tuple[str, Fits] = "a list of whole numbers from 0 to 3600000, not empty", is_list_of(is_whole(0, 3_600_000))
KINDS: dict[str, tuple[str, Fits]] = {  # in the order in which a file declares them
    "STUDY": (f"a name of 1 to {LONGEST_NAME} characters", is_study),
    "DIFFERS_FROM": ("a dict that maps names of scenarios to what differs", is_dict_to(is_line)),
    "PROJECT": LINE,
    "PYTHON": LINE,
    "SETTINGS": LINE,
    "APP": LINE,
    "ENV": ("a dict that maps names, without '=', to strings", is_variables),
    "ENV_FILE": LINE,
    "NEEDS": LINES,
    "PORTS": ("a dict that maps names to port numbers from 1 to 65535", is_dict_to(is_whole(1, 65_535))),
    "SERVER": ("a string without control characters", is_lines),
    "LOAD": TEXTS,
    "LOAD_FULL": TEXTS,
    "LOGIN": ("'NAME:PASSWORD', or '$VARIABLE' that holds it", is_login),
    "LOGIN_PATH": PATH,
    "CSRF": PATH,
    "LEAST_SECONDS": (
        "a number above 0, or a dict that maps paths to such numbers",
        lambda value: is_positive(value) or is_dict_to(is_positive)(value),
    ),
    "NGINX": TEXT,
    "MAX_CONNECTIONS": ("a whole number from 1 to 262143", is_whole(1, 262_143)),
    "TABLES": TEXT,
    "LATENCIES_MS": LATENCIES,
    "LATENCIES_MS_FULL": LATENCIES,
    "WARM_UP": ("a whole number from 1 to 1000000", is_whole(1, 1_000_000)),
    "COUNT_IN_LOG": ("a dict that maps names to patterns", is_dict_to(is_pattern)),
}
PUBLISHED: tuple[str, Fits] = (
    "a dict that maps names of scenarios to lists of dicts of numbers",
    is_dict_to(is_list_of(is_row)),
)  # of a study


def read(path: Path, root: Path | None = None) -> Scenario:
    """Read a scenario of this checkout, or of another one."""
    root = root or ROOT
    path = path.parent.resolve() / path.name  # a link is a scenario of its own
    if not path.is_relative_to(root):
        raise ScenarioError(f"{path} is outside {ROOT}: copy scenarios to {FOLDER}, where the server can import them")
    if not is_line(scenario_name(path)):
        raise ScenarioError(f"{path}: rename it: a name may hold no control characters, and must be UTF-8")
    return from_source(path, read_source(path), root)


def from_source(path: Path, source: str, root: Path = ROOT) -> Scenario:
    """What a file of this content declares, whether it is written already or not."""
    tree = parse_source(path, source)
    question = (ast.get_docstring(tree) or "").partition("\n")[0]
    if not is_line(question):
        raise ScenarioError(f"{short_path(path)}: its question must be text")
    values = {name.lower(): value for name, value in constants(path, tree).items()}
    scenario = Scenario(path, question, **values, source=source, root=root)
    _ = scenario.loads, scenario.loads_full  # report a faulty line now
    return replace(scenario, published=published_of(scenario))


def read_source(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ScenarioError(f"{short_path(path)}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ScenarioError(f"{short_path(path)}: cannot be read: {error}") from None


def parse(path: Path) -> ast.Module:
    return parse_source(path, read_source(path))


def parse_source(path: Path, source: str) -> ast.Module:
    try:
        return ast.parse(source, filename=str(path))
    except SyntaxError as error:
        raise ScenarioError(f"{short_path(path)}:{error.lineno or 1}: {error.msg}") from None
    except (ValueError, MemoryError, RecursionError) as error:
        raise ScenarioError(f"{short_path(path)}: cannot be read: {error}") from None


def constants(path: Path, tree: ast.Module) -> dict[str, Any]:
    values = {name: value_of(path, node, *KINDS[name]) for name, node in assignments(tree).items() if name in KINDS}
    missing = [name for name in REQUIRED if name not in values]
    if missing:
        raise ScenarioError(f"{short_path(path)}: has no {missing[0]}; every scenario declares {', '.join(REQUIRED)}")
    left_out = [name for name in OF_A_PROJECT if "PROJECT" in values and name not in values]
    if left_out:
        raise ScenarioError(f"{short_path(path)}: has no {left_out[0]}; a scenario with PROJECT declares {', '.join(OF_A_PROJECT)} too")
    if "port" not in values.get("PORTS", DEFAULT_PORTS):
        raise ScenarioError(f"{short_path(path)}: PORTS has no 'port', the port that the server listens on")
    return values


def assignments(tree: ast.Module) -> dict[str, ast.Assign]:
    """The names that a file assigns, each with its statement."""
    return {node.targets[0].id: node for node in tree.body if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)}


def value_of(path: Path, node: ast.Assign, kind: str, fits: Fits) -> Any:
    where = f"{short_path(path)}:{node.lineno}: {ast.unparse(node.targets[0])}"
    try:
        value = ast.literal_eval(node.value)
    except (ValueError, TypeError, MemoryError, RecursionError):
        raise ScenarioError(f"{where} must be written out, not computed") from None
    if not fits(value):
        raise ScenarioError(f"{where} must be {kind}")
    return value


def study_file(study: str) -> Path:
    """The file of a study's claims and published figures; a user's own study needs none."""
    return STUDIES / f"{study.replace('-', '_')}.py"


def published_of(scenario: Scenario) -> list[dict[str, Any]]:
    """What its study published about it, read without importing it, as scenarios are."""
    path = study_file(scenario.study)
    node = assignments(parse(path)).get("PUBLISHED") if path.is_file() else None
    if node is None:
        return []
    published = value_of(path, node, *PUBLISHED)
    rows: list[dict[str, Any]] = published.get(scenario.name, [])
    lists = [figures for row in rows for figures in row.values() if isinstance(figures, list)]
    latencies = len(scenario.published_latencies_ms)
    if any(len(figures) != latencies for figures in lists):
        wanted = f"{latencies} figures in each list of {scenario.name}: one for each of its published latencies"
        raise ScenarioError(f"{short_path(path)}:{node.lineno}: PUBLISHED must have {wanted}")
    return rows


@cache
def workers_in(study: str, least: int) -> int:
    """The most that any scenario of the study has, because all its rows run on the same cores."""
    found = [least]
    for path in files():
        with suppress(ScenarioError):  # running that one reports it
            scenario = read(path)
            found += [scenario.workers] if scenario.study == study else []
    return max(found)


def scenario_name(path: Path) -> str:
    """Its path below scenarios/, so that copies in different folders stay apart."""
    return str(path.relative_to(FOLDER).with_suffix("")) if path.is_relative_to(FOLDER) else path.stem


def files() -> list[Path]:
    return sorted(path for path in FOLDER.rglob("*.py") if path.name != "__init__.py")
