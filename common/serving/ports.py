"""Which ports are free, and how many connections the system allows."""

import errno
import random
import socket
from pathlib import Path

from common.cli import Failed, UsageError
from common.serving.places import HOST

MOST_NEEDED = 0.9  # of the ports: they are never all free


class Ports:
    """Picks free ports for a measured run; by hand, those that the scenario and its services name."""

    def __init__(self, by_hand: bool, host: str) -> None:
        self._by_hand = by_hand
        self._host = host
        self._taken: set[int] = set()

    def pick(self, own: int, whose: str) -> int:
        if not self._by_hand:
            return self.free()
        if error := why_not_free(own, self._host):
            if error.errno == errno.EADDRINUSE:
                raise Failed(f"{whose}: port {own} is taken by another program; stop it, or change the port")
            raise UsageError(f"cannot listen on {self._host}, port {own}: {error.strerror}")
        return own

    def free(self) -> int:
        return free_port(self._taken)


def is_free(port: int, host: str = HOST) -> bool:
    return why_not_free(port, host) is None


def why_not_free(port: int, host: str) -> OSError | None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error
    return None


def free_port(taken: set[int]) -> int:
    """A free port below 32768, where connections do not get their own ports."""
    for port in random.sample(range(10_000, 32_000), 2_000):
        if port not in taken and is_free(port):
            taken.add(port)
            return port
    raise Failed("no free port between 10000 and 32000")


def backlog() -> int:
    return min(1024, somaxconn())


def somaxconn() -> int:
    """The longest accept queue that the system allows: uWSGI refuses to start with a longer one."""
    try:
        return int(Path("/proc/sys/net/core/somaxconn").read_text())
    except (OSError, ValueError):
        return 128


def time_wait() -> int:
    """The sockets whose port is not free yet; 0 where the system does not say."""
    try:
        words = Path("/proc/net/sockstat").read_text().split()
    except OSError:
        return 0
    return int(words[words.index("tw") + 1])


def lacks_ports(needed: int) -> bool:
    """Would waiting help? A load that needs more ports than exist starts once most are free: the rest become free meanwhile."""
    ports = ephemeral_ports()
    return time_wait() + min(needed, int(MOST_NEEDED * ports)) > ports


def ephemeral_ports() -> int:
    """How many connections to one address can exist at once."""
    try:
        low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    except OSError:
        return 16_384  # the range that IANA names, and macOS uses
    return high - low + 1
