"""The viewers' Socket.IO connections, without a server: their queues, and their cleanup."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from engineio.packet import MESSAGE, Packet
from engineio.socket import Socket
from flask import Flask
from werkzeug.test import EnvironBuilder
from wsproto.utilities import RemoteProtocolError

from dashboard.web.sockets import server as sockets_module
from dashboard.web.sockets.page_socket import PageSocket
from dashboard.web.sockets.server import Sockets, share
from tests.dashboard.stubs import VIEWER


class Pages:
    """Pages that join over socket pairs."""

    def __init__(self, app: Flask) -> None:
        self.sockets: Sockets = app.extensions["sockets"]
        self.hub = app.extensions["hub"]
        self.hub._broadcaster = self.sockets
        self.server = self.sockets._io.server
        self.connections: list[socket.socket] = []
        self._environ = EnvironBuilder(headers={"Authorization": f"Bearer {VIEWER}"}).get_environ() | {"flask.app": app}

    def join(self, address: str = "") -> Socket:
        client, connection = socket.socketpair(socket.AF_UNIX)
        client.settimeout(10)
        self.connections += [client, connection]
        page = Socket(self.server.eio, f"sid{len(self.connections)}")
        self.server.eio.sockets[page.sid] = page
        self.sockets._joining[connection] = "somebody", 0.0
        own = {"gunicorn.socket": connection, "REMOTE_ADDR": address or f"192.0.2.{len(self.connections)}"}
        self.server.eio._trigger_event("connect", page.sid, self._environ | own)
        self.server.eio._trigger_event("message", page.sid, "0")
        return page

    def send(self, page: Socket, message: str) -> None:
        self.server.eio._trigger_event("message", page.sid, message)

    def is_disconnected(self, number: int) -> bool:
        self.connections[2 * number].setblocking(False)
        try:
            return self.connections[2 * number].recv(1) == b""
        except BlockingIOError:
            return False


@pytest.fixture
def pages(app: Flask) -> Iterator[Pages]:
    pages = Pages(app)
    yield pages
    for connection in pages.connections:
        connection.close()


def test_page_with_the_longest_queue_is_disconnected(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets_module, "MOST_WAITING_BYTES", 100_000)
    sockets = [pages.join() for _ in range(3)]
    broadcast = Packet(MESSAGE, "x" * 60_000)
    for page in sockets:
        page.queue.put(broadcast)  # like a patch, whose packet all pages share
    pages.sockets.tick(b"{}")
    assert [pages.is_disconnected(number) for number in range(3)] == [False] * 3
    sockets[1].queue.put(Packet(MESSAGE, "x" * 60_000))
    pages.sockets.tick(b"{}")
    assert [pages.is_disconnected(number) for number in range(3)] == [False, True, False]


def test_page_that_leaves_is_disconnected_and_removed(pages: Pages) -> None:
    page = pages.join()
    assert pages.hub.viewers() == 1 and not pages.sockets._joining
    pages.send(page, "1")
    assert pages.is_disconnected(0)
    assert pages.hub.viewers() == 0 and not pages.sockets._connections and not pages.sockets._owners


def test_failed_handshake_leaves_nothing(pages: Pages) -> None:
    client, connection = socket.socketpair()
    pages.connections += [client, connection]
    page = Socket(pages.server.eio, "sid")
    pages.server.eio.sockets["sid"] = page
    pages.server.eio._trigger_event("connect", "sid", {})
    with pytest.raises(RemoteProtocolError):
        PageSocket(page._websocket_handler, pages.server.eio)({"gunicorn.socket": connection}, None)
    assert not pages.server.eio.sockets and not pages.server.environ


def test_page_over_the_cap_is_removed_and_disconnected_with_the_next_tick(pages: Pages, config: Any) -> None:
    for _ in range(config.viewers + 1):
        pages.join()
    assert pages.hub.viewers() == config.viewers
    assert len(pages.sockets._connections) == len(pages.sockets._owners) == config.viewers
    pages.sockets.tick(b"{}")
    assert pages.is_disconnected(config.viewers) and not pages.is_disconnected(0)


def test_page_over_its_owner_s_half_is_removed_and_disconnected_with_the_next_tick(pages: Pages, config: Any) -> None:
    for _ in range(config.viewers):
        pages.join("192.0.2.1")
    assert pages.hub.viewers() == len(pages.sockets._owners) == share(config.viewers) < config.viewers
    pages.join("192.0.2.2")
    assert pages.hub.viewers() == share(config.viewers) + 1
    pages.sockets.tick(b"{}")
    assert pages.is_disconnected(share(config.viewers)) and not pages.is_disconnected(0)
