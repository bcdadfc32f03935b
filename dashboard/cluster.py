"""Watches the namespace: the only importer of `kubernetes`, which is used for its transport and authentication alone.

One thread a kind: list (paged), then watch with bookmarks, resumed from the last resourceVersion. A 410, as a status or
as an ERROR line, lists anew. Lines are decoded by msgspec the moment that they arrive; the client's own models cost a
hundred times as much, and its Watch and informer do not resume or back off as one would need.

RBAC: list and watch on the kinds in PATHS, list on pods.metrics.k8s.io.
"""

import contextlib
import logging
import random
import socket
import threading
import time
from collections.abc import Generator, Iterator
from typing import Any
from urllib.parse import quote

import msgspec
import urllib3
from kubernetes import config as kubernetes_config
from kubernetes.client import ApiClient, ApiException, Configuration

from dashboard.clock import now
from dashboard.config import ConfigError
from dashboard.core import event, objects
from dashboard.core.event import Emit

ERROR_LENGTH = 200  # characters of a foreign error that are passed on

PATHS = {
    "pods": "/api/v1/namespaces/{}/pods",
    "deployments": "/apis/apps/v1/namespaces/{}/deployments",
    "statefulsets": "/apis/apps/v1/namespaces/{}/statefulsets",
    "horizontalpodautoscalers": "/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers",
    "persistentvolumeclaims": "/api/v1/namespaces/{}/persistentvolumeclaims",
    "events": "/api/v1/namespaces/{}/events",
    "endpointslices": "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices",
}
METRICS_PATH = "/apis/metrics.k8s.io/v1beta1/namespaces/{}/pods"
SOURCES = (*PATHS, "metrics")

PAGE_OBJECTS = 500
CONNECT_SECONDS = 3
READ_SECONDS = 60  # nothing at all for so long, not even a bookmark: the connection is dead
WATCH_SECONDS = 50  # the server ends a watch after so long, with a bookmark: less than READ_SECONDS
METRICS_SECONDS = 5.0
VERSION_SECONDS = 60.0
HEALTHY_SECONDS = 10.0  # a watch that held for so long had worked
LONGEST_BACKOFF_SECONDS = 5.0
SHORTEST_BACKOFF_SECONDS = 1.0

# A peer that is gone without a word is noticed within some 15 s, long before READ_SECONDS.
SOCKET_OPTIONS = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 2),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 15_000),
]

log = logging.getLogger(__name__)


class ClusterError(Exception):
    """The API server did not give what was asked for.

    ClusterError
    ├── Unreachable   no answer, or one that broke off
    ├── Refused       another status than 200
    │   ├── Forbidden     401 or 403: the ServiceAccount may not
    │   └── Gone          410: the resourceVersion or the continue token is too old
    └── Garbled       an answer that is not what the API documents
    """


class Unreachable(ClusterError):
    pass


class Refused(ClusterError):
    """`status` is the HTTP status, `words` the API's own message, which may be empty."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(f"{status}: {words}" if words else f"status {status}")
        self.status = status
        self.words = words


class Forbidden(Refused):
    pass


class Gone(Refused):
    pass


class Garbled(ClusterError):
    pass


def connection(kubeconfig: str | None) -> Configuration:
    """How to reach the API: by the kubeconfig, or as the pod's ServiceAccount. ConfigError when there is neither."""
    configuration = Configuration()
    try:
        if kubeconfig:
            kubernetes_config.load_kube_config(kubeconfig, client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            kubernetes_config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]
    except kubernetes_config.ConfigException as error:
        hint = "" if kubeconfig else " Outside a cluster, set KUBECONFIG."
        raise ConfigError(f"The cluster can't be found: {error}{hint}") from error
    return configuration


class Cluster:
    """Tells all that happens in the namespace. `start` and `stop` are the fake's, too."""

    sources = SOURCES

    def __init__(self, configuration: Configuration, namespace: str, emit: Emit) -> None:
        self._stopped = threading.Event()
        self._loops: list[Watching | Polling] = [
            *(Watching(kind, Api(configuration), namespace, emit, self._stopped) for kind in PATHS),
            Polling(Api(configuration), namespace, emit, self._stopped),
        ]

    def start(self) -> None:
        for loop in self._loops:
            loop.thread.start()

    def stop(self) -> None:
        self._stopped.set()
        for loop in self._loops:
            loop.api.interrupt()
        for loop in self._loops:
            loop.thread.join(CONNECT_SECONDS)


class Api:
    """GET on the API server, for one thread: an ApiClient is not to be shared."""

    def __init__(self, configuration: Configuration, read_seconds: float = READ_SECONDS) -> None:
        configuration.retries = False  # urllib3 would try three times more, at once
        configuration.socket_options = SOCKET_OPTIONS
        self._client = ApiClient(configuration)
        self._read_seconds = read_seconds
        self._streaming: urllib3.BaseHTTPResponse | None = None
        self._interrupted = False

    def get(self, path: str, **query: str | int) -> bytes:
        response = self._request(path, query)
        with _named_errors():
            return bytes(response.read())

    def lines(self, path: str, **query: str | int) -> Generator[bytes]:
        """A watch's lines, each as soon as it is here. The request is made at once, and its refusal raised here."""
        self._streaming = self._request(path, query)
        if self._interrupted:  # before there was anything to interrupt
            self.interrupt()
        return self._lines(self._streaming)

    def pieces(self, path: str, **query: str | int) -> Generator[bytes]:
        """A body as it comes, however long it is silent: a log may be, and a dead peer is noticed by SOCKET_OPTIONS.

        Only the answer's beginning has a deadline. The request is made at once, and its refusal raised here.
        """
        self._streaming = response = self._request(path, query)
        if connected := getattr(response.connection, "sock", None):
            connected.settimeout(None)
        if self._interrupted:
            self.interrupt()
        return self._pieces(response)

    def _pieces(self, response: urllib3.BaseHTTPResponse) -> Generator[bytes]:
        try:
            with _named_errors():
                while data := response.read1():
                    yield data
        finally:
            self._streaming = None
            response.close()

    def close(self) -> None:
        """Lets go of the connections that are kept for the next request."""
        self._client.close()  # type: ignore[no-untyped-call]

    def _lines(self, response: urllib3.BaseHTTPResponse) -> Generator[bytes]:
        """read1 gives what has come and waits for nothing more; urllib3's stream() and readline() would."""
        rest = bytearray()
        try:
            with _named_errors():
                while data := response.read1():
                    searched = len(rest)
                    rest += data
                    while (end := rest.find(b"\n", searched)) >= 0:
                        yield bytes(rest[:end])
                        del rest[: end + 1]
                        searched = 0
        finally:
            self._streaming = None
            response.close()

    def interrupt(self) -> None:
        """Ends a read that waits in another thread, and every later one."""
        self._interrupted = True
        if streaming := self._streaming:
            with contextlib.suppress(Exception):  # it may be closed at this very moment
                streaming.shutdown()

    def _request(self, path: str, query: dict[str, str | int]) -> urllib3.BaseHTTPResponse:
        method, url, headers, *_ = self._client.param_serialize(
            "GET",
            path,
            query_params=list(query.items()),
            header_params={"Accept": "application/json"},
            auth_settings=["BearerToken"],
        )
        with _named_errors():
            answer = self._client.call_api(method, url, headers, _request_timeout=(CONNECT_SECONDS, self._read_seconds))
            response: urllib3.BaseHTTPResponse = answer.response
            if response.status != 200:
                raise _refusal(response.status, response.read())
        return response


class Watching:
    """Keeps one kind up to date."""

    def __init__(self, kind: str, api: Api, namespace: str, emit: Emit, stopped: threading.Event) -> None:
        self.api = api
        self.thread = threading.Thread(target=self._run, name=f"watch {kind}", daemon=True)
        self._kind = kind
        self._path = PATHS[kind].format(quote(namespace, safe=""))
        self._emit = emit
        self._stopped = stopped
        self._object: Any = msgspec.json.Decoder(objects.KINDS[kind])
        self._page: Any = msgspec.json.Decoder(objects.page_of(kind))
        self._line = msgspec.json.Decoder(objects.Line)
        self._bookmark = msgspec.json.Decoder(objects.Bookmarked)
        self._version = ""  # the resourceVersion to go on from; empty: list first
        self._state = "connecting"  # as told last

    def _run(self) -> None:
        failures = 0
        while not self._stopped.is_set():
            began = time.monotonic()
            error = self._round()
            if self._stopped.is_set():
                return
            lasted = time.monotonic() - began
            failures = 0 if lasted >= HEALTHY_SECONDS else failures + 1
            if isinstance(error, Gone):
                self._version = ""
                if failures <= 1:
                    continue  # expected after a long absence: list at once, unless that doesn't help
            elif error:
                self._report(error)
            self._stopped.wait(pause(failures))

    def _round(self) -> ClusterError | None:
        """Lists if need be, and watches until that ends; what ended it, or None when the server's time was up."""
        try:
            if not self._version:
                self._list()
            self._watch()
        except ClusterError as error:
            return error
        return None

    def _list(self) -> None:
        """All pages, then one event: a list that breaks off halfway must not look like deletions."""
        found: list[Any] = []
        query: dict[str, str | int] = {"limit": PAGE_OBJECTS}
        while True:
            page = _decoded(self._page, self.api.get(self._path, **query))
            found += page.items or ()
            if not page.metadata.continue_:
                break
            query["continue"] = page.metadata.continue_
        self._emit(event.Listed(at=now(), kind=self._kind, objects=found))
        self._state = "live"
        self._version = page.metadata.resource_version

    def _watch(self) -> None:
        """Each line, until the stream ends. A watch that was taken up again is live even when nothing happens."""
        query: dict[str, str | int] = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": WATCH_SECONDS,
        }
        with contextlib.closing(self.api.lines(self._path, **query)) as lines:
            if self._state != "live":
                self._tell("live")
            for line in lines:
                self._hear(_decoded(self._line, line))

    def _hear(self, line: objects.Line) -> None:
        if line.type == "ERROR":
            status = _decoded(msgspec.json.Decoder(objects.Status), line.object)
            raise _refusal(status.code, bytes(line.object))
        if line.type == "BOOKMARK":
            self._version = _decoded(self._bookmark, line.object).metadata.resource_version
            self._tell("live")
            return
        changed = _decoded(self._object, line.object)
        if line.type == "DELETED":
            self._emit(event.Deleted(at=now(), kind=self._kind, uid=changed.metadata.uid))
        else:
            self._emit(event.Changed(at=now(), kind=self._kind, object=changed))
        self._version = changed.metadata.resource_version

    def _report(self, error: ClusterError) -> None:
        if isinstance(error, Garbled):
            self._version = ""  # what was missed is unknown
        log.warning("watch of %s: %s", self._kind, error)
        self._tell(_state_after(error, self._state), str(error))

    def _tell(self, state: str, error: str | None = None) -> None:
        self._state = state
        self._emit(event.Heard(at=now(), source=self._kind, state=state, error=error))


class Polling:
    """Asks for what has no watch: the pods' metrics, and the cluster's version."""

    def __init__(self, api: Api, namespace: str, emit: Emit, stopped: threading.Event) -> None:
        self.api = api
        self.thread = threading.Thread(target=self._run, name="poll metrics", daemon=True)
        self._path = METRICS_PATH.format(quote(namespace, safe=""))
        self._emit = emit
        self._stopped = stopped
        self._page = msgspec.json.Decoder(objects.Page[objects.PodMetrics])
        self._build = msgspec.json.Decoder(objects.Build)
        self._version_at = float("-inf")
        self._state = "connecting"

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._ask()
            except ClusterError as error:
                self._state = _state_after(error, self._state)
                self._emit(event.Heard(at=now(), source="metrics", state=self._state, error=str(error)))
            self._stopped.wait(METRICS_SECONDS)

    def _ask(self) -> None:
        if time.monotonic() - self._version_at >= VERSION_SECONDS:
            build = _decoded(self._build, self.api.get("/version"))
            self._emit(event.Versioned(at=now(), kubernetes=build.git_version))
            self._version_at = time.monotonic()
        page = _decoded(self._page, self.api.get(self._path))
        self._emit(event.Sampled(at=now(), samples=page.items or []))
        self._state = "live"


def pause(failures: int) -> float:
    """Seconds to wait before the next round: hardly any after a round that had worked, else 1, 2, 4, 5 with jitter."""
    if failures == 0:
        return random.uniform(0, 0.1)  # noqa: S311 - spreads requests, guards nothing
    grown = min(LONGEST_BACKOFF_SECONDS, SHORTEST_BACKOFF_SECONDS * 2.0 ** (failures - 1))
    return max(SHORTEST_BACKOFF_SECONDS, grown * random.uniform(0.75, 1))  # noqa: S311


def _state_after(error: ClusterError, state: str) -> str:
    """A source that never was live is still connecting; one that was shows what it last knew."""
    if isinstance(error, Forbidden):
        return "forbidden"
    return "connecting" if state == "connecting" else "stale"


def _decoded(decoder: Any, data: bytes | msgspec.Raw) -> Any:
    try:
        return decoder.decode(data)
    except msgspec.DecodeError as error:
        raise Garbled(f"the API server's answer can't be read: {error}") from error


def _refusal(status: int, body: bytes) -> Refused:
    """The error for a status, with the API's own message where it gave one."""
    try:
        message = msgspec.json.decode(body, type=objects.Status).message
    except msgspec.DecodeError:
        message = ""
    kind = Gone if status == 410 else Forbidden if status in (401, 403) else Refused
    return kind(status, message)


@contextlib.contextmanager
def _named_errors() -> Iterator[None]:
    """Outside failures as this module's own."""
    try:
        yield
    except (urllib3.exceptions.HTTPError, ApiException, OSError) as error:
        reason = getattr(error, "reason", None) or error  # the client hides the cause there
        raise Unreachable(f"the API server can't be reached: {str(reason)[:ERROR_LENGTH]}") from error
