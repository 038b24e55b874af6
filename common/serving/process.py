"""Start a process, wait until it serves, account for it, end it with all that it started."""

import http.client
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from common.serving.cores import only_on

ROOT = Path(__file__).resolve().parents[2]
GUARD = Path(__file__).with_name("guard.py")
HOST = "127.0.0.1"
READY_SECONDS = 30.0
GRACE_SECONDS = 0.5  # from the first signal to SIGKILL: what a server still works on is of no use
END_SECONDS = 10.0
LOG_LINES = 12
DECIDING = ("WEB_CONCURRENCY", "GUNICORN_CMD_ARGS", "UVICORN_", "UWSGI_", "DJANGO_SETTINGS_MODULE")


INSTALL = {
    "postgres": "./run_all.sh installs one; on Debian: apt-get install postgresql; or set PGHOST to use your own",
    "nginx": "on Debian: apt-get install nginx; on macOS: brew install nginx",
}


class NotInstalled(Exception):
    """A program that a scenario needs is not on this machine."""

    def __init__(self, program: str) -> None:
        super().__init__(f"{program} is not installed: {INSTALL.get(program, './run_all.sh installs what requirements.txt names')}")


class Failed(Exception):
    """A process of ours did not do what it was started for, said in one line and its log's tail."""


def surroundings() -> dict[str, str]:
    """The environment without what would decide a figure behind the launch line's back."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(DECIDING)}
    for name in ("NO_PROXY", "no_proxy"):
        kept[name] = ",".join([HOST, "localhost", *([kept[name]] if kept.get(name) else [])])
    kept["PYTHONPATH"] = os.pathsep.join([str(ROOT), *([kept["PYTHONPATH"]] if kept.get("PYTHONPATH") else [])])
    return {**kept, "PYTHONUNBUFFERED": "1"}


class Process:
    """One command under a guard: it never outlives this process, however this process ends."""

    def __init__(
        self,
        name: str,
        command: list[str],
        environment: dict[str, str] | None = None,
        log: Path | None = None,
        end: signal.Signals = signal.SIGTERM,
        grace: float = GRACE_SECONDS,
        on: list[int] | None = None,
    ) -> None:
        self.name = name
        self.command = command
        self.log = log
        self._end = end
        self._grace = grace
        self._on = on or []
        self._environment = environment or {}
        self._guard: subprocess.Popen[bytes] | None = None
        self.pid = 0

    def __enter__(self) -> "Process":
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
        program = shutil.which(self.command[0], path=path)
        if program is None:
            raise NotInstalled(self.command[0])
        environment = {**surroundings(), "PATH": path, **self._environment}
        stderr = None
        if self.log is not None:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            stderr = self.log.open("ab")
        try:
            with only_on(self._on):
                self._guard = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(GUARD), str(int(self._end)), str(self._grace), program, *self.command[1:]],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                    env=environment,
                    cwd=ROOT,
                    start_new_session=True,
                )
        finally:
            if stderr is not None:
                stderr.close()
        assert self._guard.stdout is not None
        self.pid = int(self._guard.stdout.readline() or 0)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        guard = self._guard
        if guard is None or guard.stdin is None or guard.stdout is None:
            return
        guard.stdin.close()
        try:
            guard.wait(self._grace + END_SECONDS)
        finally:
            guard.stdout.close()

    def exit_code(self) -> int | None:
        return self._guard.poll() if self._guard else None

    def wait(self) -> int:
        assert self._guard is not None
        return self._guard.wait()

    def log_size(self) -> int:
        return self.log.stat().st_size if self.log is not None and self.log.exists() else 0

    def log_since(self, size: int) -> str:
        if self.log is None or not self.log.exists():
            return ""
        with self.log.open("rb") as file:
            file.seek(size)
            return file.read().decode(errors="replace")

    def log_tail(self) -> str:
        if self.log is None:
            return ""
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(f"    {line}" for line in lines[-LOG_LINES:])


def check(processes: list[Process]) -> None:
    """Failed if one of them has ended, with its name and the end of its log."""
    for process in processes:
        if process.exit_code() is not None:
            raise Failed(f"{process.name} ended with exit code {process.exit_code()} while it was needed\n{process.log_tail()}")


def wait_until_ok(processes: list[Process], host: str, port: int, path: str, expect: str | None) -> None:
    """Until the path is answered as it should be; Failed if a process ends first, or the time does."""
    wait_until(processes, lambda left: fault(host, port, path, expect, left), f"serve {path} on port {port}")


def wait_until_listening(processes: list[Process], host: str, port: int) -> None:
    wait_until(processes, lambda left: "" if listens(host, port) else "nobody listens", f"listen on port {port}")


def wait_until(processes: list[Process], fault: Callable[[float], str], what: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        check(processes)
        found = fault(max(0.1, deadline - time.monotonic()))
        if not found:
            return
        if time.monotonic() > deadline:
            raise Failed(f"{processes[0].name} did not {what} within {READY_SECONDS:g} s ({found})\n{processes[0].log_tail()}")
        time.sleep(0.05)


def listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def fault(host: str, port: int, path: str, expect: str | None, seconds: float) -> str:
    """What is wrong with the answer; '' if nothing."""
    connection = http.client.HTTPConnection(host, port, timeout=seconds)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        answer = connection.getresponse()
        body = answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        connection.close()
    if not 200 <= answer.status < 300:
        return f"status {answer.status}"
    if expect is not None and expect not in body:
        return f"the answer lacks {expect!r}"
    return ""


def is_free(port: int, host: str = HOST) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(taken: set[int]) -> int:
    """Below 32768, where no connection's own port can be."""
    for port in random.sample(range(10_000, 32_000), 2_000):
        if port not in taken and is_free(port):
            taken.add(port)
            return port
    raise Failed("no free port between 10000 and 32000")


def tree(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def cpu_seconds(pid: int) -> float:
    """Of a process, its children and those that they have outlived, by the kernel's accounting."""
    total = 0.0
    for process in tree(pid):
        with suppress(psutil.NoSuchProcess):
            total += with_outlived(process.cpu_times())
    return total


def with_outlived(times: Any) -> float:
    return float(times.user + times.system + times.children_user + times.children_system)


def switches(pid: int) -> dict[int, tuple[int, int]]:
    """Voluntary and involuntary context switches: of each thread where the system tells, else of each process."""
    found = {}
    for process in tree(pid):
        threads = list(Path(f"/proc/{process.pid}/task").glob("*"))
        if not threads:
            with suppress(psutil.Error):
                found[process.pid] = (process.num_ctx_switches().voluntary, process.num_ctx_switches().involuntary)
        for thread in threads:
            with suppress(OSError):  # it ended meanwhile
                lines = thread.joinpath("status").read_text().splitlines()[-2:]
                found[int(thread.name)] = (int(lines[0].split()[1]), int(lines[1].split()[1]))
    return found


class Cost:
    """What a server and its children used: CPU and switches by the kernel's accounting, memory and threads by looking."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._cpu: list[tuple[float, float]] = []  # (clock, CPU seconds since its start)
        self._each: dict[int, list[tuple[float, float]]] = {}  # the same for each process alone
        self._peaks = {"memory": 0, "largest": 0, "threads": 0}
        self._measure = "pss" if sys.platform == "linux" else "rss"
        self._switches_before = switches(pid)
        self._switches = (0, 0)
        self.look()

    def look(self) -> None:
        clock, cpu, memory, threads = time.time(), 0.0, [], 0
        try:
            for process in tree(self._pid):
                with process.oneshot():
                    used = process.cpu_times()
                    cpu += with_outlived(used)
                    self._each.setdefault(process.pid, []).append((time.time(), used.user + used.system))
                    memory.append(process.memory_full_info().pss if self._measure == "pss" else process.memory_info().rss)
                    threads += process.num_threads()
        except psutil.Error:
            return  # a process ended while we looked: the next look counts
        self._cpu.append((clock, cpu))
        for name, value in (("memory", sum(memory)), ("largest", max(memory)), ("threads", threads)):
            self._peaks[name] = max(self._peaks[name], value)

    def end(self) -> None:
        """The last look, after the load."""
        self.look()
        try:
            after = switches(self._pid)
        except psutil.Error:
            return
        grown = [
            [count - before for count, before in zip(counts, self._switches_before.get(thread, (0, 0)), strict=True)]
            for thread, counts in after.items()
        ]
        self._switches = (sum(one for one, _ in grown), sum(other for _, other in grown))

    def as_record(self, start: float, end: float) -> dict[str, Any] | None:
        """Of the load alone, between two clock times; None if the server was never seen alive."""
        if not self._cpu:
            return None
        return {
            "cpu_seconds": round(at(end, self._cpu) - at(start, self._cpu), 3),
            "busiest_process_cpu_seconds": round(max(at(end, one) - at(start, one) for one in self._each.values()), 3),
            "voluntary_switches": self._switches[0],
            "involuntary_switches": self._switches[1],
            "peak_memory_bytes": self._peaks["memory"],
            "largest_process_bytes": self._peaks["largest"],
            "memory_measure": self._measure,
            "peak_threads": self._peaks["threads"],
        }


def at(clock: float, samples: list[tuple[float, float]]) -> float:
    """The value at a time between two samples, as if it had grown evenly."""
    before = max((sample for sample in samples if sample[0] <= clock), default=samples[0])
    after = min((sample for sample in samples if sample[0] >= clock), default=samples[-1])
    if after[0] == before[0]:
        return before[1]
    return before[1] + (after[1] - before[1]) * (clock - before[0]) / (after[0] - before[0])
