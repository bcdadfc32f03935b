"""What a page says on its WebSocket, from its messages to the hub."""

from collections.abc import Iterator

import orjson
import pytest
import simple_websocket
from engineio.socket import Socket
from flask import Flask
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder

from dashboard.app import create_app
from dashboard.config import DashboardConfig
from dashboard.web.hub import UNACKED_SNAPSHOTS
from dashboard.web.sockets.page_socket import PageSocket
from tests.borders.page import FAILURES, read
from tests.dashboard.stubs import OPERATOR, SESSION_KEY, VIEWER

VALID = ["40", "40{}", "3", '42["snapshot"]', '42["seen",{"seq":0}]', '42["seen",{"seq":7}]']
PREFIXES = [
    "", "0", "1", "2", "3", "4", "5", "6", "40", "41", "42", "43", "44", "45", "451-", "461-", "40/x,", "42/x,", "427",
    "b", "bQQ==",
]  # fmt: skip
PAYLOADS = [
    "", '["connect",{}]', '["disconnect"]', '["seen",{"seq":1e400}]', '["seen",{"seq":true}]', '["seen",{"seq":-1}]',
    '["seen",null]', '["seen",{"seq":' + "9" * 400 + "}]", '["seen",{"seq":9223372036854775808}]', '["no such event"]',
    '["snapshot",{"_placeholder":true,"num":0}]', "[]", "{}", "[null]", "[[]]", "7", '"x"', "null", "[", "[" * 2000,
    r'["\ud800"]', '["seen",{"seq":1,"seq":2}]', '["snapshot","' + "x" * 4000 + '"]', "\x00", "\ud800",
]  # fmt: skip
TEXTS = st.builds(str.__add__, st.sampled_from(PREFIXES), st.sampled_from(PAYLOADS) | st.text(max_size=10))
MESSAGES = st.lists(st.sampled_from(VALID) | TEXTS | st.binary(max_size=5), max_size=6)


class Client:
    """A WebSocket whose client sends these messages and closes."""

    def __init__(self, messages: list[str | bytes]) -> None:
        self._messages = messages
        self.connected = True
        self.sent: list[str] = []

    def receive(self) -> str | bytes:
        if not self._messages:
            raise simple_websocket.ConnectionClosed
        return self._messages.pop(0)

    def send(self, message: str) -> None:
        self.sent.append(message)

    def close(self) -> None:
        self.connected = False


@pytest.fixture(scope="module")
def app() -> Iterator[Flask]:
    """Everything joined and nothing started: the hub only sends what a page asks for."""
    app = create_app(DashboardConfig(OPERATOR, VIEWER, SESSION_KEY, source="mock", viewers=2))
    app.extensions["hub"]._broadcaster = app.extensions["sockets"]
    yield app


@pytest.mark.slow
@given(messages=MESSAGES)
@example(messages=['42["connect",{}]'] * 3)
@example(messages=['42["disconnect"]'])
@example(messages=["41", "40"])
@example(messages=["1", "40"])
@example(messages=["x"])
@example(messages=[""])
@example(messages=['451-["seen",{"_placeholder":true,"num":0}]', b"x"])
def test_page_is_heard_or_disconnected(app: Flask, messages: list[str | bytes]) -> None:
    FAILURES.records.clear()
    sockets, hub = app.extensions["sockets"], app.extensions["hub"]
    server = sockets._io.server
    environ = EnvironBuilder(headers={"Authorization": f"Bearer {VIEWER}"}).get_environ() | {"flask.app": app}
    page, client = Socket(server.eio, "sid"), Client(["40", *messages])
    server.eio.sockets["sid"] = page
    server.eio._trigger_event("connect", "sid", environ)
    adapter = PageSocket(page._websocket_handler, server.eio)
    adapter._socket = client
    page._websocket_handler(adapter)
    del server.eio.sockets["sid"]
    FAILURES.check()
    assert hub.viewers() == 0 and not sockets._owners and not sockets._connections
    assert not server.environ and not server._binary_packet and not server.manager.rooms.get("/")
    assert client.sent[0].startswith('40{"sid"') and not client.connected
    said = [orjson.loads(message[2:]) for message in client.sent if message.startswith("42")]
    for name, message in said:
        read(orjson.dumps(message))
        assert name == "snapshot"
    assert len(said) <= UNACKED_SNAPSHOTS
    assert len(client.sent) <= len(messages) + 2
