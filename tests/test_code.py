"""Is the map of the code true?"""

import re

from common.serving.process import ROOT

MAP = (ROOT / "docs" / "code.md").read_text(encoding="utf-8")


def test_every_room_and_command_is_on_the_map():
    tree = MAP.partition("  common/\n")[2].partition("    benchmarks/")[0]
    there = {path.name for path in (ROOT / "common").glob("*.py")} - {"__init__.py"}
    there |= {f"{path.parent.name}/" for path in (ROOT / "common").glob("*/__init__.py")}
    assert set(re.findall(r"(\w+\.py|\w+/)(?= )", tree)) == there
