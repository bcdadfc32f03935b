"""A viewer without a browser: it follows the dashboard's state over a WebSocket, as the page does."""

import contextlib
import itertools
import threading
import time
from typing import Any, Self

import orjson
import websocket

ACK_SECONDS = 1.0


class Viewer(threading.Thread):
    """Answers pings, and acknowledges what it has received once a second."""

    def __init__(self, dashboard: str, cookie: str) -> None:
        super().__init__(daemon=True)
        self.is_connected = True
        self._socket = websocket.create_connection(
            f"{dashboard.replace('http', 'ws', 1)}/socket.io/?EIO=4&transport=websocket",
            origin=dashboard, cookie=cookie, timeout=30,
        )  # fmt: skip
        self._acked_at = 0.0
        self._joined = threading.Event()

    @classmethod
    def several(cls, count: int, dashboard: str, *cookies: str) -> list[Self]:
        """Return viewers that follow already. They join one by one: few sockets may be open that have not joined. The
        sessions take turns: each may have half of the pages."""
        viewers = []
        for _, cookie in zip(range(count), itertools.cycle(cookies), strict=False):
            viewers.append(viewer := cls(dashboard, cookie))
            viewer.start()
            assert viewer._joined.wait(30)
        return viewers

    def apply(self, name: str, message: Any) -> None:
        """Take a snapshot, a patch or a tick."""

    def run(self) -> None:
        with contextlib.suppress(OSError, websocket.WebSocketException):
            while text := self._socket.recv():
                self._handle(text if isinstance(text, str) else text.decode())
        self.is_connected = False

    def close(self) -> None:
        self._socket.shutdown()

    def _handle(self, text: str) -> None:
        """Answer Engine.IO's open and ping, and apply Socket.IO's events."""
        if text.startswith("0"):
            self._socket.send("40")
        elif text.startswith("40"):
            self._joined.set()
        elif text.startswith("2"):
            self._socket.send("3")
        elif text.startswith("42"):
            name, message = orjson.loads(text[2:])
            self.apply(name, message)
            if name == "tick" and time.monotonic() - self._acked_at >= ACK_SECONDS:
                self._acked_at = time.monotonic()
                self._socket.send(f'42["seen",{{"seq":{message["seq"]}}}]')
