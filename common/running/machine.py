"""What a metric depends on apart from the scenario: the machine and the versions."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from common.results.circumstances import Environment
from common.results.words import CPU_QUOTA
from common.serving import cores
from common.serving.guard import descriptors
from common.serving.interpreter import another_interpreter, versions_of
from common.serving.limits import cpu_quota
from common.serving.own.servers import lacking
from common.serving.places import ROOT
from common.serving.ports import ephemeral_ports, somaxconn
from common.serving.process import surroundings

MAY_MOVE = ("SSL_", "PYTHON", "GEVENT_", "LD_", "MALLOC")
PACKAGES = (
    *("django", "httpx", "uvicorn", "uvloop", "httptools", "gunicorn", "uwsgi", "pyuwsgi"),
    *("granian", "daphne", "hypercorn", "waitress", "mod_wsgi"),
    *("gevent", "aiohttp", "psycopg", "uvicorn-worker", "locust", "asgiref", "numpy", "psutil"),
)


def describe_machine(launch: str = "", python: str = "", environment: str = "") -> Environment:
    """Describe it, with the versions of the interpreter that a project has, an environment has, or a launch line starts, if not ours."""
    interpreter = python or environment or another_interpreter(launch)
    ours = (
        f"{platform.python_implementation()} {platform.python_version()}",
        {name: found for name in PACKAGES if (found := installed_version(name))},
    )
    version, packages = versions_of(interpreter, PACKAGES) if interpreter else ours
    beside = dict(requirement.split("==") for requirement in lacking(launch, python)) if python else {}
    return Environment(
        system=f"{platform.system()} {platform.release()}",
        machine=platform.machine(),
        processor=processor(),
        cores=cores.count(),
        memory_bytes=psutil.virtual_memory().total,
        python=version,
        packages={**packages, **beside},
        revision=revision(),
        limits={"open_files": descriptors(), "somaxconn": somaxconn(), "ephemeral_ports": ephemeral_ports(), **quota()},
        variables=variables_that_may_move_figures(),
    )


def quota() -> dict[str, int]:
    """The CPU quota in percent of a core, if there is one."""
    found = cpu_quota()
    return {} if found is None else {CPU_QUOTA: round(found * 100)}


def variables_that_may_move_figures() -> dict[str, str]:
    """The variables for interpreter, libraries, memory and TLS that servers get from our environment."""
    return {name: value for name, value in sorted(os.environ.items()) if name.startswith(MAY_MOVE) and name in surroundings()}


def installed_version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor()


def revision(folder: Path = ROOT) -> str:
    """The commit of this checkout, or that of another folder, with a '+' if files were changed since; '' without git."""
    try:
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=folder, capture_output=True, text=True, timeout=5)
        changed = subprocess.run(["git", "status", "--porcelain", "-uno"], cwd=folder, capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return commit.stdout.strip() + ("+" if changed.stdout.strip() else "") if commit.returncode == 0 else ""
