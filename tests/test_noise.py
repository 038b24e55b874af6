"""What disturbed a load is told in numbers and by name, and a busy machine still gets its answer."""

import os
import subprocess
import sys
import time
from contextlib import suppress
from itertools import pairwise

import psutil
import pytest

from common.client.progress import silent
from common.results import circumstances
from common.running import noise
from common.running.noise import MachineMeter, Patience
from common.serving import accounting, cores
from tests.processes import changed, copy_tree, records, run

STAT = """cpu  30 0 30 800 0 40 40 50 0 0
cpu0 10 5 5 400 0 20 20 25 0 0
cpu1 20 0 30 400 0 20 20 25 0 0
intr 1 2 3
"""
HERE = cores.AVAILABLE[:1]
LEAST = {"here": noise.LEAST_FOREIGN_SECONDS, "there": noise.LEAST_FOREIGN_SECONDS}


@pytest.fixture
def foreign(tmp_path):
    """A program that is not ours, and that computes all the time on the server's core."""
    program = tmp_path / "chromium"
    program.symlink_to(os.path.realpath(sys.executable))
    start = f"{program} -I -S -c 'while True: pass' >/dev/null 2>&1 & echo $!"
    pid = int(subprocess.run(["sh", "-c", start], capture_output=True, text=True, check=True).stdout)
    if HERE:
        os.sched_setaffinity(pid, HERE)
    yield psutil.Process(pid)
    psutil.Process(pid).kill()


def test_interrupts_are_nobodys():
    used, there_are = noise.used_on_sides(STAT, {1})
    assert there_are == {"here": 1, "there": 1}
    assert [used[side] * noise.TICKS for side in ("here", "there", "stolen")] == pytest.approx([50, 20, 50])
    assert noise.used_on_sides(STAT, set())[1] == {"here": 2, "there": 0}  # all cores are everybody's


@pytest.mark.parametrize(
    ("here", "there", "stolen", "throttled", "said"),
    [
        (0.02, 0.09, 0.01, 0.0, ""),
        (0.04, 0.0, 0.0, None, "other programs used 4% of the server's cores (chromium 70% of a core)"),
        (0.0, 0.12, 0.0, None, "other programs used 12% of the other cores (chromium 70% of a core)"),
        (0.0, None, 0.03, None, "a hypervisor took 3% of the CPU time"),
        (0.0, 0.0, 0.0, 1.5, "this container's CPU quota held its programs up for 1.5 s"),
    ],
)
def test_the_rule(here, there, stolen, throttled, said):
    told = circumstances.Noise(
        available=True,
        foreign_on_server_cores=here,
        foreign_on_other_cores=there,
        stolen_cpu_share=stolen,
        throttled_seconds=throttled,
        foreign_programs={"chromium": 0.7},
    )
    assert noise.said(told, 10.0, {"here": 1, "there": 1}, LEAST) == said


def test_what_a_short_load_cannot_tell_is_not_said():
    found = circumstances.Noise(available=True, foreign_on_server_cores=0.2)
    assert noise.said(found, 0.2, {"here": 1, "there": 1}, LEAST) == ""


def test_what_may_be_chance_is_not_said():
    """A third of a core over 3 s is 100 ticks, give or take 8: it takes the double of these."""
    assert noise.least_told(1.0, 3.0) == pytest.approx(2 * (100 * 2 / 3) ** 0.5 / noise.TICKS)
    assert noise.least_told(3.0, 3.0) == noise.least_told(0.0, 3.0) == noise.LEAST_FOREIGN_SECONDS
    found = circumstances.Noise(available=True, foreign_on_server_cores=0.05)
    assert noise.said(found, 3.0, {"here": 1, "there": 1}, {"here": noise.least_told(1.0, 3.0), "there": 0.0}) == ""


def test_what_others_use_on_the_servers_core_is_told_by_name(foreign):
    meter = MachineMeter(HERE)
    began = time.time()
    while time.time() < began + 1.5:
        time.sleep(0.1)
        meter.look()
    found = meter.noise(began, time.time(), 0.0, 0.0)
    assert found.foreign_on_server_cores > 0.3  # it shares its core with other programs of this machine, at worst
    assert found.foreign_programs["chromium"] > 0.15
    assert "chromium" in found.disturbed


def test_what_is_ours_is_not_foreign(tmp_path):
    program = tmp_path / "ours"
    program.symlink_to(os.path.realpath(sys.executable))
    before = accounting.cpu_clocks(psutil.pids())
    meter, began = MachineMeter(HERE), time.time()
    with subprocess.Popen(
        [program, "-I", "-S", "-c", "import time\nwhile time.process_time() < 0.5: pass\ninput()"], stdin=subprocess.PIPE
    ) as ours:
        while accounting.cpu_clock(ours.pid) < 0.5:
            time.sleep(0.05)
        found = noise.foreign_programs(before, ())
        ours.communicate(b"\n")
    assert "ours" not in found
    meter.look()
    noisy = meter.noise(began, time.time(), 1000.0, 1000.0)
    assert (noisy.foreign_on_server_cores, noisy.foreign_cpu_share) == (0.0, 0.0)


def test_what_works_for_us_is_not_foreign(foreign):
    before = accounting.cpu_clocks(psutil.pids())
    time.sleep(0.5)
    assert "chromium" in noise.foreign_programs(before, ())
    assert "chromium" not in noise.foreign_programs(before, [foreign.pid])


def test_cores_that_the_system_numbers_otherwise_are_not_known():
    """In a container that is given cores 4 and 5 and shows them as 0 and 1."""
    meter = MachineMeter([4096])
    began = time.time()
    time.sleep(0.3)
    meter.look()
    assert not meter.noise(began, time.time(), 0.0, 0.0).available


def test_a_system_that_says_nothing_is_said(monkeypatch):
    def tells_nothing(*_):
        raise OSError

    monkeypatch.setattr(noise.Path, "read_text", tells_nothing)
    meter = MachineMeter([])
    assert meter.noise(0.0, 1.0, 0.0, 0.0) == circumstances.Noise(available=False)


def test_a_busy_machine_is_waited_for_so_long_and_no_longer(foreign, monkeypatch):
    monkeypatch.setenv("WAIT_FOR_QUIET", "1.5")
    monkeypatch.setattr(noise, "LONGEST_WAIT", 0.9)
    told, moments = [], [time.monotonic()]

    def tell(text: str) -> None:
        told.append(text)
        moments.append(time.monotonic())

    patience = Patience()
    waited = [patience.wait((), tell) for _ in range(3)]
    a_look = max(later - earlier for earlier, later in pairwise(moments)) + 0.01
    assert 0.9 <= waited[0] <= 0.9 + a_look
    assert waited[2] == 0.0  # there is no more to wait
    assert 1.5 <= sum(waited) <= 1.5 + a_look
    assert any("chromium" in text for text in told)  # not in each: other programs may use more


def test_a_thread_of_the_kernel_is_named_as_one():
    assert noise.name_of(os.getpid()) == psutil.Process().name()
    for process in psutil.process_iter():  # a container shows none
        with suppress(psutil.Error):
            if process.ppid() == noise.KTHREADD and not process.cmdline():
                assert noise.name_of(process.pid) == f"{circumstances.KERNEL}{process.name()}"


def test_a_quiet_machine_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(noise, "foreign_programs", lambda *_: {"a little": 0.001})
    assert Patience().wait((), silent) == 0.0


def test_a_disturbed_load_is_measured_and_says_so(tmp_path, foreign):
    tree = copy_tree(tmp_path, {"one": changed(("-n 20 -c 2", "-c 2 -t 4 -k"))})
    program = run(tree, "scenarios/one.py", WAIT_FOR_QUIET="1")
    assert program.process.returncode == 0, program.stderr
    one = records(tree)["one"]
    assert one["status"] == "ok"
    [load] = one["loads"]
    assert load["noise"]["waited_for_quiet_seconds"] >= 1
    assert "chromium" in load["noise"]["disturbed"]
    assert load["noise"]["foreign_on_server_cores"] > 0.15
    assert load["calibration_ms"] > 0
    assert 0 < load["noise"]["accounting_share"] < 0.02
