"""The pod reader: one pod's object, events and container logs, from the Kubernetes API.

RBAC: get on pods and on pods/log, list on events.
"""

import contextlib
import re
from collections.abc import Callable, Generator, Iterator
from urllib.parse import quote

import msgspec

from dashboard.kube.client import DECODE_ERRORS, Forbidden, KubeClient, KubeError, KubeStatusError
from dashboard.kube.errors import (
    ContainerWaiting,
    ObjectNotFound,
    ObjectReadError,
    ObjectReadForbidden,
    ObjectReadUnavailable,
)
from dashboard.kube.pods.details import Json, LogRequest, LogSource

READ_SECONDS = 10.0  # until a response begins: a page waits for it
CAUSE_LENGTH = 300  # characters of an error's cause that are shown
EVENTS = 500  # maximum per pod; the API returns them in no useful order

_POD = "/api/v1/namespaces/{}/pods/{}"
_EVENTS = "/api/v1/namespaces/{}/events"
_STARTING = re.compile(r"is waiting to start: (.*)|ContainerCreating|PodInitializing|trying and failing to pull")


class KubePodReader:
    """Reads pods through the API server (implements kube.pods.details.PodReader).

    Thread-safe: each call has its own client. `api` makes a client with a read timeout in seconds.
    """

    def __init__(self, api: Callable[[float], KubeClient], namespace: str) -> None:
        self._api = api
        self._namespace = quote(namespace, safe="")

    def pod(self, view: Json) -> Json:
        """Return the pod as the API has it. Raise ObjectNotFound if another pod has its name now."""
        pod = self._get(self._path(view), "pods")
        if pod.get("metadata", {}).get("uid") != view["uid"]:
            raise ObjectNotFound(f"The pod {view['name']} was replaced.")
        return pod

    def events(self, view: Json) -> list[Json]:
        """Return the pod's Events, in no order."""
        selector = f"involvedObject.uid={view['uid']}"
        found = self._get(_EVENTS.format(self._namespace), "events", fieldSelector=selector, limit=EVENTS)
        events: list[Json] = found.get("items") or []
        return events

    def log(self, view: Json, request: LogRequest) -> LogSource:
        """Open a container's log. The request is made at once; its errors are raised here."""
        query: dict[str, str | int] = {
            "container": request.container,
            "previous": str(request.previous).lower(),
            "tailLines": request.tail,
            "follow": str(request.follow).lower(),
            "timestamps": str(request.timestamps).lower(),
        }
        if request.since:
            query["sinceTime"] = request.since
        api = self._api(READ_SECONDS)
        try:
            with translate_read_errors("pods/log", request.container):
                return LogResponse(api, api.pieces(f"{self._path(view)}/log", **query))
        except BaseException:
            api.close()
            raise

    def _get(self, path: str, kind: str, **query: str | int) -> Json:
        with contextlib.closing(self._api(READ_SECONDS)) as api, translate_read_errors(kind):
            found: Json = msgspec.json.decode(api.get(path, **query))
            return found

    def _path(self, view: Json) -> str:
        return _POD.format(self._namespace, quote(view["name"], safe=""))


class LogResponse:
    """An open log at the API server."""

    def __init__(self, api: KubeClient, pieces: Generator[bytes]) -> None:
        self._api = api
        self._pieces = pieces

    def pieces(self) -> Iterator[bytes]:
        """Yield the log's bytes as they arrive, until its end or `close`."""
        try:
            with translate_read_errors("pods/log"):
                yield from self._pieces
        finally:
            self._pieces.close()
            self._api.close()

    def close(self) -> None:
        self._api.interrupt()


@contextlib.contextmanager
def translate_read_errors(kind: str, container: str = "") -> Iterator[None]:
    """Raise the API's errors as ObjectReadErrors."""
    try:
        yield
    except KubeError as error:
        raise _translated(error, kind, container) from error
    except DECODE_ERRORS as error:
        raise ObjectReadUnavailable("The API server's response is invalid.") from error


def _translated(error: KubeError, kind: str, container: str) -> ObjectReadError:
    cause = str(error)[:CAUSE_LENGTH]
    if isinstance(error, Forbidden):
        return ObjectReadForbidden(f"The dashboard's Role does not let it read {kind}.")
    if not isinstance(error, KubeStatusError):
        return ObjectReadUnavailable(f"The API server does not answer: {cause}")
    if error.status == 404:
        return ObjectNotFound("The pod is gone.")
    if error.status == 400 and "previous terminated container" in error.message:
        return ObjectNotFound(
            f"There is no log of a {container} before this one: it was not restarted, or the log is gone."
        )
    if error.status == 400 and (starting := _STARTING.search(error.message)):
        why = (starting[1] or starting[0])[:CAUSE_LENGTH]
        return ContainerWaiting(f"The container {container} has not started: {why}.")
    if kind == "pods/log" and error.status == 204:  # so the API server answers while the pod has no node
        return ContainerWaiting(f"The container {container} has not started: its pod has no node yet.")
    if kind == "pods/log":
        return ObjectReadUnavailable(f"The log can't be had from the pod's node: {cause}")
    return ObjectReadUnavailable(f"The API server refuses the request: {cause}")
