"""A scenario being served: its server and everything it needs, started, watched and ended together."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from common.cli import Failed
from common.client.load import Load
from common.client.progress import Tell, silent
from common.client.site_headers import Headers
from common.results.circumstances import Pinned
from common.serving import cores, folders, nginx, postgres, relay, services
from common.serving.cluster import LIBPQ
from common.serving.login import named, pages_to_visit, visit
from common.serving.own import project
from common.serving.own.unchanged import check_unchanged
from common.serving.places import HOST, short_path
from common.serving.ports import Ports, backlog
from common.serving.probe import Hints, wait_until_ok
from common.serving.process import Process, check, find_program, wait_until_listening
from common.serving.scenario import Scenario, ScenarioError, read_source, workers_in

LONGEST_SOCKET = 107 if sys.platform == "linux" else 103


@dataclass
class Site:
    scenario: Scenario
    server: Process
    host: str
    port: int  # where the load goes
    beside: list[Process] = field(default_factory=list)
    pinned: Pinned | None = None
    outside: dict[str, int] = field(default_factory=dict)  # what works for it but is not ours: process ids by name
    carried: Headers = ()  # by every request of its load: the session of LOGIN, the token of CSRF

    @property
    def processes(self) -> list[Process]:
        return [self.server, *self.beside]

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def lives(self) -> bool:
        return all(process.exit_code() is None for process in self.processes)

    def check(self) -> None:
        check(self.processes)


@contextmanager
def serving(
    scenario: Scenario,
    load: Load,
    directory: Path,
    database: postgres.Server,
    *,
    latency_ms: int = 0,
    pin: bool = True,
    workers: int = 1,
    tell: Tell = silent,
) -> Iterator[Site]:
    """A site that is ready for a load that is measured.

    Its server has cores of its own; this process and everything else it starts share the others.
    """
    tell(f"{scenario.name}: starting")
    pinned = cores.share_out(workers_in(scenario.study, max(workers, scenario.workers))) if pin else None
    with cores.only_on(pinned.others if pinned else []), Serving(directory, database) as started:
        site = started.start(scenario, load, latency_ms, pinned.server if pinned else [])
        site.pinned = pinned
        yield site


class Serving:
    """Starts sites and ends them all together; they share its services and its database."""

    def __init__(self, directory: Path, database: postgres.Server, by_hand: bool = False, host: str = HOST) -> None:
        self.services: dict[str, int] = {}
        self._directory = directory
        self._database = database
        self._ports = Ports(by_hand, host)
        self._bind = host
        self._reach = HOST if host == "0.0.0.0" else host
        self._running = ExitStack()

    def __enter__(self) -> "Serving":
        return self

    def __exit__(self, *error: object) -> None:
        self._running.close()

    def start(self, scenario: Scenario, load: Load, latency_ms: int = 0, server_cores: list[int] | None = None) -> Site:
        """Start a site and wait until it answers this load's request correctly."""
        site = self.begin(scenario, latency_ms, server_cores)
        wait_until_ready(site, load)
        return site

    def begin(self, scenario: Scenario, latency_ms: int = 0, server_cores: list[int] | None = None) -> Site:
        """Start everything the scenario declares, from back to front; its server may not answer yet."""
        check_file(scenario)
        command, port, socket = self._fill_in(scenario)
        if scenario.project:
            command = project.command(scenario, command)
        find_program(command[0], scenario.interpreter)
        if scenario.nginx is not None:
            find_program(nginx.program())
        variables = project.variables(scenario) if scenario.project else {}
        beside: list[Process] = []
        for name in scenario.needs:
            beside += self._start_service(name)
            variables[services.named(name).variable] = f"http://{HOST}:{self.services[name]}"
        if scenario.tables is not None:
            self._database.serve(scenario.max_connections, self._directory)
            variables |= self._make_tables(scenario, scenario.tables)
            beside += [self._database.process] if self._database.process else []
            if latency_ms:
                process, near = self._start_relay("the relay to PostgreSQL", *self._database.address(), up_ms=latency_ms)
                beside.append(process)
                variables |= {"PGHOST": HOST, "PGHOSTADDR": HOST, "PGPORT": str(near)}
        server = self._start_server(scenario, command, variables, server_cores)
        if scenario.nginx is not None:
            beside.append(self._start_nginx(scenario, scenario.nginx, port, socket))
        if latency_ms:
            process, port = self._start_relay("the relay to the client", self._reach, port, down_ms=latency_ms)
            beside.append(process)
        if scenario.tables is not None:
            self._running.callback(self._database.end_sessions, variables["PGDATABASE"])  # before the server and the relays end
        outside = self._database.outside() if scenario.tables is not None else {}
        return Site(scenario, server, self._reach, port, beside, outside=outside)

    def _make_tables(self, scenario: Scenario, tables: str) -> dict[str, str]:
        """The variables by which it finds them."""
        try:
            return self._database.fresh(scenario.name, tables)
        except postgres.NotMade as problem:
            raise Failed(f"{short_path(scenario.path)}: TABLES: {problem}") from None

    def _start_service(self, name: str) -> list[Process]:
        service = services.named(name)
        if name in self.services:
            return []
        self.services[name] = self._ports.pick(service.port, name)
        return [services.start(name, self.services[name], self._directory, self._running)]

    def _fill_in(self, scenario: Scenario) -> tuple[list[str], int, str]:
        """The server's command, the port that requests go to, and the socket if there is one."""
        ports = {name: self._ports.pick(port, scenario.name) for name, port in scenario.ports.items()}
        socket = self._socket() if "{socket}" in scenario.server else ""
        values = {"host": self._bind, "python": scenario.interpreter or sys.executable, "backlog": backlog(), "socket": socket, **ports}
        return scenario.command(values), ports["port"], socket

    def _start_server(self, scenario: Scenario, command: list[str], variables: dict[str, str], on: list[int] | None) -> Process:
        log = self._directory / f"{scenario.name}.log"
        without = LIBPQ if scenario.tables is not None else ()  # it gets those of its own database
        root, python = scenario.folder, scenario.interpreter
        process = Process(scenario.name, command, variables, log, on=on, without=without, root=root, python=python)
        return self._running.enter_context(process)

    def _start_nginx(self, scenario: Scenario, location: str, port: int, socket: str) -> Process:
        folder = Path(socket).parent
        location = scenario.fill("NGINX", location, {"socket": Path(socket).name})
        command = nginx.command(location, self._bind, port, backlog(), folder)
        log = self._directory / f"{scenario.name}.nginx.log"
        return self._running.enter_context(Process("nginx", command, log=log, gives_way=True, root=folder))

    def _start_relay(self, name: str, host: str, port: int, up_ms: int = 0, down_ms: int = 0) -> tuple[Process, int]:
        near = self._ports.free()
        command = relay.command(near, host, port, up_ms, down_ms)
        process = self._running.enter_context(Process(name, command, log=self._directory / "relay.log", gives_way=True))
        wait_until_listening([process], HOST, near)
        return process, near

    def _socket(self) -> str:
        path = f"{self._running.enter_context(folders.temporary())}/server.sock"
        if ":" in path:
            raise Failed(f"{path} has a colon, and uWSGI takes such a path for a port: set TMPDIR to a folder without one")
        if len(os.fsencode(path)) > LONGEST_SOCKET:
            raise Failed(f"{path} is too long for a unix socket (at most {LONGEST_SOCKET} bytes): set TMPDIR to a shorter path")
        return path


def check_file(scenario: Scenario) -> None:
    """Find mistakes that reading it does not show, and that a run would show after half a minute or never."""
    where = "{socket}" if scenario.nginx is not None else "{port}"
    if where not in scenario.server:
        asks = "nginx passes requests on to that socket" if scenario.nginx is not None else "each run picks a free port"
        raise ScenarioError(f"{short_path(scenario.path)}: SERVER has no {where}: {asks}, and the server must listen there")
    if read_source(scenario.path) != scenario.source:
        raise ScenarioError(f"{short_path(scenario.path)} was changed while the run went on: start a new one to measure what it is now")
    if scenario.project:
        check_unchanged(scenario.folder)
    if "__main__" not in scenario.source:
        raise ScenarioError(
            f"{short_path(scenario.path)}: its last lines are missing, so `python {short_path(scenario.path)}` does nothing: "
            "copy them from another scenario, from `if __name__` on"
        )


def wait_until_ready(site: Site, load: Load) -> None:
    """Log in, if the scenario says how; then the load's own request must be answered correctly."""
    scenario = site.scenario
    hints = hints_for(scenario)
    for page in pages_to_visit(scenario, load):
        of_login = replace(hints, who=f"is that the page for {named(scenario, 'LOGIN_PATH')}?")
        wait_until_ok(site.processes, site.host, site.port, page, hints=of_login)
    site.carried = visit(scenario, load, site.url)
    if scenario.login is not None:
        hints = replace(hints, who=f"{named(scenario, 'LOGIN')} is not enough for this page")
    wait_until_ok(site.processes, site.host, site.port, load, site.carried, hints)


def hints_for(scenario: Scenario) -> Hints:
    return Hints("give --login or --cookie", "give --csrf /path/of/the/form/") if scenario.project else Hints()
