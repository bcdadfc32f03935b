"""Socket.IO: carries the hub's messages to the pages. WebSocket only, this origin only, and only for those signed in.

Whoever may not come in is refused with a status before the upgrade: a socket costs four threads, and a stranger gets
none of them.
"""

import contextlib
import socket
from collections.abc import Callable, Iterable
from typing import Any

import orjson
from flask import Flask, Response, request
from flask_socketio import SocketIO  # type: ignore[import-untyped]
from werkzeug.exceptions import HTTPException

from dashboard.web.auth import current_role, same_origin
from dashboard.web.hub import Hub, TooManyViewers
from dashboard.web.problems import problem

PATH = "/socket.io"
PING_SECONDS = 10
LONGEST_MESSAGE = 4096  # bytes a page may send at once: its messages are a name and a number
FOLLOWING = "following"  # the room of those who get patches
USER_TIMEOUT_MS = 30_000

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Sockets:
    """The hub's broadcaster."""

    def __init__(self, app: Flask, hub: Hub) -> None:
        self._hub = hub
        self._connections: dict[str, socket.socket] = {}
        self._io = SocketIO(
            app,
            async_mode="threading",
            transports=["websocket"],
            cors_allowed_origins=_same_host,
            manage_session=False,
            async_handlers=False,  # a page's messages are taken in their order
            always_connect=True,  # the page hears that it is connected before its snapshot
            json=SocketJson,
            ping_interval=PING_SECONDS,
            ping_timeout=PING_SECONDS,
            max_http_buffer_size=LONGEST_MESSAGE,
        )
        self._io.on_event("connect", self._connected)
        self._io.on_event("disconnect", self._disconnected)
        self._io.on_event("snapshot", self._asked)
        self._io.on_event("seen", self._seen)
        app.wsgi_app = UpgradeGate(app, hub, app.wsgi_app)  # type: ignore[method-assign]

    def stop(self) -> None:
        """Ends every connection, so that the server need not wait for the pages to leave."""
        for viewer in list(self._connections):
            self.disconnect(viewer)

    # The hub's Outlet

    def send(self, viewer: str, name: str, message: bytes) -> None:
        self._emit(name, message, viewer)

    def patch(self, message: bytes) -> None:
        self._emit("patch", message, FOLLOWING)

    def tick(self, message: bytes) -> None:
        self._emit("tick", message, None)

    def follow(self, viewer: str) -> None:
        with contextlib.suppress(KeyError, ValueError):  # it left at this very moment
            self._io.server.enter_room(viewer, FOLLOWING, namespace="/")

    def unfollow(self, viewer: str) -> None:
        self._io.server.leave_room(viewer, FOLLOWING, namespace="/")

    def disconnect(self, viewer: str) -> None:
        """Ends the connection below WebSocket: a page that reads nothing would not read a goodbye either."""
        if connection := self._connections.pop(viewer, None):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _emit(self, name: str, message: bytes, to: str | None) -> None:
        """The message is JSON already and goes out as it is; queued for each page, encoded once."""
        self._io.server.emit(name, orjson.Fragment(message), to=to, namespace="/")

    # From the pages

    def _connected(self, auth: object = None) -> bool:
        viewer = request.sid  # type: ignore[attr-defined]
        if connection := request.environ.get("gunicorn.socket") or request.environ.get("werkzeug.socket"):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
            self._connections[viewer] = connection
        try:
            self._hub.join(viewer)
        except TooManyViewers:
            return False
        return True

    def _disconnected(self, reason: object = None) -> None:
        viewer = request.sid  # type: ignore[attr-defined]
        self._connections.pop(viewer, None)
        self._hub.leave(viewer)

    def _asked(self, *_: object) -> None:
        self._hub.request_snapshot(request.sid)  # type: ignore[attr-defined]

    def _seen(self, message: object = None, *_: object) -> None:
        """Anything but {"seq": <int>} is ignored."""
        seq = message.get("seq") if isinstance(message, dict) else None
        if isinstance(seq, int):
            self._hub.ack(request.sid, seq)  # type: ignore[attr-defined]


class UpgradeGate:
    """Stands before Socket.IO's own handling and answers for it where a page may not come in."""

    def __init__(self, app: Flask, hub: Hub, inner: Wsgi) -> None:
        self._app = app
        self._hub = hub
        self._inner = inner

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ.get("PATH_INFO", "").startswith(PATH):
            with self._app.request_context(environ):
                refusal = self._refusal()
                if refusal is not None:
                    return self._app.process_response(refusal)(environ, start_response)
        return self._inner(environ, start_response)

    def _refusal(self) -> Response | None:
        try:
            role = current_role()
        except HTTPException as error:
            answer = self._app.handle_http_exception(error)
            assert isinstance(answer, Response)  # noqa: S101 - the handler of problems makes no other
            return answer
        if role is None:
            return problem(401, "Sign in, or send a token as Bearer.", WWW_Authenticate="Bearer")
        if not same_origin(request, required="Authorization" not in request.headers):
            return problem(403, "The request does not come from this origin.")
        if self._hub.full():
            return problem(503, "As many pages as can be served are open.", Retry_After="10")
        return None


class SocketJson:
    """orjson where Socket.IO expects the standard library's module."""

    @staticmethod
    def dumps(value: Any, **_: Any) -> str:
        return orjson.dumps(value).decode()

    @staticmethod
    def loads(text: str | bytes, **_: Any) -> Any:
        return orjson.loads(text)


def _same_host(origin: str | None, environ: dict[str, Any]) -> bool:
    """Engine.IO's own check would believe X-Forwarded-Host from anybody."""
    return origin is None or origin.partition("://")[2].lower() == environ.get("HTTP_HOST", "").lower()
