"""The state that the page shows, and its past, built from what the sources tell.

`Snapshot.apply` takes an event in, `Snapshot.state` gives the whole state as plain JSON values. Views of pods are made
anew only when their pod changed, and shared between states otherwise, so that `diff` need not look into them.
`Snapshot.history` has the figures that are charted.
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from dashboard.core import events, objects, views
from dashboard.core.history import MetricsTables
from dashboard.core.hpa.behavior import DOWN_WINDOW_SECONDS, behavior_of
from dashboard.core.hpa.evaluation import Evaluator
from dashboard.core.timestamps import duration, seconds
from dashboard.core.traffic import Traffic, TrafficRates

Json = dict[str, Any]

CRASH = "crash"  # the container that kills mongod on request, where it is installed


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
        self.history = MetricsTables()
        self._targets = targets
        self._objects: dict[str, dict[str, Any]] = {}  # kind → uid → object; a kind is absent until it was listed
        self._samples: dict[str, objects.PodMetrics] = {}  # pod name → sample
        self._pods: dict[str, Json] = {}  # uid → view
        self._sorted: list[Json] | None = None  # the views in the order of the state, until one changes
        self._traffic = Traffic()
        self._rates: TrafficRates | None = None
        self._evaluator = Evaluator()
        self._unevaluated: str | None = None  # since when pods changed that are not evaluated yet
        self._autoscaler: Json | None = None
        self._mongo: Json | None = None
        self._load: Json | None = None
        self._run: Json | None = None
        self._runs: list[Json] = []
        self._lease: Json | None = None
        self._crash = False  # whether mongod can be killed: what the database's pod last had, while it is away too
        self._kubernetes_version: str | None = None
        self._sources: dict[str, Json] = {
            name: {"state": "connecting", "as_of": None, "since": at, "error": None} for name in sources
        }

    def apply(self, told: events.Event) -> None:
        """Takes in one event. Events that say nothing new leave the state equal."""
        match told:
            case (
                events.ObjectsListed(kind="events")
                | events.ObjectChanged(kind="events")
                | events.ObjectDeleted(kind="events")
            ):
                self._hear("events", "live", told.at)  # the timeline keeps them
            case events.ObjectsListed():
                self._list(told)
            case events.ObjectChanged():
                self._change(told)
            case events.ObjectDeleted():
                self._delete(told)
            case events.MetricsSampled():
                self._sample(told)
            case events.CollectionRead():
                self._contents(told)
            case events.OperationRate():
                self._operations(told)
            case events.VolumeUsage():
                self._volume(told)
            case events.CountersScraped():
                self._scrape(told)
            case events.LoadUpdated():
                self._take_load(told)
            case events.RunUpdated():
                self._run = told.run
            case events.RunHistoryUpdated():
                self._runs = told.runs
            case events.LeaseChanged():
                self._lease = told.lease
            case events.MongoUnavailable():
                self._mongo_down(told)
            case events.ClusterVersion():
                self._kubernetes_version = told.kubernetes
            case events.SourceStatus():
                self._hear(told.source, told.state, told.at, told.error)

    def state(self, viewers: int) -> Json:
        """The state as the wire has it, but for `epoch`, `seq` and `as_of`, which the messages themselves carry."""
        if self._unevaluated:
            self._evaluate(self._unevaluated)
        return {
            "pods": self._in_order(),
            "autoscaler": self._autoscaler,
            "deployment": self._named("deployments", self._targets.deployment, views.workload),
            "statefulset": self._named("statefulsets", self._targets.statefulset, views.workload),
            "claims": sorted(map(views.claim, self._all("persistentvolumeclaims")), key=lambda claim: claim["name"]),
            "service": self._service(),
            "traffic": views.traffic(self._rates),
            "mongo": self._mongo,
            "load": self._load,
            "run": self._run,
            "runs": self._runs,
            "lease": self._lease,
            "sources": dict(self._sources),
            "about": {
                "namespace": self._targets.namespace,
                "cluster": self._targets.cluster,
                "kubernetes_version": self._kubernetes_version,
                "crash": self._crash,
                "viewers": viewers,
            },
        }

    def samples(self) -> dict[str, tuple[float, float, float]]:
        """The newest CPU sample of each pod: uid → (its moment in seconds since 1970, millicores, its window)."""
        return {
            pod["uid"]: (
                seconds(self._samples[pod["name"]].timestamp),
                pod["cpu_millicores"],
                duration(self._samples[pod["name"]].window),
            )
            for pod in self._pods.values()
            if pod["cpu_millicores"] is not None
        }

    def down_window(self) -> float:
        """The autoscaler's stabilization window on the way down, in seconds."""
        autoscaler = self._find("horizontalpodautoscalers", self._targets.autoscaler)
        return behavior_of(autoscaler.spec).down.window if autoscaler else DOWN_WINDOW_SECONDS

    def _list(self, told: events.ObjectsListed) -> None:
        """A list replaces the kind: objects that were deleted while nobody watched leave no ghosts."""
        self._objects[told.kind] = {listed.metadata.uid: listed for listed in told.objects}
        if told.kind == "pods":
            self._pods = {pod.metadata.uid: self._view(pod) for pod in told.objects}
        self._moved(told.kind, told.at)

    def _change(self, told: events.ObjectChanged) -> None:
        uid = told.object.metadata.uid
        self._objects.setdefault(told.kind, {})[uid] = told.object
        if told.kind == "pods":
            self._pods[uid] = self._view(told.object)
        self._moved(told.kind, told.at)

    def _delete(self, told: events.ObjectDeleted) -> None:
        self._objects.get(told.kind, {}).pop(told.uid, None)
        if told.kind == "pods":
            self._pods.pop(told.uid, None)
        self._moved(told.kind, told.at)

    def _moved(self, kind: str, at: str) -> None:
        """What follows from objects of a kind having changed."""
        self._hear(kind, "live", at)
        if kind == "pods":
            self._sorted = None
            self._unevaluated = at  # once a state and not once a pod: a thousand may come at once
        if kind in ("horizontalpodautoscalers", "deployments"):
            self._evaluate(at)

    def _sample(self, told: events.MetricsSampled) -> None:
        """Each poll has all samples: a pod that is not in it has no current one. The age shown is the sample's own."""
        before, self._samples = self._samples, {sample.metadata.name: sample for sample in told.samples}
        for uid, pod in self._objects.get("pods", {}).items():
            name = pod.metadata.name
            if before.get(name) != self._samples.get(name):
                self._pods[uid] = self._view(pod)
                self._sorted = None
        newest = max((sample.timestamp for sample in told.samples), default=None)
        self._hear("metrics", "live", told.at, as_of=newest)
        self._record_samples()
        self._evaluate(told.at)

    def _record_samples(self) -> None:
        """A sample counts once, at its own time: the history leaves out what it has already."""
        members = self._members()
        sampled = [pod for pod in members if pod["cpu_millicores"] is not None and pod["cpu_request_millicores"]]
        if sampled:
            used = sum(pod["cpu_millicores"] for pod in sampled)
            requested = sum(pod["cpu_request_millicores"] for pod in sampled)
            at = max(seconds(self._samples[pod["name"]].timestamp) for pod in sampled)
            self.history.add("cpu", at, round(100 * used / requested, 1))
        self.history.add_pods(self.samples())

    def _scrape(self, told: events.CountersScraped) -> None:
        """A pod that does not answer has no rate; the figures of the others stand."""
        at = seconds(told.at)
        self._rates = rates = self._traffic.rates(at, told.pods)
        if rates:
            self.history.add(
                "traffic", at, rates.requests_per_second, rates.errors_per_second, rates.p50_ms, rates.p99_ms
            )
        for uid, pod in self._pods.items():
            shown = views.pod_traffic(rates, pod["name"])
            if any(pod[name] != figure for name, figure in shown.items()):
                self._pods[uid] = pod | shown
                self._sorted = None
        self._hear("traffic", "live", told.at)

    def _evaluate(self, at: str) -> None:
        """The autoscaler's view, with its arithmetic; and how many pods there are, where that changed."""
        self._unevaluated = None
        autoscaler = self._find("horizontalpodautoscalers", self._targets.autoscaler)
        deployment = self._find("deployments", self._targets.deployment)
        if autoscaler is None:
            self._autoscaler = None
        else:
            members = [pod for pod in self._all("pods") if views.app(pod) == self._targets.deployment]
            asked = deployment.spec.replicas if deployment else None
            evaluation = self._evaluator.evaluate(autoscaler, members, self._samples, seconds(at), asked)
            view = views.autoscaler(autoscaler)
            target = views.target_of_requests(view, self._members())
            self._autoscaler = view | {"target_of_requests": target, "evaluation": evaluation}
        if deployment:
            desired = autoscaler.status.desired_replicas if autoscaler else deployment.spec.replicas
            self.history.add_step("replicas", seconds(at), desired, deployment.status.ready_replicas)

    def _contents(self, told: events.CollectionRead) -> None:
        previous = self._mongo or {}
        was_up = previous.get("state") == "up"
        self._mongo = {
            "state": "up",
            "since": previous["since"] if was_up else told.at,
            "version": told.version,
            "count": told.count,
            "size_bytes": told.size_bytes,
            "ops_per_second": previous.get("ops_per_second"),
            "volume": previous.get("volume"),
            "newest": [msgspec.structs.asdict(document) for document in told.newest],
        }
        self._hear("mongo", "live", told.at)

    def _operations(self, told: events.OperationRate) -> None:
        if self._mongo:
            self._mongo = self._mongo | {"ops_per_second": told.per_second}
        self._hear("mongo", "live", told.at)

    def _volume(self, told: events.VolumeUsage) -> None:
        if self._mongo:
            self._mongo = self._mongo | {"volume": {"used_bytes": told.used_bytes, "total_bytes": told.total_bytes}}

    def _take_load(self, told: events.LoadUpdated) -> None:
        self._load = load = told.load
        figures = (load["offered"], load["achieved"], load["errors_per_second"], load["p50_ms"], load["p99_ms"])
        self.history.add("load", seconds(told.at), *figures)

    def _mongo_down(self, told: events.MongoUnavailable) -> None:
        """What was last seen stays on the page, marked as down."""
        previous = self._mongo or {"version": None, "count": None, "size_bytes": None, "volume": None, "newest": []}
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
        name = pod.metadata.name
        if name == f"{self._targets.statefulset}-0":
            self._crash = any(container.name == CRASH for container in pod.spec.containers or ())
        return views.pod(pod, self._samples.get(name), self._rates)

    def _in_order(self) -> list[Json]:
        """The pods' views by age: the same list while none changed."""
        if self._sorted is None:
            self._sorted = sorted(self._pods.values(), key=lambda pod: (pod["created"], pod["name"]))
        return self._sorted

    def _members(self) -> list[Json]:
        """The views of the pods that the autoscaler counts."""
        return [pod for pod in self._pods.values() if pod["app"] == self._targets.deployment]

    def _all(self, kind: str) -> Iterable[Any]:
        return self._objects.get(kind, {}).values()

    def _find(self, kind: str, name: str) -> Any:
        return next((found for found in self._all(kind) if found.metadata.name == name), None)

    def _named(self, kind: str, name: str, view: Callable[[Any], Json]) -> Json | None:
        found = self._find(kind, name)
        return view(found) if found else None

    def _service(self) -> Json | None:
        """Null until the slices were listed once: no endpoints and no knowledge are different things."""
        if "endpointslices" not in self._objects:
            return None
        return {
            "name": self._targets.service,
            "endpoints": views.ready_endpoints(self._all("endpointslices"), self._targets.service),
        }
