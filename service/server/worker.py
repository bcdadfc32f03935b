"""gunicorn's gthread worker, with the service's manners: errors that never reach the application are problems too, and
a client that stalls loses its connection, since it holds one thread of few."""

from __future__ import annotations

import select
import socket
import struct
from typing import Any

import orjson
from gunicorn.glogging import Logger  # type: ignore[import-untyped]
from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

LINGER_MS = 2  # for a connection's next request
STALL_SECONDS = 10.0  # between two pieces of a request; never longer than the request's deadline


def limit_stalls(listeners: list[Any], seconds: float) -> None:
    """Has the kernel end a read that waits longer. Connections inherit it from the listener, and keep it when gunicorn
    sets them blocking, which undoes Python's own timeouts."""
    whole, fraction = divmod(min(seconds, STALL_SECONDS), 1)
    for listener in listeners:
        value = struct.pack("ll", int(whole), int(fraction * 1_000_000))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)


class Log(Logger):  # type: ignore[misc]
    """gunicorn's log, without a line for each request: the application writes that. With a configuration of logging,
    gunicorn puts a line of its own together at every request, and then finds nobody who wants it."""

    def access(self, *_: Any) -> None:
        pass


class Worker(ThreadWorker):  # type: ignore[misc]
    """Answers what is no HTTP (a line or a header that is malformed or too long) as the application answers errors."""

    def handle(self, conn: Any) -> Any:
        """Stays with a connection whose next request comes at once, while no other waits for the thread: the way back
        to the main thread, which would watch it, and from there to a thread again costs as much as Flask."""
        while True:
            kept = super().handle(conn)
            if kept is not True or not self.alive or self.nr_conns > self.cfg.threads or not _readable(conn.sock):
                return kept

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        super().handle_error(req, _Problem(client), addr, exc)


def _readable(client: socket.socket) -> bool:
    poll = select.poll()
    poll.register(client, select.POLLIN)
    return bool(poll.poll(LINGER_MS))


class _Problem:
    """Takes the place of the client's socket while gunicorn writes its page of HTML: the status line stays."""

    def __init__(self, client: socket.socket) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def sendall(self, page: bytes) -> None:
        line = page.split(b"\r\n", 1)[0]
        _, status, title = line.decode("latin-1").split(" ", 2)
        body = orjson.dumps({"type": "about:blank", "title": title, "status": int(status)})
        head = b"Connection: close\r\nContent-Type: application/problem+json\r\nContent-Length: %d" % len(body)
        self._client.sendall(line + b"\r\n" + head + b"\r\n\r\n" + body)
