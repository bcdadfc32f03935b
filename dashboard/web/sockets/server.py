"""Socket.IO: sends the hub's messages to the pages. WebSocket only, same origin only, and authenticated.

A request without permission is refused with a status before the upgrade, since a socket costs four threads.
"""

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Iterable
from typing import Any

import orjson
from flask import Flask, Response, request
from flask_socketio import SocketIO  # type: ignore[import-untyped]
from werkzeug.exceptions import HTTPException

from dashboard.web.auth import bearer_token, check_host, current_role, same_origin, session_end, viewer_id
from dashboard.web.hub import Hub, TooManyViewers
from dashboard.web.problems import problem
from dashboard.web.sockets import handshake
from dashboard.web.sockets.client_socket import client_socket
from dashboard.web.sockets.page_socket import LONGEST_MESSAGE, PageSocket
from webserver.channel import Channel
from webserver.forwarded import Wsgi

PATH = "/socket.io"
PING_SECONDS = 2  # each socket has a thread that sleeps so long, also once it has ended
PONG_SECONDS = 18  # a page that does not answer a ping for so long is disconnected
FOLLOWING = "following"  # the room of the viewers that get patches
USER_TIMEOUT_MS = 30_000
JOIN_SECONDS = 10.0  # from the upgrade to Socket.IO's connect packet
MOST_WAITING_BYTES = 64 << 20  # of messages for all pages: one may acknowledge what it has not read
MOST_JOINING = 10  # sockets in between; each occupies one of the server's spare threads
QUERY = "EIO=4&transport=websocket"  # the only one that is answered

log = logging.getLogger(__name__)


class Sockets:
    """The hub's broadcaster."""

    def __init__(self, app: Flask, hub: Hub) -> None:
        self._hub = hub
        self._connections: dict[str, socket.socket] = {}
        self._owners: dict[str, tuple[str, float]] = {}  # by viewer: whose it is (`viewer_id`), and when that expires
        self._joining: dict[socket.socket, tuple[str, float]] = {}  # upgraded: whose, and when it must have joined
        self._lock = threading.Lock()  # a place is taken by one thread
        self._io = SocketIO(
            app,
            async_mode="threading",
            transports=["websocket"],
            cors_allowed_origins=[],  # the gate checks the origin; Socket.IO would believe X-Forwarded-Host
            manage_session=False,
            async_handlers=False,  # a page's messages are taken in their order
            always_connect=True,  # the page gets "connect" before its snapshot
            json=SocketJson,
            ping_interval=PING_SECONDS,
            ping_timeout=PONG_SECONDS,
            max_http_buffer_size=LONGEST_MESSAGE,
        )
        engine = self._io.server.eio
        engine._async = {**engine._async, "websocket": PageSocket}
        self._io.on_event("connect", self._on_connect)
        self._io.on_event("disconnect", self._on_disconnect)
        self._io.on_event("snapshot", self._on_snapshot)
        self._io.on_event("seen", self._on_seen)
        app.wsgi_app = UpgradeGate(app, self, app.wsgi_app)  # type: ignore[method-assign]

    def stop(self) -> None:
        """Disconnect every viewer, so that the server need not wait for them."""
        for viewer in list(self._connections):
            self.disconnect(viewer)

    def require_place(self, owner: str) -> None:
        """Raise TooManyViewers if there is no place for one more socket, or none for one more of this owner's."""
        self._require_page(owner)
        joining = [of for of, _ in list(self._joining.values())]
        if len(joining) >= MOST_JOINING or joining.count(owner) >= share(MOST_JOINING):
            raise TooManyViewers("Too many pages are opening.")

    def admit(self, connection: socket.socket | None, owner: str) -> None:
        """Give the owner's socket a place among those that join, until `leave`. It is disconnected unless it joins in
        time. Raise TooManyViewers."""
        with self._lock:
            self.require_place(owner)
            if connection:
                self._joining[connection] = owner, time.monotonic() + JOIN_SECONDS

    def leave(self, connection: socket.socket | None) -> None:
        """Give the place among those that join back, once the socket has joined or ended."""
        with self._lock:
            if connection in self._joining:
                del self._joining[connection]

    def _require_page(self, owner: str) -> None:
        """Raise TooManyViewers if all pages are open, or this owner's share of them."""
        most = share(self._hub.most)
        if self._hub.full():
            raise TooManyViewers("Too many pages are open.")
        if [of for of, _ in list(self._owners.values())].count(owner) >= most:
            raise TooManyViewers(f"You have {most} pages open, the most at once. Close another one.")

    def end_session(self, session: str) -> None:
        """Disconnect the session's viewers: it was logged out."""
        for viewer, (of, _) in list(self._owners.items()):
            if of == session:
                self.disconnect(viewer)

    # The hub's Broadcaster

    def send(self, viewer: str, name: str, message: bytes) -> None:
        self._emit(name, message, viewer)

    def patch(self, message: bytes) -> None:
        self._emit("patch", message, FOLLOWING)

    def tick(self, message: bytes) -> None:
        self._emit("tick", message, None)
        for connection, (_, deadline) in list(self._joining.items()):
            if time.monotonic() > deadline:
                _disconnect(connection)
        for viewer, (_, until) in list(self._owners.items()):
            if time.time() > until:
                self.disconnect(viewer)
        self._bound_waiting()

    def follow(self, viewer: str) -> None:
        with contextlib.suppress(KeyError, ValueError):  # it has just left
            self._io.server.enter_room(viewer, FOLLOWING, namespace="/")

    def unfollow(self, viewer: str) -> None:
        self._io.server.leave_room(viewer, FOLLOWING, namespace="/")

    def disconnect(self, viewer: str) -> None:
        if connection := self._connections.pop(viewer, None):
            _disconnect(connection)

    def _emit(self, name: str, message: bytes, to: str | None) -> None:
        """Queue a message for each page. It is JSON already, so it is not encoded again."""
        self._io.server.emit(name, orjson.Fragment(message), to=to, namespace="/")

    def _bound_waiting(self) -> None:
        """Disconnect the page for which most waits, while too much waits for all together."""
        waiting = {viewer: self._waiting(viewer) for viewer in list(self._connections)}
        while sum(_united(waiting.values()).values()) > MOST_WAITING_BYTES:
            most = max(waiting, key=lambda viewer: sum(waiting[viewer].values()))
            log.warning("too much waits for the pages: one is disconnected")
            self.disconnect(most)
            del waiting[most]

    def _waiting(self, viewer: str) -> dict[int, int]:
        """Return the lengths of the messages that wait for a page, by identity: pages share the patches and ticks."""
        engine = self._io.server.eio
        page = engine.sockets.get(self._io.server.manager.eio_sid_from_sid(viewer, "/"))
        if page is None:
            return {}
        with page.queue.mutex:
            return {id(packet): len(packet.data or "") for packet in page.queue.queue if packet}

    # From the pages

    def _on_connect(self, auth: object = None) -> bool:
        viewer = request.sid  # type: ignore[attr-defined]
        connection = client_socket(request.environ)
        if connection:
            with contextlib.suppress(OSError):  # it is closed already, and leaves in a moment
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
            self._connections[viewer] = connection
        try:
            with self._lock:
                self._require_page(owner := viewer_id())
                self._owners[viewer] = owner, session_end()
            self._hub.join(viewer)
        except TooManyViewers:  # the socket, which has not joined, is disconnected soon
            self._connections.pop(viewer, None)
            self._owners.pop(viewer, None)
            return False
        self.leave(connection)
        return True

    def _on_disconnect(self, reason: object = None) -> None:
        """Forget a viewer, and disconnect its socket, which would occupy threads of the server."""
        viewer = request.sid  # type: ignore[attr-defined]
        self.disconnect(viewer)
        self._owners.pop(viewer, None)
        self._hub.leave(viewer)

    def _on_snapshot(self, *_: object) -> None:
        self._hub.request_snapshot(request.sid)  # type: ignore[attr-defined]

    def _on_seen(self, message: object = None, *_: object) -> None:
        """Handle {"seq": <int>}; ignore anything else."""
        seq = message.get("seq") if isinstance(message, dict) else None
        if isinstance(seq, int):
            self._hub.ack(request.sid, seq)  # type: ignore[attr-defined]


class UpgradeGate:
    """WSGI middleware before Socket.IO: refuses a connection with a status."""

    def __init__(self, app: Flask, sockets: Sockets, inner: Wsgi) -> None:
        self._app = app
        self._sockets = sockets
        self._inner = inner

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ.get("PATH_INFO", "").startswith(PATH):
            if not environ.get("QUERY_STRING"):  # as the API server's proxy passes an upgrade on
                environ["QUERY_STRING"] = QUERY
            with self._app.request_context(environ):
                refusal = self._refusal()
                if refusal is not None:
                    return self._app.process_response(refusal)(environ, start_response)
            if isinstance(channel := environ.get("gunicorn.socket"), Channel):
                environ["gunicorn.socket"] = channel.detach()
            try:
                return self._inner(environ, start_response)  # the call lasts as long as the socket
            finally:
                self._sockets.leave(client_socket(environ))
        return self._inner(environ, start_response)

    def _refusal(self) -> Response | None:
        try:
            check_host()
            role = current_role()
        except HTTPException as error:
            answer = self._app.handle_http_exception(error)
            assert isinstance(answer, Response)  # noqa: S101 - for the type checker
            return answer
        if role is None:
            return problem(401, "Sign in, or send a token as Bearer.", WWW_Authenticate="Bearer")
        if bearer_token(request) is None and not same_origin(request, required=True):
            return problem(403, "The request does not come from this origin.")
        try:
            self._sockets.require_place(viewer_id())  # first: a page that can't connect asks why, without an upgrade
            fault = handshake.refusal(request)
            if fault is None:
                self._sockets.admit(client_socket(request.environ), viewer_id())
        except TooManyViewers as error:
            return problem(503, str(error), Retry_After="10")
        return fault


def share(places: int) -> int:
    """Return how many of the places one owner may have: half, so that one session can't keep the others out."""
    return (places + 1) // 2


def _united(parts: Iterable[dict[int, int]]) -> dict[int, int]:
    return {key: value for part in parts for key, value in part.items()}


def _disconnect(connection: socket.socket) -> None:
    """Shut down the TCP connection: a page that reads nothing would not read a close frame either."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class SocketJson:
    """orjson with the interface of the standard library's module, as Socket.IO expects."""

    @staticmethod
    def dumps(value: Any, **_: Any) -> str:
        return orjson.dumps(value).decode()

    @staticmethod
    def loads(text: str | bytes, **_: Any) -> Any:
        return orjson.loads(text)
