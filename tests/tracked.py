"""Which scenarios are the project's: those that git tracks. A reader's own may break its rules."""

import shutil
import subprocess
from pathlib import Path

from common.serving import scenario
from common.serving.places import ROOT


def tracked_scenarios() -> dict[str, Path]:
    """By name; all of them where there is no git."""
    listed = ""
    if shutil.which("git"):
        listed = subprocess.run(["git", "ls-files", "scenarios"], cwd=ROOT, capture_output=True, text=True).stdout
    kept = {ROOT / line for line in listed.splitlines()}
    return {path.stem: path for path in scenario.files() if not kept or path in kept}
