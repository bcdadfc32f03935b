"""The state that the page shows, built from what the sources tell.

`Snapshot.apply` takes an event in, `Snapshot.state` gives the whole state as plain JSON values. Views of pods are made
anew only when their pod changed, and shared between states otherwise, so that `diff` need not look into them.
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from dashboard.core import event, objects, views

Json = dict[str, Any]


class Targets(msgspec.Struct, frozen=True):
    """What is observed. Names come from the configuration, never from a request."""

    namespace: str
    cluster: str
    deployment: str
    statefulset: str
    autoscaler: str
    service: str


class Snapshot:
    def __init__(self, targets: Targets, sources: Iterable[str], at: str) -> None:
        self._targets = targets
        self._objects: dict[str, dict[str, Any]] = {}  # kind → uid → object; a kind is absent until it was listed
        self._samples: dict[str, objects.PodMetrics] = {}  # pod name → sample
        self._pods: dict[str, Json] = {}  # uid → view
        self._mongo: Json | None = None
        self._kubernetes_version: str | None = None
        self._sources: dict[str, Json] = {
            name: {"state": "connecting", "as_of": None, "since": at, "error": None} for name in sources
        }

    def apply(self, told: event.Told) -> None:
        """Takes in one event. Events that say nothing new leave the state equal."""
        match told:
            case event.Listed():
                self._list(told)
            case event.Changed():
                self._change(told)
            case event.Deleted():
                self._delete(told)
            case event.Sampled():
                self._sample(told)
            case event.Contents():
                self._contents(told)
            case event.Operations():
                self._operations(told)
            case event.MongoDown():
                self._mongo_down(told)
            case event.Versioned():
                self._kubernetes_version = told.kubernetes
            case event.Heard():
                self._hear(told.source, told.state, told.at, told.error)

    def state(self, viewers: int) -> Json:
        """The state as the wire has it, but for `epoch`, `seq` and `as_of`, which the messages themselves carry."""
        return {
            "pods": sorted(self._pods.values(), key=lambda pod: (pod["created"], pod["name"])),
            "autoscaler": self._named("horizontalpodautoscalers", self._targets.autoscaler, views.autoscaler),
            "deployment": self._named("deployments", self._targets.deployment, views.workload),
            "statefulset": self._named("statefulsets", self._targets.statefulset, views.workload),
            "claims": sorted(map(views.claim, self._all("persistentvolumeclaims")), key=lambda claim: claim["name"]),
            "service": self._service(),
            "mongo": self._mongo,
            "sources": dict(self._sources),
            "about": {
                "namespace": self._targets.namespace,
                "cluster": self._targets.cluster,
                "kubernetes_version": self._kubernetes_version,
                "viewers": viewers,
            },
        }

    def _list(self, told: event.Listed) -> None:
        """A list replaces the kind: objects that were deleted while nobody watched leave no ghosts."""
        self._objects[told.kind] = {listed.metadata.uid: listed for listed in told.objects}
        if told.kind == "pods":
            self._pods = {pod.metadata.uid: self._view(pod) for pod in told.objects}
        self._hear(told.kind, "live", told.at)

    def _change(self, told: event.Changed) -> None:
        uid = told.object.metadata.uid
        self._objects.setdefault(told.kind, {})[uid] = told.object
        if told.kind == "pods":
            self._pods[uid] = self._view(told.object)
        self._hear(told.kind, "live", told.at)

    def _delete(self, told: event.Deleted) -> None:
        self._objects.get(told.kind, {}).pop(told.uid, None)
        if told.kind == "pods":
            self._pods.pop(told.uid, None)
        self._hear(told.kind, "live", told.at)

    def _sample(self, told: event.Sampled) -> None:
        """Each poll has all samples: a pod that is not in it has no current one. The age shown is the sample's own."""
        before, self._samples = self._samples, {sample.metadata.name: sample for sample in told.samples}
        for uid, pod in self._objects.get("pods", {}).items():
            name = pod.metadata.name
            if before.get(name) != self._samples.get(name):
                self._pods[uid] = self._view(pod)
        newest = max((sample.timestamp for sample in told.samples), default=None)
        self._hear("metrics", "live", told.at, as_of=newest)

    def _contents(self, told: event.Contents) -> None:
        previous = self._mongo or {}
        was_up = previous.get("state") == "up"
        self._mongo = {
            "state": "up",
            "since": previous["since"] if was_up else told.at,
            "version": told.version,
            "count": told.count,
            "size_bytes": told.size_bytes,
            "ops_per_second": previous.get("ops_per_second"),
            "newest": [msgspec.structs.asdict(document) for document in told.newest],
        }
        self._hear("mongo", "live", told.at)

    def _operations(self, told: event.Operations) -> None:
        if self._mongo:
            self._mongo = self._mongo | {"ops_per_second": told.per_second}
        self._hear("mongo", "live", told.at)

    def _mongo_down(self, told: event.MongoDown) -> None:
        """What was last seen stays on the page, marked as down."""
        previous = self._mongo or {"version": None, "count": None, "size_bytes": None, "newest": []}
        was_down = previous.get("state") == "down"
        since = previous["since"] if was_down else told.at
        self._mongo = previous | {"state": "down", "since": since, "ops_per_second": None}
        state = "forbidden" if told.forbidden else "stale" if self._sources["mongo"]["as_of"] else "connecting"
        self._hear("mongo", state, told.at, told.error)

    def _hear(self, source: str, state: str, at: str, error: str | None = None, *, as_of: str | None = None) -> None:
        """`as_of` moves with good news only: it is the age of what is shown."""
        previous = self._sources[source]
        since = previous["since"] if previous["state"] == state else at
        of = as_of or at if state == "live" else previous["as_of"]
        self._sources[source] = {"state": state, "as_of": of, "since": since, "error": error}

    def _view(self, pod: objects.Pod) -> Json:
        return views.pod(pod, self._samples.get(pod.metadata.name))

    def _all(self, kind: str) -> Iterable[Any]:
        return self._objects.get(kind, {}).values()

    def _named(self, kind: str, name: str, view: Callable[[Any], Json]) -> Json | None:
        return next((view(found) for found in self._all(kind) if found.metadata.name == name), None)

    def _service(self) -> Json | None:
        """Null until the slices were listed once: no endpoints and no knowledge are different things."""
        if "endpointslices" not in self._objects:
            return None
        return {
            "name": self._targets.service,
            "endpoints": views.ready_endpoints(self._all("endpointslices"), self._targets.service),
        }
