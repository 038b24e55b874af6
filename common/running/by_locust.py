"""A scenario's ramp by Locust, in processes of its own: it patches whatever imports it."""

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from common.cli import NotInstalled, UsageError
from common.client.load import Load
from common.client.progress import Tell
from common.serving import postgres
from common.serving.places import HOST, ROOT
from common.serving.process import Process, how_to_install
from common.serving.scenario import Scenario
from common.serving.site import serving

FILE = ROOT / "common" / "locustfile.py"
BURST_SECONDS = 10.0  # of a load that is no ramp and has no time
SAVING_SECONDS = 5.0  # for its CSV and HTML, when a person stops it


def run_locust(scenario: Scenario, words: Sequence[str], web: bool, directory: Path, tell: Tell, announce: Tell) -> int:
    """Serve it and run the declared ramp, or whatever the user's own words for Locust say: Locust's exit code."""
    if importlib.util.find_spec("locust") is None:
        raise NotInstalled(how_to_install("locust"))
    with postgres.server(tell) as database, serving(scenario, directory, database, pin=False, tell=tell) as site:
        command = [*locust_command(first_ramp(scenario), site.url, directory, web), *words]
        announce(f"{scenario.name}: {' '.join(command)}")
        with Process("locust", command, grace=SAVING_SECONDS) as locust:
            code = locust.wait()
        site.check()
    return code


def first_ramp(scenario: Scenario) -> Load:
    """The first ramp that it declares, or else its first load."""
    loads = scenario.loads + scenario.loads_full
    return next((load for load in loads if load.spawn_rate is not None), loads[0])


def locust_command(load: Load, url: str, directory: Path, web: bool) -> list[str]:
    """What a person would type; a later option of the user's overrides an earlier one of ours."""
    words = [sys.executable, "-m", "locust", "-f", str(FILE), "--host", url, "--path", load.target]
    if load.headers or load.body_file is not None or load.method != ("POST" if load.form is not None else "GET"):
        raise UsageError(f"Locust sends a GET or a form only, not {load.describe()}")
    if load.is_open:
        raise UsageError(f"Locust has users, not rates: it cannot send {load.describe()}")
    words += ["--users", str(load.concurrency), "--spawn-rate", f"{load.spawn_rate or load.concurrency:g}"]
    words += ["--run-time", f"{load.seconds or BURST_SECONDS:g}s"]
    words += ["--expect", load.expect] if load.expect else []
    words += ["--form", load.form] if load.form else []
    words += ["--csv", str(directory / "locust"), "--html", str(directory / "locust.html")]
    return [*words, "--web-host", HOST] if web else [*words, "--headless", "--only-summary"]
