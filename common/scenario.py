"""Reads what a scenario declares, without importing it."""

import ast
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.load import Load, LoadError, parse_line
from common.server import ROOT

FOLDER = ROOT / "scenarios"


class ScenarioError(Exception):
    """A scenario file that cannot be run, with its name and the line or constant at fault."""


# constant -> (type, may be left out)
CONSTANTS: dict[str, tuple[type | tuple[type, ...], bool]] = {
    "STUDY": (str, False),
    "SERVER": (str, False),
    "PORTS": (dict, False),
    "LOAD": (list, False),
    "LOAD_FULL": (list, True),
    "NEEDS": (list, True),
    "LEAST_SECONDS": ((int, float), True),
}


@dataclass(frozen=True)
class Scenario:
    path: Path
    question: str
    study: str
    server: str
    ports: dict[str, int]
    load: list[str]
    load_full: list[str] = field(default_factory=list)
    needs: list[str] = field(default_factory=list)
    least_seconds: float | None = None

    @property
    def name(self) -> str:
        return name_of(self.path)

    @property
    def module(self) -> str:
        return ".".join(self.path.relative_to(ROOT).with_suffix("").parts)

    def command(self, filled: dict[str, object]) -> list[str]:
        """The launch line with its placeholders filled in: split first, so no value is split."""
        values = {"app": f"{self.module}:application", "module": self.module, **filled}
        try:
            words = shlex.split(self.server)
        except ValueError as error:
            raise ScenarioError(f"{shown(self.path)}: SERVER: {error}") from None
        if not words:
            raise ScenarioError(f"{shown(self.path)}: SERVER is empty")
        try:
            return [word.format_map(values) for word in words]
        except (KeyError, IndexError, ValueError, AttributeError, TypeError) as error:
            known = " ".join(f"{{{name}}}" for name in values)
            raise ScenarioError(f"{shown(self.path)}: SERVER has an unknown placeholder {error}; it may use {known}") from None


def name_of(path: Path) -> str:
    """Its path below scenarios/, so that copies in folders of their own stay apart."""
    return str(path.relative_to(FOLDER).with_suffix("")) if path.is_relative_to(FOLDER) else path.stem


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def read(path: Path) -> Scenario:
    path = path.resolve()
    if not path.is_relative_to(ROOT):
        raise ScenarioError(f"{path} is outside {ROOT}: copy scenarios to {FOLDER}, where the server can import them")
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except SyntaxError as error:
        raise ScenarioError(f"{shown(path)}:{error.lineno}: {error.msg}") from None
    except (OSError, ValueError) as error:
        raise ScenarioError(f"{shown(path)}: cannot be read: {error}") from None
    values = constants(path, tree)
    try:
        for line in values["LOAD"] + values.get("LOAD_FULL", []):
            parse_line(line)
    except LoadError as error:
        raise ScenarioError(f"{shown(path)}: load {line!r}: {error}") from None
    return Scenario(
        path=path,
        question=(ast.get_docstring(tree) or "").partition("\n")[0],
        study=values["STUDY"],
        server=values["SERVER"],
        ports=values["PORTS"],
        load=values["LOAD"],
        load_full=values.get("LOAD_FULL", []),
        needs=values.get("NEEDS", []),
        least_seconds=values.get("LEAST_SECONDS"),
    )


def constants(path: Path, tree: ast.Module) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for node in tree.body:
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
            continue
        name = node.targets[0].id
        if name not in CONSTANTS:
            continue
        kind, _ = CONSTANTS[name]
        try:
            found[name] = ast.literal_eval(node.value)
        except (ValueError, TypeError):
            raise ScenarioError(f"{shown(path)}:{node.lineno}: {name} must be written out, not computed") from None
        if not isinstance(found[name], kind):
            wanted = " or ".join(one.__name__ for one in (kind if isinstance(kind, tuple) else (kind,)))
            raise ScenarioError(f"{shown(path)}:{node.lineno}: {name} must be a {wanted}")
        if isinstance(found[name], list) and not all(isinstance(item, str) for item in found[name]):
            raise ScenarioError(f"{shown(path)}:{node.lineno}: {name} must be a list of strings")
        if isinstance(found[name], dict) and not all(isinstance(port, int) for port in found[name].values()):
            raise ScenarioError(f"{shown(path)}:{node.lineno}: {name} must map names to port numbers")
    missing = [name for name, (_, optional) in CONSTANTS.items() if not optional and name not in found]
    if missing:
        raise ScenarioError(
            f"{shown(path)}: has no {missing[0]}; every scenario declares {', '.join(n for n, (_, o) in CONSTANTS.items() if not o)}"
        )
    if "port" not in found["PORTS"]:
        raise ScenarioError(f"{shown(path)}: PORTS has no 'port', the one that the server listens on")
    if not found["LOAD"]:
        raise ScenarioError(f"{shown(path)}: LOAD is empty")
    return found


def files() -> list[Path]:
    return sorted(path for path in FOLDER.rglob("*.py") if path.name != "__init__.py")


def loads(scenario: Scenario, full: bool) -> list[tuple[str, Load]]:
    lines = scenario.load + (scenario.load_full if full else [])
    return [(line, parse_line(line)) for line in lines]
