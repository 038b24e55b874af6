"""TCP connections that cost less than the event loop's own.

A transport is made to last: making one, with a task that waits for it, and ending both costs more than everything
else that a request needs, and each answer takes a turn of the loop. Here the loop watches one epoll, which watches
the sockets: many answers share a turn. If the other end is on this machine, a connection is open when `connect`
returns. TLS, and systems without epoll, use the loop's transports.
"""

import asyncio
import errno
import os
import select
import socket
from time import perf_counter
from typing import Any, Protocol

HAVE_EPOLL = hasattr(select, "epoll")
READABLE, WRITABLE = 1, 4  # select.EPOLLIN and EPOLLOUT, which not all systems have
FEW_BYTES, MANY_BYTES = 4096, 65536  # read at once: a large buffer costs time, so a wire gets one only after it filled the small one
MOST_EVENTS = 64  # handled at once
LONGEST_TURN = 0.001  # seconds before the loop may do other things


class Listener(Protocol):
    """Hears from a wire what a protocol hears from its transport."""

    def begin(self, wire: "Wire") -> None: ...
    def resume_writing(self) -> None: ...
    def data_received(self, data: bytes) -> None: ...
    def connection_lost(self, error: Exception | None) -> None: ...


class Wires:
    """All open wires, by their descriptors."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.epoll = select.epoll()
        self.open: dict[int, Wire] = {}
        loop.add_reader(self.epoll.fileno(), self._look)

    def close(self) -> None:
        self._loop.remove_reader(self.epoll.fileno())
        self.epoll.close()

    def _look(self) -> None:
        until = perf_counter() + LONGEST_TURN
        while found := self.epoll.poll(0, MOST_EVENTS):
            for descriptor, events in found:
                wire = self.open.get(descriptor)
                if wire is not None:  # else an event of another wire has closed it
                    wire.go_on(events)
            if perf_counter() > until:
                return


class Wire:
    __slots__ = (
        "_address",
        "_connected",
        "_descriptor",
        "_error",
        "_listener",
        "_recv",
        "_room",
        "_send",
        "_socket",
        "_unsent",
        "_watched",
        "_wires",
    )

    def __init__(self, wires: Wires, family: int, address: Any, listener: Listener) -> None:
        self._wires = wires
        self._address = address
        self._listener = listener
        self._connected = False
        self._watched = 0
        self._room = FEW_BYTES
        self._error: OSError | None = None
        self._socket = socket.SocketType(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._recv, self._send = self._socket.recv, self._socket.send
        self._descriptor = self._socket.fileno()
        wires.open[self._descriptor] = self

    def connect(self) -> None:
        """Begin to connect, or see what came of it; OSError if it failed."""
        error = self._socket.connect_ex(self._address)
        if error == errno.EINPROGRESS:
            error = self._socket.connect_ex(self._address)  # it may be connected already
        if error in (0, errno.EISCONN):
            self._connected = True
            self._listener.begin(self)
        elif error == errno.EALREADY:
            self._watch(WRITABLE)
        else:
            self.abort()
            raise OSError(error, os.strerror(error))

    def write(self, data: bytes | memoryview) -> None:
        try:
            sent = self._send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._error = error  # the listener hears of it when there is nothing more to read
            sent = len(data)
        if sent == len(data):
            if self._watched != READABLE:
                self._watch(READABLE)
        else:
            self._unsent = memoryview(data)[sent:]
            self._watch(READABLE | WRITABLE)

    def get_write_buffer_size(self) -> int:
        """What is not handed over yet, as asyncio's transports name it."""
        return len(self._unsent) if self._connected and self._watched & WRITABLE else 0

    def abort(self) -> None:
        """Close it and tell the listener nothing more."""
        del self._wires.open[self._descriptor]
        self._socket.close()

    def go_on(self, events: int) -> None:
        if events & WRITABLE:
            self._go_on_writing()
            return
        try:
            data = self._recv(self._room)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(error)
            return
        if data:
            if len(data) == self._room:
                self._room = MANY_BYTES
            self._listener.data_received(data)
        else:
            self._lose(self._error)

    def _go_on_writing(self) -> None:
        if not self._connected:
            try:
                self.connect()
            except OSError as error:
                self._listener.connection_lost(error)
        elif self._watched & WRITABLE:
            self.write(self._unsent)
            if not self._watched & WRITABLE:
                self._listener.resume_writing()

    def _watch(self, events: int) -> None:
        if not self._watched:
            self._wires.epoll.register(self._descriptor, events)
        elif self._watched != events:
            self._wires.epoll.modify(self._descriptor, events)
        self._watched = events

    def _lose(self, error: OSError | None) -> None:
        self.abort()
        self._listener.connection_lost(error)
