"""Is the map of the code true? Every file of common/ is on it, and its arrows go down."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.server import ROOT

FILES = {path.stem: path for path in (ROOT / "common").glob("*.py") if path.stem != "__init__"}


def on_the_map() -> dict[str, int]:
    """Each file's group, counted from above."""
    rows = [line.split("|")[2] for line in (ROOT / "docs" / "code.md").read_text(encoding="utf-8").splitlines() if line.startswith("| **")]
    return {name: number for number, row in enumerate(rows) for name in re.findall(r"`(\w+)`", row)}


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "common":
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("common."):
            yield node.module.removeprefix("common.")


def test_every_file_is_on_it():
    assert set(on_the_map()) == set(FILES)


@pytest.mark.parametrize("name", sorted(FILES))
def test_arrows_go_down(name):
    group = on_the_map()
    assert [other for other in imported(FILES[name]) if group[other] < group[name]] == []
