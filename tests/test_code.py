"""Is the map of the code true, and do its arrows go down?"""

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from common.serving.places import ROOT

COMMON = ROOT / "common"
MAP = (ROOT / "docs" / "code.md").read_text(encoding="utf-8")
FILES = sorted(COMMON.rglob("*.py"))

# a room may use itself and these; the files at the top of common/ may use all
MAY_USE = {
    "client": {"cli"},
    "results": {"client", "cli"},
    "serving": {"results", "client", "cli"},
    "report": {"results", "client", "cli"},
    "running": {"serving", "results", "client", "cli"},
    "cli": set(),
}


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): path for path in FILES}


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else module


def imported_by(path: Path) -> Iterator[str]:
    """The project's modules that a file imports, wherever the import stands in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [name.name for name in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{name}" if f"{node.module}.{name}" in MODULES else str(node.module) for name in names]
        yield from (name for name in names if name.partition(".")[0] in ("common", "studies"))


def test_every_room_and_command_is_on_the_map():
    tree = MAP.partition("  common/\n")[2].partition("    benchmarks/")[0]
    there = {path.name for path in COMMON.glob("*.py")} - {"__init__.py"}
    there |= {f"{path.parent.name}/" for path in COMMON.glob("*/__init__.py")}
    assert set(re.findall(r"(\w+\.py|\w+/)(?= )", tree)) == there


def test_what_others_import_of_it_is_there():
    """A benchmark that no test runs would tell of a renamed file only when somebody needs it."""
    for path in [*(ROOT / "benchmarks").glob("*.py"), *(ROOT / "tests").rglob("*.py"), *(ROOT / "studies").glob("*.py")]:
        nodes = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.ImportFrom)]
        for node in nodes:
            if node.module in MODULES and MODULES[node.module].name == "__init__.py":
                assert {f"{node.module}.{name.name}" for name in node.names} <= set(MODULES), path
            elif (node.module or "").startswith("common"):
                assert node.module in MODULES, path


@pytest.mark.parametrize("module", [module for module in MODULES if room_of(module) in MAY_USE])
def test_arrows_go_down(module):
    room = room_of(module)
    assert {room_of(other) for other in imported_by(MODULES[module])} <= {room, *MAY_USE[room]}


def test_no_import_goes_in_a_circle():
    graph = {module: [other for other in imported_by(path) if other != module] for module, path in MODULES.items()}
    assert list(TopologicalSorter(graph).static_order())  # CycleError names the circle
    assert not [path for path in FILES if "TYPE_CHECKING" in path.read_text(encoding="utf-8")]


def test_what_measures_writes_to_no_screen():
    """Nor does what is derived: they are told whom to tell."""
    for room in ("client", "serving", "running", "results"):
        for path in (COMMON / room).rglob("*.py"):
            calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
            assert not [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"], path
