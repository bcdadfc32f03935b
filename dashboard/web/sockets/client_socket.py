"""The socket of a request's client."""

import socket
from typing import Any

from webserver.channel import Channel


def client_socket(environ: dict[str, Any]) -> socket.socket | None:
    """Return the socket, non-blocking under gunicorn; None if the server does not provide it."""
    client = environ.get("gunicorn.socket") or environ.get("werkzeug.socket")
    return client.socket if isinstance(client, Channel) else client
