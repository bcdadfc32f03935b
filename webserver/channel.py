"""A client's connection in place of its socket.

gunicorn's code for a request runs on a thread and expects a blocking socket. A channel gives it the bytes that the
worker's loop has received before, and takes the answer without waiting for the client: what the kernel does not take at
once is kept, and the loop sends it later. So no thread depends on how fast a client is.
"""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import threading
from collections import deque

from webserver.framing import Framing, Part, SizeLimits

ARRIVED = "webserver.arrived"  # in a request's WSGI environment: time.monotonic() at which it had arrived whole
RECEIVE_BYTES = 64 * 1024  # at a time
JOINED_BYTES = 64 * 1024  # a larger body is sent after its head: copying it costs more than a packet
AHEAD_BYTES = 256 * 1024  # an answer in pieces may be so far ahead of its client
ROOM_SECONDS = 2.0  # an answer waits so long until others are sent
STALL_SECONDS = 10.0  # a thread waits so long for a client that takes nothing


class Allowance:
    """Bytes that all connections of a worker may use together. At most `waiting` threads wait for some at a time: the
    others stay free for what needs none."""

    def __init__(self, size: int, waiting: int = 0) -> None:
        self.free = size
        self._waiting = waiting
        self._changed = threading.Condition()

    def take(self, size: int, seconds: float = 0.0) -> bool:
        """Take some, or wait up to `seconds` for them. Return False if there are too few."""
        with self._changed:
            if size > self.free and seconds and self._waiting:
                self._waiting -= 1
                self._changed.wait_for(lambda: size <= self.free, seconds)
                self._waiting += 1
            if size > self.free:
                return False
            self.free -= size
            return True

    def give_back(self, size: int) -> None:
        if size:
            with self._changed:
                self.free += size
                self._changed.notify_all()


class Channel:
    """The part of a socket that gunicorn uses, and `receive` and `flush` for the worker's loop.

    `socket` is the client's socket itself, non-blocking. Once it is detached, others may close it at any time: it must
    not be polled any more.
    """

    def __init__(self, client: socket.socket, limits: SizeLimits, sending: Allowance) -> None:
        client.setblocking(False)
        self.socket = client
        self._limits = limits
        self._sending = sending
        self._unsent: deque[memoryview] = deque()
        self.unsent_bytes = 0
        self._reserved = 0  # bytes of the allowance for what the application has yet to send
        self._head: bytes | None = None  # of the answer, until it is sent; None before gunicorn gives it
        self.is_detached = False
        self.received = bytearray()
        self._taken = 0  # bytes of the request that gunicorn has
        self.framing = Framing(limits)

    # For the worker's loop

    def receive(self) -> Part | None:
        """Receive what is there. Return how much of a request it makes; None if the client has closed."""
        try:
            data = self.socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return self.arrived()
        except OSError:
            return None
        if not data:
            return None
        self.received += data
        return self.arrived()

    def arrived(self) -> Part:
        return self.framing.arrived(self.received)

    def next_request(self) -> None:
        """Begin anew, with what was received after the last request."""
        self.release()
        self.framing = Framing(self._limits)
        self._taken = 0
        self._head = None

    def release(self) -> None:
        """Give back what was reserved and not needed: the kernel took the answer at once."""
        self._sending.give_back(self._reserved)
        self._reserved = 0

    def flush(self) -> bool:
        """Send what the kernel takes. Return whether all is sent; raise OSError if the client is gone."""
        while self._unsent:
            try:
                sent = self.socket.send(self._unsent[0])
            except BlockingIOError:
                return False
            self.unsent_bytes -= sent
            self._sending.give_back(sent)
            if sent == len(self._unsent[0]):
                self._unsent.popleft()
            else:
                self._unsent[0] = self._unsent[0][sent:]
        return True

    def discard(self) -> bool:
        """Receive and forget. Return False once the client has closed."""
        try:
            return bool(self.socket.recv(RECEIVE_BYTES))
        except BlockingIOError:
            return True
        except OSError:
            return False

    def send_now(self, data: bytes) -> None:
        """Send if the kernel takes it, else not."""
        with contextlib.suppress(OSError):
            self.socket.send(data)

    # For the application

    def reserve(self, size: int) -> bool:
        """Reserve room for an answer, which may have to wait for its client. Return False if there is none within
        ROOM_SECONDS: once the answer has begun, it could only be broken off."""
        reserved = self._sending.take(size, ROOM_SECONDS)
        self._reserved += size if reserved else 0
        return reserved

    def detach(self) -> socket.socket:
        """Return the socket, blocking, for a protocol that is not HTTP."""
        self.is_detached = True
        self.socket.setblocking(True)
        return self.socket

    # A socket's methods, as gunicorn calls them

    def recv(self, size: int) -> bytes:
        """Return bytes of the request, and none of the next one."""
        left = min(size, self.framing.end - self._taken)
        if left <= 0:
            raise ConnectionResetError(errno.ECONNRESET, "The request exceeds the limits, and its rest is not read.")
        data = bytes(self.received) if left >= len(self.received) else bytes(self.received[:left])
        del self.received[:left]
        self._taken += len(data)
        return data

    def sendall(self, data: bytes) -> None:
        """Send the data, and keep what the kernel does not take.

        The answer's first piece, its head, waits for the next one: they take one system call and one packet.
        """
        if self._head is None:
            self._head = data
        elif len(data) <= JOINED_BYTES:
            data, self._head = self._head + data, b""
            self._send(data)
        else:
            self.send_head()
            self._send(data)

    def send_head(self) -> None:
        """Send the head that still waits: there is no body."""
        if self._head:
            head, self._head = self._head, b""
            self._send(head)

    def _send(self, data: bytes) -> None:
        sent = 0
        if not self._unsent or self.flush():
            try:
                sent = self.socket.send(data)
            except BlockingIOError:
                sent = 0
            if sent == len(data):
                return
        view = memoryview(data)[sent:]
        self._wait_for_client()
        reserved = min(len(view), self._reserved)
        if not self._sending.take(len(view) - reserved):
            raise ConnectionResetError(errno.ECONNRESET, "Too many bytes wait for their clients.")
        self._reserved -= reserved
        self._unsent.append(view)
        self.unsent_bytes += len(view)

    def _wait_for_client(self) -> None:
        """Wait until little of what was sent before is left: what is made in pieces must not pile up here."""
        while self.unsent_bytes > AHEAD_BYTES:
            poll = select.poll()
            poll.register(self.socket, select.POLLOUT)
            if not poll.poll(STALL_SECONDS * 1000):
                raise BrokenPipeError(errno.EPIPE, "The client takes nothing.")
            self.flush()

    def send(self, data: bytes) -> int:
        self.sendall(data)
        return len(data)

    def fileno(self) -> int:
        return self.socket.fileno()

    def setblocking(self, _: bool) -> None:
        """A channel never blocks."""

    def settimeout(self, _: float | None) -> None:
        """A channel never blocks."""

    def gettimeout(self) -> float:
        return 0.0

    def getsockname(self) -> object:
        return self.socket.getsockname()

    def getpeername(self) -> object:
        return self.socket.getpeername()

    def setsockopt(self, *arguments: int) -> None:
        self.socket.setsockopt(*arguments)

    def shutdown(self, how: int) -> None:
        self.socket.shutdown(how)

    def close(self) -> None:
        self.release()
        self._sending.give_back(self.unsent_bytes)
        self._unsent.clear()
        self.unsent_bytes = 0
        self.received = bytearray()
        self.socket.close()
