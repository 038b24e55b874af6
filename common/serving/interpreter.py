"""Which Python a server runs under: if it is not ours, its own versions count."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from common.serving.process import search_path, surroundings

SECONDS = 20.0
ASK = """
import importlib.metadata, json, platform, sys
packages = {}
for name in sys.argv[1:]:
    try:
        packages[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
print(json.dumps([f"{platform.python_implementation()} {platform.python_version()}", packages]))
"""


def another_interpreter(launch: str) -> str:
    """The interpreter that the launch line's program starts, if it belongs to a different environment from ours; else ''."""
    words = [word for word in launch.split() if "=" not in word and Path(word).name != "env"]  # without the variables set in front
    program = shutil.which(words[0], path=search_path()) if words and "{" not in words[0] else None
    if program is None:
        return ""
    found = program if re.fullmatch(r"python[\d.]*", Path(program).name) else interpreter_in(Path(program))
    if not found or not Path(found).exists() or Path(found).parent.resolve() == Path(sys.executable).parent.resolve():
        return ""
    return found


def interpreter_in(script: Path) -> str:
    """The interpreter in a script's first line, or in its second if the path is too long or has spaces; '' if it is not a Python script."""
    try:
        with script.open("rb") as file:
            head = file.read(2048)
    except OSError:  # it may be run and not read
        return ""
    if not head.startswith(b"#!"):
        return ""
    first, _, rest = head[2:].decode(errors="replace").partition("\n")
    if long := re.match(r"""'''exec' "?(.+?)"? "\$0\"""", rest):
        return long.group(1)
    words = first.split()
    if words and Path(words[0]).name == "env":
        names = [word for word in words[1:] if not word.startswith("-")]
        return (names and shutil.which(names[0], path=search_path())) or ""
    return words[0] if words and Path(words[0]).name.startswith(("python", "pypy")) else ""


@cache
def versions_of(interpreter: str, packages: Sequence[str]) -> tuple[str, dict[str, str]]:
    """Its own version, and the versions of the packages that it would import."""
    try:
        done = subprocess.run([interpreter, "-c", ASK, *packages], env=surroundings(), capture_output=True, text=True, timeout=SECONDS)
        version, found = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return f"{interpreter}, which does not say its version", {}
    return version, found
