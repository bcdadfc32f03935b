"""A pod's details as JSON for the page; and the interface of a pod reader.

Go encodes empty lists and maps as null or leaves them out, so every field may be missing.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import msgspec

from dashboard.core.objects import Meta, Pod
from dashboard.core.state.views import app
from dashboard.core.timestamps import seconds

EVENTS = 50  # the newest ones
MESSAGE_LENGTH = 2_000  # characters

Json = dict[str, Any]


class LogRequest(msgspec.Struct, frozen=True):
    """A request for a container's log: the last `tail` lines, of the previous container if `previous`, each with its
    time if `timestamps`, and all new lines if `follow`; none from before the second of `since`, if given."""

    container: str
    previous: bool = False
    tail: int = 500
    follow: bool = False
    timestamps: bool = False
    since: str = ""  # RFC 3339


class LogSource(Protocol):
    """An open log. Another thread may call `close`, which ends a waiting read."""

    def pieces(self) -> Iterator[bytes]: ...
    def close(self) -> None: ...


class PodReader(Protocol):
    """Reads one pod, given by its view in the state. All methods raise ObjectReadError."""

    def pod(self, view: Json) -> Json: ...
    def events(self, view: Json) -> list[Json]: ...
    def log(self, view: Json, asked: LogRequest) -> LogSource: ...


def details(pod: Json, events: Iterable[Json]) -> Json:
    """Return the pod's details as JSON. Times are RFC 3339, amounts Kubernetes quantities, both as the API has them."""
    meta, spec, status = _map(pod, "metadata"), _map(pod, "spec"), _map(pod, "status")
    return {
        "name": meta.get("name", ""),
        "uid": meta.get("uid", ""),
        "node": spec.get("nodeName"),
        "ip": status.get("podIP"),
        "app": app(Pod(msgspec.convert(meta, Meta))),
        "qos": status.get("qosClass"),
        "service_account": spec.get("serviceAccountName"),
        "created": meta.get("creationTimestamp"),
        "owner": next((f"{owner.get('kind')} {owner.get('name')}" for owner in _list(meta, "ownerReferences")), None),
        "conditions": [condition(one) for one in _list(status, "conditions")],
        "containers": list(_containers(spec, status)),
        "events": newest(events),
    }


def names(pod: Json) -> list[str]:
    """Return the names of the pod's containers, the default container first."""
    annotations = _map(_map(pod, "metadata"), "annotations")
    default = annotations.get("kubectl.kubernetes.io/default-container")
    spec = _map(pod, "spec")
    fields = ("containers", "initContainers", "ephemeralContainers")
    found = [one.get("name", "") for field in fields for one in _list(spec, field)]
    return sorted(found, key=lambda name: name != default)


def newest(events: Iterable[Json]) -> list[Json]:
    """Return the newest events, newest first. Most times are in whole seconds; within one, the names are in order."""
    named = [(_event(event), _map(event, "metadata").get("name", "")) for event in events]

    def age(one: tuple[Json, str]) -> tuple[int, str, float]:
        try:
            at = seconds(one[0]["at"]) if one[0]["at"] else 0.0
        except (ValueError, OverflowError):  # any client may write Events
            at = 0.0
        return int(at), one[1], at

    return [event for event, _ in sorted(named, key=age, reverse=True)[:EVENTS]]


def condition(found: Json) -> Json:
    return {
        "type": found.get("type", ""),
        "status": found.get("status", "Unknown"),
        "reason": found.get("reason") or None,
        "message": _message(found.get("message")),
        "since": found.get("lastTransitionTime"),
    }


def _containers(spec: Json, status: Json) -> Iterator[Json]:
    """Yield the containers in the order in which they start."""
    for kind, field, statuses in (
        ("init", "initContainers", "initContainerStatuses"),
        ("main", "containers", "containerStatuses"),
        ("debug", "ephemeralContainers", "ephemeralContainerStatuses"),
    ):
        known = {one.get("name"): one for one in _list(status, statuses)}
        for container in _list(spec, field):
            sidecar = kind == "init" and container.get("restartPolicy") == "Always"
            yield _container("sidecar" if sidecar else kind, container, known.get(container.get("name"), {}))


def _container(kind: str, container: Json, status: Json) -> Json:
    resources = _map(container, "resources")
    probes = (_probe(word, container.get(f"{word}Probe")) for word in ("startup", "readiness", "liveness"))
    return {
        "name": container.get("name", ""),
        "kind": kind,
        "image": container.get("image", ""),
        "state": _state(status.get("state")),
        "last_state": _state(status.get("lastState")),
        "ready": bool(status.get("ready")),
        "restarts": int(status.get("restartCount") or 0),
        "requests": _map(resources, "requests"),
        "limits": _map(resources, "limits"),
        "ports": [_port(port) for port in _list(container, "ports")],
        "probes": [probe for probe in probes if probe],
    }


def _state(state: Json | None) -> Json | None:
    """Return a container's state. `since` is the start of a running container, the end of a terminated one."""
    for word in ("running", "waiting", "terminated"):
        if (found := (state or {}).get(word)) is not None:
            return {
                "word": word,
                "since": found.get("startedAt") if word == "running" else found.get("finishedAt"),
                "reason": found.get("reason") or None,
                "exit_code": found.get("exitCode"),
                "message": _message(found.get("message")),
            }
    return None


def _port(port: Json) -> str:
    """Return a port as text: "http 8080/TCP"."""
    number = f"{port.get('containerPort')}/{port.get('protocol') or 'TCP'}"
    return f"{port['name']} {number}" if port.get("name") else number


def _probe(word: str, probe: Json | None) -> str | None:
    """Return a probe as text: "readiness: GET /readyz on http every 2 s"."""
    if not probe:
        return None
    every = f"every {probe.get('periodSeconds') or 10} s"
    if get := probe.get("httpGet"):
        return f"{word}: GET {get.get('path') or '/'} on {get.get('port')} {every}"
    if connect := probe.get("tcpSocket"):
        return f"{word}: connects to {connect.get('port')} {every}"
    if call := probe.get("grpc"):
        return f"{word}: gRPC on {call.get('port')} {every}"
    command = " ".join(map(str, _list(_map(probe, "exec"), "command")))
    return f"{word}: runs {command[:80]} {every}"


def _event(event: Json) -> Json:
    """Return an Event, from the older format (count, lastTimestamp) or the newer (series, eventTime)."""
    meta, series = _map(event, "metadata"), _map(event, "series")
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return {
        "id": meta.get("uid", ""),
        "type": event.get("type") or "Normal",
        "reason": event.get("reason") or "",
        "message": _message(event.get("message")) or "",
        "count": series.get("count") or event.get("count") or 1,
        "at": next(filter(None, times), meta.get("creationTimestamp")),
        "container": _braced(_map(event, "involvedObject").get("fieldPath")),
        "from": event.get("reportingComponent") or _map(event, "source").get("component") or None,
    }


def _braced(path: str | None) -> str | None:
    """Return the name in "spec.containers{name}"."""
    return path.partition("{")[2].removesuffix("}") or None if path else None


def _message(message: str | None) -> str | None:
    return message[:MESSAGE_LENGTH] if message else None


def _map(of: Json, field: str) -> Json:
    found: Json = of.get(field) or {}
    return found


def _list(of: Json, field: str) -> list[Json]:
    found: list[Json] = of.get(field) or []
    return found
