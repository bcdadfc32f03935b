"""gunicorn's gthread worker, adapted: errors that never reach the application are problem+json too, and a stalled
client is disconnected, since it occupies a thread."""

from __future__ import annotations

import select
import socket
import struct
from typing import Any

import orjson
from gunicorn.glogging import Logger  # type: ignore[import-untyped]
from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

LINGER_MS = 2  # wait for a connection's next request
STALL_SECONDS = 10.0  # read timeout within a request; never longer than the request's deadline


def limit_stalls(listeners: list[Any], seconds: float) -> None:
    """Set a receive timeout in the kernel. Connections inherit it from the listener, and keep it when gunicorn makes
    them blocking, which resets Python's own timeouts."""
    whole, fraction = divmod(min(seconds, STALL_SECONDS), 1)
    for listener in listeners:
        value = struct.pack("ll", int(whole), int(fraction * 1_000_000))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)


class Log(Logger):  # type: ignore[misc]
    """gunicorn's logger without access log lines, which the application writes. With logconfig_dict set, gunicorn would
    format an access line for every request and then drop it."""

    def access(self, *_: Any) -> None:
        pass


class Worker(ThreadWorker):  # type: ignore[misc]
    """A gthread worker that answers invalid HTTP (a malformed or too long line or header) with problem+json."""

    def handle(self, conn: Any) -> Any:
        """Handle a connection's next request on this thread if it comes at once and no other connection waits. Handing
        the connection to the main thread and back costs as much as Flask."""
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
    """A wrapper of the client's socket that replaces gunicorn's HTML error page by problem+json."""

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
