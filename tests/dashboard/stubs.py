"""Stubs that tests share: the sink of a source's events, and an HTTP server with scripted responses."""

import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from dashboard.core import events
from dashboard.core.targets import Targets

OPERATOR = "Op9-kq3Zr7Lw2Xv8Tn5B"
VIEWER = "Vi4-hd6Ys1Mj0Qc7Gp2E"
SESSION_KEY = "Se8-ua5Fk2Wb9Rx3Nz6H"
AS_OPERATOR = {"Authorization": f"Bearer {OPERATOR}"}
AS_VIEWER = {"Authorization": f"Bearer {VIEWER}"}
ROOT = Path(__file__).parents[2]
STREAMS = ROOT / "tests" / "streams"
TARGETS = Targets("flask-mongodb", "embedded", "flask", "mongodb", "flask", "flask")
AUTOSCALER = {  # of the state, without what the metrics leave out
    "min": 2, "max": 5, "desired": 3, "current": 2, "cpu_percent": 84,
    "conditions": [{"type": "ScalingActive", "status": "True"}, {"type": "ScalingLimited", "status": "False"}],
}  # fmt: skip

RecordDuration = Callable[[str, float, float], None]  # the fixture `record_duration`: name, seconds, promised seconds


def wait_until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """Poll the condition until its value is true, and return that value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"the condition was not met within {seconds} s"
        time.sleep(0.01)
    return value


class Emitted(list[events.Event]):
    """The events that a source emitted, in order. Tests wait for them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()

    def __call__(self, event: events.Event) -> None:
        with self._changed:
            self.append(event)
            self._changed.notify_all()

    def of(self, type_: type[Any], *kinds: str) -> list[Any]:
        """Return the events of a type, and of the Kubernetes kinds if any are given."""
        found = [event for event in self if isinstance(event, type_)]
        return [event for event in found if not kinds or getattr(event, "kind", "") in kinds]

    def wait(self, condition: Callable[["Emitted"], Any], seconds: float = 90) -> Any:
        """Wait until the condition's value is true, and return that value."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while not (value := condition(self)):
                assert time.monotonic() < deadline, f"not emitted within {seconds} s: {self!r}"
                self._changed.wait(0.1)  # the condition may depend on more than events
            return value


class StubServer(ThreadingHTTPServer):
    """An HTTP server on a loopback address, which serves in a thread of its own from `start` to `stop`."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, handler: type["StubHandler"], port: int = 0, address: str = "127.0.0.1") -> None:
        super().__init__((address, port), handler)
        self.port: int = self.server_address[1]
        self.url = f"http://{address}:{self.port}"
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})

    def start(self) -> Self:
        self._thread.start()
        return self

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore connections that the client closed early: tests do that on purpose."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class StubHandler(BaseHTTPRequestHandler):
    disable_nagle_algorithm = True  # otherwise a response in two writes waits 40 ms for an ACK
    protocol_version = "HTTP/1.1"

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def respond(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Send a response. `headers` may replace Content-Length."""
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write no log: stubs record the requests that matter."""
