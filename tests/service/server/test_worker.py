"""A thread of gunicorn and one connection: how long they stay together."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.workers.gthread import ThreadWorker

from service.server import worker
from service.server.worker import Worker

Ends = tuple[socket.socket, socket.socket]


class Handled:
    """Stands for gunicorn's own handling of one request: reads a byte of it, and keeps the connection."""

    def __init__(self) -> None:
        self.requests = 0

    def __call__(self, _: Worker, conn: Any) -> bool:
        conn.sock.recv(1)
        self.requests += 1
        return True


@pytest.fixture
def handled(monkeypatch: pytest.MonkeyPatch) -> Handled:
    made = Handled()
    monkeypatch.setattr(ThreadWorker, "handle", lambda self, conn: made(self, conn))
    return made


@pytest.fixture
def ends() -> Iterator[Ends]:
    """The client's end of a connection, and the server's."""
    client, server = socket.socketpair()
    with client, server:
        yield client, server


def test_a_thread_stays_with_a_connection_whose_next_request_is_there(handled: Handled, ends: Ends) -> None:
    client, server = ends
    client.sendall(b"123")
    assert _serving().handle(SimpleNamespace(sock=server)) is True
    assert handled.requests == 3


def test_a_thread_leaves_a_connection_that_is_silent(handled: Handled, ends: Ends) -> None:
    client, server = ends
    client.sendall(b"1")
    assert _serving().handle(SimpleNamespace(sock=server)) is True
    assert handled.requests == 1


@pytest.mark.parametrize("state", [{"nr_conns": 17}, {"alive": False}])
def test_a_thread_that_others_wait_for_leaves_at_once(
    handled: Handled, ends: Ends, state: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "LINGER_MS", 60_000)
    client, server = ends
    client.sendall(b"12")
    assert _serving(**state).handle(SimpleNamespace(sock=server)) is True
    assert handled.requests == 1


def _serving(**state: Any) -> Worker:
    made = Worker.__new__(Worker)
    made.cfg, made.alive, made.nr_conns = SimpleNamespace(threads=16), True, 16
    vars(made).update(state)
    return made
