"""What a figure depends on beside the scenario: the machine and the versions."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from common.results.facts import Environment
from common.serving import cores
from common.serving.guard import descriptors
from common.serving.places import ROOT
from common.serving.ports import ephemeral_ports, somaxconn

PACKAGES = (
    *("django", "httpx", "uvicorn", "uvloop", "httptools", "gunicorn", "uwsgi", "pyuwsgi"),
    *("gevent", "aiohttp", "psycopg", "uvicorn-worker", "locust", "asgiref", "numpy", "psutil"),
)


def describe_machine() -> Environment:
    return Environment(
        system=f"{platform.system()} {platform.release()}",
        machine=platform.machine(),
        processor=processor(),
        cores=cores.count(),
        memory_bytes=psutil.virtual_memory().total,
        python=f"{platform.python_implementation()} {platform.python_version()}",
        packages={name: found for name in PACKAGES if (found := installed_version(name))},
        revision=revision(),
        limits={"open_files": descriptors(), "somaxconn": somaxconn(), "ephemeral_ports": ephemeral_ports()},
    )


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


def revision() -> str:
    """The commit of this checkout, with a '+' if files were changed since; '' without git."""
    try:
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, timeout=5)
        changed = subprocess.run(["git", "status", "--porcelain", "-uno"], cwd=ROOT, capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return commit.stdout.strip() + ("+" if changed.stdout.strip() else "") if commit.returncode == 0 else ""
