"""A page's WebSocket, with bounds on what it may send.

A page says that it connects, that it is alive, what it has seen, and that it needs a snapshot. What says anything else
is no page: its connection ends before Socket.IO takes the message. Otherwise a client could raise Socket.IO's own
events, or leave binary attachments, endless fragments and messages faster than they are handled in the memory.
"""

import contextlib
from typing import Any, NoReturn

import orjson
import simple_websocket  # type: ignore[import-untyped]
from wsproto.utilities import LocalProtocolError

LONGEST_MESSAGE = 4096  # bytes; a page's messages are a name and a number
MOST_WAITING = 64  # messages of one page that wait to be handled

_ENDED = (simple_websocket.ConnectionClosed, LocalProtocolError)


class PageSocket:
    """Engine.IO's adapter for a WebSocket. `handler` is its own socket's method that serves it to its end."""

    def __init__(self, handler: Any, engine: Any) -> None:
        self._handler = handler
        self._engine = engine

    def __call__(self, environ: dict[str, Any], _start_response: object) -> NoReturn:
        try:
            self._socket = BoundedWebSocket(environ, max_message_size=LONGEST_MESSAGE)
            self._handler(self)
        finally:
            self._forget()
        raise StopIteration  # how gunicorn learns that the connection is no longer its own

    def _forget(self) -> None:
        """Forget the socket, with what was not sent. Engine.IO would look for those that have ended in a while."""
        ended = self._handler.__self__
        ended.close(wait=False, abort=True)  # does nothing after an orderly end
        self._engine.sockets.pop(ended.sid, None)
        with ended.queue.mutex:
            ended.queue.queue.clear()

    def wait(self) -> str | None:
        """Return the next message. None, after which Engine.IO closes the socket, at the end or for another one.

        What comes after a close is not taken: Socket.IO would join a page that it has already forgotten, for ever.
        """
        try:
            message = self._socket.receive()
        except simple_websocket.ConnectionClosed:
            return None
        return message if is_expected(message) and not self._handler.__self__.closed else None

    def send(self, message: str) -> None:
        try:
            self._socket.send(message)
        except _ENDED:
            raise OSError from None

    def close(self) -> None:
        with contextlib.suppress(OSError, *_ENDED):  # the client may end it at the same time
            self._socket.close()


class BoundedWebSocket(simple_websocket.Server):  # type: ignore[misc]
    """Closes the connection once too many messages wait."""

    def _handle_events(self) -> bool:
        return bool(super()._handle_events()) and len(self.input_buffer) <= MOST_WAITING


def is_expected(message: object) -> bool:
    """Return whether a page sends this: Engine.IO's close or pong, or a message of Socket.IO's, which begins with 4."""
    if not isinstance(message, str):
        return False
    kind, text = message[:2], message[2:]
    if kind in ("1", "3", "40", "41") and not text:  # close, pong, connect, disconnect
        return True
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    if kind == "40":
        return isinstance(data, dict)
    return kind == "42" and isinstance(data, list) and data[:1] in (["snapshot"], ["seen"])
