"""A scenario's loads for a server that we did not start: what `python scenarios/NAME.py --target URL` does."""

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from common import cli
from common.client.load import Load
from common.client.progress import Tell
from common.client.request import Request
from common.client.sent import Sent
from common.client.site_headers import hand_over
from common.results import files
from common.results.metrics import SETTLE_SECONDS, Metrics, is_idle
from common.running.measure import GENERATOR_SECONDS, wait_for_ports
from common.running.sizing import RunOptions, plan_loads
from common.serving import folders
from common.serving.descriptors import check_descriptors
from common.serving.guard import end_with_guard
from common.serving.login import visit
from common.serving.places import ROOT, short_path
from common.serving.process import STOPPED_SECONDS
from common.serving.scenario import Scenario

LOOK_EVERY = 0.25  # seconds


def send(target: str, scenario: Scenario, options: RunOptions, directory: Path, tell: Tell) -> int:
    """Send the scenario's loads to a server that we did not start; its costs stay unknown."""
    loads = [planned.load for planned in plan_loads(replace(scenario, latencies_ms=[0], latencies_ms_full=[]), options)]
    aims = [Aim(load, Request(target.rstrip("/") + load.target, load).url) for load in loads]
    for aim in aims:
        check_descriptors(max(aim.load.concurrency, scenario.warm_up))
        tell(f"{scenario.name}: warming up {aim.url}")
        site = "{0.scheme}://{0.netloc}".format(urlsplit(aim.url))
        aim.environment = {**os.environ, **hand_over({site: visit(scenario, aim.load, site)})}
        send_silently(aim, aim.load.burst(scenario.warm_up))
        aim.alone_ms = time_alone(aim)
    code = 0
    for number, aim in enumerate(aims):
        tell(f"{scenario.name}: waiting until {aim.url} has finished the requests sent before")
        settle(aim)
        wait_for_ports(aim.load, scenario.name, tell)
        tell("")
        print(f"\n{scenario.name} · {aim.load.describe()} · {target}", flush=True)
        command = generator_command(aim, aim.load, directory / f"{scenario.name}-{number}.json")
        code = max(code, run_generator(command, aim.environment, longest(aim.load)))
    print(f"Records: {short_path(directory)}/")
    return code


def run_generator(command: Sequence[str], environment: Mapping[str, str], seconds: float) -> int:
    """With the terminal; if a person stops us, it still saves what it has."""
    with subprocess.Popen(command, cwd=ROOT, env=environment, preexec_fn=ending_with_us()) as generator:
        try:
            ended = wait_at_most(generator, seconds)
        except KeyboardInterrupt:
            generator.send_signal(signal.SIGINT)  # a terminal has sent it already, but not everybody who stops us
            with suppress(cli.Failed):
                wait_at_most(generator, GENERATOR_SECONDS)
            raise
        finally:
            generator.kill()
    if ended < 0:
        raise cli.Failed(f"the load generator was ended by signal {-ended}, and left no record")
    return ended


def wait_at_most(generator: subprocess.Popen[bytes], seconds: float) -> int:
    """Its exit code; Failed if it takes longer, or somebody has stopped it. While we are stopped too, as by Ctrl-Z, no time passes."""
    waited = stopped = 0.0
    while waited < seconds and stopped < STOPPED_SECONDS:
        with suppress(subprocess.TimeoutExpired):
            return generator.wait(LOOK_EVERY)
        waited += LOOK_EVERY
        stopped = stopped + LOOK_EVERY if is_stopped(generator.pid) else 0.0
    if waited < seconds:
        raise cli.Failed("the load generator was stopped by a signal, and was ended")
    raise cli.Failed(f"the load generator did not end within {seconds:,.0f} s, and was ended")


def is_stopped(pid: int) -> bool:
    with suppress(psutil.Error):
        return bool(psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    return False


@dataclass
class Aim:
    """A load for a server that we did not start."""

    load: Load
    url: str
    environment: dict[str, str] = field(default_factory=dict)  # of the load generator
    alone_ms: float = math.inf  # the response time of a request alone, at first


def settle(aim: Aim) -> None:
    """Wait, up to a limit, until it has finished what was sent before."""
    until = time.monotonic() + SETTLE_SECONDS
    while not is_idle(time_alone(aim), aim.alone_ms) and time.monotonic() < until:
        pass


def time_alone(aim: Aim) -> float:
    """The response time of one request in ms; infinite if it is not answered correctly."""
    return Metrics(send_silently(aim, aim.load.burst(1))).latency(50) or math.inf


def send_silently(aim: Aim, load: Load) -> Sent:
    with folders.temporary() as folder:
        path, log = folder / "load.json", folder / "load.log"
        command = generator_command(aim, load, path, "-q")
        with (
            log.open("wb") as said,
            subprocess.Popen(
                command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=said, env=aim.environment, preexec_fn=ending_with_us()
            ) as generator,
        ):
            try:
                wait_at_most(generator, longest(load))
            finally:
                generator.kill()
        if not path.exists():
            lines = log.read_text(errors="replace").strip().splitlines()
            raise cli.Failed((lines or ["the load generator left no record"])[-1].removeprefix("loadgen: "))
        return files.read(path, Sent)


def longest(load: Load) -> float:
    return load.longest_seconds + GENERATOR_SECONDS


def ending_with_us() -> Callable[[], None]:
    """For a load generator that has the terminal, and so no guard: a killed run leaves none, where the system can tell it."""
    return partial(end_with_guard, os.getpid(), signal.SIGTERM)


def generator_command(aim: Aim, load: Load, path: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "common.loadgen", "--json", str(path), *load.arguments(), *more, aim.url]
