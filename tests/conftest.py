"""What do all tests share? A server to misuse, the load generator as a process, and no silent skips."""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from common.client.sent import Sent
from common.results import files
from tests.misbehaving import Server
from tests.processes import ROOT, check_record

settings.register_profile("same every time", derandomize=True, deadline=None)
settings.load_profile("same every time")


LONG = (  # begun first, and in this order, so that none is left to run alone at the end
    "test_project.py",
    "test_readme.py",
    "test_scenarios.py",
    "test_rounds.py",
    "test_postgres.py",
    "test_suite.py",
    "test_template.py",
    "test_side_by_side.py",
    "test_truth.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


def without_skips(report: Any) -> Any:
    """With NO_SKIPS in the environment, what cannot be tested here fails."""
    if report.skipped and os.environ.get("NO_SKIPS") and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome, report.longrepr = "failed", f"NO_SKIPS is set, and this was skipped: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    return without_skips((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Iterator[None]:
    return without_skips((yield))


@dataclass
class Fired:
    """What one run of the load generator left behind."""

    code: int
    stdout: str
    stderr: str
    record: dict[str, Any]
    path: Path

    @property
    def sent(self) -> Sent:
        return files.read(self.path, Sent)

    @property
    def outcomes(self) -> dict[str, int]:
        return self.record["outcomes"]


@pytest.fixture
def studies_ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is served by hand has fixed ports: one test at a time, of all that run beside each other."""
    here = tmp_path_factory.getbasetemp()
    shared = here.parent if "PYTEST_XDIST_WORKER" in os.environ else here
    with (shared / "studies_ports").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture
def fire(tmp_path: Path) -> Any:
    """Run the load generator to its end; further keywords go to `subprocess.run`."""

    def run(*arguments: object, **keywords: Any) -> Fired:
        saved = tmp_path / "record.json"
        saved.unlink(missing_ok=True)
        command = [sys.executable, "-m", "common.loadgen", "-q", "--json", str(saved), *map(str, arguments)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, **keywords)
        record = json.loads(saved.read_text()) if saved.exists() else {}
        if record:
            check_record(record)
        return Fired(done.returncode, done.stdout, done.stderr, record, saved)

    return run
