"""The HTTP server of the programs beside mongod: a few connections at once."""

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from service import logs


class BoundedServer(ThreadingHTTPServer):
    """Answers as many connections at once as it is given; one more is closed."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], at_once: int) -> None:
        self._places = threading.BoundedSemaphore(at_once)
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread could be started
            self._places.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what is not a client that hung up: that is nobody's error."""
        error = sys.exception()
        if not isinstance(error, OSError):
            logs.write("failed", error=f"{type(error).__name__}: {error}")
