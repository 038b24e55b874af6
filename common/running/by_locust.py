"""A scenario's ramp by Locust, in processes of its own: it patches whatever imports it."""

import importlib.util
import sys
from argparse import Namespace
from contextlib import ExitStack
from pathlib import Path

from common.client.load import Load, LoadError, parse_line
from common.serving.postgres import Postgres
from common.serving.process import HOST, ROOT, NotInstalled, Process
from common.serving.scenario import Scenario, shown
from common.serving.site import Stage

FILE = ROOT / "common" / "locustfile.py"
BURST_SECONDS = 10.0  # of a load that is no ramp and has no time
SAVING_SECONDS = 5.0  # for its CSV and HTML, when a person stops it


def run(scenario: Scenario, options: Namespace, directory: Path) -> int:
    """Serve it and run the declared ramp, or whatever the user's own words for Locust say."""
    if importlib.util.find_spec("locust") is None:
        raise NotInstalled("locust")
    with Postgres() as postgres, ExitStack() as running:
        site = Stage(directory, postgres, running).start(scenario)
        words = command(ramp_of(scenario), site.url, directory, options.locust_web) + (options.locust or [])
        print(f"{scenario.name}: {' '.join(words)}", flush=True)
        with Process("locust", words, grace=SAVING_SECONDS) as locust:
            code = locust.wait()
        site.check()
    print(f"Locust ended with exit code {code}; its files: {shown(directory)}/locust*")
    return 1 if code else 0


def ramp_of(scenario: Scenario) -> Load:
    """The first ramp that it declares, or else its first load."""
    loads = [parse_line(line) for line in scenario.load + scenario.load_full]
    return next((load for load in loads if load.spawn_rate is not None), loads[0])


def command(load: Load, url: str, directory: Path, web: bool) -> list[str]:
    """What a person would type; a later option of the user's overrides an earlier one of ours."""
    words = [sys.executable, "-m", "locust", "-f", str(FILE), "--host", url, "--path", load.target]
    if load.headers or load.body_file is not None or load.method != ("POST" if load.form is not None else "GET"):
        raise LoadError(f"Locust sends a GET or a form only, not {load.describe()}")
    if load.is_open:
        raise LoadError(f"Locust has users, not rates: it cannot send {load.describe()}")
    words += ["--users", str(load.concurrency), "--spawn-rate", f"{load.spawn_rate or load.concurrency:g}"]
    words += ["--run-time", f"{load.seconds or BURST_SECONDS:g}s"]
    words += ["--expect", load.expect] if load.expect else []
    words += ["--form", load.form] if load.form else []
    words += ["--csv", str(directory / "locust"), "--html", str(directory / "locust.html")]
    return [*words, "--web-host", HOST] if web else [*words, "--headless", "--only-summary"]
