"""A scenario being served: what it needs and its server, up, watched and ended together."""

import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from common.client.load import parse_line
from common.serving import folders, nginx, relay, services
from common.serving.postgres import Postgres
from common.serving.process import HOST, Failed, Process, check, free_port, is_free, wait_until_listening, wait_until_ok
from common.serving.scenario import Scenario


@dataclass
class Site:
    scenario: Scenario
    server: Process
    host: str
    port: int  # where the load goes
    beside: list[Process] = field(default_factory=list)

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


class Ports:
    """Free ones for a measured run; by hand, those that the scenario and its services name."""

    def __init__(self, by_hand: bool, host: str) -> None:
        self._by_hand = by_hand
        self._host = host
        self._taken: set[int] = set()

    def pick(self, own: int, whose: str) -> int:
        if not self._by_hand:
            return self.free()
        if not is_free(own, self._host):
            raise Failed(f"{whose}: port {own} is taken by another program; end that one, or change the port")
        return own

    def free(self) -> int:
        return free_port(self._taken)


class Stage:
    """Starts sites: services and the database are shared by all that stand on it."""

    def __init__(self, directory: Path, postgres: Postgres, running: ExitStack, by_hand: bool = False, host: str = HOST) -> None:
        self.server_cores: list[int] = []  # wherever this process runs
        self.directory = directory
        self.services: dict[str, int] = {}
        self._postgres = postgres
        self._running = running
        self._ports = Ports(by_hand, host)
        self._bind = host
        self._reach = HOST if host == "0.0.0.0" else host

    def start(self, scenario: Scenario, latency_ms: int = 0) -> Site:
        """Everything the scenario declares, from the back to the front."""
        variables: dict[str, str] = {}
        beside: list[Process] = []
        for name in scenario.needs:
            beside += self._start_service(name)
            variables[services.named(name).variable] = f"http://{HOST}:{self.services[name]}"
        if scenario.tables is not None:
            self._postgres.serve(scenario.max_connections, self.directory)
            variables |= self._postgres.fresh(scenario.name, scenario.tables)
            beside += [self._postgres.process] if self._postgres.process else []
            if latency_ms:
                host, port = self._postgres.address()
                process, near = self._start_relay("the relay to PostgreSQL", host, port, up_ms=latency_ms)
                beside.append(process)
                variables |= {"PGHOST": HOST, "PGHOSTADDR": HOST, "PGPORT": str(near)}
        server, port, socket = self._start_server(scenario, variables)
        if scenario.nginx is not None:
            beside.append(self._start_nginx(scenario, port, socket))
        if latency_ms:
            process, port = self._start_relay("the relay to the client", self._reach, port, down_ms=latency_ms)
            beside.append(process)
        site = Site(scenario, server, self._reach, port, beside)
        if scenario.tables is not None:
            self._running.callback(self._postgres.end_sessions, variables["PGDATABASE"])  # before the server and the relays end
        self._wait_until_ready(site)
        return site

    def _start_service(self, name: str) -> list[Process]:
        service = services.named(name)
        if name in self.services:
            return []
        self.services[name] = self._ports.pick(service.port, name)
        return [services.start(name, self.services[name], self.directory, self._running)]

    def _start_server(self, scenario: Scenario, variables: dict[str, str]) -> tuple[Process, int, str]:
        ports = {name: self._ports.pick(port, scenario.name) for name, port in scenario.ports.items()}
        socket = f"{self._folder()}/server.sock" if "{socket}" in scenario.server else ""
        values = {"host": self._bind, "python": sys.executable, "backlog": services.backlog(), "socket": socket, **ports}
        log = self.directory / f"{scenario.name}.log"
        process = Process(scenario.name, scenario.command(values), variables, log, on=self.server_cores)
        return self._running.enter_context(process), ports["port"], socket

    def _start_nginx(self, scenario: Scenario, port: int, socket: str) -> Process:
        assert scenario.nginx is not None
        location = scenario.fill("NGINX", scenario.nginx, {"socket": socket})
        command = nginx.command(location, self._bind, port, services.backlog(), Path(self._folder()))
        return self._running.enter_context(Process("nginx", command, log=self.directory / f"{scenario.name}.nginx.log"))

    def _start_relay(self, name: str, host: str, port: int, up_ms: int = 0, down_ms: int = 0) -> tuple[Process, int]:
        near = self._ports.free()
        command = relay.command(near, host, port, up_ms, down_ms)
        process = self._running.enter_context(Process(name, command, log=self.directory / "relay.log"))
        wait_until_listening([process], HOST, near)
        return process, near

    def _folder(self) -> str:
        return str(self._running.enter_context(folders.temporary()))

    def _wait_until_ready(self, site: Site) -> None:
        """A GET must be answered as it should be; of another method's first load, the warm-up finds out."""
        first = parse_line(site.scenario.load[0])
        if first.method == "GET":
            wait_until_ok(site.processes, site.host, site.port, first.target, first.expect)
        else:
            wait_until_listening(site.processes, site.host, site.port)
