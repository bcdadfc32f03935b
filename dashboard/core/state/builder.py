"""The builder of the state that the page shows, and of its metrics history, from the sources' events.

`StateBuilder.apply` applies an event, `StateBuilder.state` returns the state as JSON. States share the views of
unchanged pods, so that `diff` can skip them. `StateBuilder.history` has the charted metrics.
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from dashboard.core import events, objects
from dashboard.core.hpa.behavior import HpaBehavior
from dashboard.core.hpa.metrics import usage_sample
from dashboard.core.hpa.what_if import Present
from dashboard.core.sizing.recommendation import recommend
from dashboard.core.sizing.usage import UsageHistory
from dashboard.core.state import confidence, journal, views
from dashboard.core.state.history import STEPS, MetricsTables
from dashboard.core.state.observed_autoscaler import ObservedAutoscaler
from dashboard.core.state.observed_database import ObservedDatabase
from dashboard.core.state.observed_objects import LONGEST_NAME, ObservedObjects
from dashboard.core.state.source_states import SourceStates
from dashboard.core.state.traffic import Traffic, TrafficRates
from dashboard.core.targets import Targets
from dashboard.core.text import plain
from dashboard.core.timestamps import duration, seconds
from dashboard.core.wire import SizingView

Json = dict[str, Any]

CLOCK_SKEW_SECONDS = 300.0  # a sample may be so much later than its receipt
RECENT_SECONDS = 15.0  # of the charts, at a journal's begin
CRASH = "crash"  # the optional container that kills mongod on request


class Look(msgspec.Struct, frozen=True):
    """The state at one time, as JSON, with the newest CPU samples (see `StateBuilder.samples`), and in seconds the
    autoscaler's stabilization windows and the longest period of its policies.

    If the autoscaler measures one container, the samples are of it, and `resources` are its (request, limit) in
    millicores by pod uid; else they are empty. `strangers` are the uids of pods that the autoscaler measures and that
    something else than the Deployment has made.
    """

    state: Json
    samples: dict[str, tuple[float, float, float]]
    down_window: float
    up_window: float = 0.0
    period: float = 0.0
    resources: dict[str, tuple[int | None, int | None]] = {}
    strangers: frozenset[str] = frozenset()


Journal = Callable[[events.Event], None]  # takes the events, in their order; must not raise


class StateBuilder:
    def __init__(self, targets: Targets, sources: Iterable[str], at: str) -> None:
        self.history = MetricsTables()
        self._targets = targets
        self._objects = ObservedObjects(targets)
        self._autoscaler = ObservedAutoscaler(self._objects)
        self._database = ObservedDatabase()
        self._sources = SourceStates(sources, at)
        self._samples: dict[str, objects.PodMetrics] = {}  # pod name → sample
        self._pods: dict[str, Json] = {}  # uid → view
        self._sorted: list[Json] | None = None  # the views in the state's order; None after a change
        self._traffic = Traffic()
        self._rates: TrafficRates | None = None
        self._unready: dict[str, str] = {}  # why service pods are not Ready, in their own words, by name
        self._unevaluated: str | None = None  # time of a change of pods that is not evaluated yet
        self._alerts: list[Json] | None = None
        self._usage = UsageHistory()
        self._load: Json | None = None
        self._run: Json | None = None
        self._runs: list[Json] = []
        self._confidence: dict[str, str] = {}
        self._lease: Json | None = None
        self._crash = False  # whether the database's pod, when last seen, had a crash container
        self._actions: list[str] = []
        self._kubernetes_version: str | None = None
        self._journal: Journal | None = None

    def record(self, take: Journal | None, at: str) -> None:
        """Give `take` what is known now, and from now on each event of the observed deployment (core.state.journal).
        None ends it."""
        self._journal = None
        if take:
            for event in self._beginning(at):
                take(event)
        self._journal = take

    def look(self, at: str) -> Look:
        """Read the state. The caller must not change it."""
        behavior = self.behavior()
        period = max(behavior.up.period, behavior.down.period)
        container = self._autoscaler.measured_container()
        state, samples = self.state(0), self.samples(container)
        resources = self._autoscaler.resources(container) if container else {}
        strangers = self._objects.strangers()
        look = Look(state, samples, behavior.down.window, behavior.up.window, period, resources, strangers)
        if self._journal:
            self._journal(journal.Looked(at=at))
        return look

    def apply(self, event: events.Event) -> None:
        """Apply one event. An event that changes nothing leaves the state equal."""
        if self._journal and (record := journal.record_of(event, self._objects, self._sources)):
            self._journal(record)
        self._objects.note_unreadable(event)
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
                self._database.read(event)
                self._set_source("mongo", "live", event.at)
            case events.OperationRate():
                self._database.set_operations(event)
                self._set_source("mongo", "live", event.at)
            case events.VolumeUsage():
                self._database.set_volume(event)
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
                self._database.mark_down(event.at)
                had_data = self._sources.has_data("mongo")
                state = "forbidden" if event.forbidden else "stale" if had_data else "connecting"
                self._set_source("mongo", state, event.at, event.error)
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
            "autoscaler": self._autoscaler.view,
            "deployment": self._named("deployments", self._targets.deployment, views.deployment),
            "statefulset": self._named("statefulsets", self._targets.statefulset, views.workload),
            "claims": self._claims(),
            "service": self._service(),
            "traffic": views.traffic(self._rates),
            "mongo": self._database.view,
            "load": self._load,
            "run": self._run,
            "runs": self._runs,
            "confidence": self._confidence,
            "alerts": self._alerts,
            "lease": self._lease,
            "sources": self._sources.to_json(),
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

    def present(self) -> Present | None:
        """Return the autoscaler with its surroundings (see core.hpa.what_if)."""
        return self._autoscaler.present(self._load_seconds)

    def sizing(self, at: str) -> list[SizingView]:
        """Return requests and limits that fit the usage, for each container of the Deployment and the StatefulSet."""
        found = []
        for app in self._targets.apps:
            pods = [pod for pod in self._objects.of("pods") if self._objects.maker(pod) == app]
            newest = max(pods, key=lambda pod: pod.metadata.creation_timestamp or "", default=None)
            target = (self._autoscaler.view or {}).get("target_percent") if app == self._targets.deployment else None
            for container in newest.long_running if newest else ():
                usage = self._usage.usage(app, container.name, seconds(at))
                found.append(recommend(app, container, usage, target))
        return found

    def evaluation_with(self, autoscaler: objects.Autoscaler, at: str) -> Json | None:
        """Return what the controller would do now with another spec of the observed autoscaler; None without a
        target."""
        return self._autoscaler.evaluation_with(autoscaler, at, self._samples)

    def behavior(self) -> HpaBehavior:
        """Return the autoscaler's behavior; the default without one."""
        return self._autoscaler.behavior()

    @property
    def _load_seconds(self) -> float | None:
        """Return the duration of the current load, or of the last one."""
        return self._load["duration"] if self._load else None

    def _beginning(self, at: str) -> list[events.Event]:
        """Return what is known of the observed deployment, as events."""
        known = self._sources.to_json()
        sources = [
            events.SourceStatus(at=each["since"] or at, source=name, state=each["state"], error=each["error"])
            for name, each in known.items()
        ]
        remembered = journal.Remembered(
            at=at,
            evaluator=self._autoscaler.memory(),
            counters={
                name: (when, journal.pod_counters(last)) for name, (when, last) in self._traffic.memory().items()
            },
            rates=self._rates,
            autoscaler=self._autoscaler.view,
            unevaluated=self._unevaluated,
            points=self.history.points(seconds(at) - RECENT_SECONDS),
        )
        samples = events.MetricsSampled(at=at, samples=[*self._samples.values()])
        began = journal.Began(at=at, targets=msgspec.structs.asdict(self._targets), sources=[*known])
        return [began, *journal.listed(self._objects, at), *([samples] if self._samples else []), *sources, remembered]

    def _remember(self, event: journal.Remembered) -> None:
        self._autoscaler.restore(event.evaluator, event.autoscaler)
        self._traffic.restore({name: (at, journal.counters_of(pod)) for name, (at, pod) in event.counters.items()})
        self._rates = event.rates
        self._pods = {uid: pod | views.pod_traffic(event.rates, pod["name"]) for uid, pod in self._pods.items()}
        self._sorted = None
        self._unevaluated = event.unevaluated
        self.history = MetricsTables()
        for table, points in event.points.items():
            add = self.history.add_step if table in STEPS else self.history.add
            for when, values in points:
                add(table, when, *values)

    def _list(self, event: events.ObjectsListed) -> None:
        self._objects.replace_all(event)
        if event.kind == "pods":
            self._pods = {pod.metadata.uid: self._view(pod) for pod in self._objects.of("pods")}
        self._objects_changed(event.kind, event.at)

    def _change(self, event: events.ObjectChanged) -> None:
        self._objects.put(event)
        if event.kind == "pods":
            self._pods[event.object.metadata.uid] = self._view(event.object)
        self._objects_changed(event.kind, event.at)

    def _delete(self, event: events.ObjectDeleted) -> None:
        self._objects.remove(event)
        if event.kind == "pods":
            self._pods.pop(event.uid, None)
        self._objects_changed(event.kind, event.at)

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
        before, self._samples = self._samples, self._usable(event)
        for pod in self._objects.of("pods"):
            name = pod.metadata.name
            if before.get(name) != self._samples.get(name):
                view = self._redraw(pod)
                if view["cpu_millicores"] is not None and (maker := self._objects.maker(pod)):
                    self._usage.add(maker, self._samples[name])
        newest = max((sample.timestamp for sample in self._samples.values()), default=None)
        self._set_source("metrics", "live", event.at, as_of=newest)
        self._record_samples()
        self._evaluate(event.at)

    def _usable(self, event: events.MetricsSampled) -> dict[str, objects.PodMetrics]:
        """Return the samples by pod name, without those from the future: after one, no point would be charted."""
        latest = seconds(event.at) + CLOCK_SKEW_SECONDS
        unreadable = {one.name: one for one in event.unreadable}
        for sample in event.samples:
            if seconds(sample.timestamp) > latest:
                name, error = sample.metadata.name, f"its sample is from the future: {sample.timestamp}"
                unreadable[name] = events.UnreadableObject("", name, error)
        self._objects.set_unreadable("metrics", unreadable)
        return {sample.metadata.name: sample for sample in event.samples if sample.metadata.name not in unreadable}

    def _record_samples(self) -> None:
        """Add the samples to the history, at their own timestamps. The history ignores repeated ones."""
        members = self._members()
        sampled = [pod for pod in members if pod["cpu_millicores"] is not None and pod["cpu_request_millicores"]]
        if sampled:
            used = sum(pod["cpu_millicores"] for pod in sampled)
            requested = sum(pod["cpu_request_millicores"] for pod in sampled)
            at = max(seconds(self._samples[pod["name"]].timestamp) for pod in sampled)
            self.history.add("cpu", at, round(100 * used / requested, 1))
        if "pods" in self._objects.kinds():  # before their first list, no pod has a sample, and none is gone
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
        for pod in self._objects.of("pods"):
            if before.get(pod.metadata.name) != unready.get(pod.metadata.name):
                self._redraw(pod)

    def _evaluate(self, at: str) -> None:
        """Update the autoscaler's view with its evaluation, and the history of replicas."""
        self._unevaluated = None
        self._autoscaler.evaluate(at, self._samples, self._members(), self._load_seconds)
        if deployment := self._objects.deployment():
            autoscaler = self._objects.autoscaler()
            desired = autoscaler.status.desired_replicas if autoscaler else deployment.spec.replicas
            self.history.add_step("replicas", seconds(at), desired, deployment.status.ready_replicas)

    def _claims(self) -> list[Json]:
        claims = (views.claim(each, self._targets.statefulset) for each in self._objects.of("persistentvolumeclaims"))
        return sorted(claims, key=lambda claim: str(claim["name"]))

    def _set_load(self, event: events.LoadUpdated) -> None:
        self._load = load = event.load
        values = (load["offered"], load["achieved"], load["errors_per_second"], load["p50_ms"], load["p99_ms"])
        self.history.add("load", seconds(event.at), *values)

    def _set_source(
        self, source: str, state: str, at: str, error: str | None = None, *, as_of: str | None = None
    ) -> None:
        """Set a source's state. A live source's error names the objects that can't be read."""
        self._sources.set(source, state, at, self._objects.unreadable(source) if state == "live" else error, as_of)

    def _view(self, pod: objects.Pod) -> Json:
        name = pod.metadata.name
        if name == f"{self._targets.statefulset}-0":
            self._crash = any(container.name == CRASH for container in pod.spec.containers or ())
        return views.pod(pod, self._samples.get(name), self._rates, self._unready.get(name))

    def _redraw(self, pod: objects.Pod) -> Json:
        """Make a pod's view again, and return it."""
        self._sorted = None
        view = self._pods[pod.metadata.uid] = self._view(pod)
        return view

    def _in_order(self) -> list[Json]:
        """Return the pods' views, oldest first. The list object stays the same while no pod changes."""
        if self._sorted is None:
            self._sorted = sorted(self._pods.values(), key=lambda pod: (pod["created"], pod["name"]))
        return self._sorted

    def _members(self) -> list[Json]:
        """Return the views of the Deployment's pods, which the autoscaler measures."""
        return [pod for pod in self._pods.values() if pod["app"] == self._targets.deployment]

    def _named(self, kind: str, name: str, view: Callable[[Any], Json]) -> Json | None:
        found = self._objects.by_name(kind, name)
        return view(found) if found else None

    def _service(self) -> Json | None:
        """Return the Service's view, null until the first list of slices: zero endpoints differ from unknown ones."""
        if "endpointslices" not in self._objects.kinds():
            return None
        return {
            "name": self._targets.service,
            "endpoints": views.ready_endpoints(self._objects.of("endpointslices"), self._targets.service),
        }
