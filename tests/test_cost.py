"""Is what a server costs counted as the kernel counts it?"""

import math
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from common.running.noise import MachineMeter
from common.serving import accounting, cost
from common.serving.cost import CostMeter
from common.serving.process import Process

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


ALWAYS = (-math.inf, math.inf)
# Burns so much CPU for each line that it reads, in the way that is given, and says how much it was.
BURN = """
import subprocess, sys, threading, time

def burn(seconds):
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass

for line in sys.stdin:
    before = time.process_time()
    how, seconds = line.split()
    if how == "self":
        burn(float(seconds))
    elif how == "thread":
        thread = threading.Thread(target=burn, args=(float(seconds),))
        thread.start()
        thread.join()
    else:
        work = "import sys, time\\nwhile time.process_time() < float(sys.argv[1]): pass"
        subprocess.run([sys.executable, "-S", "-c", work, seconds])
    print(time.process_time() - before, flush=True)
"""


class Burner:
    """A server that computes when it is told to."""

    def __enter__(self):
        self._process = subprocess.Popen([sys.executable, "-c", BURN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self._process.pid
        self.burn(0)
        return self

    def burn(self, seconds: float, how: str = "self") -> float:
        self.begin(seconds, how)
        return float(self._process.stdout.readline())

    def begin(self, seconds: float, how: str = "self") -> None:
        self._process.stdin.write(f"{how} {seconds}\n")
        self._process.stdin.flush()

    def __exit__(self, *error):
        self._process.kill()
        self._process.communicate()


@pytest.mark.skipif(not accounting.HAS_CLOCKS, reason="the system's CPU clocks go by ticks")
@pytest.mark.parametrize("how", ["self", "thread"])
def test_cpu_is_known_to_less_than_a_tick(how):
    with Burner() as server:
        for seconds in (0.003, 0.017, 0.041):
            meter = CostMeter(server.pid)
            said = server.burn(seconds, how)
            meter.end()
            used = meter.cost_between(*ALWAYS)
            assert used.cpu_known
            assert used.cpu_seconds == pytest.approx(said, abs=0.002)
            assert used.busiest_process_cpu_seconds == used.cpu_seconds


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere ended children are not counted in ticks")
@pytest.mark.parametrize(("seconds", "known"), [(0.1, False), (0.7, True)])
def test_a_few_ticks_are_no_figure(seconds, known):
    """What children used that have ended is known in ticks only."""
    with Burner() as server:
        meter = CostMeter(server.pid)
        server.burn(seconds, "child")
        meter.end()
        used = meter.cost_between(*ALWAYS)
        assert used.cpu_known is known
        assert seconds - 0.03 <= used.cpu_seconds <= seconds + 0.3


def test_where_only_ticks_are_known_few_are_no_figure(monkeypatch):
    monkeypatch.setattr(accounting, "HAS_CLOCKS", False)
    monkeypatch.setattr(cost, "COUNTS_TICKS", True)
    for seconds, known in ((0.1, False), (0.7, True)):
        with Burner() as server:
            meter = CostMeter(server.pid)
            server.burn(seconds)
            meter.end()
            assert meter.cost_between(*ALWAYS).cpu_known is known


def test_what_stands_beside_is_cut_off_with_the_server():
    with Burner() as server, Burner() as beside:
        meter = CostMeter(server.pid, {"postgres": beside.pid})
        beside.burn(0.1)
        meter.look()
        cut_off_at = time.time()
        beside.burn(0.5)  # what a load that was cut off leaves behind
        meter.end()
        assert meter.cpu_beside(-math.inf, cut_off_at)["postgres"] == pytest.approx(0.1, abs=0.02)
        assert meter.cpu_beside(*ALWAYS)["postgres"] == pytest.approx(0.6, abs=0.04)
        assert meter.cost_between(*ALWAYS).cpu_seconds < 0.05


DAEMON = """
import os, sys, time
if os.fork(): sys.stdin.read() or time.sleep(1000)
if os.fork(): os._exit(0)
os.setsid()
time.sleep(0.5)
until = time.process_time() + 0.4
while time.process_time() < until: pass
open(sys.argv[1], "w").close()
time.sleep(1000)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody adopts a daemon")
def test_what_a_server_sends_into_the_background_is_its_cost(tmp_path):
    """The guard has adopted it."""
    over = tmp_path / "over"
    with Process("daemon", [sys.executable, "-c", DAEMON, str(over)]) as server:
        meter = CostMeter(server.pid, guard=server.guard)
        deadline = time.monotonic() + 30
        while not over.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
            meter.look()
        meter.end()
    used = meter.cost_between(*ALWAYS)
    assert used.cpu_seconds >= 0.4
    assert used.busiest_process_cpu_seconds == pytest.approx(0.4, abs=0.1)
    assert used.peak_threads in (2, 3)  # without the guard's own


def test_looking_takes_less_than_a_hundredth_of_a_core():
    """With a hundred processes of a server, and five hundred sessions beside it."""
    many = "for number in $(seq {}); do sleep 100 & done; wait"
    with (
        subprocess.Popen(["sh", "-c", many.format(100)], start_new_session=True) as server,
        subprocess.Popen(["sh", "-c", many.format(500)], start_new_session=True) as beside,
    ):
        try:
            deadline = time.monotonic() + 20
            while len(psutil.Process(beside.pid).children()) < 500 and time.monotonic() < deadline:
                time.sleep(0.1)
            meter = CostMeter(server.pid, {"postgres": beside.pid})
            machine = MachineMeter([0])
            began, used = time.monotonic(), [0.0]  # by the thread that looks
            with cost.looking([meter.look, machine.look, lambda: used.append(time.thread_time())]):
                time.sleep(6)
            share = used[-1] / (time.monotonic() - began)
            assert share < 0.01, share
            assert len(used) > 5, "it looked too seldom"
            assert meter.cost_between(*ALWAYS).peak_threads >= 101
        finally:
            for process in (server, beside):
                os.killpg(process.pid, signal.SIGKILL)


REPLACES = """
import subprocess, sys
for _ in range(2):
    worker = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    print(worker.pid, flush=True)
    sys.stdin.readline()
    worker.kill()
    worker.wait()
"""


def test_a_worker_that_takes_the_place_of_another_is_soon_seen():
    with subprocess.Popen([sys.executable, "-c", REPLACES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        server.stdout.readline()
        meter = CostMeter(server.pid)
        meter._finding._next = math.inf  # as where there are very many processes
        server.stdin.write("\n")
        server.stdin.flush()
        another = int(server.stdout.readline())
        meter.look()
        time.sleep(cost.SELDOM_ENOUGH)
        meter.look()
        assert another in meter._server.alive
        server.communicate("\n")


def test_processes_may_come_and_go_while_they_are_looked_at():
    short = "while :; do sh -c 'sh -c :; :'; done"
    with subprocess.Popen(["sh", "-c", short], start_new_session=True) as server:
        try:
            meter = CostMeter(server.pid)
            for _ in range(300):
                meter.look(everything=True)
            meter.end()
            assert meter.cost_between(*ALWAYS).cpu_seconds > 0
        finally:
            os.killpg(server.pid, signal.SIGKILL)
    meter.look(everything=True)  # it has ended
    assert meter.cost_between(*ALWAYS).cpu_seconds > 0


def test_what_goes_wrong_while_looking_is_not_lost():
    with pytest.raises(ZeroDivisionError), cost.looking([lambda: 1 / 0]):
        time.sleep(2 * cost.LOOK_EVERY)


def test_what_was_never_seen_alive_has_no_cost():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as server:
        meter = CostMeter(server.pid)
        meter._server.together.clear()
        server.communicate(b"\n")
    meter.look(everything=True)
    assert meter.cost_between(*ALWAYS) is None


def test_between_two_samples_it_grows_evenly():
    samples = [(10.0, 1.0), (12.0, 2.0), (13.0, 5.0)]
    assert [cost.value_at(clock, samples) for clock in (-math.inf, 10, 11, 12.5, 13, math.inf)] == [1, 1, 1.5, 3.5, 5, 5]
    assert cost.grown_between(11, 12.5, samples) == 2


def test_a_clock_that_is_set_back_loses_nothing():
    assert cost.grown_between(*ALWAYS, [(0.0, 0.0), (10.0, 8.0), (5.25, 8.2), (6.0, 8.8)]) == 8.8
