"""Starts a server's program inside a project's own environment. The project's interpreter runs this file, so it uses nothing of ours."""

import os
import sys
from functools import reduce
from importlib.metadata import entry_points
from pathlib import Path


def main() -> None:
    """launcher.py FOLDERS PROGRAM ARGUMENT...: what the environment has wins; the servers that it lacks are in the folders."""
    folders, program = sys.argv[1], sys.argv[2]
    sys.path[0:1] = []  # this file's folder
    sys.path += [folder for folder in folders.split(os.pathsep) if folder]
    sys.argv = sys.argv[2:]
    for entry in entry_points(group="console_scripts", name=program):
        first, *others = entry.attr.split(".")
        found = getattr(__import__(entry.module, fromlist=[first]), first)  # as its script does: it may be a module
        sys.exit(reduce(getattr, others, found)())
    beside = Path(sys.executable).with_name(program)
    if not beside.exists():
        sys.exit(f"{program} is not installed in the environment of {sys.executable}")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), folders]))  # it has a sys.path of its own
    os.execv(beside, sys.argv)


if __name__ == "__main__":
    main()
