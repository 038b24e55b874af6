"""A PostgreSQL for scenarios: the user's own where PGHOST is set, else a private one that we make and remove."""

import hashlib
import logging
import os
import signal
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg
from psycopg import sql
from psycopg.pq import Conninfo

from common.cli import Failed, to_the_end
from common.client.progress import Tell
from common.serving.cluster import LIBPQ, SUPERUSER, Cluster
from common.serving.databases import OURS, abandoned, hold_number, new_number
from common.serving.places import HOST
from common.serving.ports import free_port
from common.serving.process import Process, wait_until

LONGEST_NAME = 63  # PostgreSQL's limit
CONNECT_SECONDS = 5
ANSWER_SECONDS, COPY_SECONDS = 60.0, 600.0
STOP_SECONDS = 20.0
TABLES_SECONDS = 600.0

# libpq reads whatever it is not given from our environment, even to use a default; PG* there is about a different server.
NOT_BY_ENVIRONMENT = {option.keyword.decode(): option.compiled.decode() for option in Conninfo.get_defaults() if option.compiled}
NOT_BY_ENVIRONMENT |= {"hostaddr": HOST, "options": " ", "client_encoding": "UTF8"}


class NotMade(Failed):
    """The tables of a scenario, by its SQL."""


class Server(ABC):
    """What both kinds share: each site gets a fresh copy of its tables, which are made once, as a template."""

    name: str  # in messages
    is_theirs = False  # the user's own, which we neither start nor end
    process: Process | None = None  # None: not ours
    version = ""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._made: set[str] = set()
        self._seeded: set[str] = set()
        self._number = new_number()  # in the names of its databases

    def __enter__(self) -> "Server":
        return self

    @abstractmethod
    def __exit__(self, *error: object) -> None: ...

    @abstractmethod
    def serve(self, max_connections: int, directory: Path) -> None:
        """Make sure it runs and, if it is ours, that it allows this many connections."""

    @abstractmethod
    def address(self) -> tuple[str, int]: ...

    @abstractmethod
    def variables(self) -> dict[str, str]:
        """The variables that libpq needs to find it."""

    @abstractmethod
    def arguments(self, database: str | None = None) -> dict[str, Any]:
        """The same for psycopg in this process; without a database, for one that exists anyway."""

    @abstractmethod
    def end_sessions(self, database: str) -> None:
        """End them, if they are ours, before their site ends."""

    def outside(self) -> dict[str, int]:
        """The process that works for us though we did not start it, by name; empty if it is on a different machine."""
        return {}

    def fresh(self, name: str, tables: str) -> dict[str, str]:
        """Copy the tables into a new database for this name; return the variables by which libpq finds it."""
        template = f"{OURS}{self._number}_{digest(tables)}"
        if template not in self._seeded:
            self._create(template, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(template)))
            self._seed(template, name, tables)
            self._seeded.add(template)
        database = f"{OURS}{self._number}_{digest(name + tables)}_{name.replace('/', '_')}"[:LONGEST_NAME]
        copy = "CREATE DATABASE {} TEMPLATE {}" + (" STRATEGY file_copy" if int(self.ask("SHOW server_version_num")) >= 150_000 else "")
        self._create(database, sql.SQL(copy).format(sql.Identifier(database), sql.Identifier(template)))
        return {**self.variables(), "PGDATABASE": database}

    def drop(self, database: str, force: bool = True) -> None:
        how = "DROP DATABASE IF EXISTS {} WITH (FORCE)" if force else "DROP DATABASE IF EXISTS {}"
        self.execute(sql.SQL(how).format(sql.Identifier(database)))

    def execute(self, statement: sql.SQL | sql.Composed, database: str | None = None, seconds: float | None = None) -> None:
        self._answer(statement, database, seconds)

    def ask(self, question: str) -> str:
        row = self._answer(sql.SQL(question))
        return str(row[0]) if row else ""

    def _answer(
        self, statement: sql.SQL | sql.Composed, database: str | None = None, seconds: float | None = None
    ) -> tuple[Any, ...] | None:
        """The first row, if it has any."""
        limit = ANSWER_SECONDS if seconds is None else seconds
        try:
            with psycopg.connect(**self.arguments(database), autocommit=True) as connection, cut_off_after(limit, connection):
                cursor = connection.execute(statement)
                return cursor.fetchone() if cursor.description else None
        except psycopg.Error as error:
            raise self._failure(error) from None

    def _create(self, database: str, statement: sql.Composed) -> None:
        self._made.add(database)
        self.drop(database)  # left by an earlier or failed start
        self.execute(statement, seconds=COPY_SECONDS)

    def _seed(self, template: str, name: str, tables: str) -> None:
        """Make the tables in a thread, so that the user sees progress, and within a time, whatever their SQL says."""
        problems: list[str] = []
        longer = TABLES_SECONDS + ANSWER_SECONDS  # what watches over it ends it first

        def work() -> None:
            try:
                self.execute(sql.SQL(tables), template, longer)
                self.execute(sql.SQL("VACUUM ANALYZE"), template, longer)
            except Failed as problem:
                problems.append(str(problem))

        thread = threading.Thread(target=work, daemon=True)
        began = time.monotonic()
        thread.start()
        while thread.is_alive():
            took = time.monotonic() - began
            if took > TABLES_SECONDS:
                with suppress(Failed):
                    self.drop(template)  # which ends what works on it
                raise NotMade(f"{self.name} had not made them after {TABLES_SECONDS:g} s: make fewer rows, and leave out what waits")
            self._tell(f"making the tables of {name}: {took:.0f} s")
            thread.join(0.25)
        if problems:
            raise NotMade(problems[0])

    def _failure(self, error: psycopg.Error) -> Failed:
        tail = self.process.log_tail() if self.process else ""
        return Failed(f"{self.name}: {one_line(error)}{tail}")


class Private(Server):
    """Our own server: made when first needed, restarted for a different number of connections, removed afterwards."""

    name = "PostgreSQL"

    def __init__(self, tell: Tell) -> None:
        super().__init__(tell)
        self._cluster: Cluster | None = None
        self._running = ExitStack()
        self._max_connections = 0
        self._words: dict[str, str | int] = {}  # for libpq

    def __exit__(self, *error: object) -> None:
        try:
            self._running.close()
        finally:
            if self._cluster is not None:
                self._cluster.remove()

    def serve(self, max_connections: int, directory: Path) -> None:
        if self.process is None or self.process.exit_code() is not None or self._max_connections != max_connections:
            self._start(max_connections, directory)
        self.version = self.ask("SHOW server_version")

    def address(self) -> tuple[str, int]:
        return HOST, int(self._words["port"])

    def variables(self) -> dict[str, str]:
        return {f"PG{word.upper()}": str(value) for word, value in self._words.items()}

    def arguments(self, database: str | None = None) -> dict[str, Any]:
        return {**NOT_BY_ENVIRONMENT, **self._words, "dbname": database or "postgres", "connect_timeout": CONNECT_SECONDS}

    def fresh(self, name: str, tables: str) -> dict[str, str]:
        variables = super().fresh(name, tables)
        self.execute(sql.SQL("CHECKPOINT"))  # now, not during the load
        return variables

    def end_sessions(self, database: str) -> None:
        """End them by signal: queries of a cut-off load would fill the cores for half a minute, and a query to end them would queue too."""
        for session in self._children():
            with suppress(psutil.Error):  # it has ended
                if database in " ".join(session.cmdline()).split():  # "postgres: USER DATABASE ADDRESS STATE"
                    session.terminate()  # as pg_terminate_backend() does

    def _children(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.process.pid).children() if self.process else []
        except psutil.Error:
            return []

    def _start(self, max_connections: int, directory: Path) -> None:
        if self._cluster is None:
            self._cluster = Cluster(self._tell)
        self._running.close()
        self.process = None
        port = free_port(set())
        self._words = {"host": HOST, "port": port, "user": SUPERUSER, "password": self._cluster.password}
        command, log, user = self._cluster.command(port, max_connections), directory / "postgres.log", self._cluster.user
        process = Process("postgres", command, log=log, end=signal.SIGINT, grace=STOP_SECONDS, user=user, without=LIBPQ, gives_way=True)
        self._running.enter_context(process)
        wait_until([process], self._find_fault, f"accept connections on port {port}")
        self.process, self._max_connections = process, max_connections

    def _find_fault(self, left: float) -> str:
        try:
            psycopg.connect(**self.arguments()).close()
        except psycopg.OperationalError as error:
            return one_line(error)
        return ""


class UsersOwn(Server):
    """The user's own server, named by PGHOST: we only add databases of ours, and drop them again, also those of runs that were killed."""

    is_theirs = True

    def __init__(self, tell: Tell) -> None:
        super().__init__(tell)
        self.name = f"your PostgreSQL at PGHOST={os.environ['PGHOST']}"
        self._session: psycopg.Connection[Any] | None = None  # while it lasts, our databases are ours

    def __exit__(self, *error: object) -> None:
        to_the_end(self._drop_all)

    def _drop_all(self) -> None:
        while self._made:
            database = min(self._made)
            try:
                self.drop(database)
            except Failed as problem:
                logging.getLogger(__name__).warning("database %s could not be dropped: %s", database, problem)
            self._made.remove(database)
        if self._session is not None:
            self._session.close()

    def serve(self, max_connections: int, directory: Path) -> None:
        if not self._holds():
            self._hold()
        self.version = self.ask("SHOW server_version")

    def _holds(self) -> bool:
        """False also if the server has ended our session meanwhile."""
        if self._session is None:
            return False
        with suppress(psycopg.Error), cut_off_after(ANSWER_SECONDS, self._session):
            return self._session.execute("SELECT 1") is not None
        return False

    def _hold(self) -> None:
        try:
            self._session = psycopg.connect(**self.arguments(), autocommit=True)
            with cut_off_after(ANSWER_SECONDS, self._session):
                self._number = hold_number(self._session)
                leftovers = abandoned(self._session)
        except psycopg.Error as error:
            raise self._failure(error) from None
        for database in leftovers:
            with suppress(Failed):  # it is another user's, another run was faster, or a run that lost its session still uses it
                self.drop(database, force=False)

    def address(self) -> tuple[str, int]:
        host, port = os.environ["PGHOST"], os.environ.get("PGPORT", "5432")
        if host.startswith("/"):
            raise Failed("added latency needs PostgreSQL over TCP, but PGHOST names a unix socket: set it to a host")
        if not (port.isdecimal() and len(port) < 6):
            raise Failed(f"PGPORT is not a port: {port!r}")
        return host, int(port)

    def variables(self) -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if name.startswith(LIBPQ)}

    def arguments(self, database: str | None = None) -> dict[str, Any]:
        return {"dbname": database or os.environ.get("PGDATABASE", "postgres"), "connect_timeout": CONNECT_SECONDS}

    def end_sessions(self, database: str) -> None:
        pass

    def outside(self) -> dict[str, int]:
        """The parent of a session's process, if the session runs on this machine."""
        try:
            with psycopg.connect(**self.arguments()) as connection:
                info = connection.info
                session = psutil.Process(info.backend_pid)
                is_here = info.host.startswith("/") or is_local(info.hostaddr)
                return {"postgres": session.ppid()} if is_here and session.name().startswith("post") else {}
        except (psycopg.Error, psutil.Error):
            return {}


@contextmanager
def cut_off_after(seconds: float, connection: psycopg.Connection[Any]) -> Iterator[None]:
    """psycopg has a deadline for connecting alone; a statement that takes longer than this is cancelled and loses its connection."""
    late = threading.Event()

    def cut_off() -> None:
        late.set()
        with suppress(psycopg.Error):
            connection.cancel_safe(timeout=CONNECT_SECONDS)
        with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as session:
            session.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut_off)
    timer.daemon = True
    timer.start()
    try:
        yield
    except psycopg.Error as error:
        raise psycopg.OperationalError(f"no answer came within {seconds:g} s") if late.is_set() else error from None
    finally:
        timer.cancel()
        timer.join()


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def is_local(address: str) -> bool:
    ours = {entry.address for entries in psutil.net_if_addrs().values() for entry in entries}
    return address in {*ours, HOST, "::1"}


def server(tell: Tell) -> Server:
    return UsersOwn(tell) if "PGHOST" in os.environ else Private(tell)


def one_line(error: psycopg.Error) -> str:
    return " ".join(str(error).split()) or type(error).__name__
