"""What a figure depends on beside the scenario: the machine and the versions."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from common.running.noise import ephemeral_ports
from common.serving import cores
from common.serving.guard import descriptors
from common.serving.process import ROOT
from common.serving.services import somaxconn

PACKAGES = (
    *("django", "httpx", "uvicorn", "uvloop", "httptools", "gunicorn", "uwsgi", "pyuwsgi"),
    *("gevent", "aiohttp", "psycopg", "uvicorn-worker", "locust", "asgiref", "numpy", "psutil"),
)


def describe() -> dict[str, Any]:
    return {
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "processor": processor(),
        "cores": cores.count(),
        "memory_bytes": psutil.virtual_memory().total,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": {name: found for name in PACKAGES if (found := installed(name))},
        "revision": revision(),
        "limits": {
            "open_files": descriptors(),
            "somaxconn": somaxconn(),
            "ephemeral_ports": ephemeral_ports(),
        },
    }


def installed(name: str) -> str:
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


def line(environment: dict[str, Any]) -> str:
    packages = environment["packages"]
    named = ", ".join(
        f"{name} {found}" for name, found in packages.items() if name not in ("uvicorn-worker", "locust", "asgiref", "numpy", "psutil")
    )
    memory = environment["memory_bytes"] / 2**30
    return (
        f"{environment['system']} {environment['machine']}, {environment['processor']}, {environment['cores']} cores, "
        f"{memory:.0f} GiB; {environment['python']}; {named}"
    )
