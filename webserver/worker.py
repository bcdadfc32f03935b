"""gunicorn's threaded worker, with bounds on its clients.

The worker's loop receives requests and sends answers; its threads only serve whole requests. So slow and silent clients
occupy no thread. Each phase has a deadline, from the request's first byte to the answer's last one. Connections and
bytes are bounded in all; behind a NodePort all clients may have one address, so nothing is counted by address. When
there are too many connections, the one that has waited longest for its client is closed.

    reading   ── whole request ──▶   serving, on a thread
       ▲                                │
       └── keep alive ── sending ◀──────┘
                            └─ close ──▶ lingering: the client may read the answer before it sees a reset
"""

from __future__ import annotations

import contextlib
import errno
import functools
import select
import selectors
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from io import BytesIO
from types import FrameType
from typing import Any

import gunicorn  # type: ignore[import-untyped]
from gunicorn.errors import HaltServer  # type: ignore[import-untyped]
from gunicorn.glogging import Logger  # type: ignore[import-untyped]
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, TConn, ThreadWorker  # type: ignore[import-untyped]

from webserver import overrides
from webserver.channel import ARRIVED, Allowance, Channel
from webserver.environment import ConfigError
from webserver.framing import Part, SizeLimits


@dataclass(frozen=True)
class Bounds:
    """The limits of a worker's clients, together and each."""

    connections: int = 2_000
    first_seconds: float = 10.0  # from the connection to the first byte
    request_seconds: float = 10.0  # from the first byte of a request to its last one
    answer_seconds: float = 10.0  # for an answer, and so long again for each `answer_bytes`
    answer_bytes: int = 4 << 20
    queue_seconds: float = 20.0  # a request waits so long for a thread
    linger_seconds: float = 5.0
    body: int = 2 << 20  # bytes of a request's body, with the framing of chunks
    receiving: int = 32 << 20  # bytes of all requests that are not whole or not served yet
    sending: int = 48 << 20  # bytes of all answers that wait for their clients
    small: int = 4 << 10  # bytes of a request that are always received
    late_seconds: float = 0.0  # a worker that was told to end accepts clients for at most so long, while any come


BOUNDS = Bounds()
ACCEPTED_AT_ONCE = 64
SWEEP_SECONDS = 0.5
QUIET_SECONDS = 1.0  # no client has come for so long: none is late any more
FULL_SECONDS = 0.01  # before the next try to accept, without a file descriptor
WORKER_ENDED = 1  # exit status
IDLE_MS = 2  # a thread waits so long for its connection's next request
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Phase(Enum):
    READING = "reading"
    SERVING = "serving"
    SENDING = "sending"
    LINGERING = "lingering"
    CLOSED = "closed"


class Log(Logger):  # type: ignore[misc]
    """gunicorn's logger without access log lines, which the applications write themselves."""

    def access(self, *_: Any) -> None:
        pass


class Connection(TConn):  # type: ignore[misc]
    """A connection and what the loop waits for. `began` says whether a byte of the next request has come."""

    sock: Channel

    def __init__(self, cfg: Any, channel: Channel, client: Any, server: Any) -> None:
        super().__init__(cfg, channel, client, server)
        self.data_ready = self.initialized = True
        self.parser = overrides.Parser(cfg, channel, client)
        self.environ = overrides.connection_environ(cfg, channel, client, server)
        self.phase = Phase.SERVING
        self.deadline = 0.0  # of the phase; there is none while a thread serves
        self.arrived = 0.0  # when the request was complete
        self.began = False
        self.keep_alive = False
        self.counted = 0  # bytes, as counted for Bounds.receiving


class Worker(ThreadWorker):  # type: ignore[misc]
    """`refusals` counts the connections that a bound ended, by bound, and those whose client ended within a request."""

    bounds = BOUNDS
    alive: bool

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Refuse a gunicorn that the overrides do not fit. gunicorn calls this before it starts a worker."""
        try:
            overrides.require_known(gunicorn.__version__)
        except overrides.UnknownVersion as error:
            raise SystemExit(str(error)) from None
        super().check_config(cfg, log)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        bounds = self.bounds
        head = self.cfg.limit_request_line + self.cfg.limit_request_fields * (self.cfg.limit_request_field_size + 2) + 4
        self.refusals: Counter[str] = Counter()
        self._limits = SizeLimits(head, bounds.body)
        self._sending = Allowance(bounds.sending, waiting=self.cfg.threads // 4)
        self._receiving = 0
        self._parked: dict[Connection, None] = {}  # those that wait for their clients, the longest first
        self._next_sweep = 0.0
        self._accepted = 0.0  # when a client came last
        self._late_until = 0.0  # once the worker was told to end
        self.worker_connections = bounds.connections + self.cfg.threads

    def load_wsgi(self) -> None:
        """Make the application; end with the sentence of a setting that it can't use, without a traceback."""
        try:
            super().load_wsgi()
        except ConfigError as error:
            sys.exit(str(error))

    # Reading

    def accept(self, listener: socket.socket) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                client, address = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:  # the client is gone already, or there is no file descriptor left
                if error.errno in (errno.EMFILE, errno.ENFILE):
                    self._evict()
                    time.sleep(FULL_SECONDS)
                return
            self.nr_conns += 1
            self._accepted = time.monotonic()
            if self.nr_conns > self.bounds.connections:
                self._evict()
            channel = Channel(client, self._limits, self._sending)
            connection = Connection(self.cfg, channel, address, listener.getsockname())
            self._safely(connection, lambda each: self._read(each, self.bounds.first_seconds))

    def _read(self, connection: Connection, seconds: float) -> None:
        """Wait for the next request, which may be there already."""
        connection.began = False
        connection.sock.next_request()
        self._receive(connection, seconds)

    def _receive(self, connection: Connection, seconds: float = 0.0) -> None:
        """Receive what is there: on readability, or to begin with (then wait at most `seconds` for the first byte)."""
        channel = connection.sock
        part = channel.receive()
        self._count(connection, len(channel.received))
        if part is None and channel.received:
            self._refuse(connection, HTTPStatus.BAD_REQUEST, "broken")
        elif part is None:
            self._drop(connection)
        elif part is Part.WHOLE:
            self._unpark(connection)
            connection.phase, connection.arrived = Phase.SERVING, time.monotonic()
            self.enqueue_req(connection)
        elif len(channel.received) > self.bounds.small and self._receiving > self.bounds.receiving:
            self._refuse(connection, HTTPStatus.SERVICE_UNAVAILABLE, "receiving")
        else:
            if connection not in self._parked:
                self._park(connection, Phase.READING, seconds)
            if channel.received and not connection.began:
                connection.began = True
                connection.deadline = time.monotonic() + self.bounds.request_seconds
            if channel.framing.expects_continue:
                channel.framing.expects_continue = False
                channel.send_now(CONTINUE)

    def _count(self, connection: Connection, size: int) -> None:
        self._receiving += size - connection.counted
        connection.counted = size

    # Serving, on a thread

    def handle(self, conn: Connection) -> Any:
        """Handle the request, and the connection's next ones if they come at once and no other connection waits:
        handing the connection to the loop and back costs as much as Flask."""
        channel = conn.sock
        if time.monotonic() - conn.arrived > self.bounds.queue_seconds:
            channel.sendall(_answer(HTTPStatus.SERVICE_UNAVAILABLE))
            channel.send_head()
            return False
        while True:
            kept = super().handle(conn)
            channel.send_head()
            if kept is not True or self.is_ending or channel.unsent_bytes or self.nr_conns > self.cfg.threads:
                return kept
            channel.next_request()
            if not channel.received and not _is_readable(channel):
                return kept
            if channel.receive() is not Part.WHOLE:
                return kept
            conn.arrived = time.monotonic()

    def handle_request(self, req: overrides.Request, conn: Connection) -> bool:
        """Answer a request. Return whether the connection is kept."""
        framing = conn.sock.framing
        if framing.is_cut or self.is_ending:
            req.force_close()
        sent = BytesIO() if framing.is_cut else req.chunked_body(is_malformed=framing.is_malformed) or req.body
        self.cfg.pre_request(self, req)
        response = overrides.Response(req, conn.sock, self.cfg)
        environ = {**conn.environ, **req.fields, "wsgi.input": sent, ARRIVED: conn.arrived}
        body = self.wsgi(environ, response.start_response)
        try:
            for each in body:
                response.write(each)
            response.close()
        except OSError:
            raise
        except Exception:
            if response.headers_sent:  # another answer behind it would be taken for its rest
                self.log.exception("An answer broke off.")
                raise ConnectionResetError(errno.ECONNRESET, "The answer broke off.") from None
            raise
        finally:
            if hasattr(body, "close"):
                body.close()
        return not response.should_close()

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        super().handle_error(req, _Problem(client), addr, exc)

    # Sending

    def finish_request(self, connection: Connection, future: Future[Any]) -> None:
        """On the loop, after a thread has ended with a connection."""
        connection.keep_alive = not future.cancelled() and future.exception() is None and bool(future.result())
        self._safely(connection, self._finish)

    def _finish(self, connection: Connection) -> None:
        self._count(connection, len(connection.sock.received))
        connection.sock.release()
        if connection.sock.is_detached:
            self._close(connection)
        elif connection.sock.unsent_bytes:
            bounds = self.bounds
            seconds = bounds.answer_seconds * (1 + connection.sock.unsent_bytes / bounds.answer_bytes)
            self._park(connection, Phase.SENDING, seconds)
        else:
            self._answered(connection)

    def _flush(self, connection: Connection) -> None:
        try:
            if not connection.sock.flush():
                return
        except OSError:
            self._drop(connection)
            return
        self._unpark(connection)
        self._answered(connection)

    def _answered(self, connection: Connection) -> None:
        if connection.keep_alive:
            self._read(connection, STOP_KEEPALIVE_LINGER if self.is_ending else self.cfg.keepalive)
        else:
            self._linger(connection)

    # Closing

    def _linger(self, connection: Connection) -> None:
        """Close as RFC 9112 section 9.6 says: a reset would take the answer from a client that is still sending."""
        try:
            connection.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(connection)
            return
        self._count(connection, 0)
        connection.sock.received = bytearray()
        self._park(connection, Phase.LINGERING, self.bounds.linger_seconds)

    def _discard(self, connection: Connection) -> None:
        if not connection.sock.discard():
            self._drop(connection)

    def _refuse(self, connection: Connection, status: HTTPStatus, bound: str) -> None:
        self.refusals[bound] += 1
        self._unpark(connection)
        connection.sock.send_now(_answer(status))
        self._linger(connection)

    def _evict(self) -> None:
        """Close the connection that has waited longest for its client."""
        if oldest := next(iter(self._parked), None):
            self.refusals["connections"] += 1
            self._drop(oldest)

    def _drop(self, connection: Connection) -> None:
        self._unpark(connection)
        self._close(connection)

    def _close(self, connection: Connection) -> None:
        if connection.phase is Phase.CLOSED:
            return
        connection.phase = Phase.CLOSED
        self._count(connection, 0)
        self.nr_conns -= 1
        connection.close()

    # Waiting

    def _park(self, connection: Connection, phase: Phase, seconds: float) -> None:
        connection.phase = phase
        connection.deadline = time.monotonic() + seconds
        self._parked[connection] = None
        event = selectors.EVENT_WRITE if phase is Phase.SENDING else selectors.EVENT_READ
        self.poller.register(connection.sock, event, functools.partial(self._dispatch, connection))

    def _dispatch(self, connection: Connection, _: object) -> None:
        """Go on with a connection that the poller reported."""
        if connection.phase is Phase.READING:
            self._safely(connection, self._receive)
        elif connection.phase is Phase.SENDING:
            self._safely(connection, self._flush)
        else:
            self._safely(connection, self._discard)

    def _safely(self, connection: Connection, action: Callable[[Connection], None]) -> None:
        """Do this on the loop. A fault ends the connection, and not the worker."""
        try:
            action(connection)
        except Exception:
            self.log.exception("A connection failed.")
            self._drop(connection)

    def _unpark(self, connection: Connection) -> None:
        if connection in self._parked:
            del self._parked[connection]
            with contextlib.suppress(KeyError, ValueError, OSError):  # its registration may have failed
                self.poller.unregister(connection.sock)

    def murder_keepalived(self, force: bool = False) -> None:
        """End what has passed its deadline, the worker too. gunicorn calls this after each round of its loop."""
        now = time.monotonic()
        if self._late_until and self.alive and now > min(self._late_until, self._accepted + QUIET_SECONDS):
            self.alive = False
        if now < self._next_sweep and not force:
            return
        self._next_sweep = now + SWEEP_SECONDS
        for connection in [each for each in self._parked if force or each.deadline <= now]:
            self._safely(connection, self._drop if force else self._expire)

    def _expire(self, connection: Connection) -> None:
        if connection.phase is Phase.READING and connection.began:
            self._refuse(connection, HTTPStatus.REQUEST_TIMEOUT, "request")
            return
        if connection.phase is Phase.SENDING:
            self.refusals["answer"] += 1
        self._drop(connection)

    # Ending

    @property
    def is_ending(self) -> bool:
        return bool(self._late_until) or not self.alive

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM: end once no more clients come. On a busy node a Service may send some here for seconds after it was
        told not to, and they would be reset."""
        if not self._late_until:
            self._accepted = time.monotonic()
            self._late_until = self._accepted + self.bounds.late_seconds
            self.method_queue.defer(lambda: None)  # the loop looks at once

    def _cap_keepalive(self, deadline: float) -> None:
        """At the worker's end: idle connections have until `deadline`."""
        for connection in self._parked:
            if connection.phase is Phase.READING and not connection.began:
                connection.deadline = min(connection.deadline, deadline)


def end_with_worker(server: Any) -> None:
    """End the server if one of its workers has ended by itself, killed for its memory perhaps. Call it in child_exit.

    gunicorn would start another one, and nobody would notice. Kubernetes restarts the container, counts that, and waits
    longer each time.
    """
    if server.LISTENERS:  # it is not being stopped
        raise HaltServer("A worker ended unexpectedly, so the server ends too.", WORKER_ENDED)


def _is_readable(channel: Channel) -> bool:
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    return bool(poll.poll(IDLE_MS))


def _answer(status: HTTPStatus) -> bytes:
    body = b'{"type":"about:blank","title":"%b","status":%d}' % (status.phrase.encode(), status)
    retry = b"Retry-After: 1\r\n" if status is HTTPStatus.SERVICE_UNAVAILABLE else b""
    return (
        b"HTTP/1.1 %d %b\r\nConnection: close\r\n%bContent-Type: application/problem+json\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (status, status.phrase.encode(), retry, len(body), body)
    )


class _Problem:
    """A client's channel that turns gunicorn's HTML error page into problem+json."""

    def __init__(self, client: Channel) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def sendall(self, page: bytes) -> None:
        self._client.sendall(_answer(HTTPStatus(int(page.split(b" ", 2)[1]))))
