"""The source of Kubernetes objects: a reflector for each kind in the namespace, a poller for pod metrics, a heartbeat.

A reflector lists (in pages), then watches with bookmarks and resumes from the last resourceVersion. After a 410, as a
status or as an ERROR line, it lists again. msgspec decodes each line on arrival: the client's models take a hundred
times as long, and its Watch and informer lack this way of resuming and pausing.

The page must be right again within 3 s after a fault, and the API server gets at most one request a second for each
kind meanwhile. So there is no exponential backoff: the pause after a round is a second for each of its requests, less
its duration. How soon a fault is detected:

    connection reset or refused, a status, a malformed line   at once
    the network fails                                         LOST_SECONDS: TCP keep-alive and user timeout
    the API server hangs, its kernel still answers            HEARTBEAT_SECONDS, then a timeout and CONNECT_SECONDS
    one of several API servers behind an address hangs        WATCH_SECONDS + ANSWER_SECONDS: the watch does not end
    the Role is removed                                       WATCH_SECONDS: authorization is checked as a watch starts

RBAC: list and watch on the kinds in PATHS, list on pods.metrics.k8s.io.
"""

import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable, Iterable
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
    decoded,
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
WATCH_SECONDS = (25, 35)  # the server ends a watch after this, with a bookmark; random, to spread the kinds
METRICS_SECONDS = 5.0
HEARTBEAT_SECONDS = 5.0
HEARTBEAT_ANSWER_SECONDS = 3.0
REQUEST_SECONDS = (1.0, 1.25)  # the pause for each request of a failed round; jitter spreads the kinds
LONGEST_WAIT_SECONDS = 2.5  # the longest Retry-After that is respected: the page must be right within 3 s

PAGE = msgspec.json.Decoder(objects.ListPage)
IDENTIFIED = msgspec.json.Decoder(objects.Identified)

log = logging.getLogger(__name__)


class Loop(Protocol):
    """A thread that makes requests in a loop, with a client of its own."""

    api: KubeClient
    thread: threading.Thread


class ClusterSource:
    """Emits the objects of a namespace, their changes, the pod metrics and the API server's version."""

    sources = SOURCES

    def __init__(self, configuration: Configuration, namespace: str, emit: Emit) -> None:
        self.requests = RequestCounter()
        self._stopped = threading.Event()
        quoted = quote(namespace, safe="")

        def client(kind: str, read_seconds: float = ANSWER_SECONDS) -> KubeClient:
            return KubeClient(configuration, read_seconds, kind=kind, requests=self.requests)

        reflectors = [
            Reflector(kind, client(kind), path.format(quoted), emit, self._stopped) for kind, path in PATHS.items()
        ]

        def reopen_watches() -> None:
            for reflector in reflectors:
                reflector.api.close_stream()

        self._loops: list[Loop] = [
            *reflectors,
            Poller(client("metrics"), METRICS_PATH.format(quoted), emit, self._stopped),
            Heartbeat(client("version", HEARTBEAT_ANSWER_SECONDS), emit, reopen_watches, self._stopped),
        ]

    def start(self) -> None:
        for loop in self._loops:
            loop.thread.start()

    def stop(self) -> None:
        self._stopped.set()
        for loop in self._loops:
            loop.api.interrupt()
        deadline = time.monotonic() + CONNECT_SECONDS  # a thread that still waits for a response ends with the process
        for loop in self._loops:
            loop.thread.join(max(0.0, deadline - time.monotonic()))


class Reflector:
    """Lists and watches one kind."""

    def __init__(self, kind: str, api: KubeClient, path: str, emit: Emit, stopped: threading.Event) -> None:
        self.api = api
        self.thread = threading.Thread(target=self._run, name=f"watch {kind}", daemon=True)
        self._kind = kind
        self._path = path
        self._emit = emit
        self._stopped = stopped
        self._object: Any = msgspec.json.Decoder(objects.KINDS[kind])
        self._line = msgspec.json.Decoder(objects.WatchLine)
        self._status = msgspec.json.Decoder(objects.Status)
        self._version = ""  # the resourceVersion to resume from; empty: list first
        self._requests = 0  # of this round
        self._health = SourceHealth(kind, emit)

    def _run(self) -> None:
        while not self._stopped.is_set():
            began, self._requests = time.monotonic(), 0
            error = self._round()
            if self._stopped.is_set():
                return
            if error:
                self._health.fail(error)
            self._stopped.wait(pause(self._requests, time.monotonic() - began, error))

    def _round(self) -> Exception | None:
        """Watch until the stream ends, after a list if there is no version to resume from. Return the error, or None.

        An expired version (410) is not an error: it is expected after a long absence or a restart of the API server. If
        it expires again right after the list, the lists alone keep the page up to date, one a round.
        """
        try:
            if not (self._version and self._watch()):
                self._list()
                self._watch()
        except Exception as error:  # also unexpected ones: they are reported and must not end the thread
            return error
        return None

    def _list(self) -> None:
        """Read all pages, then emit one event: an incomplete list must not look like deletions."""
        found: list[msgspec.Raw] = []
        query: dict[str, str | int] = {"limit": PAGE_OBJECTS}
        before = self._requests
        while True:
            self._requests += 1
            page = decoded(PAGE, self.api.get(self._path, **query))
            found += page.items or ()
            if not page.metadata.continue_:
                break
            query["continue"] = page.metadata.continue_
        self._requests = before + 1  # a complete list counts as one request, however many pages
        readable, unreadable = read_all(self._object, found)
        self._emit(events.ObjectsListed(at=now(), kind=self._kind, objects=readable, unreadable=unreadable))
        self._health.listed()
        self._version = page.metadata.resource_version

    def _watch(self) -> bool:
        """Emit the changes until the stream ends. Return False if the version has expired.

        The source is live as soon as a watch is accepted, even without changes: missed ones would arrive at once.
        """
        seconds = random.randint(*WATCH_SECONDS)  # noqa: S311 - spreads requests, guards nothing
        query: dict[str, str | int] = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": seconds,
        }
        self._requests += 1
        try:
            with contextlib.closing(self.api.lines(self._path, seconds + ANSWER_SECONDS, **query)) as lines:
                self._health.confirm()
                for line in lines:
                    self._take(decoded(self._line, line))
        except Gone:
            self._version = ""
            return False
        except InvalidAnswer:
            self._version = ""  # the missed changes are unknown
            raise
        return True

    def _take(self, line: objects.WatchLine) -> None:
        """Process one line. A watch sends changes in the order of their versions: one that is not later than the last
        is a repetition, and must not undo it. Deletions always count, as a uid is never used again."""
        match line.type:
            case "ERROR":
                status = decoded(self._status, line.object)
                self._version = ""  # the missed changes are unknown
                raise status_error(status.code, bytes(line.object))
            case "BOOKMARK":
                version = decoded(IDENTIFIED, line.object).metadata.resource_version
                if is_earlier(version, self._version):  # etcd was restored from a backup
                    raise Gone(410, "the resourceVersion went backwards")
                self._version = version
                self._health.confirm()
            case "DELETED":
                meta = decoded(IDENTIFIED, line.object).metadata
                self._emit(events.ObjectDeleted(at=now(), kind=self._kind, uid=meta.uid))
                if not is_earlier(meta.resource_version, self._version):
                    self._version = meta.resource_version
            case "ADDED" | "MODIFIED":
                version, change = self._change(line.object)
                if version == self._version or is_earlier(version, self._version):
                    return
                self._emit(change)
                self._version = version
            case _:
                raise InvalidAnswer(f"the watch has a line of the unknown type {line.type[:40]!r}")

    def _change(self, raw: msgspec.Raw) -> tuple[str, events.Event]:
        """Return the object's version and the event. Raise InvalidAnswer if not even that can be read."""
        try:
            changed = decoded(self._object, raw)
        except InvalidAnswer as error:
            version = decoded(IDENTIFIED, raw).metadata.resource_version
            return version, events.ObjectUnreadable(at=now(), kind=self._kind, object=unreadable(raw, error))
        return changed.metadata.resource_version, events.ObjectChanged(at=now(), kind=self._kind, object=changed)


class Poller:
    """Polls the pod metrics, which have no watch."""

    def __init__(self, api: KubeClient, path: str, emit: Emit, stopped: threading.Event) -> None:
        self.api = api
        self.thread = threading.Thread(target=self._run, name="poll metrics", daemon=True)
        self._path = path
        self._emit = emit
        self._stopped = stopped
        self._sample = msgspec.json.Decoder(objects.PodMetrics)
        self._health = SourceHealth("metrics", emit)

    def _run(self) -> None:
        while not self._stopped.is_set():
            began = time.monotonic()
            if error := self._round():
                self._health.fail(error)
            self._stopped.wait(max(1.0, METRICS_SECONDS - (time.monotonic() - began)))

    def _round(self) -> Exception | None:
        """Emit the samples. Return the error, or None."""
        try:
            page = decoded(PAGE, self.api.get(self._path))
            samples, unreadable = read_all(self._sample, page.items or ())
            self._emit(events.MetricsSampled(at=now(), samples=samples, unreadable=unreadable))
            self._health.listed()
        except Exception as error:
            return error
        return None


class Heartbeat:
    """Polls the API server's version, as a watch without changes does not show whether the server is alive.

    TCP keep-alive only shows that the machine answers. Without a response, `on_silence` is called: it reopens the
    watches, which detects the fault. A response of any status is a sign of life.
    """

    def __init__(self, api: KubeClient, emit: Emit, on_silence: Callable[[], None], stopped: threading.Event) -> None:
        self.api = api
        self.thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._emit = emit
        self._on_silence = on_silence
        self._stopped = stopped
        self._build = msgspec.json.Decoder(objects.Build)
        self._version = ""  # the last one emitted

    def _run(self) -> None:
        while not self._stopped.is_set():
            began = time.monotonic()
            try:
                self._emit_version(decoded(self._build, self.api.get(VERSION_PATH)).git_version)
            except Unreachable:
                self._on_silence()
            except KubeStatusError as error:
                log.debug("the API server refused to tell its version: %s", error)
            except Exception:
                log.exception("could not read the version")
            self._stopped.wait(max(1.0, HEARTBEAT_SECONDS - (time.monotonic() - began)))

    def _emit_version(self, version: str) -> None:
        if version != self._version:
            self._version = version
            self._emit(events.ClusterVersion(at=now(), kubernetes=version))


class SourceHealth:
    """Emits the state of a source, and logs each error once."""

    def __init__(self, source: str, emit: Emit) -> None:
        self._source = source
        self._emit = emit
        self._listed = False  # once
        self._error = ""  # the last one logged; empty while the source is live

    def listed(self) -> None:
        """Note a list. Its event makes the source live, so no SourceStatus is needed."""
        self._listed = True
        self._error = ""

    def confirm(self) -> None:
        self._error = ""
        self._emit(events.SourceStatus(at=now(), source=self._source, state="live"))

    def fail(self, error: Exception) -> None:
        """Emit the error. A source without a list yet is still connecting, otherwise its objects are stale."""
        state = "forbidden" if isinstance(error, Forbidden) else "stale" if self._listed else "connecting"
        expected = isinstance(error, KubeError)
        message = str(error) if expected else f"the dashboard failed to read it: {type(error).__name__}"
        if message != self._error:
            log.warning("%s: %s", self._source, message, exc_info=None if expected else error)
        self._error = message
        self._emit(events.SourceStatus(at=now(), source=self._source, state=state, error=message))


def pause(requests: int, duration: float, error: Exception | None = None) -> float:
    """Return the seconds until the next round, after one with `requests` that lasted `duration` seconds.

    Each request costs a second, so there is at most one a second, whatever fails. After a long round the pause is only
    jitter, which spreads the kinds.
    """
    spread = random.uniform(*REQUEST_SECONDS)  # noqa: S311 - spreads requests, guards nothing
    wait = min(error.retry_after, LONGEST_WAIT_SECONDS) if isinstance(error, KubeStatusError) else 0.0
    return max(random.uniform(0, 0.1), requests * spread - duration, wait)  # noqa: S311


def is_earlier(version: str, than: str) -> bool:
    """Return whether a resourceVersion is earlier than another. Kubernetes documents them as decimal numbers; others
    can't be compared, and the order of arrival counts."""
    if not (version.isdecimal() and than.isdecimal()):
        return False
    return (len(version), version) < (len(than), than)  # not as numbers: Python refuses those of over 4,300 digits


def read_all(decoder: Any, raws: Iterable[msgspec.Raw]) -> tuple[list[Any], list[events.UnreadableObject]]:
    """Decode objects one by one. Return them, and those that can't be decoded."""
    readable, others = [], []
    for raw in raws:
        try:
            readable.append(decoded(decoder, raw))
        except InvalidAnswer as error:
            others.append(unreadable(raw, error))
    return readable, others


def unreadable(raw: msgspec.Raw, error: InvalidAnswer) -> events.UnreadableObject:
    """Return what is known of an object that can't be decoded."""
    try:
        meta = decoded(IDENTIFIED, raw).metadata
    except InvalidAnswer:
        meta = objects.Identity()
    return events.UnreadableObject(meta.uid, meta.name, str(error))
