"""Stubs of the Kubernetes API: one replays streams, one holds objects. And a clock that tests set."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.dashboard.stubs import STREAMS, StubHandler, StubServer

NAMESPACE = "flask-mongodb"
START = 1_780_000_000.0  # the first time of `ManualClock`
HOLD_SECONDS = 120.0  # at most, for a watch or an unanswered request

Json = dict[str, Any]


class ManualClock:
    """A clock that stands still until a test changes `now`."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


class StubApi(StubServer):
    """An API server that replays scripted exchanges by path. Other paths have empty lists and silent watches.

    While `error` is set, it is the response to requests under `error_paths`. While `answering` is cleared, requests are
    received and not answered.
    """

    def __init__(self, port: int = 0, handler: type["StubApiHandler"] | None = None) -> None:
        super().__init__(handler or StubApiHandler, port)
        self.requests: list[tuple[float, str, dict[str, str]]] = []
        self.scripts: dict[str, list[Json]] = {}
        self.metrics: list[Json] = []
        self.metrics_status = 200
        self.error: tuple[int, dict[str, str]] | None = None  # status and headers
        self.error_paths = ("/",)  # prefixes
        self.token: str | None = None  # the only accepted one
        self.answering = threading.Event()
        self.answering.set()
        self._watches: dict[str, StubApiHandler] = {}  # path → the handler of the open watch
        self._watches_changed = threading.Condition()
        self._connections: set[socket.socket] = set()

    def stop(self) -> None:
        """Close every connection, like a killed process."""
        self.answering.set()
        self.shutdown()
        self.socket.close()
        self.end_watches()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def end_watches(self) -> None:
        """End the open watches, like an API server after its watch timeout."""
        with self._watches_changed:
            for handler in self._watches.values():
                handler.ended.set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def play(self, name: str) -> str:
        """Script the exchanges of a file in tests/streams, and return their path."""
        stream = json.loads((STREAMS / f"{name}.json").read_text())
        self.scripts[stream["path"]] = list(stream["exchanges"])
        return str(stream["path"])

    def queries(self, path: str) -> list[dict[str, str]]:
        """Return the query parameters of each request to a path."""
        return [query for _, requested, query in self.requests if requested == path]

    def times(self, path: str) -> list[float]:
        """Return the monotonic time of each request to a path."""
        return [at for at, requested, _ in self.requests if requested == path]

    def wait_for_watch(self, path: str) -> "StubApiHandler":
        with self._watches_changed:
            assert self._watches_changed.wait_for(lambda: path in self._watches, 30), f"no watch of {path}"
            return self._watches[path]

    def add_watch(self, path: str, handler: "StubApiHandler") -> None:
        with self._watches_changed:
            self._watches[path] = handler
            self._watches_changed.notify_all()

    def remove_watch(self, path: str, handler: "StubApiHandler") -> None:
        with self._watches_changed:
            if self._watches.get(path) is handler:
                del self._watches[path]


class StubApiHandler(StubHandler):
    server: StubApi

    def setup(self) -> None:
        super().setup()
        self.ended = threading.Event()  # ends this handler's watch

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        self.server.requests.append((time.monotonic(), url.path, query))
        self.server.answering.wait(HOLD_SECONDS)
        if self.server.token and self.headers["Authorization"] != f"Bearer {self.server.token}":
            self.respond_error(401, {})
        elif self.server.error and url.path.startswith(self.server.error_paths):
            self.respond_error(*self.server.error)
        elif exchange := self._next_exchange(url.path, query):
            self._replay(url.path, exchange)
        elif url.path == "/version":
            self.respond_json(200, {"major": "1", "minor": "36", "gitVersion": "v1.36.3", "platform": "linux/amd64"})
        elif url.path.startswith("/apis/metrics.k8s.io/"):
            items = {"kind": "PodMetricsList", "metadata": {}, "items": self.server.metrics}
            self.respond_json(self.server.metrics_status, items)
        elif query.get("watch"):
            self._replay(url.path, {"lines": [], "then": "hold"})
        else:
            self.respond_json(200, {"kind": "List", "metadata": {"resourceVersion": "1"}, "items": None})

    def _next_exchange(self, path: str, query: dict[str, str]) -> Json | None:
        script = self.server.scripts.get(path, [])
        for exchange in list(script):
            matches = all(query.get(name) == value for name, value in exchange["query"].items())
            if matches and ("continue" in query) == ("continue" in exchange["query"]):
                if not exchange.get("repeat"):
                    script.remove(exchange)
                return exchange
        return None

    def _replay(self, path: str, exchange: Json) -> None:
        if "body" in exchange:
            return self.respond_json(exchange["status"], exchange["body"])
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for line in exchange["lines"]:
            self.send_line(line if isinstance(line, str) else json.dumps(line))
        self.close_connection = True
        if exchange["then"] == "drop":
            self.wfile.write(b'40\r\n{"type":"MODIFIED","obj')
        elif exchange["then"] == "end":
            self.wfile.write(b"0\r\n\r\n")
        else:
            self._hold(path)

    def _hold(self, path: str) -> None:
        """Keep the watch open until it is ended."""
        self.server.add_watch(path, self)
        self.ended.wait(HOLD_SECONDS)
        self.server.remove_watch(path, self)
        with contextlib.suppress(OSError):
            self.wfile.write(b"0\r\n\r\n")

    def send_line(self, text: str) -> None:
        """Send a line of the watch as a chunk."""
        data = text.encode(errors="surrogateescape") + b"\n"
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def respond_json(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        self.respond(status, json.dumps(body).encode(), {"Content-Type": "application/json"} | (headers or {}))

    def respond_error(self, code: int, headers: dict[str, str]) -> None:
        self.respond_json(code, status(code, HTTPStatus(code).phrase), headers)


class ObjectApi(StubApi):
    """An API server that holds objects by path. It assigns resourceVersions, and accepts an update only of the newest.

    `meanwhile` is called once, between a client's read and its write. While `drops_responses` is set, changes are made
    and not answered.
    """

    def __init__(self) -> None:
        super().__init__(handler=ObjectApiHandler)
        self.objects: dict[str, Json] = {}
        self.created: list[tuple[str, Json]] = []
        self.deleted: list[tuple[str, Json]] = []
        self.meanwhile: Callable[[], None] | None = None
        self.drops_responses = False
        self.allowed: set[tuple[str, str, str]] = set()  # (verb, resource, name): what reviews answer yes to
        self._lock = threading.Lock()
        self._version = 100

    def put(self, path: str, object_: Json) -> Json:
        """Store the object unconditionally, with a new resourceVersion."""
        self._version += 1
        stored: Json = json.loads(json.dumps(object_))
        stored["metadata"]["resourceVersion"] = str(self._version)
        self.objects[path] = stored
        return stored

    def change(self, method: str, path: str, body: Any, query: str = "") -> tuple[int, Json]:
        """Make a change as requested. Return the response's status and body."""
        dry_run = "dryRun=All" in query or (isinstance(body, dict) and body.get("dryRun") == ["All"])
        if meanwhile := self.meanwhile:
            self.meanwhile = None
            meanwhile()
        with self._lock:
            if path.endswith("selfsubjectaccessreviews"):
                asked = body["spec"]["resourceAttributes"]
                yes = (asked["verb"], asked["resource"], asked["name"]) in self.allowed
                return 201, body | {"status": {"allowed": yes}}
            if method == "POST":
                self.created.append((path, body))
                return 201, body
            if (stored := self.objects.get(path)) is None:
                return 404, status(404, f"{path} not found")
            metadata = stored["metadata"]
            if method == "PUT":
                if body["metadata"]["resourceVersion"] != metadata["resourceVersion"]:
                    return 409, status(409, "the object has been modified")
                return 200, self.put(path, body)
            if method == "PATCH":
                return self._patch(path, stored, body, dry_run)
            if body["preconditions"]["uid"] != metadata["uid"]:
                return 409, status(409, "Precondition failed: UID in precondition")
            if dry_run:
                return 200, stored
            self.deleted.append((path, body))
            return 200, self.objects.pop(path)


    def _patch(self, path: str, stored: Json, operations: list[Json], dry_run: bool) -> tuple[int, Json]:
        """Apply the operations, which all add or replace a member of an object."""
        made = json.loads(json.dumps(stored))
        for each in operations:
            *parents, last = [part.replace("~1", "/") for part in each["path"].split("/")[1:]]
            holder = made
            for part in parents:
                holder = holder[part]
            holder[last] = each["value"]
        if made["metadata"]["resourceVersion"] != stored["metadata"]["resourceVersion"]:
            return 409, status(409, "the object has been modified")
        return 200, made if dry_run else self.put(path, made)


class ObjectApiHandler(StubApiHandler):
    server: ObjectApi

    def do_GET(self) -> None:
        if self.server.error:
            return super().do_GET()
        path = urlsplit(self.path).path
        stored = self.server.objects.get(path)
        return self.respond_json(200, stored) if stored else self.respond_json(404, status(404, f"{path} not found"))

    def do_PUT(self) -> None:
        expected = "application/json-patch+json" if self.command == "PATCH" else "application/json"
        assert self.headers["Content-Type"] == expected
        body = json.loads(self.body())
        if self.server.error:
            return self.respond_error(*self.server.error)
        url = urlsplit(self.path)
        response = self.server.change(self.command, url.path, body, url.query)
        if self.server.drops_responses:
            self.close_connection = True
            return None
        return self.respond_json(*response)

    do_POST = do_DELETE = do_PATCH = do_PUT


def status(code: int, message: str) -> Json:
    """Return a Kubernetes Status object."""
    return {"kind": "Status", "status": "Failure", "message": message, "code": code}
