"""A scenario being served: what it needs and its server, up, watched and ended together."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from common.client.progress import Tell, silent
from common.results.facts import Pinned
from common.serving import cores, folders, nginx, postgres, relay, services
from common.serving.cluster import LIBPQ
from common.serving.places import HOST
from common.serving.ports import Ports, backlog
from common.serving.process import Process, check, wait_until_listening, wait_until_ok
from common.serving.scenario import Scenario, workers_in


@dataclass
class Site:
    scenario: Scenario
    server: Process
    host: str
    port: int  # where the load goes
    beside: list[Process] = field(default_factory=list)
    pinned: Pinned | None = None
    outside: dict[str, int] = field(default_factory=dict)  # what works for it and is not ours: process ids, by name

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
    scenario: Scenario, directory: Path, database: postgres.Server, *, latency_ms: int = 0, pin: bool = True, tell: Tell = silent
) -> Iterator[Site]:
    """A site for a measured run: its server has cores of its own; this process and all else that it starts share the others."""
    tell(f"{scenario.name}: starting")
    pinned = cores.share_out(workers_in(scenario.study, scenario.workers)) if pin else None
    with cores.only_on(pinned.others if pinned else []), Serving(directory, database) as started:
        site = started.start(scenario, latency_ms, pinned.server if pinned else [])
        site.pinned = pinned
        yield site


class Serving:
    """What sites are started from and end with: services and the database are shared by all that stand on it."""

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

    def start(self, scenario: Scenario, latency_ms: int = 0, server_cores: list[int] | None = None) -> Site:
        """All that the scenario declares, from the back to the front."""
        variables: dict[str, str] = {}
        beside: list[Process] = []
        for name in scenario.needs:
            beside += self._start_service(name)
            variables[services.named(name).variable] = f"http://{HOST}:{self.services[name]}"
        if scenario.tables is not None:
            self._database.serve(scenario.max_connections, self._directory)
            variables |= self._database.fresh(scenario.name, scenario.tables)
            beside += [self._database.process] if self._database.process else []
            if latency_ms:
                host, port = self._database.address()
                process, near = self._start_relay("the relay to PostgreSQL", host, port, up_ms=latency_ms)
                beside.append(process)
                variables |= {"PGHOST": HOST, "PGHOSTADDR": HOST, "PGPORT": str(near)}
        server, port, socket = self._start_server(scenario, variables, server_cores)
        if scenario.nginx is not None:
            beside.append(self._start_nginx(scenario, scenario.nginx, port, socket))
        if latency_ms:
            process, port = self._start_relay("the relay to the client", self._reach, port, down_ms=latency_ms)
            beside.append(process)
        if scenario.tables is not None:
            self._running.callback(self._database.end_sessions, variables["PGDATABASE"])  # before the server and the relays end
        outside = self._database.outside() if scenario.tables is not None else {}
        site = Site(scenario, server, self._reach, port, beside, outside=outside)
        wait_until_ready(site)
        return site

    def _start_service(self, name: str) -> list[Process]:
        service = services.named(name)
        if name in self.services:
            return []
        self.services[name] = self._ports.pick(service.port, name)
        return [services.start(name, self.services[name], self._directory, self._running)]

    def _start_server(self, scenario: Scenario, variables: dict[str, str], on: list[int] | None) -> tuple[Process, int, str]:
        ports = {name: self._ports.pick(port, scenario.name) for name, port in scenario.ports.items()}
        socket = f"{self._folder()}/server.sock" if "{socket}" in scenario.server else ""
        values = {"host": self._bind, "python": sys.executable, "backlog": backlog(), "socket": socket, **ports}
        log = self._directory / f"{scenario.name}.log"
        without = LIBPQ if scenario.tables is not None else ()  # it has those of its database
        process = Process(scenario.name, scenario.command(values), variables, log, on=on, without=without)
        return self._running.enter_context(process), ports["port"], socket

    def _start_nginx(self, scenario: Scenario, location: str, port: int, socket: str) -> Process:
        location = scenario.fill("NGINX", location, {"socket": socket})
        command = nginx.command(location, self._bind, port, backlog(), self._folder())
        log = self._directory / f"{scenario.name}.nginx.log"
        return self._running.enter_context(Process("nginx", command, log=log, gives_way=True))

    def _start_relay(self, name: str, host: str, port: int, up_ms: int = 0, down_ms: int = 0) -> tuple[Process, int]:
        near = self._ports.free()
        command = relay.command(near, host, port, up_ms, down_ms)
        process = self._running.enter_context(Process(name, command, log=self._directory / "relay.log", gives_way=True))
        wait_until_listening([process], HOST, near)
        return process, near

    def _folder(self) -> Path:
        return self._running.enter_context(folders.temporary())


def wait_until_ready(site: Site) -> None:
    """A GET must be answered as it should be; of another method's first load, the warm-up finds out."""
    first = site.scenario.loads[0]
    if first.method == "GET":
        wait_until_ok(site.processes, site.host, site.port, first.target, first.expect)
    else:
        wait_until_listening(site.processes, site.host, site.port)
