"""The state that the page shows, and its metrics history, built from the sources' events.

`Snapshot.apply` applies an event, `Snapshot.state` returns the state as JSON. States share the views of unchanged pods,
so that `diff` can skip them. `Snapshot.history` has the charted metrics.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from dashboard.core import events, objects
from dashboard.core.hpa.behavior import HpaBehavior, behavior_of
from dashboard.core.hpa.evaluation import Evaluator
from dashboard.core.hpa.findings import Surroundings, findings
from dashboard.core.hpa.metrics import CPU, limit_of, pod_facts, usage_sample
from dashboard.core.hpa.proposals import ProposalReader
from dashboard.core.hpa.spec import cpu_metric, seen_of, target_of
from dashboard.core.hpa.what_if import Present
from dashboard.core.sizing.recommendation import recommend
from dashboard.core.sizing.usage import UsageHistory
from dashboard.core.state import confidence, journal, views
from dashboard.core.state.history import STEPS, MetricsTables
from dashboard.core.state.traffic import Traffic, TrafficRates
from dashboard.core.text import plain
from dashboard.core.timestamps import duration, seconds
from dashboard.core.wire import SizingView

Json = dict[str, Any]

LONGEST_NAME = 253
LONGEST_ERROR = 300
CLOCK_SKEW_SECONDS = 300.0  # a sample may be so much later than its receipt
RECENT_SECONDS = 15.0  # of the charts, at a journal's begin
JOURNALED = ("pods", "deployments", "statefulsets", "horizontalpodautoscalers", "endpointslices")  # kinds
CRASH = "crash"  # the optional container that kills mongod on request


class Targets(msgspec.Struct, frozen=True):
    """The names of the observed objects. They come from the configuration, never from a request."""

    namespace: str
    cluster: str
    deployment: str
    statefulset: str
    autoscaler: str
    service: str

    @property
    def apps(self) -> tuple[str, ...]:
        """The Deployment, and the StatefulSet if there is one: a pod that nothing has made is of neither."""
        return tuple(filter(None, (self.deployment, self.statefulset)))


class Look(msgspec.Struct, frozen=True):
    """The state at one time, as JSON, with the newest CPU samples (see `Snapshot.samples`), and in seconds the
    autoscaler's stabilization windows and the longest period of its policies.

    If the autoscaler measures one container, the samples are of it, and `resources` are its (request, limit) in
    millicores by pod uid; else they are empty.
    """

    state: Json
    samples: dict[str, tuple[float, float, float]]
    down_window: float
    up_window: float = 0.0
    period: float = 0.0
    resources: dict[str, tuple[int | None, int | None]] = {}


Journal = Callable[[events.Event], None]  # takes the events, in their order; must not raise


class Snapshot:
    """The current state of the cluster, the database and the runs."""

    def __init__(self, targets: Targets, sources: Iterable[str], at: str) -> None:
        self.history = MetricsTables()
        self._targets = targets
        self._objects: dict[str, dict[str, Any]] = {}  # kind → uid → object; a kind is missing until its first list
        self._unreadable: dict[str, dict[str, events.UnreadableObject]] = {}  # source → uid or name → object
        self._samples: dict[str, objects.PodMetrics] = {}  # pod name → sample
        self._pods: dict[str, Json] = {}  # uid → view
        self._sorted: list[Json] | None = None  # the views in the state's order; None after a change
        self._traffic = Traffic()
        self._rates: TrafficRates | None = None
        self._unready: dict[str, str] = {}  # why service pods are not Ready, in their own words, by name
        self._evaluator = Evaluator()
        self._proposals = ProposalReader()
        self._unevaluated: str | None = None  # time of a change of pods that is not evaluated yet
        self._autoscaler: Json | None = None
        self._alerts: list[Json] | None = None
        self._usage = UsageHistory()
        self._mongo: Json | None = None
        self._load: Json | None = None
        self._run: Json | None = None
        self._runs: list[Json] = []
        self._confidence: dict[str, str] = {}
        self._lease: Json | None = None
        self._crash = False  # whether the database's pod, when last seen, had a crash container
        self._actions: list[str] = []
        self._kubernetes_version: str | None = None
        self._journal: Journal | None = None
        self._sources: dict[str, Json] = {
            name: {"state": "connecting", "as_of": None, "since": at, "error": None} for name in sources
        }

    def record(self, take: Journal | None, at: str) -> None:
        """Give `take` what the snapshot holds, and from now on each event of the observed deployment
        (core.state.journal). None ends it."""
        self._journal = None
        if take:
            for event in self._beginning(at):
                take(event)
        self._journal = take

    def look(self, at: str) -> Look:
        """Read the state. The caller must not change it."""
        behavior = self.behavior()
        period = max(behavior.up.period, behavior.down.period)
        container = self._measured_container()
        state, samples = self.state(0), self.samples(container)
        resources = self._resources(container) if container else {}
        look = Look(state, samples, behavior.down.window, behavior.up.window, period, resources)
        if self._journal:
            self._journal(journal.Looked(at=at))
        return look

    def apply(self, event: events.Event) -> None:
        """Apply one event. An event that changes nothing leaves the state equal."""
        if self._journal and (record := self._record_of(event)):
            self._journal(record)
        self._note_unreadable(event)
        match event:
            case journal.Remembered():
                self._remember(event)
            case events.PodsEvaluated():
                self._evaluate(event.at)
            case (
                events.ObjectsListed(kind="events")
                | events.ObjectChanged(kind="events")
                | events.ObjectDeleted(kind="events")
            ):
                self._set_source("events", "live", event.at)  # the timeline keeps the Events themselves
            case events.ObjectUnreadable():
                self._set_source(event.kind, "live", event.at)
            case events.ObjectsListed():
                self._list(event)
            case events.ObjectChanged():
                self._change(event)
            case events.ObjectDeleted():
                self._delete(event)
            case events.MetricsSampled():
                self._sample(event)
            case events.CollectionRead():
                self._mongo_up(event)
            case events.OperationRate():
                self._set_operations(event)
            case events.VolumeUsage():
                self._set_volume(event)
            case events.CountersScraped():
                self._scrape(event)
            case events.LoadUpdated():
                self._set_load(event)
            case events.RunUpdated():
                self._run = event.run
            case events.RunHistoryUpdated():
                self._runs = event.runs
                self._confidence = confidence.sentences(event.runs)
            case events.LeaseChanged():
                self._lease = event.lease
            case events.MongoUnavailable():
                self._mongo_down(event)
            case events.AlertsRead():
                self._alerts = views.alerts(event.alerts)
                self._set_source("alerts", "live", event.at)
            case events.ActionsAllowed():
                self._actions = event.actions
            case events.ClusterVersion():
                self._kubernetes_version = plain(event.kubernetes, LONGEST_NAME)
            case events.SourceStatus():
                self._set_source(event.source, event.state, event.at, event.error)

    def state(self, viewers: int) -> Json:
        """Return the state as JSON, without `epoch`, `seq` and `as_of`, which the messages carry."""
        if self._unevaluated:
            self.apply(events.PodsEvaluated(at=self._unevaluated))
        return {
            "pods": self._in_order(),
            "autoscaler": self._autoscaler,
            "deployment": self._named("deployments", self._targets.deployment, views.deployment),
            "statefulset": self._named("statefulsets", self._targets.statefulset, views.workload),
            "claims": self._claims(),
            "service": self._service(),
            "traffic": views.traffic(self._rates),
            "mongo": self._mongo,
            "load": self._load,
            "run": self._run,
            "runs": self._runs,
            "confidence": self._confidence,
            "alerts": self._alerts,
            "lease": self._lease,
            "sources": dict(self._sources),
            "about": {
                "namespace": self._targets.namespace,
                "cluster": self._targets.cluster,
                "kubernetes_version": self._kubernetes_version,
                "crash": self._crash,
                "actions": self._actions,
                "viewers": viewers,
            },
        }

    def samples(self, container: str = "") -> dict[str, tuple[float, float, float]]:
        """Return the newest CPU samples, of whole pods or of one container of each: pod uid → (timestamp in seconds
        since 1970, millicores, window in seconds)."""
        found = {}
        for pod in self._pods.values():
            used = pod["cpu_millicores"]
            sample = None if used is None else self._samples[pod["name"]]
            if sample and container and pod["app"] == self._targets.deployment:
                parsed = usage_sample(sample, container)
                used = parsed.used if parsed else None
            if sample and used is not None:
                found[pod["uid"]] = seconds(sample.timestamp), used, duration(sample.window)
        return found

    def _measured_container(self) -> str:
        """Return the container that the autoscaler's CPU metric measures, "" for whole pods."""
        autoscaler = self._find("horizontalpodautoscalers", self._targets.autoscaler)
        metric = cpu_metric(autoscaler.spec.metrics) if autoscaler else None
        return metric.container if metric else ""

    def _resources(self, container: str) -> dict[str, tuple[int | None, int | None]]:
        return {
            pod.metadata.uid: (pod_facts(pod, container).request, limit_of(pod, container, CPU))
            for pod in self._all("pods")
            if views.app(pod) == self._targets.deployment
        }

    def present(self) -> Present | None:
        """Return the autoscaler with its surroundings (see core.hpa.what_if)."""
        autoscaler = self._find("horizontalpodautoscalers", self._targets.autoscaler)
        deployment = self._find("deployments", self._targets.deployment)
        if autoscaler is None:
            return None
        status = autoscaler.status
        evaluation = (self._autoscaler or {}).get("evaluation") or {}
        percent = evaluation.get("percent")
        if percent is None:
            percent = seen_of(status, target_of(autoscaler)[1])
        replicas = deployment.spec.replicas if deployment else status.desired_replicas
        return Present(autoscaler, self._around(), replicas, percent)

    def sizing(self, at: str) -> list[SizingView]:
        """Return requests and limits that fit the usage, for each container of the Deployment and the StatefulSet."""
        found = []
        for app in self._targets.apps:
            pods = [pod for pod in self._all("pods") if self._maker(pod) == app]
            newest = max(pods, key=lambda pod: pod.metadata.creation_timestamp or "", default=None)
            target = (self._autoscaler or {}).get("target_percent") if app == self._targets.deployment else None
            for container in newest.long_running if newest else ():
                usage = self._usage.usage(app, container.name, seconds(at))
                found.append(recommend(app, container, usage, target))
        return found

    def evaluation_with(self, autoscaler: objects.Autoscaler, at: str) -> Json | None:
        """Return what the controller would do now with another spec of the observed autoscaler; None without a target.

        An evaluator with the same memory computes it, so that nothing here changes.
        """
        evaluator = Evaluator()
        evaluator.restore(self._evaluator.memory())
        deployment = self._find("deployments", self._targets.deployment)
        members = [pod for pod in self._all("pods") if views.app(pod) == self._targets.deployment]
        replicas = deployment.spec.replicas if deployment else None
        current = autoscaler.status.desired_replicas if replicas is None else replicas
        others = ProposalReader().read(autoscaler, members, self._samples, seconds(at), current).others
        return evaluator.evaluate(autoscaler, members, self._samples, seconds(at), replicas, others)

    def behavior(self) -> HpaBehavior:
        """Return the autoscaler's behavior; the default without one."""
        autoscaler = self._find("horizontalpodautoscalers", self._targets.autoscaler)
        return behavior_of(autoscaler.spec if autoscaler else objects.AutoscalerSpec())

    def _beginning(self, at: str) -> list[events.Event]:
        """Return what the snapshot holds of the observed deployment, as events."""
        listed: list[events.Event] = [
            events.ObjectsListed(at=at, kind=kind, objects=self._observed_of(kind, found.values()))
            for kind, found in self._objects.items()
            if kind in JOURNALED
        ]
        sources = [
            events.SourceStatus(at=each["since"] or at, source=name, state=each["state"], error=each["error"])
            for name, each in self._sources.items()
        ]
        remembered = journal.Remembered(
            at=at,
            evaluator=self._evaluator.memory(),
            counters={
                name: (when, journal.pod_counters(last)) for name, (when, last) in self._traffic.memory().items()
            },
            rates=self._rates,
            autoscaler=self._autoscaler,
            unevaluated=self._unevaluated,
            points=self.history.points(seconds(at) - RECENT_SECONDS),
        )
        samples = events.MetricsSampled(at=at, samples=[*self._samples.values()])
        began = journal.Began(at=at, targets=msgspec.structs.asdict(self._targets), sources=[*self._sources])
        return [began, *listed, *([samples] if self._samples else []), *sources, remembered]

    def _remember(self, event: journal.Remembered) -> None:
        self._evaluator.restore(event.evaluator)
        self._traffic.restore({name: (at, journal.counters_of(pod)) for name, (at, pod) in event.counters.items()})
        self._rates = event.rates
        self._pods = {uid: pod | views.pod_traffic(event.rates, pod["name"]) for uid, pod in self._pods.items()}
        self._sorted = None
        self._autoscaler, self._unevaluated = event.autoscaler, event.unevaluated
        self.history = MetricsTables()
        for table, points in event.points.items():
            add = self.history.add_step if table in STEPS else self.history.add
            for when, values in points:
                add(table, when, *values)

    def _record_of(self, event: events.Event) -> events.Event | None:
        """Return what the journal has of an event, or None."""
        match event:
            case events.MetricsSampled() | events.LoadUpdated() | events.PodsEvaluated():
                return event
            case events.SourceStatus(source=source, state=state):
                same = self._sources[source]["state"] == state == "live"
                return None if same else event
            case events.CountersScraped():
                pods = {name: journal.pod_counters(counters) for name, counters in event.pods.items()}
                return journal.Scraped(at=event.at, pods=pods, unready=event.unready)
            case events.ObjectsListed(kind=kind) if kind in JOURNALED:
                return replace(event, objects=self._observed_of(kind, event.objects))
            case events.ObjectDeleted(kind=kind, uid=uid) if kind in JOURNALED:
                known = self._objects.get(kind, {}).get(uid)
                return event if known is not None and self._observed(kind, known) else self._revived(kind, event.at)
            case events.ObjectChanged(kind=kind, object=changed) if kind in JOURNALED:
                if not self._observed(kind, changed):
                    return self._revived(kind, event.at)
                return replace(event, object=_recorded(changed))
            case events.ObjectUnreadable(kind=kind) if kind in JOURNALED:
                return event
        return None

    def _observed_of(self, kind: str, found: Iterable[Any]) -> list[Any]:
        return [_recorded(each) for each in found if self._observed(kind, each)]

    def _observed(self, kind: str, object_: Any) -> bool:
        """Return whether an object belongs to what the demos observe."""
        match kind:
            case "pods":
                return views.app(object_) in self._targets.apps
            case "horizontalpodautoscalers":
                return bool(object_.metadata.name == self._targets.autoscaler)
            case "endpointslices":
                labels = object_.metadata.labels or {}
                return labels.get("kubernetes.io/service-name") == self._targets.service
        return object_.metadata.name in self._targets.apps

    def _revived(self, source: str, at: str) -> events.Event | None:
        """Return that a source is live again, by an event that the journal leaves out."""
        if self._sources[source]["state"] == "live":
            return None
        return events.SourceStatus(at=at, source=source, state="live")

    def _list(self, event: events.ObjectsListed) -> None:
        """Replace all objects of the kind: some may have been deleted while there was no watch."""
        before = self._objects.get(event.kind, {})
        known = {one.uid: before[one.uid] for one in event.unreadable if one.uid in before}
        self._objects[event.kind] = known | {listed.metadata.uid: listed for listed in event.objects}
        if event.kind == "pods":
            self._pods = {uid: self._view(pod) for uid, pod in self._objects["pods"].items()}
        self._objects_changed(event.kind, event.at)

    def _change(self, event: events.ObjectChanged) -> None:
        uid = event.object.metadata.uid
        self._objects.setdefault(event.kind, {})[uid] = event.object
        if event.kind == "pods":
            self._pods[uid] = self._view(event.object)
        self._objects_changed(event.kind, event.at)

    def _delete(self, event: events.ObjectDeleted) -> None:
        self._objects.get(event.kind, {}).pop(event.uid, None)
        if event.kind == "pods":
            self._pods.pop(event.uid, None)
        self._objects_changed(event.kind, event.at)

    def _note_unreadable(self, event: events.Event) -> None:
        """Note the objects that can't be read, until they can be or are gone."""
        match event:
            case events.ObjectUnreadable():
                self._unreadable.setdefault(event.kind, {})[event.object.uid] = event.object
            case events.ObjectsListed():
                self._unreadable[event.kind] = {one.uid: one for one in event.unreadable}
            case events.ObjectChanged():
                self._unreadable.get(event.kind, {}).pop(event.object.metadata.uid, None)
            case events.ObjectDeleted():
                self._unreadable.get(event.kind, {}).pop(event.uid, None)
            case events.MetricsSampled():
                self._unreadable["metrics"] = {one.name: one for one in event.unreadable}

    def _objects_changed(self, kind: str, at: str) -> None:
        """Update everything that depends on the objects of a kind."""
        self._set_source(kind, "live", at)
        if kind == "pods":
            self._sorted = None
            self._unevaluated = at  # evaluated once per state, not per pod: a thousand may change at once
        if kind in ("horizontalpodautoscalers", "deployments"):
            self._evaluate(at)

    def _sample(self, event: events.MetricsSampled) -> None:
        """Replace all samples. The source's `as_of` is the newest sample's own timestamp."""
        before, self._samples = self._samples, self._present(event)
        for uid, pod in self._objects.get("pods", {}).items():
            name = pod.metadata.name
            if before.get(name) != self._samples.get(name):
                self._pods[uid] = self._view(pod)
                self._sorted = None
                if self._pods[uid]["cpu_millicores"] is not None and (maker := self._maker(pod)):
                    self._usage.add(maker, self._samples[name])
        newest = max((sample.timestamp for sample in self._samples.values()), default=None)
        self._set_source("metrics", "live", event.at, as_of=newest)
        self._record_samples()
        self._evaluate(event.at)

    def _present(self, event: events.MetricsSampled) -> dict[str, objects.PodMetrics]:
        """Return the samples by pod name, without those from the future: after one, no point would be charted."""
        latest = seconds(event.at) + CLOCK_SKEW_SECONDS
        for sample in event.samples:
            if seconds(sample.timestamp) > latest:
                name, error = sample.metadata.name, f"its sample is from the future: {sample.timestamp}"
                self._unreadable["metrics"][name] = events.UnreadableObject("", name, error)
        future = self._unreadable["metrics"]
        return {sample.metadata.name: sample for sample in event.samples if sample.metadata.name not in future}

    def _record_samples(self) -> None:
        """Add the samples to the history, at their own timestamps. The history ignores repeated ones."""
        members = self._members()
        sampled = [pod for pod in members if pod["cpu_millicores"] is not None and pod["cpu_request_millicores"]]
        if sampled:
            used = sum(pod["cpu_millicores"] for pod in sampled)
            requested = sum(pod["cpu_request_millicores"] for pod in sampled)
            at = max(seconds(self._samples[pod["name"]].timestamp) for pod in sampled)
            self.history.add("cpu", at, round(100 * used / requested, 1))
        if "pods" in self._objects:  # before their first list, no pod has a sample, and none is gone
            self.history.add_pods(self.samples())

    def _scrape(self, event: events.CountersScraped) -> None:
        """Update the request rates, and why pods are not Ready. A pod without counters has no rate."""
        at = seconds(event.at)
        self._explain(event.unready)
        self._rates = rates = self._traffic.rates(at, event.pods)
        if rates:
            self.history.add(
                "traffic", at, rates.requests_per_second, rates.errors_per_second, rates.p50_ms, rates.p99_ms
            )
        for uid, pod in self._pods.items():
            pod_rates = views.pod_traffic(rates, pod["name"])
            if any(pod[name] != value for name, value in pod_rates.items()):
                self._pods[uid] = pod | pod_rates
                self._sorted = None
        self._set_source("traffic", "live", event.at)

    def _explain(self, unready: dict[str, str]) -> None:
        before, self._unready = self._unready, unready
        for uid, pod in self._objects.get("pods", {}).items():
            name = pod.metadata.name
            if before.get(name) != unready.get(name):
                self._pods[uid] = self._view(pod)
                self._sorted = None

    def _evaluate(self, at: str) -> None:
        """Update the autoscaler's view with its evaluation, and the history of replicas."""
        self._unevaluated = None
        autoscaler = self._find("horizontalpodautoscalers", self._targets.autoscaler)
        deployment = self._find("deployments", self._targets.deployment)
        if autoscaler is None:
            self._autoscaler = None
        else:
            members = [pod for pod in self._all("pods") if views.app(pod) == self._targets.deployment]
            replicas = deployment.spec.replicas if deployment else None
            current = autoscaler.status.desired_replicas if replicas is None else replicas
            found = self._proposals.read(autoscaler, members, self._samples, seconds(at), current)
            evaluation = self._evaluator.evaluate(
                autoscaler, members, self._samples, seconds(at), replicas, found.others
            )
            view = views.autoscaler(autoscaler)
            target = views.target_of_requests(view, self._members())
            self._autoscaler = (
                view
                | {"target_of_requests": target, "evaluation": evaluation}
                | found.state(evaluation, current)
                | {"findings": [msgspec.structs.asdict(one) for one in findings(autoscaler, self._around())]}
            )
        if deployment:
            desired = autoscaler.status.desired_replicas if autoscaler else deployment.spec.replicas
            self.history.add_step("replicas", seconds(at), desired, deployment.status.ready_replicas)

    def _claims(self) -> list[Json]:
        claims = (views.claim(each, self._targets.statefulset) for each in self._all("persistentvolumeclaims"))
        return sorted(claims, key=lambda claim: str(claim["name"]))

    def _around(self) -> Surroundings:
        """Return what the autoscaler's settings are judged by."""
        deployment = self._find("deployments", self._targets.deployment)
        load = self._load["duration"] if self._load else None
        living = [
            pod
            for pod in self._all("pods")
            if views.app(pod) == self._targets.deployment and not pod.metadata.deletion_timestamp
        ]
        return Surroundings(living, deployment, [*self._all("horizontalpodautoscalers")], load)

    def _mongo_up(self, event: events.CollectionRead) -> None:
        previous = self._mongo or {}
        was_up = previous.get("state") == "up"
        self._mongo = {
            "state": "up",
            "since": previous["since"] if was_up else event.at,
            "version": event.version,
            "count": event.count,
            "size_bytes": event.size_bytes,
            "ops_per_second": previous.get("ops_per_second"),
            "volume": previous.get("volume"),
            "newest": [msgspec.structs.asdict(document) for document in event.newest],
        }
        self._set_source("mongo", "live", event.at)

    def _mongo_down(self, event: events.MongoUnavailable) -> None:
        """Mark the database as down. Its last known contents stay in the state."""
        previous = self._mongo or {"version": None, "count": None, "size_bytes": None, "volume": None, "newest": []}
        was_down = previous.get("state") == "down"
        since = previous["since"] if was_down else event.at
        self._mongo = previous | {"state": "down", "since": since, "ops_per_second": None}
        state = "forbidden" if event.forbidden else "stale" if self._sources["mongo"]["as_of"] else "connecting"
        self._set_source("mongo", state, event.at, event.error)

    def _set_operations(self, event: events.OperationRate) -> None:
        if self._mongo:
            self._mongo = self._mongo | {"ops_per_second": event.per_second}
        self._set_source("mongo", "live", event.at)

    def _set_volume(self, event: events.VolumeUsage) -> None:
        if self._mongo:
            self._mongo = self._mongo | {"volume": {"used_bytes": event.used_bytes, "total_bytes": event.total_bytes}}

    def _set_load(self, event: events.LoadUpdated) -> None:
        self._load = load = event.load
        values = (load["offered"], load["achieved"], load["errors_per_second"], load["p50_ms"], load["p99_ms"])
        self.history.add("load", seconds(event.at), *values)

    def _set_source(
        self, source: str, state: str, at: str, error: str | None = None, *, as_of: str | None = None
    ) -> None:
        """Set a source's state. `as_of`, the age of the shown data, changes only while the source is live.

        A live source's error names the objects that can't be read.
        """
        previous = self._sources[source]
        if state == "live":
            error = _unreadable(list(self._unreadable.get(source, {}).values()))
        since = previous["since"] if previous["state"] == state else at
        data_as_of = as_of or at if state == "live" else previous["as_of"]
        self._sources[source] = {"state": state, "as_of": data_as_of, "since": since, "error": error}

    def _view(self, pod: objects.Pod) -> Json:
        name = pod.metadata.name
        if name == f"{self._targets.statefulset}-0":
            self._crash = any(container.name == CRASH for container in pod.spec.containers or ())
        return views.pod(pod, self._samples.get(name), self._rates, self._unready.get(name))

    def _in_order(self) -> list[Json]:
        """Return the pods' views, oldest first. The list object stays the same while no pod changes."""
        if self._sorted is None:
            self._sorted = sorted(self._pods.values(), key=lambda pod: (pod["created"], pod["name"]))
        return self._sorted

    def _members(self) -> list[Json]:
        """Return the views of the Deployment's pods, which the autoscaler measures."""
        return [pod for pod in self._pods.values() if pod["app"] == self._targets.deployment]

    def _maker(self, pod: objects.Pod) -> str | None:
        """Return the name of the Deployment or the StatefulSet if it made the pod. The HPA counts others of the label,
        too."""
        targets = (("Deployment", self._targets.deployment), ("StatefulSet", self._targets.statefulset))
        return next((name for kind, name in targets if views.is_made_by(pod, kind, name)), None)

    def _all(self, kind: str) -> Iterable[Any]:
        return self._objects.get(kind, {}).values()

    def _find(self, kind: str, name: str) -> Any:
        return next((object_ for object_ in self._all(kind) if object_.metadata.name == name), None)

    def _named(self, kind: str, name: str, view: Callable[[Any], Json]) -> Json | None:
        found = self._find(kind, name)
        return view(found) if found else None

    def _service(self) -> Json | None:
        """Return the Service's view, null until the first list of slices: zero endpoints differ from unknown ones."""
        if "endpointslices" not in self._objects:
            return None
        return {
            "name": self._targets.service,
            "endpoints": views.ready_endpoints(self._all("endpointslices"), self._targets.service),
        }


def _recorded(object_: Any) -> Any:
    """Return an object as the journal has it: without the manifest that was applied, which is long, and not needed."""
    annotations = object_.metadata.annotations if isinstance(object_, objects.Workload) else None
    if annotations is None or annotations.applied is None:
        return object_
    return replace(object_, metadata=replace(object_.metadata, annotations=replace(annotations, applied=None)))


def _unreadable(found: Sequence[events.UnreadableObject]) -> str | None:
    """Return the first of the objects that can't be read, with the reason, and the number of the others."""
    if not found:
        return None
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return f"{plain(found[0].name, LONGEST_NAME) or 'an object'}{more}: {plain(found[0].error, LONGEST_ERROR)}"
