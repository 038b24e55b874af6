"""Is anything of ours left running, however and whenever a run is ended?"""

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack

import psutil
import pytest

from tests.processes import ROOT, Program, changed, copy_tree

# Answers so many requests, and keeps the others waiting until their clients go.
STUCK = changed(
    (
        "    asked += 1\n",
        '    asked += 1\n    if asked > int(os.environ["ANSWERS"]):\n        await receive()\n        await receive()\n        return\n',
    )
)
IGNORES_TERM = changed(
    (
        'SERVER = "uvicorn {app} --host {host} --port {port} --lifespan off --no-access-log --log-level warning"',
        'SERVER = """{python} -c \'import signal; signal.signal(15, 1); signal.signal(1, 1); import uvicorn; '
        'uvicorn.Server.capture_signals = lambda self: open("/dev/null"); '
        'uvicorn.run("{app}", host="{host}", port={port}, lifespan="off", log_level="warning")\'"""',
    ),
    source=STUCK,
)
WORKERS = changed((" --lifespan", " --workers 2 --lifespan"), source=STUCK)
NEEDS_API = changed(('STUDY = "tests"', 'STUDY = "tests"\nNEEDS = ["slow_api"]'), source=STUCK)

MOMENTS = {
    "starting": ("0", ("uvicorn",)),
    "warming up": ("1", ("common.loadgen", "-n 10")),
    "under load": ("11", ("common.loadgen", "-n 20")),
}
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    scenarios = {"stuck": STUCK, "ignores_term": IGNORES_TERM, "workers": WORKERS, "needs_api": NEEDS_API}
    return copy_tree(tmp_path_factory.mktemp("project"), scenarios)


def end(program: Program, number: signal.Signals) -> None:
    """Only the driver is told; what it started must follow."""
    program.process.send_signal(number)
    began = time.monotonic()
    code = program.finish(10)
    assert code == (-signal.SIGKILL if number == signal.SIGKILL else 130), program.stderr
    assert "Traceback" not in program.stderr
    assert program.left_over(10 - (time.monotonic() - began)) == []


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("number", SIGNALS)
def test_nothing_is_left_of_a_scenario(tree, moment, number):
    answers, words = MOMENTS[moment]
    with Program(tree, "scenarios/stuck.py", ANSWERS=answers) as program:
        program.wait_for(*words)
        end(program, number)


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("name", ["stuck", "ignores_term"])
def test_nothing_is_left_of_a_suite(tree, name, number):
    with Program(tree, "-m", "common.suite", name, name, ANSWERS="11") as program:
        program.wait_for("common.loadgen", "-n 20")
        end(program, number)


def test_nothing_is_left_of_a_server_with_workers(tree):
    with Program(tree, "scenarios/workers.py", ANSWERS="1000000") as program:
        program.wait_for("common.loadgen")
        end(program, signal.SIGKILL)


@pytest.mark.parametrize("number", SIGNALS)
def test_nothing_is_left_of_a_service(tree, number):
    with Program(tree, "scenarios/needs_api.py", ANSWERS="11") as program:
        program.wait_for("common.loadgen", "-n 20")
        program.wait_for("common.serving.slow_api")
        end(program, number)


def test_nothing_is_left_whenever_the_kill_comes(tree):
    """From the driver's first imports to the load."""
    with ExitStack() as stack:
        programs = [stack.enter_context(Program(tree, "scenarios/stuck.py", ANSWERS="11")) for _ in range(8)]
        for program in programs:
            time.sleep(0.25)
            program.process.kill()
        for program in programs:
            assert program.left_over() == []


def test_a_second_interrupt_leaves_nothing_either(tree):
    with Program(tree, "scenarios/ignores_term.py", ANSWERS="11") as program:
        program.wait_for("common.loadgen", "-n 20")
        program.process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        program.process.send_signal(signal.SIGINT)
        program.finish(10)
        assert program.left_over() == []


def test_a_guard_whose_holder_is_gone_already_ends_the_command(tmp_path):
    """Killed between starting it and hearing of the command."""
    script = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    reads, writes = os.pipe()
    os.close(reads)
    guard = subprocess.run(
        [sys.executable, str(ROOT / "common" / "serving" / "guard.py"), "15", "1", "", sys.executable, "-c", script],
        stdin=subprocess.DEVNULL,
        stdout=writes,
        timeout=20,
    )
    os.close(writes)
    assert guard.returncode == 128 + signal.SIGTERM
    if (tmp_path / "pid").exists():  # it may have been ended before its first word
        assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))
