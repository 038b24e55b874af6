"""Who gives way to whom: the load generator and the server to nobody that we start."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from common.serving import cost, priority
from tests.processes import Program, changed, copy_tree


def test_what_stands_beside_gives_way_to_the_load_generator_and_the_server(tmp_path):
    beside = changed(
        ("-n 20 -c 2", "-c 2 -t 20"), ('STUDY = "tests"', 'STUDY = "tests"\nNEEDS = ["slow_api"]\nLATENCIES_MS = [1]\nTABLES = ""')
    )
    with Program(copy_tree(tmp_path, {"one": beside}), "scenarios/one.py") as program:
        program.wait_for("common.loadgen", "-t 20")
        nice = {
            name: program.wait_for(*words).nice()
            for name, words in {
                "loadgen": ["common.loadgen"],
                "server": ["scenarios.one:application"],
                "slow API": ["slow_api:application"],
                "relay": ["common.serving.relay"],
                "PostgreSQL": ["postgres", "-D"],
            }.items()
        }
        program.process.terminate()
        program.finish()
    own = psutil.Process().nice()
    assert nice == {"loadgen": own, "server": own, "slow API": priority.NICE, "relay": priority.NICE, "PostgreSQL": priority.NICE}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread has no priority of its own")
def test_our_own_looking_gives_way_and_what_we_start_does_not():
    seen, own = [], psutil.Process().nice()

    def look():
        seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    with cost.looking([look]):
        while not seen:
            time.sleep(0.05)
    assert set(seen) == {priority.NICE}
    assert psutil.Process().nice() == own


@pytest.mark.skipif(not priority.AUTOGROUP.exists(), reason="the system does not share cores out by sessions")
def test_a_session_gives_way_as_one(monkeypatch, tmp_path):
    enabled = tmp_path / "enabled"
    monkeypatch.setattr(priority, "AUTOGROUP", enabled)
    for word, gives_way in (("0", False), ("1", True)):
        enabled.write_text(f"{word}\n")
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True) as session:
            sessions = priority.Sessions(lambda pid=session.pid: [pid])
            deadline = time.monotonic() + 5
            group = Path(f"/proc/{session.pid}/autogroup")
            while group.read_text().endswith("nice 0\n") and time.monotonic() < deadline:
                sessions.look()
                if not gives_way:
                    break
                time.sleep(0.1)
            assert group.read_text().endswith(f"nice {priority.NICE if gives_way else 0}\n")
            session.communicate(b"\n")
    sessions.look()  # it has ended
