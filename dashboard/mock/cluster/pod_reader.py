"""Details, Events and logs of the simulated pods.

They follow from the pod's view in the state and from the time alone, so equal requests have equal answers.
"""

import math
import random
import threading
from collections.abc import Callable, Iterator

from dashboard.core.targets import Targets
from dashboard.core.timestamps import rfc3339, seconds
from dashboard.kube.errors import ContainerWaiting, ObjectNotFound
from dashboard.kube.pods.details import Json, LogRequest, LogSource
from dashboard.mock.cluster.pods import COMPANION, DASHBOARD, DATABASE, SERVICE, PodKind

LINE_SECONDS = 0.4  # between two lines of a log
PREVIOUS_LINES = 240  # of a log that has ended: a previous container's or an init container's
PREPARE = """\
install -m 0400 /secrets/key-file /keys/key-file
until getent hosts "$POD_NAME"; do sleep 0.1; done
"""
ROUTES = ("GET /data", "POST /data", "GET /data/67439b2e8f0c4a5d9e3ba1f0", "GET /readyz", "GET /metrics")


class MockPodReader:
    """A `kube.pods.details.PodReader`. `clock` returns seconds since 1970."""

    def __init__(self, targets: Targets, clock: Callable[[], float]) -> None:
        self._targets = targets
        self._clock = clock

    def pod(self, view: Json) -> Json:
        kind = self._kind(view)
        return {
            "kind": "Pod",
            "apiVersion": "v1",
            "metadata": {
                "name": view["name"],
                "generateName": f"{view['name'].rpartition('-')[0]}-",
                "namespace": self._targets.namespace,
                "uid": view["uid"],
                "resourceVersion": str(1000 + view["restarts"]),
                "creationTimestamp": view["created"],
                "labels": {"app.kubernetes.io/name": view["app"]},
                "ownerReferences": [self._owner(kind, view)],
                "managedFields": [{"manager": "kubelet", "operation": "Update"}],
            },
            "spec": {
                "initContainers": [self._container(*each) for each in kind.init.items()] or None,
                "containers": [self._container(*each) for each in kind.containers.items()],
                "restartPolicy": "Always",
                "serviceAccountName": "default",
                "nodeName": view["node"],
                "terminationGracePeriodSeconds": 30,
            },
            "status": {
                "phase": "Running" if view["phase"] == "Terminating" else view["phase"],
                "conditions": self._conditions(view),
                "podIP": view["ip"],
                "qosClass": "Burstable" if any(kind.containers.values()) else "BestEffort",
                "initContainerStatuses": [self._init_status(name, view) for name in kind.init] or None,
                "containerStatuses": [
                    self._status(name, view, restarts=0 if index else view["restarts"])
                    for index, name in enumerate(kind.containers)
                ],
            },
        }

    def events(self, view: Json) -> list[Json]:
        main = next(iter(self._kind(view).containers))
        happened = [  # seconds after the creation, reason, message, component
            (0.0, "Scheduled", f"Successfully assigned {self._targets.namespace}/{view['name']} to node", "scheduler"),
            (0.4, "Pulled", 'Container image "flask-mongodb-service:mock" already present on machine', "kubelet"),
            (0.6, "Created", "Container created", "kubelet"),
            (0.9, "Started", "Container started", "kubelet"),
        ]
        if view["restarts"]:
            happened.append((20, "BackOff", f"Back-off restarting failed container {main} in pod", "kubelet"))
        if view["phase"] == "Terminating":
            happened.append((30, "Killing", f"Stopping container {main}", "kubelet"))
        return [
            {
                "metadata": {"uid": f"{view['uid']}-{reason}", "name": f"{view['name']}.{int(after * 1e9):016x}"},
                "involvedObject": {"uid": view["uid"], "fieldPath": f"spec.containers{{{main}}}"},
                "type": "Warning" if reason == "BackOff" else "Normal",
                "reason": reason,
                "message": message,
                "count": 3 if reason == "BackOff" else 1,
                "lastTimestamp": self._at(view, after),
                "source": {"component": component},
            }
            for after, reason, message, component in happened
        ]

    def log(self, view: Json, request: LogRequest) -> LogSource:
        if request.previous and not (view["restarts"] and request.container == next(iter(self._kind(view).containers))):
            raise ObjectNotFound(f"There is no log of a {request.container} before this one: it was not restarted.")
        if request.container != "prepare" and view["phase"] == "Pending":
            raise ContainerWaiting(
                f"The container {request.container} has not started: {view['reason'] or 'ContainerCreating'}."
            )
        return MockLog(view, request, self._clock)

    def _kind(self, view: Json) -> PodKind:
        known = {self._targets.deployment: SERVICE, self._targets.statefulset: DATABASE, "dashboard": DASHBOARD}
        return known.get(view["app"], COMPANION)

    def _owner(self, kind: PodKind, view: Json) -> Json:
        name = view["app"] if kind.owner == "StatefulSet" else view["name"].rpartition("-")[0]
        return {"apiVersion": "apps/v1", "kind": kind.owner, "name": name, "controller": True}

    def _container(self, name: str, resources: Json) -> Json:
        container: Json = {"name": name, "image": f"flask-mongodb-{name}:mock", "resources": resources}
        if name == "prepare":
            return container | {"command": ["sh", "-ec", PREPARE]}
        if name == "flask":
            container |= {
                "ports": [{"name": "http", "containerPort": 5000, "protocol": "TCP"}],
                "readinessProbe": {"httpGet": {"path": "/readyz", "port": "probes"}, "periodSeconds": 2},
                "livenessProbe": {"httpGet": {"path": "/healthz", "port": "probes"}, "periodSeconds": 10},
            }
        if name == "mongod":
            container |= {
                "ports": [{"name": "mongodb", "containerPort": 27017, "protocol": "TCP"}],
                "readinessProbe": {"tcpSocket": {"port": "mongodb"}, "periodSeconds": 2},
            }
        return container

    def _status(self, name: str, view: Json, restarts: int) -> Json:
        started = view["phase"] != "Pending"
        waiting = {"waiting": {"reason": view["reason"] or "ContainerCreating"}}
        killed = {"reason": "OOMKilled", "exitCode": 137, "finishedAt": self._at(view, 20)}
        return {
            "name": name,
            "ready": view["ready"],
            "restartCount": restarts,
            "state": {"running": {"startedAt": self._at(view, 1)}} if started else waiting,
            "lastState": {"terminated": killed} if restarts else {},
        }

    def _init_status(self, name: str, view: Json) -> Json:
        ended = {"reason": "Completed", "exitCode": 0, "finishedAt": self._at(view, 0.8)}
        return {"name": name, "ready": True, "restartCount": 0, "state": {"terminated": ended}, "lastState": {}}

    def _conditions(self, view: Json) -> list[Json]:
        ready, started = str(view["ready"]), str(view["phase"] != "Pending")
        why = {} if view["ready"] else {"reason": "ContainersNotReady", "message": "containers with unready status"}
        return [
            {"type": "PodReadyToStartContainers", "status": started, "lastTransitionTime": self._at(view, 0.5)},
            {"type": "Initialized", "status": started, "lastTransitionTime": self._at(view, 1)},
            {"type": "Ready", "status": ready, "lastTransitionTime": self._at(view, 3)} | why,
            {"type": "ContainersReady", "status": ready, "lastTransitionTime": self._at(view, 3)} | why,
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": self._at(view, 0)},
        ]

    def _at(self, view: Json, after: float) -> str:
        return rfc3339(seconds(view["created"]) + after)


class MockLog:
    """A log whose line n is written n * LINE_SECONDS after the pod's creation and is equal in each request."""

    def __init__(self, view: Json, request: LogRequest, clock: Callable[[], float]) -> None:
        self._seed = f"{view['uid']} {request.container} {request.previous}"
        self._created = seconds(view["created"])
        self._request = request
        self._clock = clock
        self._closed = threading.Event()

    def pieces(self) -> Iterator[bytes]:
        ends = self._request.previous or self._request.container == "prepare"
        written = PREVIOUS_LINES if ends else max(0, int((self._clock() - self._created) / LINE_SECONDS))
        since = seconds(self._request.since) if self._request.since else 0.0
        first = max(0, written - self._request.tail, math.floor((since - self._created) / LINE_SECONDS))
        for number in range(first, written):
            yield self._line(number)
        while self._request.follow and not ends:
            due = self._created + written * LINE_SECONDS
            if self._closed.wait(max(0.0, due - self._clock())):
                return
            yield self._line(written)
            written += 1

    def close(self) -> None:
        self._closed.set()

    def _line(self, number: int) -> bytes:
        at = rfc3339(self._created + number * LINE_SECONDS)
        stamp = f"{at[:-1]}{number % 1_000_000:06d}Z " if self._request.timestamps else ""
        return f"{stamp}{_message(random.Random(f'{self._seed} {number}'), number, at)}\n".encode()  # noqa: S311


def _message(random_: random.Random, number: int, at: str) -> str:
    """Return a line: mostly JSON, sometimes text that is hard to show."""
    route, ms = random_.choice(ROUTES), random_.expovariate(0.1)
    if number % 29 == 7:
        return f"\x1b[32mINFO\x1b[0m   checkpoint {number} \x1b[1;33mtook {ms:.0f} ms\x1b[0m"
    if number % 41 == 11:
        return f"<script>alert('{number}')</script> <b>not markup</b> &amp; text \u202eesrever"
    if number % 67 == 13:
        return f"a long line {number}: " + " ".join(f"{random_.getrandbits(64):016x}" for _ in range(160))
    if number % 53 == 17:
        return f"Traceback (most recent call last): pymongo.errors.AutoReconnect: connection {number} closed"
    if number % 13 == 5:
        return f"{random_.choice(ROUTES)} {random_.choice((200, 200, 201, 503))} in {ms:.1f} ms"
    if number % 37 == 19:
        level = random_.choice(("warning", "error"))
        return f'{{"time":"{at}","event":"log","level":"{level}","logger":"mock","message":"attempt {number} failed"}}'
    method, _, path = route.partition(" ")
    status = random_.choice((200, 200, 200, 201, 404, 503))
    request = f'"method":"{method}","path":"{path}","status":{status},"seconds":{ms / 1000:.6f}'
    return f'{{"time":"{at}","event":"request",{request},"request_id":"{random_.getrandbits(64):016x}"}}'
