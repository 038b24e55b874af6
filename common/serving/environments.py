"""Another environment for a server: packages that differ from ours, or another Python, installed once for each set of them."""

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

from common.cli import Failed, UsageError, typed_path
from common.client.progress import Tell
from common.serving.locks import held
from common.serving.places import ROOT, short_path
from common.serving.process import REQUIREMENTS, Process

FOLDER = ROOT / ".venv" / "environments"
MAKE = '. common/setup.sh; venv=$1; { make_venv && cp "$2" "$venv/wanted.txt" && install_wanted; } >/dev/null'
READY = "ready"  # a file that is there once all is installed
ANSWER_SECONDS = 60.0
MOST_SECONDS = 1800.0  # for installing
FIXED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[^\]]*\])?\s*===?\s*[^\s*,]+")
NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


def interpreter_with(requirements: Path | None, python: str | None, tell: Tell) -> str:
    """The interpreter of the environment in which these packages replace ours of the same name."""
    wanted = replaced(REQUIREMENTS.read_text(encoding="utf-8"), read_requirements(requirements) if requirements else "")
    system = find_python(python)
    folder = FOLDER / hashlib.sha256(f"{version_of(system)}\n{wanted}".encode()).hexdigest()[:12]
    if not (folder / READY).exists() or may_mean_another(wanted):
        tell(f"installing {requirements or 'requirements.txt'} into {short_path(folder)} (about a minute)")
        install(folder, wanted, system, f"--requirements {requirements}" if requirements else f"--python {python}")
    return str(folder / "bin" / "python")


def read_requirements(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"--requirements: cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    if not names_in(text):
        raise UsageError(f"--requirements: {path} names no package: write one a line, as in requirements.txt")
    if others := re.findall(r"^\s*(?:-r|-c|--requirement|--constraint)\b.*", text, re.MULTILINE):
        raise UsageError(f"--requirements: {path} refers to another file ({others[0].strip()}): name the packages themselves")
    return text


def may_mean_another(wanted: str) -> bool:
    """Only NAME==VERSION means the same today as when it was installed; a branch, a folder or a range may not."""
    lines = [line.partition(";")[0].partition(" #")[0].strip() for line in wanted.splitlines()]
    return not all(FIXED.fullmatch(line) for line in lines if line and not line.startswith(("#", "-")))


def names_in(text: str) -> set[str]:
    """As packages are named: case and punctuation do not matter."""
    return {re.sub(r"[-_.]+", "-", match[1]).lower() for line in text.splitlines() if (match := NAME.match(line))}


def replaced(ours: str, theirs: str) -> str:
    named = names_in(theirs)
    kept = [line for line in ours.splitlines() if line.strip() and not line.startswith("#") and not names_in(line) & named]
    return "\n".join([*kept, *theirs.splitlines(), ""])


def find_python(name: str | None) -> str:
    program = shutil.which(str(typed_path(name)) if "/" in name else name) if name else sys.executable
    if program is None:
        raise UsageError(f"--python {name}: there is no such interpreter; give its path, such as /usr/bin/python3.13")
    return program


def version_of(python: str) -> str:
    try:
        ask = "import sys; print(sys.version)"
        said = subprocess.run([python, "-c", ask], capture_output=True, text=True, timeout=ANSWER_SECONDS, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        said = ""
    if not said:
        raise UsageError(f"--python {python}: it is not a Python interpreter")
    return said


def install(folder: Path, wanted: str, system: str, asked_by: str) -> None:
    """As common/setup.sh does it for ours; what is left of an interrupted try is made anew."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with held(folder.with_suffix(".lock"), make=True) as ours:
            if not ours:
                raise Failed(f"{asked_by}: another run is installing it: start again when that is done")
            if (folder / READY).exists() and not may_mean_another(wanted):
                return  # another run has done it meanwhile
            shutil.rmtree(folder)
            listed, log = folder.with_suffix(".txt"), folder.with_suffix(".log")
            listed.write_text(wanted, encoding="utf-8")
            log.unlink(missing_ok=True)
            words = ["sh", "-c", MAKE, asked_by, str(folder.relative_to(ROOT)), str(listed.relative_to(ROOT))]
            with Process(f"the installation for {asked_by}", words, {"PYTHON": system}, log) as installation:
                code = installation.wait_at_most(MOST_SECONDS)
            if code:
                said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
                raise Failed((said or [f"{asked_by}: it could not be installed"])[-1])
            (folder / READY).touch()
    except OSError as error:
        raise Failed(f"{asked_by}: cannot write {short_path(folder)}: {error.strerror}") from None
