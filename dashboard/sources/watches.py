"""Watches the namespace.

One thread a kind: list (paged), then watch with bookmarks, resumed from the last resourceVersion. A 410, as a status or
as an ERROR line, lists anew. Lines are decoded by msgspec the moment that they arrive; the client's own models cost a
hundred times as much, and its Watch and informer do not resume or back off as one would need.

The page is to be right again within three seconds of the end of whatever went wrong, and the API server is to be asked
at most once a second for each kind while it lasts. So the pauses do not grow: a round that fails is followed by the
next one a second after it began, for each request that it made. How soon a fault is noticed:

    connection refused or reset, a status, a garbled line    at once
    the network is cut                                       LOST_SECONDS, by TCP's keep-alive and user timeout
    the server stands still, while its kernel answers        PULSE_SECONDS + PULSE_ANSWER_SECONDS + CONNECT_SECONDS
    one of several servers behind an address stands still    WATCH_SECONDS + ANSWER_SECONDS: the watch's end is overdue
    the Role is taken away                                   WATCH_SECONDS: a watch that runs is not looked at again

RBAC: list and watch on the kinds in PATHS, list on pods.metrics.k8s.io.
"""

import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import quote

import msgspec

from dashboard.clock import now
from dashboard.core import events, objects
from dashboard.core.events import Emit
from dashboard.kube.client import (
    ANSWER_SECONDS,
    CONNECT_SECONDS,
    Configuration,
    Forbidden,
    Gone,
    InvalidAnswer,
    KubeClient,
    KubeError,
    KubeStatusError,
    RequestCounter,
    Unreachable,
    status_error,
)

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
VERSION_PATH = "/version"
SOURCES = (*PATHS, "metrics")

PAGE_OBJECTS = 500
WATCH_SECONDS = (25, 35)  # the server ends a watch after so long, with a bookmark; not all kinds' at the same time
METRICS_SECONDS = 5.0
PULSE_SECONDS = 5.0
PULSE_ANSWER_SECONDS = 3.0
REQUEST_SECONDS = (1.0, 1.25)  # that a request of a failed round costs; jitter, lest all kinds come at once
LONGEST_WAIT_SECONDS = 2.5  # that a server's Retry-After is heeded: the page is to be back within three

log = logging.getLogger(__name__)


class Loop(Protocol):
    """Asks the API server for one thing, on a thread of its own."""

    api: KubeClient
    thread: threading.Thread


class ClusterSource:
    """Tells all that happens in the namespace. `start` and `stop` are the mock's, too."""

    sources = SOURCES

    def __init__(self, configuration: Configuration, namespace: str, emit: Emit) -> None:
        self.requests = RequestCounter()
        self._stopped = threading.Event()
        place = quote(namespace, safe="")

        def api(kind: str, read_seconds: float = ANSWER_SECONDS) -> KubeClient:
            return KubeClient(configuration, read_seconds, kind=kind, requests=self.requests)

        watches = [Reflector(kind, api(kind), path.format(place), emit, self._stopped) for kind, path in PATHS.items()]

        def doubt() -> None:
            for watch in watches:
                watch.api.close_stream()

        self._loops: list[Loop] = [
            *watches,
            Poller(api("metrics"), METRICS_PATH.format(place), emit, self._stopped),
            Heartbeat(api("version", PULSE_ANSWER_SECONDS), emit, doubt, self._stopped),
        ]

    def start(self) -> None:
        for loop in self._loops:
            loop.thread.start()

    def stop(self) -> None:
        self._stopped.set()
        for loop in self._loops:
            loop.api.interrupt()
        until = time.monotonic() + CONNECT_SECONDS  # a thread that waits for an answer ends with the process
        for loop in self._loops:
            loop.thread.join(max(0.0, until - time.monotonic()))


class Reflector:
    """Keeps one kind up to date."""

    def __init__(self, kind: str, api: KubeClient, path: str, emit: Emit, stopped: threading.Event) -> None:
        self.api = api
        self.thread = threading.Thread(target=self._run, name=f"watch {kind}", daemon=True)
        self._kind = kind
        self._path = path
        self._emit = emit
        self._stopped = stopped
        self._object: Any = msgspec.json.Decoder(objects.KINDS[kind])
        self._page: Any = msgspec.json.Decoder(objects.page_of(kind))
        self._line = msgspec.json.Decoder(objects.WatchLine)
        self._bookmark = msgspec.json.Decoder(objects.Bookmarked)
        self._status = msgspec.json.Decoder(objects.Status)
        self._version = ""  # the resourceVersion to go on from; empty: list first
        self._asked = 0  # requests of this round
        self._health = SourceHealth(kind, emit)

    def _run(self) -> None:
        while not self._stopped.is_set():
            began, self._asked = time.monotonic(), 0
            error = self._round()
            if self._stopped.is_set():
                return
            if error:
                self._health.fail(error)
            self._stopped.wait(pause(self._asked, time.monotonic() - began, error))

    def _round(self) -> Exception | None:
        """Watches until that ends, from a list where there is nothing to go on from; what ended it, if anything did.

        That the version is gone is no fault: it is expected after a long absence, or of a server that has just started.
        Where it is gone again right after the list, the lists alone keep the page up to date, one each round.
        """
        try:
            if not (self._version and self._watch()):
                self._list()
                self._watch()
        except Exception as error:  # those not foreseen as well: the thread goes on, and the page is told
            return error
        return None

    def _list(self) -> None:
        """All pages, then one event: a list that breaks off halfway must not look like deletions."""
        found: list[Any] = []
        query: dict[str, str | int] = {"limit": PAGE_OBJECTS}
        before = self._asked
        while True:
            self._asked += 1
            page = _decoded(self._page, self.api.get(self._path, **query))
            found += page.items or ()
            if not page.metadata.continue_:
                break
            query["continue"] = page.metadata.continue_
        self._asked = before + 1  # a list that came to its end is one, however long
        self._emit(events.ObjectsListed(at=now(), kind=self._kind, objects=found))
        self._health.listed()
        self._version = page.metadata.resource_version

    def _watch(self) -> bool:
        """Each line, until the stream ends; whether the version was still known.

        A watch that is taken up is live even when nothing happens: what happened meanwhile would come at once.
        """
        seconds = random.randint(*WATCH_SECONDS)  # noqa: S311 - spreads requests, guards nothing
        query: dict[str, str | int] = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": seconds,
        }
        self._asked += 1
        try:
            with contextlib.closing(self.api.lines(self._path, seconds + ANSWER_SECONDS, **query)) as lines:
                self._health.hear()
                for line in lines:
                    self._take(_decoded(self._line, line))
        except Gone:
            self._version = ""
            return False
        except InvalidAnswer:
            self._version = ""  # what was missed is unknown
            raise
        return True

    def _take(self, line: objects.WatchLine) -> None:
        """One line. A watch gives changes in the order of their versions: what is not later than what was heard is a
        repetition, and must not undo what came after it. Deletions are taken always: a uid never comes back."""
        match line.type:
            case "ERROR":
                status = _decoded(self._status, line.object)
                self._version = ""  # what was missed is unknown
                raise status_error(status.code, bytes(line.object))
            case "BOOKMARK":
                version = _decoded(self._bookmark, line.object).metadata.resource_version
                if is_earlier(version, self._version):  # the server's history was replaced by an older one
                    raise Gone(410, "the API server's history went back")
                self._version = version
                self._health.hear()
            case "DELETED":
                meta = _decoded(self._object, line.object).metadata
                self._emit(events.ObjectDeleted(at=now(), kind=self._kind, uid=meta.uid))
                if not is_earlier(meta.resource_version, self._version):
                    self._version = meta.resource_version
            case _:
                changed = _decoded(self._object, line.object)
                version = changed.metadata.resource_version
                if version == self._version or is_earlier(version, self._version):
                    return
                self._emit(events.ObjectChanged(at=now(), kind=self._kind, object=changed))
                self._version = version


class Poller:
    """Asks for what has no watch: the pods' metrics."""

    def __init__(self, api: KubeClient, path: str, emit: Emit, stopped: threading.Event) -> None:
        self.api = api
        self.thread = threading.Thread(target=self._run, name="poll metrics", daemon=True)
        self._path = path
        self._emit = emit
        self._stopped = stopped
        self._page = msgspec.json.Decoder(objects.ListPage[objects.PodMetrics])
        self._health = SourceHealth("metrics", emit)

    def _run(self) -> None:
        while not self._stopped.is_set():
            began = time.monotonic()
            try:
                page = _decoded(self._page, self.api.get(self._path))
                self._emit(events.MetricsSampled(at=now(), samples=page.items or []))
                self._health.listed()
            except Exception as error:
                self._health.fail(error)
            self._stopped.wait(max(1.0, METRICS_SECONDS - (time.monotonic() - began)))


class Heartbeat:
    """Asks for the version, again and again: a sign of life that a quiet watch does not give.

    TCP shows that the server's machine answers, and not that the server does. Where it does not, `doubt` has each watch
    begin anew, and so show whether it still can. Any answer is one, a refusal too.
    """

    def __init__(self, api: KubeClient, emit: Emit, doubt: Callable[[], None], stopped: threading.Event) -> None:
        self.api = api
        self.thread = threading.Thread(target=self._run, name="pulse", daemon=True)
        self._emit = emit
        self._doubt = doubt
        self._stopped = stopped
        self._build = msgspec.json.Decoder(objects.Build)
        self._version = ""  # as told last

    def _run(self) -> None:
        while not self._stopped.is_set():
            began = time.monotonic()
            try:
                self._tell(_decoded(self._build, self.api.get(VERSION_PATH)).git_version)
            except Unreachable:
                self._doubt()
            except KubeStatusError as error:
                log.debug("the version is not told: %s", error)
            except Exception:
                log.exception("could not read the version")
            self._stopped.wait(max(1.0, PULSE_SECONDS - (time.monotonic() - began)))

    def _tell(self, version: str) -> None:
        if version != self._version:
            self._version = version
            self._emit(events.ClusterVersion(at=now(), kubernetes=version))


class SourceHealth:
    """Tells how a source does."""

    def __init__(self, source: str, emit: Emit) -> None:
        self._source = source
        self._emit = emit
        self._known = False  # whether there is anything that can be stale
        self._told = ""  # the error that was told last

    def listed(self) -> None:
        """What was just emitted says by itself that the source is live."""
        self._known = True
        self._told = ""

    def hear(self) -> None:
        self._told = ""
        self._emit(events.SourceStatus(at=now(), source=self._source, state="live"))

    def fail(self, error: Exception) -> None:
        """A source that never was live is still connecting; one that was shows what it last knew."""
        state = "forbidden" if isinstance(error, Forbidden) else "stale" if self._known else "connecting"
        foreseen = isinstance(error, KubeError)
        words = str(error) if foreseen else f"the dashboard failed to read it: {type(error).__name__}"
        if words != self._told:  # once, however often it is tried
            log.warning("%s: %s", self._source, words, exc_info=None if foreseen else error)
        self._told = words
        self._emit(events.SourceStatus(at=now(), source=self._source, state=state, error=words))


def pause(asked: int, lasted: float, error: Exception | None = None) -> float:
    """Seconds until the next round, after one that made so many requests and lasted so many seconds.

    Each request costs a second, so that whatever goes wrong, and however, there is no more than one a second. A round
    that lasted has paid for itself, but for a moment that keeps the kinds apart.
    """
    spread = random.uniform(*REQUEST_SECONDS)  # noqa: S311 - spreads requests, guards nothing
    wait = min(error.retry_after, LONGEST_WAIT_SECONDS) if isinstance(error, KubeStatusError) else 0.0
    return max(random.uniform(0, 0.1), asked * spread - lasted, wait)  # noqa: S311


def is_earlier(version: str, than: str) -> bool:
    """Whether a resourceVersion is earlier than another. They are whole numbers, by Kubernetes' documentation; of what
    is none, nothing is known, and the order of arrival counts."""
    return version.isdecimal() and than.isdecimal() and int(version) < int(than)


def _decoded(decoder: Any, data: bytes | msgspec.Raw) -> Any:
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidAnswer(f"the API server's answer can't be read: {error}") from error
