"""A TCP proxy before mongod."""

from __future__ import annotations

import contextlib
import socket
import threading


class Interceptor:
    """A TCP proxy before mongod. Once armed, it passes on one write and closes the connection before the reply.

    Without being armed it leads to mongod as a Service does, from its begin to its end. `port` is its own; 0 for any.
    """

    def __init__(self, target: int, command: bytes = b"insert", port: int = 0) -> None:
        self.armed = threading.Event()
        self._target = target
        self._write = b"\x02%b\0" % command
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Interceptor:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            cut = threading.Event()
            for source, sink, requests_flow in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._pump, args=[source, sink, cut, requests_flow], daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, cut: threading.Event, requests_flow: bool) -> None:
        with source, sink:
            try:
                while data := source.recv(65536):
                    if requests_flow and self._write in data and self.armed.is_set():
                        self.armed.clear()
                        cut.set()
                    if cut.is_set() and not requests_flow:
                        break  # mongod has replied, so it has written
                    sink.sendall(data)
            except OSError:
                pass
            for end in (source, sink):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
