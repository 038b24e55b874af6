"""A scenario being served: what it needs and its server, up, watched and ended together."""

import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from common import services
from common.load import parse_line
from common.scenario import Scenario
from common.server import HOST, Failed, Process, free_port, is_free


@dataclass
class Site:
    scenario: Scenario
    server: Process
    processes: list[Process]
    port: int

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def lives(self) -> bool:
        return all(process.exit_code() is None for process in self.processes)

    def check(self) -> None:
        for process in self.processes:
            if process.exit_code() is not None:
                raise Failed(f"{process.name} ended with exit code {process.exit_code()} while it was needed\n{process.log_tail()}")


class Ports:
    """Free ones for a measured run; by hand, those that the scenario and its services name."""

    def __init__(self, by_hand: bool) -> None:
        self._by_hand = by_hand
        self._taken: set[int] = set()

    def pick(self, own: int, whose: str) -> int:
        if not self._by_hand:
            return free_port(self._taken)
        if not is_free(own):
            raise Failed(f"{whose}: port {own} is taken by another program; end that one, or change the port")
        return own


def start(scenario: Scenario, directory: Path, running: ExitStack, ports: Ports, started: dict[str, int]) -> Site:
    """Serve it; services are added to `started`, and those that are there already are shared."""
    processes, variables = [], {}
    for name in scenario.needs:
        service = services.named(name)
        if name not in started:
            started[name] = ports.pick(service.port, name)
            processes.append(services.start(name, started[name], directory, running))
        variables[service.variable] = f"http://{HOST}:{started[name]}"
    own = {name: ports.pick(port, scenario.name) for name, port in scenario.ports.items()}
    command = scenario.command({"host": HOST, "python": sys.executable, "backlog": services.backlog(), **own})
    server = running.enter_context(Process(scenario.name, command, variables, directory / f"{scenario.name}.log"))
    first = parse_line(scenario.load[0])
    server.wait_until_ok(own["port"], first.target, first.expect)
    return Site(scenario, server, [server, *processes], own["port"])
