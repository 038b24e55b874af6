"""The services that scenarios need beside their server, by their names in NEEDS."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from common.cli import Failed
from common.client.load import Load
from common.serving.places import HOST
from common.serving.probe import wait_until_ok
from common.serving.process import Process


@dataclass(frozen=True)
class Service:
    command: str  # {host} and {port} are filled in
    variable: str  # where the scenario finds its address
    port: int  # the one that the scenario assumes when started by hand
    ready: str


SERVICES = {
    "slow_api": Service(
        command="uvicorn common.serving.slow_api:application --host {host} --port {port} --lifespan off "
        "--no-access-log --log-level warning --backlog 2048 --loop auto --http auto",
        variable="SLOW_API_URL",
        port=5000,
        ready="/0/",
    ),
}


def named(name: str) -> Service:
    if name not in SERVICES:
        raise Failed(f"there is no service {name!r}; NEEDS may name: {', '.join(SERVICES)}")
    return SERVICES[name]


def start(name: str, port: int, directory: Path, running: ExitStack) -> Process:
    service = named(name)
    command = [word.format(host=HOST, port=port) for word in service.command.split()]
    process = running.enter_context(Process(name, command, log=directory / f"{name}.log", gives_way=True))
    wait_until_ok([process], HOST, port, Load(service.ready))
    return process
