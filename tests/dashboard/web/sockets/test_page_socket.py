"""A page's WebSocket, with a client that breaks its limits."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from wsproto.events import CloseConnection

from dashboard.web.sockets.page_socket import LONGEST_MESSAGE, MOST_WAITING, BoundedWebSocket, PageSocket, is_expected
from tests.dashboard.websocket import CONTINUATION, frame, send_until_closed

HANDSHAKE = {
    "HTTP_HOST": "127.0.0.1", "HTTP_CONNECTION": "Upgrade", "HTTP_UPGRADE": "websocket",
    "HTTP_SEC_WEBSOCKET_VERSION": "13", "HTTP_SEC_WEBSOCKET_KEY": "AAAAAAAAAAAAAAAAAAAAAA==",
}  # fmt: skip


@pytest.fixture
def connected() -> Iterator[tuple[socket.socket, BoundedWebSocket]]:
    """A client's socket after the handshake, and the server's WebSocket."""
    client, server = socket.socketpair()
    client.settimeout(10)
    with client, server:
        page = BoundedWebSocket(HANDSHAKE | {"gunicorn.socket": server}, max_message_size=LONGEST_MESSAGE)
        assert client.recv(4096).startswith(b"HTTP/1.1 101 ")
        yield client, page
        client.close()
        page.thread.join(10)


@pytest.mark.parametrize(
    "message",
    [
        "1", "3", "40", "40{}", "41", '42["snapshot"]', '42["seen",{"seq":7}]', '42["seen"]', '42["snapshot",null]',
        '42["seen",' + "[" * 1000 + "]" * 1001,
    ],
)
def test_message_of_a_page_is_expected(message: str) -> None:
    assert is_expected(message)


@pytest.mark.parametrize(
    "message",
    [
        "", "x", "0", "2", "5", "6", "b", b"42", "4", "40[]", "40/x,", "42", "42[]", "42{}", '42"snapshot"',
        '42["connect",{}]', '42["disconnect"]', '42["no such event"]', '42/x,["snapshot"]', '427["snapshot"]', "43[]",
        "44{}", '451-["seen"]', '46["seen"]', '42["seen",', "42" + "[" * 5000, r'42["seen","\ud800"]',
    ],
)  # fmt: skip
def test_any_other_message_is_unexpected(message: Any) -> None:
    assert not is_expected(message)


class Engine:
    """Engine.IO's socket, as far as the adapter knows it."""

    closed = False

    def _websocket_handler(self, page: PageSocket) -> None:
        pass


def test_messages_are_received_in_order_until_an_unexpected_one(
    connected: tuple[socket.socket, BoundedWebSocket]
) -> None:
    client, page = connected
    adapter = PageSocket(Engine()._websocket_handler, None)
    adapter._socket = page
    client.sendall(frame(b"3") + frame(b"40") + frame(b'42["connect",{}]') + frame(b"3"))
    assert [adapter.wait(), adapter.wait(), adapter.wait()] == ["3", "40", None]


def test_nothing_is_received_after_a_close(connected: tuple[socket.socket, BoundedWebSocket]) -> None:
    client, page = connected
    engine = Engine()
    adapter = PageSocket(engine._websocket_handler, None)
    adapter._socket = page
    client.sendall(frame(b"1") + frame(b"40"))
    assert adapter.wait() == "1"
    engine.closed = True  # as Engine.IO does it
    assert adapter.wait() is None


@pytest.mark.parametrize("ended", ["by both", "by its client", "by its server"])
def test_socket_that_ends_meanwhile_is_closed_quietly(
    connected: tuple[socket.socket, BoundedWebSocket], ended: str
) -> None:
    client, page = connected
    adapter = PageSocket(Engine()._websocket_handler, None)
    adapter._socket = page
    if ended == "by its server":
        page.sock.close()
    elif ended == "by both":
        page.ws.send(CloseConnection(1000))  # its answer to the client's, which the other thread has not handled yet
    else:
        client.close()
        page.thread.join(10)
    with pytest.raises(OSError):
        adapter.send("2")
        adapter.send("2")  # the kernel takes the first one
    adapter.close()
    adapter.close()


def test_message_without_an_end_ends_the_connection(connected: tuple[socket.socket, BoundedWebSocket]) -> None:
    client, page = connected
    client.sendall(frame(b"42", last=False))
    assert send_until_closed(client, frame(b"x" * 4000, CONTINUATION, last=False), 64 << 20) < 4 << 20
    page.thread.join(10)
    assert not page.connected and not page.input_buffer


def test_too_many_unhandled_messages_end_the_connection(connected: tuple[socket.socket, BoundedWebSocket]) -> None:
    client, page = connected
    assert send_until_closed(client, frame(b'42["snapshot"]') * 100, 64 << 20) < 4 << 20
    page.thread.join(10)
    assert not page.connected and MOST_WAITING < len(page.input_buffer) < MOST_WAITING + 1000
