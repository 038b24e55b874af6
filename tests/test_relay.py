"""Does the relay delay what it should, and change nothing else?"""

import itertools
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.serving import relay
from common.serving.places import HOST
from common.serving.ports import free_port
from common.serving.process import Process, wait_until_listening

EARLY_MS = 1.0  # by so much may a delay be missed
LATE_MS = 60.0  # other programs run beside the tests
TIMES = 3  # not all are late
WAIT = 10.0


@contextmanager
def relayed(to: int, up_ms: float = 0, down_ms: float = 0) -> Iterator[int]:
    """A relay to the port, in a process of its own; its own port."""
    near = free_port(set())
    with Process("relay", relay.command(near, HOST, to, up_ms, down_ms)) as process:
        wait_until_listening([process], HOST, near)
        yield near
        assert process.exit_code() is None


class Far:
    """What the relay leads to: each connection is given to `serve`, in a thread of its own."""

    def __init__(self, serve) -> None:
        self.serve = serve
        self.opened = 0
        self.ends: list[str] = []  # how the connections ended, as this side saw it
        self.listening = socket.create_server((HOST, free_port(set())), backlog=1024)
        self.port = self.listening.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self.run, args=(connection,), daemon=True).start()

    def run(self, connection: socket.socket) -> None:
        self.opened += 1
        connection.settimeout(WAIT)
        with connection:
            try:
                self.serve(connection)
                self.ends.append("closed")
            except TimeoutError:
                self.ends.append("silent")
            except OSError:
                self.ends.append("reset")

    def wait_for(self, ends: int) -> list[str]:
        deadline = time.monotonic() + WAIT
        while len(self.ends) < ends and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.ends

    def __enter__(self) -> "Far":
        return self

    def __exit__(self, *error: object) -> None:
        self.listening.close()


def echo(connection: socket.socket) -> None:
    while data := connection.recv(65536):
        connection.sendall(data)


def read_then_echo(connection: socket.socket) -> None:
    """All of it, only when the other side has said that it is all."""
    connection.sendall(b"".join(iter(lambda: connection.recv(65536), b"")))


def greet(connection: socket.socket) -> None:
    connection.sendall(b"hello")
    connection.recv(1)


def close_at_once(connection: socket.socket) -> None:
    pass


def reset(connection: socket.socket) -> None:
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def connect(port: int) -> socket.socket:
    connection = socket.create_connection((HOST, port), timeout=WAIT)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def milliseconds(begun: float) -> float:
    return (time.perf_counter() - begun) * 1000


def receive(connection: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length and (more := connection.recv(length - len(data))):
        data += more
    return data


def end_of(connection: socket.socket) -> str:
    try:
        return "data" if connection.recv(1) else "closed"
    except ConnectionResetError:
        return "reset"
    except TimeoutError:
        return "silent"


# What it delays


def assert_delayed(took: list[float], least: float, most: float = 0.0) -> None:
    """Never too early; what else this machine does makes one or another late, and not all."""
    assert min(took) >= least - EARLY_MS
    assert min(took) <= max(least, most) + LATE_MS


@pytest.mark.parametrize(("up_ms", "down_ms"), [(0, 0), (50, 0), (0, 50), (30, 80)])
def test_what_each_way_costs(up_ms, down_ms):
    with Far(echo) as far, relayed(far.port, up_ms, down_ms) as port, connect(port) as connection:
        connection.sendall(b"x")
        assert receive(connection, 1) == b"x"
        took = []
        for _ in range(5):
            begun = time.perf_counter()
            connection.sendall(b"x")
            assert receive(connection, 1) == b"x"
            took.append(milliseconds(begun))
        assert_delayed(took, up_ms + down_ms)


@pytest.mark.parametrize(("up_ms", "down_ms"), [(0, 0), (50, 0), (0, 50), (30, 80)])
def test_opening_costs_a_round_trip(up_ms, down_ms):
    """Asked at once, the first answer comes after two; a greeting after the handshake's three packets and its own."""
    for does, asks, answer in ((echo, b"x", b"x"), (greet, b"", b"hello")):
        took = []
        with Far(does) as far, relayed(far.port, up_ms, down_ms) as port:
            for _ in range(TIMES):
                begun = time.perf_counter()
                with connect(port) as connection:
                    connection.sendall(asks)
                    assert receive(connection, len(answer)) == answer
                    took.append(milliseconds(begun))
        assert_delayed(took, 2 * (up_ms + down_ms))


def test_many_small_words_wait_at_the_same_time():
    """A delay is not a queue: ten words in 50 ms are all there 100 ms later."""
    with Far(echo) as far, relayed(far.port, 100) as port, connect(port) as connection:
        connection.sendall(b"x")
        receive(connection, 1)
        took = []
        for _ in range(TIMES):
            begun = time.perf_counter()
            for number in range(10):
                connection.sendall(bytes([number]))
                time.sleep(0.005)
            assert receive(connection, 10) == bytes(range(10))
            took.append(milliseconds(begun))
        assert_delayed(took, 145, 160)


def test_the_end_is_delayed_as_the_words_are():
    took = []
    with Far(echo) as far, relayed(far.port, 50, 50) as port:
        for _ in range(TIMES):
            with connect(port) as connection:
                connection.sendall(b"x")
                receive(connection, 1)
                begun = time.perf_counter()
                connection.shutdown(socket.SHUT_WR)
                assert end_of(connection) == "closed"
                took.append(milliseconds(begun))
    assert_delayed(took, 100)


# What it leaves as it is


@pytest.fixture(scope="module")
def to_echo():
    with ExitStack() as stack:
        far = stack.enter_context(Far(echo))
        yield [stack.enter_context(relayed(far.port, *ways)) for ways in ((0, 0), (7, 0), (0, 7), (3, 5))]


CHUNKS = st.lists(st.tuples(st.integers(1, 200_000), st.sampled_from([0, 0, 0.001, 0.01])), min_size=1, max_size=6)


@settings(max_examples=20)
@given(st.integers(0, 3), CHUNKS, st.integers(0, 2**32))
def test_all_bytes_come_whole_and_in_order(to_echo, which, chunks, seed):
    sent = random.Random(seed).randbytes(sum(size for size, _ in chunks))
    with connect(to_echo[which]) as connection:

        def send() -> None:
            rest = memoryview(sent)
            for size, pause in chunks:
                connection.sendall(rest[:size])
                rest = rest[size:]
                time.sleep(pause)
            connection.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        received = receive(connection, len(sent))
        sender.join(WAIT)
        assert received == sent
        assert end_of(connection) == "closed"


@pytest.mark.parametrize("ways", [(0, 0), (20, 0), (0, 20), (20, 20)])
def test_half_a_connection_may_be_closed(ways):
    """The request's end is the far side's signal to answer, and its answer comes whole."""
    with Far(read_then_echo) as far, relayed(far.port, *ways) as port:
        for size in (0, 1, 3_000_000):
            sent = random.Random(size).randbytes(size)
            with connect(port) as connection:
                sender = threading.Thread(target=send_all, args=(connection, sent))
                sender.start()
                assert receive(connection, size) == sent
                assert end_of(connection) == "closed"
                sender.join(WAIT)
        assert far.wait_for(4) == ["closed"] * 4  # that of the relay's own start is the first


def send_all(connection: socket.socket, sent: bytes) -> None:
    connection.sendall(sent)
    connection.shutdown(socket.SHUT_WR)


def test_a_slow_reader_holds_the_writer_back():
    """The relay keeps a little, not everything; how much the kernel keeps for it is the system's choice."""
    sent = []

    def pour(connection: socket.socket) -> None:
        connection.settimeout(0.5)
        while sum(sent) < 500_000_000:
            sent.append(connection.send(bytes(65536)))

    near = free_port(set())
    with Far(pour) as far, Process("relay", relay.command(near, HOST, far.port, 0, 0)) as process:
        wait_until_listening([process], HOST, near)
        far.wait_for(1)
        sent.clear()
        memory = psutil.Process(process.pid).memory_info
        before = memory().rss
        with connect(near):
            assert far.wait_for(2)[-1] == "silent"
            assert memory().rss - before < 10_000_000


# Ends


@pytest.mark.parametrize("ways", [(0, 0), (20, 0), (0, 20)])
def test_a_far_end_that_refuses_ends_the_connection(ways):
    with relayed(free_port(set()), *ways) as port, connect(port) as connection:
        begun = time.perf_counter()
        assert end_of(connection) in ("reset", "closed")
        assert milliseconds(begun) < 5000


def keep_sending(connection: socket.socket) -> None:
    for _ in range(100):
        connection.sendall(b"x")
        time.sleep(0.01)


@pytest.mark.parametrize("ways", [(0, 0), (20, 0), (0, 20)])
@pytest.mark.parametrize("dies", [reset, close_at_once])
def test_a_far_end_that_dies_ends_the_connection(ways, dies):
    with Far(dies) as far, relayed(far.port, *ways) as port, connect(port) as connection:
        connection.sendall(b"xy")
        assert end_of(connection) in ("reset", "closed")
        connection.settimeout(1)
        with pytest.raises(OSError, match=r"Broken pipe|Connection reset"):
            keep_sending(connection)


@pytest.mark.parametrize("ways", [(0, 0), (20, 0), (0, 20), (20, 20)])
def test_a_near_end_that_goes_leaves_no_silent_connection(ways):
    """A probe that only connects must not keep a server's worker waiting for words."""
    with Far(echo) as far, relayed(far.port, *ways) as port:
        for linger, after_ms in itertools.product((False, True), (0, 10, 30, 50, 100)):
            connection = connect(port)
            if linger:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            time.sleep(after_ms / 1000)
            connection.close()
        deadline = time.monotonic() + 10
        while (far.opened < 2 or far.opened > len(far.ends)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert far.opened >= 2
        assert far.opened == len(far.ends)
        assert "silent" not in far.ends


def test_many_connections_at_once():
    count = 300
    with Far(echo) as far, relayed(far.port, 20, 20) as port, ExitStack() as stack:
        begun = time.perf_counter()
        connections = [stack.enter_context(connect(port)) for _ in range(count)]
        for number, connection in enumerate(connections):
            connection.sendall(b"%d\n" % number)
        for number, connection in enumerate(connections):
            assert receive(connection, len(b"%d\n" % number)) == b"%d\n" % number
        assert milliseconds(begun) < count * 80 / 2  # one after the other, each would take its 80 ms
