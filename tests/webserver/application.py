"""A gunicorn configuration and a WSGI application, which echoes bodies and sends large responses and streams."""

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from webserver import worker
from webserver.environment import ConfigError
from webserver.worker import BOUNDS, Worker, end_with_worker

bounds = replace(BOUNDS, **json.loads(os.environ["BOUNDS"]))


class BoundedWorker(Worker):
    bounds = bounds


bind = "127.0.0.1:0"
worker_class = BoundedWorker
threads = 4
keepalive = 5
sendfile = False
control_socket_disable = True
logger_class = worker.Log


def child_exit(server: Any, worker: Any) -> None:
    end_with_worker(server)


def misconfigured() -> Callable[..., Iterable[bytes]]:
    raise ConfigError("NAME is empty: set it.")


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    path, size = environ["PATH_INFO"], int(environ["QUERY_STRING"] or 0)
    if path == "/stream":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return _stream(size)
    if path == "/detach":  # as for a WebSocket: its library closes the socket in another thread
        connection = environ["gunicorn.socket"].detach()
        connection.sendall(b"detached")
        threading.Timer(size / 100, connection.close).start()
        raise StopIteration  # gunicorn sends no response then
    if path == "/sleep":
        print("asleep", file=sys.stderr, flush=True)
        time.sleep(size)
    channel = environ["gunicorn.socket"]
    if channel.framing.is_cut:
        return _respond(start_response, "413 Content Too Large", b"")
    if not channel.reserve(size):
        return _respond(start_response, "503 Service Unavailable", b"")
    if path == "/late":
        time.sleep(0.1)  # for others to begin meanwhile
    return _respond(start_response, "200 OK", environ["wsgi.input"].read() or b"x" * size)


def _respond(start_response: Callable[..., Any], status: str, body: bytes) -> Iterable[bytes]:
    start_response(status, [("Content-Length", str(len(body)))])
    return [body]


def _stream(pieces: int) -> Iterator[bytes]:
    for _ in range(pieces):
        yield b"x" * 10_000
