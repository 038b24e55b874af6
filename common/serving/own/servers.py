"""Installs the servers that a project's own environment lacks, each in a folder beside it."""

import re
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from importlib.metadata import version
from pathlib import Path

from common.cli import NotInstalled
from common.client.progress import Tell, silent
from common.serving.interpreter import SECONDS, versions_of
from common.serving.places import ROOT
from common.serving.process import REQUIREMENTS
from common.serving.shape import SYNC, shape_of, with_value

FOLDER = ROOT / ".venv" / "servers"
PINS = (REQUIREMENTS, ROOT / "common" / "setup.sh")
WHEELS = {"uwsgi": "pyuwsgi"}  # the same program, prebuilt
BESIDE = {name: ("uvloop", "httptools") for name in ("uvicorn", "uvicorn-worker")}  # found and used by it where they are installed
NEEDED_BY = {"gevent": ("packaging",)}  # by gunicorn's worker for it
INSTALL_SECONDS = 300.0
ASGI_WORKER, CONTROL_SOCKET = (24,), (25, 1)  # the versions of gunicorn that brought them


def fit(launch: str, python: str) -> str:
    """The launch line for the environment's own gunicorn, which may be old and have a gunicorn.conf.py; NotInstalled if it cannot be."""
    shape = shape_of(launch)
    if shape.program != "gunicorn":
        return launch
    if shape.kind == SYNC:
        launch = with_value(launch, ("--threads",), 1)  # else `threads` in gunicorn.conf.py would make it another worker
    own = versions_of(python, ("gunicorn",))[1].get("gunicorn")
    if own is None:
        return launch  # ours is installed beside the environment
    release = tuple(int(part) for part in re.findall(r"\d+", own)[:2])
    if "asgi" in launch.split() and release < ASGI_WORKER:
        raise NotInstalled(f"needs gunicorn {ASGI_WORKER[0]} or newer, and the project has {own}")
    return launch if release >= CONTROL_SOCKET else launch.replace(" --no-control-socket", "")


def folders_for(launch: str, python: str, tell: Tell = silent) -> list[str]:
    """The folders of the packages that a launch line needs and its interpreter lacks; NotInstalled if one has no wheel for it."""
    return [str(install(python, requirement, tell)) for requirement in lacking(launch, python)]


def lacking(launch: str, python: str) -> list[str]:
    """The requirements that the environment cannot meet itself, whatever the version."""
    names = packages_of(launch)
    has = versions_of(python, tuple([*names, *WHEELS]))[1]
    wanted = [name for name in names if name not in has and not any(WHEELS.get(other) == name for other in has)]
    wanted += [beside for name in wanted for beside in BESIDE.get(name, ()) if beside not in wanted]
    return [f"{name}=={pins().get(name) or version(name)}" for name in wanted]


def packages_of(launch: str) -> list[str]:
    """The packages of its program and of all that its words name, such as gevent, so far as we install them ourselves."""
    words = re.findall(r"\w+", launch.replace("-", "_"))
    names = [shape_of(launch).program, *(name for name in pins() if name.replace("-", "_") in words)]
    ours = [WHEELS.get(name, name) for name in names if name in pins()]
    return list(dict.fromkeys([*ours, *(needed for name in ours for needed in NEEDED_BY.get(name, ()))]))


@cache
def pins() -> dict[str, str]:
    found = [
        pair for path in PINS for pair in re.findall(r"^\W*(?:PYUWSGI=\")?([\w.-]+)(?:\[\w+\])?==([\w.]+)", path.read_text(), re.MULTILINE)
    ]
    return dict(reversed(found))


def install(python: str, requirement: str, tell: Tell) -> Path:
    """Once for each version and kind of interpreter; what was begun and not finished does not count."""
    folder = FOLDER / abi_of(python) / requirement
    if not folder.is_dir():
        tell(f"installing {requirement} beside the project's environment")
        if fault := fault_of_installing(python, requirement, folder):
            raise NotInstalled(f"{requirement} cannot be installed for {python}: {fault}")
    return folder


@cache
def fault_of_installing(python: str, requirement: str, folder: Path) -> str:
    """Install it, and say what is wrong if that fails; asked once, because pip takes long to fail without a network."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        begun = Path(tempfile.mkdtemp(prefix=f"{requirement}.", dir=folder.parent))  # others may share the checkout, and our process id
        begun.chmod(0o755)
    except OSError as error:
        return str(error)
    words = [
        "install",
        "--target",
        str(begun),
        "--only-binary",
        ":all:",
        "--disable-pip-version-check",
        "--no-input",
        "--quiet",
        requirement,
    ]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pip", "--python", python, *words], capture_output=True, text=True, timeout=INSTALL_SECONDS
        )
        if done.returncode == 0:
            begun.rename(folder)
            return ""
        errors = [line.partition("ERROR: ")[2] for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        return errors[-1] if errors else f"pip ended with exit code {done.returncode}"
    except subprocess.TimeoutExpired:
        return f"pip took over {INSTALL_SECONDS:g} s"
    except OSError as error:
        return "" if folder.is_dir() else str(error)  # another run was faster
    finally:
        shutil.rmtree(begun, ignore_errors=True)


@cache
def abi_of(python: str) -> str:
    """What a wheel must fit, such as cpython-312-x86_64-linux-gnu."""
    ask = "import sys, sysconfig; print(sysconfig.get_config_var('SOABI') or sys.implementation.cache_tag)"
    try:
        return subprocess.run([python, "-c", ask], capture_output=True, text=True, timeout=SECONDS, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        raise NotInstalled(f"{python} does not run: name the project's interpreter with --python") from None
