"""A Kubernetes API that holds objects: it hands out resourceVersions, and takes a change only for the newest."""

import json
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from tests.dashboard.stubs import StubApi, StubHandler

Json = dict[str, Any]


class ObjectApi(StubApi):
    """Objects by their paths. `meanwhile` runs once between somebody's read and its write; while `lost` is set,
    changes are made and not answered."""

    def __init__(self) -> None:
        super().__init__()
        self.RequestHandlerClass = ObjectHandler
        self.objects: dict[str, Json] = {}
        self.created: list[tuple[str, Json]] = []
        self.deleted: list[tuple[str, Json]] = []
        self.meanwhile: Callable[[], None] | None = None
        self.lost = False
        self._lock = threading.Lock()
        self._version = 100

    def put(self, path: str, object_: Json) -> Json:
        """Puts it there as somebody would who does not look first."""
        self._version += 1
        stored: Json = json.loads(json.dumps(object_))
        stored["metadata"]["resourceVersion"] = str(self._version)
        self.objects[path] = stored
        return stored

    def change(self, method: str, path: str, body: Json) -> tuple[int, Json]:
        """The status and what stands in the answer."""
        if meanwhile := self.meanwhile:
            self.meanwhile = None
            meanwhile()
        with self._lock:
            if method == "POST":
                self.created.append((path, body))
                return 201, body
            if (found := self.objects.get(path)) is None:
                return 404, status(404, f"{path} not found")
            metadata = found["metadata"]
            if method == "PUT":
                if body["metadata"]["resourceVersion"] != metadata["resourceVersion"]:
                    return 409, status(409, "the object has been modified")
                return 200, self.put(path, body)
            if body["preconditions"]["uid"] != metadata["uid"]:
                return 409, status(409, "Precondition failed: UID in precondition")
            self.deleted.append((path, body))
            return 200, self.objects.pop(path)


class ObjectHandler(StubHandler):
    server: ObjectApi

    def do_GET(self) -> None:
        if self.server.refusal:
            return super().do_GET()
        path = urlsplit(self.path).path
        found = self.server.objects.get(path)
        return self._answer(200, found) if found else self._answer(404, status(404, f"{path} not found"))

    def do_PUT(self) -> None:
        assert self.headers["Content-Type"] == "application/json"
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.refusal:
            return self._refuse(*self.server.refusal)
        answer = self.server.change(self.command, urlsplit(self.path).path, body)
        if self.server.lost:
            self.close_connection = True
            return None
        return self._answer(*answer)

    do_POST = do_DELETE = do_PUT


def status(code: int, message: str) -> Json:
    return {"kind": "Status", "status": "Failure", "message": message, "code": code}
