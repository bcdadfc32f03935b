"""A proxy before the dashboard that changes requests as common proxies do."""

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Iterator

Change = Callable[[bytes], bytes]  # changes the bytes of one read from a client, which begin with a request

PREFIX = "/dash"


def strip_prefix(sent: bytes) -> bytes:
    """Like an Ingress that rewrites paths without X-Forwarded-Prefix."""
    return re.sub(rb"\A([A-Z]+) /dash/", rb"\1 /", sent)


def rewrite_host(sent: bytes) -> bytes:
    """Like `kubectl proxy`, which sends the API server's name in Host."""
    return re.sub(rb"\r\nHost: [^\r]+", b"\r\nHost: 10.0.0.1:6443", strip_prefix(sent), count=1)


def drop_upgrade(sent: bytes) -> bytes:
    """Like a proxy without WebSockets."""
    return re.sub(
        rb"\r\n(Upgrade: websocket|Connection: Upgrade)(?=\r\n)", b"", strip_prefix(sent), flags=re.IGNORECASE
    )


@contextlib.contextmanager
def proxy(port: int, change: Change) -> Iterator[str]:
    """Forward connections to a port. Yield the dashboard's address at the proxy."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=[listener, port, change], daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}{PREFIX}"
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, port: int, change: Change) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            server = socket.create_connection(("127.0.0.1", port))
            threading.Thread(target=_forward, args=[client, server, change], daemon=True).start()
            threading.Thread(target=_forward, args=[server, client, bytes], daemon=True).start()


def _forward(source: socket.socket, target: socket.socket, change: Change) -> None:
    with contextlib.suppress(OSError):
        while sent := source.recv(1 << 16):
            target.sendall(change(sent))
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
    source.close()
