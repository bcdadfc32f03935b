"""Checks a WebSocket's handshake, while a refusal can still be a plain answer (RFC 6455, section 4.2)."""

import base64
import binascii

from flask import Request, Response
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection
from wsproto.extensions import PerMessageDeflate
from wsproto.utilities import ProtocolError

from dashboard.web.problems import problem

VERSION = "13"
KEY_BYTES = 16
NO_UPGRADE = (
    "The request is no WebSocket. If it was one in the browser, a proxy on the way has removed its Upgrade header:"
    " let it pass Upgrade and Connection on."
)


def refusal(request: Request) -> Response | None:
    """Return why the request opens no WebSocket; None if it does."""
    headers = request.headers
    options = [each.strip().lower() for each in headers.get("Connection", "").split(",")]
    if headers.get("Upgrade", "").lower() != "websocket" or "upgrade" not in options:
        return problem(426, NO_UPGRADE, Upgrade="websocket")
    if headers.get("Sec-WebSocket-Version") != VERSION:
        detail = f"Sec-WebSocket-Version must be {VERSION}."
        return problem(426, detail, Upgrade="websocket", Sec_WebSocket_Version=VERSION)
    if not _is_key(headers.get("Sec-WebSocket-Key", "")):
        return problem(400, f"Sec-WebSocket-Key must be {KEY_BYTES} bytes in base64.")
    if not _is_understood(request):
        return problem(400, "A header of the WebSocket's handshake is malformed.")
    return None


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == KEY_BYTES
    except (binascii.Error, ValueError):
        return False


def _is_understood(request: Request) -> bool:
    """Return whether the WebSocket's library takes the handshake. It raises errors of several kinds for one that it
    does not take, when the connection is no longer the server's."""
    head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    connection = WSConnection(ConnectionType.SERVER)
    try:
        connection.receive_data(f"GET / HTTP/1.1\r\n{head}\r\n".encode())
        connection.send(AcceptConnection(extensions=[PerMessageDeflate()]))
    except (ProtocolError, ValueError):  # a header that can't be decoded is the latter
        return False
    return True
