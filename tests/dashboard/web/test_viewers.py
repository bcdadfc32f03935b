"""Viewers as Socket.IO has them, without a server: what waits for them, and what is left of those that go."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from engineio.packet import MESSAGE, Packet
from engineio.socket import Socket
from flask import Flask
from werkzeug.test import EnvironBuilder
from wsproto.utilities import RemoteProtocolError

from dashboard.web import sockets as sockets_module
from dashboard.web.page_socket import PageSocket
from dashboard.web.sockets import Sockets
from tests.dashboard.stubs import VIEWER


class Joined:
    """Lets pages join, each over a socket of its own."""

    def __init__(self, app: Flask) -> None:
        self.sockets: Sockets = app.extensions["sockets"]
        self.hub = app.extensions["hub"]
        self.hub._broadcaster = self.sockets
        self.server = self.sockets._io.server
        self.clients: list[socket.socket] = []
        self._environ = EnvironBuilder(headers={"Authorization": f"Bearer {VIEWER}"}).get_environ() | {"flask.app": app}

    def join(self) -> Socket:
        client, connection = socket.socketpair(socket.AF_UNIX)
        client.settimeout(10)
        self.clients += [client, connection]
        page = Socket(self.server.eio, f"sid{len(self.clients)}")
        self.server.eio.sockets[page.sid] = page
        self.sockets._joining[connection] = 0.0
        self.server.eio._trigger_event("connect", page.sid, self._environ | {"gunicorn.socket": connection})
        self.server.eio._trigger_event("message", page.sid, "0")
        return page

    def say(self, page: Socket, message: str) -> None:
        self.server.eio._trigger_event("message", page.sid, message)

    def is_disconnected(self, number: int) -> bool:
        self.clients[2 * number].setblocking(False)
        try:
            return self.clients[2 * number].recv(1) == b""
        except BlockingIOError:
            return False


@pytest.fixture
def joined(app: Flask) -> Iterator[Joined]:
    made = Joined(app)
    yield made
    for each in made.clients:
        each.close()


def test_page_for_which_most_waits_is_disconnected(joined: Joined, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets_module, "MOST_WAITING_BYTES", 100_000)
    pages = [joined.join() for _ in range(3)]
    shared = Packet(MESSAGE, "x" * 60_000)
    for page in pages:
        page.queue.put(shared)  # as a patch, which is one for all
    joined.sockets.tick(b"{}")
    assert [joined.is_disconnected(number) for number in range(3)] == [False] * 3
    pages[1].queue.put(Packet(MESSAGE, "x" * 60_000))
    joined.sockets.tick(b"{}")
    assert [joined.is_disconnected(number) for number in range(3)] == [False, True, False]


def test_page_that_leaves_is_disconnected_and_forgotten(joined: Joined) -> None:
    page = joined.join()
    assert joined.hub.viewers() == 1 and not joined.sockets._joining
    joined.say(page, "1")
    assert joined.is_disconnected(0)
    assert joined.hub.viewers() == 0 and not joined.sockets._connections and not joined.sockets._sessions


def test_failed_handshake_leaves_nothing(joined: Joined) -> None:
    client, connection = socket.socketpair()
    joined.clients += [client, connection]
    page = Socket(joined.server.eio, "sid")
    joined.server.eio.sockets["sid"] = page
    joined.server.eio._trigger_event("connect", "sid", {})
    with pytest.raises(RemoteProtocolError):
        PageSocket(page._websocket_handler, joined.server.eio)({"gunicorn.socket": connection}, None)
    assert not joined.server.eio.sockets and not joined.server.environ


def test_page_beyond_the_cap_is_forgotten_and_soon_disconnected(joined: Joined, config: Any) -> None:
    for _ in range(config.viewers + 1):
        joined.join()
    assert joined.hub.viewers() == config.viewers
    assert len(joined.sockets._connections) == len(joined.sockets._sessions) == config.viewers
    joined.sockets.tick(b"{}")
    assert joined.is_disconnected(config.viewers) and not joined.is_disconnected(0)
