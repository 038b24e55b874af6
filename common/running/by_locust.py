"""Sends a scenario's ramp with Locust, in processes of its own, because Locust patches whatever imports it."""

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from common.cli import NotInstalled, UsageError
from common.client.load import Load
from common.client.progress import Tell
from common.client.site_headers import hand_over
from common.serving import postgres
from common.serving.places import HOST, ROOT
from common.serving.process import Process, how_to_install
from common.serving.scenario import Scenario
from common.serving.site import serving

FILE = ROOT / "common" / "locustfile.py"
BURST_SECONDS = 10.0  # for a load that is not a ramp and has no time
SAVING_SECONDS = 5.0  # to write its CSV and HTML when the user stops it


def run_locust(scenario: Scenario, words: Sequence[str], web: bool, directory: Path, tell: Tell, announce: Tell) -> int:
    """Serve it, run the declared ramp with the user's own Locust options, and return Locust's exit code."""
    if importlib.util.find_spec("locust") is None:
        raise NotInstalled(how_to_install("locust"))
    load = first_ramp(scenario)
    with postgres.server(tell) as database, serving(scenario, load, directory, database, pin=False, tell=tell) as site:
        command = [*locust_command(load, site.url, directory, web), *words]
        announce(f"{scenario.name}: {' '.join(command)}")
        with Process("locust", command, hand_over({site.url: site.carried}), grace=SAVING_SECONDS) as locust:
            code = locust.wait()
        site.check()
    return code


def first_ramp(scenario: Scenario) -> Load:
    """The first ramp that the scenario declares, or else its first load."""
    loads = scenario.loads + scenario.loads_full
    return next((load for load in loads if load.spawn_rate is not None), loads[0])


def locust_command(load: Load, url: str, directory: Path, web: bool) -> list[str]:
    """The command as you would type it; the user's options come later and override ours."""
    words = [sys.executable, "-m", "locust", "-f", str(FILE), "--host", url, "--path", load.target]
    if load.headers or load.body_file is not None or load.method != ("POST" if load.form is not None else "GET"):
        raise UsageError(f"Locust can only send a GET or a form, not {load.describe()}")
    if load.is_open:
        raise UsageError(f"Locust has users, not rates: it cannot send {load.describe()}")
    words += ["--users", str(load.concurrency), "--spawn-rate", f"{load.spawn_rate or load.concurrency:g}"]
    words += ["--run-time", f"{load.seconds or BURST_SECONDS:g}s"]
    words += ["--expect", load.expect] if load.expect else []
    words += ["--expect-status", str(load.expect_status)] if load.expect_status else []
    words += ["--form", load.form] if load.form is not None else []
    words += ["--csv", str(directory / "locust"), "--html", str(directory / "locust.html")]
    return [*words, "--web-host", HOST] if web else [*words, "--headless", "--only-summary"]
