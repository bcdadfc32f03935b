"""Looks closely at one pod through the Kubernetes API: the object itself, its events, its containers' logs.

RBAC: get on pods and on pods/log, list on events.
"""

import contextlib
import re
from collections.abc import Callable, Generator, Iterator
from urllib.parse import quote

import msgspec

from dashboard.kube.client import Forbidden, KubeClient, KubeError, KubeStatusError
from dashboard.kube.pod_details import (
    ContainerWaiting,
    Json,
    LogRequest,
    LogSource,
    PodNotFound,
    PodReadError,
    PodReadForbidden,
    PodReadUnavailable,
)

READ_SECONDS = 10.0  # for an answer to begin: a page waits for it
EVENTS = 500  # of one pod that are read; the API gives them in no useful order

_POD = "/api/v1/namespaces/{}/pods/{}"
_EVENTS = "/api/v1/namespaces/{}/events"
_STARTING = re.compile(r"is waiting to start: (.*)|ContainerCreating|PodInitializing|trying and failing to pull")


class PodReader:
    """`pod`, `events` and `log` are the mock's, too. Any thread may call them: each call has an KubeClient of its own.

    `api` makes one that waits so many seconds for an answer.
    """

    def __init__(self, api: Callable[[float], KubeClient], namespace: str) -> None:
        self._api = api
        self._namespace = quote(namespace, safe="")

    def pod(self, view: Json) -> Json:
        """The object as the API has it. Another pod that took the name over is not this one."""
        pod = self._get(self._path(view), "pods")
        if pod.get("metadata", {}).get("uid") != view["uid"]:
            raise PodNotFound(f"The pod {view['name']} was replaced.")
        return pod

    def events(self, view: Json) -> list[Json]:
        """What Kubernetes told of the pod, in no order."""
        of_this_pod = f"involvedObject.uid={view['uid']}"
        found = self._get(_EVENTS.format(self._namespace), "events", fieldSelector=of_this_pod, limit=EVENTS)
        events: list[Json] = found.get("items") or []
        return events

    def log(self, view: Json, asked: LogRequest) -> LogSource:
        """A container's log. The request is made at once, and its refusal raised here."""
        query: dict[str, str | int] = {
            "container": asked.container,
            "previous": str(asked.previous).lower(),
            "tailLines": asked.tail,
            "follow": str(asked.follow).lower(),
            "timestamps": str(asked.timestamps).lower(),
        }
        api = self._api(READ_SECONDS)
        try:
            with _plainly("pods/log", asked.container):
                return LogResponse(api, api.pieces(f"{self._path(view)}/log", **query))
        except BaseException:
            api.close()
            raise

    def _get(self, path: str, kind: str, **query: str | int) -> Json:
        with contextlib.closing(self._api(READ_SECONDS)) as api, _plainly(kind):
            found: Json = msgspec.json.decode(api.get(path, **query))
            return found

    def _path(self, view: Json) -> str:
        return _POD.format(self._namespace, quote(view["name"], safe=""))


class LogResponse:
    """A log on its way from the API server."""

    def __init__(self, api: KubeClient, pieces: Generator[bytes]) -> None:
        self._api = api
        self._pieces = pieces

    def pieces(self) -> Iterator[bytes]:
        """The log's bytes as they come, until it ends or `close` ends it."""
        try:
            with _plainly("pods/log"):
                yield from self._pieces
        finally:
            self._pieces.close()
            self._api.close()

    def close(self) -> None:
        self._api.interrupt()


@contextlib.contextmanager
def _plainly(kind: str, container: str = "") -> Iterator[None]:
    """The API's errors as what they mean to somebody who looks at a pod."""
    try:
        yield
    except KubeError as error:
        raise _meaning(error, kind, container) from error
    except msgspec.DecodeError as error:
        raise PodReadUnavailable("The API server's answer can't be read.") from error


def _meaning(error: KubeError, kind: str, container: str) -> PodReadError:
    words = str(error)[:300]
    if isinstance(error, Forbidden):
        return PodReadForbidden(f"The dashboard's Role does not let it read {kind}.")
    if not isinstance(error, KubeStatusError):
        return PodReadUnavailable(f"The API server does not answer: {words}")
    if error.status == 404:
        return PodNotFound("The pod is gone.")
    if error.status == 400 and "previous terminated container" in error.words:
        return PodNotFound(
            f"There is no log of a {container} before this one: it was not restarted, or the log is gone."
        )
    if error.status == 400 and (starting := _STARTING.search(error.words)):
        why = starting[1] or starting[0]
        return ContainerWaiting(f"The container {container} has not started: {why}.")
    if kind == "pods/log":
        return PodReadUnavailable(f"The log can't be had from the pod's node: {words}")
    return PodReadUnavailable(f"The API server refuses: {words}")
