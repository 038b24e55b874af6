"""Is what a server costs counted as the kernel counts it?"""

import math
import os
import subprocess
import sys
import time

import psutil
import pytest

from common.serving import cost
from common.serving.cost import CostMeter

# The end of a thread's status, as Linux 6.6 writes it where shadow stacks of users are compiled in.
STATUS = """Mems_allowed:	1
Mems_allowed_list:	0
voluntary_ctxt_switches:	21
nonvoluntary_ctxt_switches:	4
"""
SHADOW_STACKS = "x86_Thread_features:	shstk\nx86_Thread_features_locked:	shstk wrss\n"


@pytest.mark.parametrize("status", [STATUS, STATUS + SHADOW_STACKS])
def test_switches_are_known_by_name(status):
    assert cost.switches_in(status) == (21, 4)


def test_switches_that_a_system_does_not_tell_are_none():
    assert cost.switches_in("Name:	python\nMems_allowed_list:	0\n") == (0, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the switches are those of whole processes")
def test_switches_are_those_that_happened():
    before = cost.switches(os.getpid())
    for _ in range(20):
        time.sleep(0.001)
    after = cost.switches(os.getpid())
    assert after[os.getpid()][0] - before[os.getpid()][0] >= 20


def test_a_childs_cost_is_the_servers():
    burn = "import time\nuntil = time.process_time() + 0.3\nwhile time.process_time() < until: pass\ninput()"
    start = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])"
    with subprocess.Popen([sys.executable, "-c", start], stdin=subprocess.PIPE) as server:
        meter = CostMeter(server.pid)
        deadline = time.monotonic() + 20
        while cost.cpu_seconds(server.pid) < 0.3 and time.monotonic() < deadline:
            meter.look()
            time.sleep(0.02)
        meter.end()
        used = meter.cost_between(-math.inf, math.inf)
        assert 0.25 <= used.cpu_seconds <= 3
        assert 0.25 <= used.busiest_process_cpu_seconds <= used.cpu_seconds
        assert used.largest_process_bytes < used.peak_memory_bytes
        assert used.peak_threads >= 2
        assert used.memory_measure == ("pss" if sys.platform == "linux" else "rss")
        server.communicate(b"\n")


def test_what_was_never_seen_alive_has_no_cost(monkeypatch):
    meter = CostMeter(os.getpid())
    meter._together.clear()
    assert meter.cost_between(-math.inf, math.inf) is None
    monkeypatch.setattr(cost, "tree", lambda pid: (_ for _ in ()).throw(psutil.NoSuchProcess(pid)))
    meter.look()
    assert meter.cost_between(-math.inf, math.inf) is None


def test_between_two_samples_it_grows_evenly():
    samples = [(10.0, 1.0), (12.0, 2.0), (13.0, 5.0)]
    assert [cost.value_at(clock, samples) for clock in (-math.inf, 10, 11, 12.5, 13, math.inf)] == [1, 1, 1.5, 3.5, 5, 5]
    assert cost.grown_between(11, 12.5, samples) == 2
