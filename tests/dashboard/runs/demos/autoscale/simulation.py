"""An autoscaled Deployment in virtual time: its pods, metrics-server, and the HPA controller.

The controller's arithmetic is written from Kubernetes' documentation, independently of dashboard.core.hpa. A
`StateBuilder` gets the events that the dashboard's sources would emit, so that a run observes the page's state.
"""

import math
import random
from collections.abc import Callable
from typing import Any

from msgspec import Struct, convert

from dashboard.core import events, objects
from dashboard.core.state.builder import Journal, Look, StateBuilder
from dashboard.core.timestamps import rfc3339
from dashboard.mock.cluster.manifests import BEHAVIOR
from tests.dashboard.runs.virtual_clock import EPOCH, VirtualClock
from tests.dashboard.stubs import TARGETS

SOURCES = ("pods", "deployments", "horizontalpodautoscalers", "endpointslices", "metrics", "traffic", "mongo", "runs")
POLL_SECONDS = 5.0  # of metrics.k8s.io, and of the pods' counters
STEP_SECONDS = 0.25
INITIALIZATION_SECONDS = 300.0

Json = dict[str, Any]


class SimulationOptions(Struct, kw_only=True):
    """CPU is in millicores, times are in seconds."""

    low: int = 2
    high: int = 5
    target: int = 70  # percent of the request
    value: int | None = None  # AverageValue, instead of the percentage
    request: int = 100
    limit: int = 400
    queue: int | None = None  # the pods that a second metric asks for at first; None: there is none
    behavior: Json | None = None
    cost: float = 1.2  # CPU of a request a second, at a rate of 100 a second
    cost_exponent: float = 0.25  # a request costs less at a higher rate: cost * (rate / 100) ** -cost_exponent
    idle: float = 3.0  # CPU of an idle pod
    background: float = 0.0  # CPU of other traffic, of all pods together
    noise: float = 0.05
    resolution: float = 15.0  # of metrics-server
    lag: float = 4.0  # from a sample's timestamp to its scrape
    sync: float = 15.0  # of the controller
    tolerance: float = 0.1  # of the controller, a command-line flag
    older: bool = False  # whether the controller's policies count the changes of their own direction only
    progress_deadline: int | None = 300  # of the Deployment
    startup: float = 5.0  # from a pod's creation until it is Ready
    skew: float = 0.0  # by which the cluster's clocks are ahead of the dashboard's
    windows: bool = True  # whether samples have a window
    seed: int = 1


class SimulatedPod(Struct):
    name: str
    created: float
    ready_at: float | None  # None: never
    deleted: float | None = None
    reason: str = ""  # of the waiting container
    used: float = 0.0  # millicore-seconds since its creation
    answered: float = 0.0  # requests
    failed: float = 0.0  # requests
    serves: bool = True  # whether it is among the Service's endpoints
    fails: bool = False  # whether it answers with errors
    evicted: bool = False
    template: int = 1  # the generation of its pod template

    def ready(self, at: float) -> bool:
        return self.deleted is None and self.ready_at is not None and at >= self.ready_at


class SimulatedSample(Struct):
    at: float
    window: float
    used: float  # the mean, in millicores


class AutoscalerSimulation:
    """Implements `runs.ports.View`. `load_rate` returns the requests a second that are sent now.

    Tests set its attributes to cause faults.
    """

    def __init__(
        self,
        clock: VirtualClock,
        load_rate: Callable[[], float],
        options: SimulationOptions | None = None,
        pods: int = 0,
    ) -> None:
        self.options = options or SimulationOptions()
        self._clock, self._load_rate = clock, load_rate
        self._random = random.Random(self.options.seed)  # noqa: S311 - a simulation
        self.builder = StateBuilder(TARGETS, SOURCES, self._now())
        self.scales = True  # whether the controller changes the number of pods
        self.syncs = True  # whether the controller does anything
        self.metrics = True  # whether metrics-server has samples
        self.counters = True  # whether the pods' counters can be scraped
        self.uid = "uid-autoscaler"
        self.synced = True  # whether the controller has synced since the HPA object was created
        self.exists = True  # whether there is an HPA object
        self.scale_target = "flask"  # the name in scaleTargetRef
        self.inactive: tuple[str, str] | None = None  # reason and message of ScalingActive=False
        self.queue = self.options.queue  # the pods that the second metric asks for
        self.quota: int | None = None  # the maximum number of pods
        self.new_pods: Json = {}  # fields of the pods that are created from now on
        self.mongo: Json | None = {"state": "up"}
        self.refusal: str | None = None  # why no pod of the service is Ready, in the pods' words
        self.other_pods: list[Json] = []  # the state's pods that are not the service's
        self.template = 1  # the generation of the pod template
        count = pods or self.options.low
        self.replicas = count
        self._number = 0
        self.pods: list[SimulatedPod] = []
        self._samples: dict[str, SimulatedSample] = {}
        self._scraped: dict[str, tuple[float, float]] = {}  # pod → (time, used)
        self._scale_events: list[tuple[float, int]] = []  # (time, change)
        self._recommendations: list[tuple[float, int]] = []  # (time, pods)
        self.reported: int | None = None  # the controller's CPU value
        self.status = {"current": count, "desired": count, "scaled": None}
        self._stepped = clock.time
        self._due = dict.fromkeys(("scrape", "sync", "poll"), clock.time)
        self._due["scrape"] += self._random.uniform(0, self.options.resolution)
        self._due["sync"] += self._random.uniform(0, self.options.sync)
        self._create(count, clock.time - 400)
        self._warm_up()
        self.emit_all()
        clock.on_step.append(self._step)

    def view(self) -> Json:
        state = self.builder.state(0)
        pods = state["pods"]
        if self.refusal:
            pods = [pod | {"ready": False, "unready": self.refusal} for pod in pods]
        return state | {"mongo": self.mongo, "pods": [*pods, *self.other_pods]}

    def look(self, at: str) -> Look:
        return self.builder.look(at)

    def record(self, take: Journal | None, at: str) -> None:
        self.builder.record(take, at)

    def _warm_up(self) -> None:
        """Scrape twice and sync once at rest, so that there are samples and a CPU value at the start."""
        for pod in self.pods:
            pod.used = self.options.idle * 400
        at = self._clock.time - self.options.resolution
        background = self.options.background / len(self.pods)
        self._samples = {
            pod.name: SimulatedSample(at - self.options.lag, self.options.resolution, self.options.idle + background)
            for pod in self.pods
        }
        self._scraped = {pod.name: (at, pod.used) for pod in self.pods}
        self._sync(self._clock.time)

    def _step(self) -> None:
        now = self._clock.time
        if now - self._stepped < STEP_SECONDS:
            return
        elapsed, self._stepped = now - self._stepped, now
        self._use_cpu(now, elapsed)
        self._remove_pods(now)
        if any(pod.ready_at is not None and now - elapsed < pod.ready_at <= now for pod in self.pods):
            self._emit_pods()
            self._emit_deployment()
        if now >= self._due["scrape"]:
            self._due["scrape"] += self.options.resolution
            self._scrape(now)
        if now >= self._due["sync"]:
            self._due["sync"] += self.options.sync
            if self.syncs:
                self._sync(now)
            self._emit_autoscaler()
        if now >= self._due["poll"]:
            self._due["poll"] += POLL_SECONDS
            self._emit_metrics()

    def _use_cpu(self, now: float, elapsed: float) -> None:
        options, rate = self.options, self._load_rate()
        cost = options.cost * (max(rate, 10.0) / 100) ** -options.cost_exponent
        serving = [pod for pod in self.pods if pod.ready(now) and pod.serves]
        for pod in self.pods:
            usage = options.idle if pod.deleted is None else 0.0
            if pod in serving:
                share = (rate * cost + options.background) / len(serving)
                usage += share * (1 + self._random.gauss(0, options.noise))
                pod.answered += rate / len(serving) * elapsed
                pod.failed += rate / len(serving) * elapsed if pod.fails else 0.0
            elif pod.deleted is None and now - pod.created < 3:
                usage = 200.0  # it starts
            pod.used += min(max(usage, 0.0), options.limit) * elapsed

    def _remove_pods(self, now: float) -> None:
        old = [pod for pod in self.pods if pod.deleted is None and pod.template < self.template]
        if old and sum(pod.ready(now) and pod.template == self.template for pod in self.pods) >= self.replicas:
            for pod in old:
                pod.deleted = now
            self._emit_pods()
            self._emit_deployment()
        removed = [pod for pod in self.pods if pod.deleted is not None and now - pod.deleted > 6 and not pod.evicted]
        if removed:
            self.pods = [pod for pod in self.pods if pod not in removed]
            self._emit_pods()

    def _create(self, count: int, at: float) -> None:
        for _ in range(count):
            if self.quota is not None and len(self._active_pods()) >= self.quota:
                break
            self._number += 1
            pod = SimulatedPod(f"flask-{self._number}", at, at + self.options.startup, template=self.template)
            for name, value in self.new_pods.items():
                setattr(pod, name, value)
            self.pods.append(pod)

    def scale(self, replicas: int, at: float | None = None) -> None:
        """Change the Deployment's number of pods."""
        now = self._clock.time if at is None else at
        self.replicas = replicas
        active = self._active_pods()
        self._create(replicas - len(active), now)
        for pod in active[replicas:]:
            pod.deleted = now
        self._emit_pods()
        self._emit_deployment()

    def evict(self) -> None:
        """Evict the oldest pod. It stays in the list, and a new pod replaces it."""
        self.pods[0].deleted, self.pods[0].evicted = self._clock.time, True
        self.scale(self.replicas)

    def delete(self, uid: str, at_once: bool = False) -> None:
        """Delete a pod, and create another in its place. `at_once` takes it out of the list, without a grace period."""
        pod = next(pod for pod in self.pods if f"uid-{pod.name}" == uid)
        pod.deleted = self._clock.time
        if at_once:
            self.pods.remove(pod)
        self.scale(self.replicas)

    def roll_out(self) -> None:
        """Replace all pods by pods of a new template, once the new pods are Ready."""
        self.template += 1
        self._create(self.replicas, self._clock.time)
        self._emit_pods()
        self._emit_deployment()

    def restart_controller(self) -> None:
        """Restart the controller. It forgets its history, and starts with the current number of pods."""
        self._scale_events.clear()
        self._recommendations = [(self._clock.time, self.replicas)]

    def recreate(self) -> None:
        """Delete the HPA object and create it again. The controller has not synced the new one yet."""
        self.restart_controller()
        self.uid += "-again"
        self.reported, self.status, self.synced = None, {"current": 0, "desired": 0, "scaled": None}, False
        self._emit_autoscaler()

    def _scrape(self, now: float) -> None:
        if not self.metrics:
            self._samples = {}
            return
        samples = {}
        for pod in self.pods:
            if pod.deleted is not None or now < pod.created + 1 or pod.reason:
                continue
            before = self._scraped.get(pod.name)
            if before is not None and now > before[0]:
                window = now - before[0]
                samples[pod.name] = SimulatedSample(now - self.options.lag, window, (pod.used - before[1]) / window)
            self._scraped[pod.name] = (now, pod.used)
        self._samples = samples

    # The controller

    def _sync(self, now: float) -> None:
        if not self.exists:
            return
        active = self._active_pods()
        self.status["current"] = len(active)
        self.synced = True
        if self.inactive or self.scale_target != "flask":
            return
        proposal = self._propose(active, now)
        if proposal is None:
            return
        if not self.scales:
            self.status["desired"] = self.replicas
            return
        desired = self._limit(max(proposal, self.queue or 0), now)
        if desired != self.replicas:
            self._store_scale_event(desired - self.replicas, now)
            self.status["scaled"] = rfc3339(math.floor(EPOCH + now + self.options.skew))
            self.status["desired"] = desired
            self.scale(desired, now)
        self.status["desired"] = desired

    def _active_pods(self) -> list[SimulatedPod]:
        return [pod for pod in self.pods if pod.deleted is None]

    def _propose(self, active: list[SimulatedPod], now: float) -> int | None:
        """Return the proposed number of pods, None if no pod has a usable sample."""
        target = float(self.options.value or self.options.request * self.options.target / 100)
        measured, missing, unready = [], 0, 0
        for pod in active:
            sample = self._samples.get(pod.name)
            if pod.reason or pod.ready_at is None or now < pod.ready_at:
                unready += 1
            elif sample is None:
                missing += 1
            elif now < pod.created + INITIALIZATION_SECONDS and sample.at < pod.ready_at + sample.window:
                unready += 1
            else:
                measured.append(sample.used)
        if not measured:
            return None
        usage = sum(measured) / len(measured)
        in_millicores = self.options.value is not None
        self.reported = int(usage) if in_millicores else int(100 * usage / self.options.request)
        ratio = self.reported / (target if in_millicores else self.options.target)
        count, total = len(measured), ratio * len(measured)
        if ratio > 1 and missing + unready:
            count, total = count + missing + unready, total
        elif ratio < 1 and missing:
            each = 1.0 if in_millicores else max(100, self.options.target) / self.options.target
            count, total = count + missing, total + missing * each
        adjusted = total / count
        if abs(adjusted - 1) <= self.options.tolerance or (ratio > 1) != (adjusted > 1):
            return self.replicas
        proposal = math.ceil(adjusted * count)
        if (adjusted < 1 and proposal > self.replicas) or (adjusted > 1 and proposal < self.replicas):
            return self.replicas
        return proposal

    def _limit(self, proposal: int, now: float) -> int:
        """Return the proposal within the behavior's windows and policies, and within the bounds."""
        behavior = BEHAVIOR if self.options.behavior is None else self.options.behavior
        up, down, current = behavior["scaleUp"], behavior["scaleDown"], self.replicas
        self._recommendations.append((now, proposal))
        recent = [(at, pods) for at, pods in self._recommendations if at > now - 3600]
        lowest = min([pods for at, pods in recent if at > now - up["stabilizationWindowSeconds"]] + [proposal])
        highest = max([pods for at, pods in recent if at > now - down["stabilizationWindowSeconds"]] + [proposal])
        stabilized = min(max(current, lowest), highest)
        if stabilized > current:
            bound = self._allowed(up, current, now, 1)
            return min(stabilized, bound, self.options.high)
        if stabilized < current:
            bound = self._allowed(down, current, now, -1)
            return max(stabilized, bound, self.options.low)
        return current

    def _store_scale_event(self, change: int, now: float) -> None:
        """Store a scaling, in the place of the last of its direction that is older than the direction's periods."""
        behavior = BEHAVIOR if self.options.behavior is None else self.options.behavior
        rules = behavior["scaleUp" if change > 0 else "scaleDown"]
        oldest = now - max(policy["periodSeconds"] for policy in rules["policies"])
        outdated = [one for one in self._scale_events if one[1] * change > 0 and one[0] < oldest]
        if outdated:
            self._scale_events[self._scale_events.index(outdated[-1])] = now, change
        else:
            self._scale_events.append((now, change))

    def _allowed(self, rules: Json, current: int, now: float, sign: int) -> int:
        if rules.get("selectPolicy") == "Disabled":
            return current
        bounds = []
        for policy in rules["policies"]:
            start = current - sum(
                change
                for at, change in self._scale_events
                if at > now - policy["periodSeconds"] and (change * sign > 0 or not self.options.older)
            )
            if policy["type"] == "Pods":
                bounds.append(start + sign * policy["value"])
            elif sign > 0:
                bounds.append(math.ceil(start * (1 + policy["value"] / 100)))
            else:
                bounds.append(int(start * (1 - policy["value"] / 100)))
        largest_change = (rules.get("selectPolicy") or "Max") == "Max"
        return (max if (sign > 0) == largest_change else min)(bounds)

    # The events of the dashboard's sources

    def _now(self) -> str:
        return self._clock.now()

    def _timestamp(self, at: float) -> str:
        """Return a timestamp by the cluster's clocks."""
        return rfc3339(EPOCH + at + self.options.skew)

    def emit_all(self) -> None:
        self._emit_pods()
        self._emit_deployment()
        self._emit_autoscaler()
        self._emit_metrics()

    def _emit_list(self, kind: str, items: list[Json]) -> None:
        listed = [convert(item, objects.KINDS[kind]) for item in items]
        self.builder.apply(events.ObjectsListed(at=self._now(), kind=kind, objects=listed))

    def _emit_pods(self) -> None:
        self._emit_list("pods", [self._pod_object(pod) for pod in self.pods])

    def _pod_object(self, pod: SimulatedPod) -> Json:
        now = self._clock.time
        ready = pod.ready(now)
        since = pod.ready_at if pod.ready_at is not None and now >= pod.ready_at else pod.created
        labels = {"app.kubernetes.io/name": "flask", "pod-template-hash": f"h{pod.template}"}
        owner = {"kind": "ReplicaSet", "name": f"flask-h{pod.template}", "uid": "uid-rs", "controller": True}
        meta: Json = {"name": pod.name, "uid": f"uid-{pod.name}", "labels": labels, "ownerReferences": [owner]}
        meta["creationTimestamp"] = self._timestamp(pod.created)
        if pod.deleted is not None and not pod.evicted:
            meta["deletionTimestamp"] = self._timestamp(pod.deleted + 30)
            meta["deletionGracePeriodSeconds"] = 30
        waiting = {"waiting": {"reason": pod.reason}} if pod.reason else {}
        condition = {
            "type": "Ready",
            "status": "True" if ready else "False",
            "lastTransitionTime": self._timestamp(since),
        }
        resources = {
            "requests": {"cpu": f"{self.options.request}m"},
            "limits": {"cpu": f"{self.options.limit}m"},
        }
        return {
            "metadata": meta,
            "spec": {"containers": [{"name": "flask", "resources": resources}]},
            "status": {
                "phase": "Failed" if pod.evicted else "Pending" if pod.reason else "Running",
                "startTime": self._timestamp(pod.created),
                "conditions": [condition],
                "containerStatuses": [{"name": "flask", "state": waiting}],
            },
        }

    def _emit_deployment(self) -> None:
        active = self._active_pods()
        failed = self.quota is not None and len(active) < self.replicas
        conditions = [{
            "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
            "message": 'pods "flask-x" is forbidden: exceeded quota: few, requested: pods=1, used: pods=2',
        }] if failed else []  # fmt: skip
        self._emit_list("deployments", [{
            "metadata": {"name": "flask", "uid": "uid-flask"},
            "spec": {"replicas": self.replicas, "progressDeadlineSeconds": self.options.progress_deadline},
            "status": {
                "readyReplicas": sum(pod.ready(self._clock.time) for pod in active),
                "replicas": len(active),
                "updatedReplicas": sum(pod.template == self.template for pod in active),
                "conditions": conditions,
            },
        }])  # fmt: skip

    def _emit_autoscaler(self) -> None:
        if not self.exists:
            self._emit_list("horizontalpodautoscalers", [])
            return
        options = self.options
        target: Json = {"averageUtilization": options.target}
        current: Json = {"averageUtilization": self.reported}
        if options.value is not None:
            target, current = {"averageValue": f"{options.value}m"}, {"averageValue": f"{self.reported}m"}
        metrics: list[Json] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
        seen: list[Json] = []
        if self.reported is not None:
            seen.append({"type": "Resource", "resource": {"name": "cpu", "current": current}})
        if self.queue is not None:
            waiting = {"averageValue": f"{1000 * self.queue // max(1, len(self._active_pods()))}m"}
            queue = {"metric": {"name": "queue"}}
            metrics.append({"type": "External", "external": queue | {"target": {"averageValue": "1"}}})
            seen.append({"type": "External", "external": queue | {"current": waiting}})
        reason, message = self.inactive or ("ValidMetricFound", "it can scale")
        active = "False" if self.inactive else "True"
        able = "True" if self.scale_target == "flask" else "False"
        self._emit_list("horizontalpodautoscalers", [{
            "metadata": {"name": "flask", "uid": self.uid},
            "spec": {
                "scaleTargetRef": {"kind": "Deployment", "name": self.scale_target},
                "minReplicas": options.low,
                "maxReplicas": options.high,
                "metrics": metrics,
                "behavior": BEHAVIOR if options.behavior is None else options.behavior,
            },
            "status": {
                "currentReplicas": self.status["current"],
                "desiredReplicas": self.status["desired"],
                "lastScaleTime": self.status["scaled"],
                "currentMetrics": seen,
                "conditions": [] if not self.synced else [
                    {"type": "AbleToScale", "status": able, "reason": "FailedGetScale" if able == "False" else "Ready"},
                    {"type": "ScalingActive", "status": active, "reason": reason, "message": message},
                ],
            },
        }])  # fmt: skip

    def _emit_metrics(self) -> None:
        samples = [
            {
                "metadata": {"name": name},
                "timestamp": self._timestamp(sample.at),
                "window": f"{sample.window:.3f}s" if self.options.windows else "0s",
                "containers": [{"name": "flask", "usage": {"cpu": f"{max(0, round(sample.used))}m", "memory": "50Mi"}}],
            }
            for name, sample in self._samples.items()
        ]
        self.builder.apply(events.MetricsSampled(at=self._now(), samples=convert(samples, list[objects.PodMetrics])))
        self.builder.apply(self._scraped_counters())
        ready = [pod for pod in self.pods if pod.ready(self._clock.time) and pod.serves]
        slices = [{
            "metadata": {"name": "flask-1", "uid": "s", "labels": {"kubernetes.io/service-name": "flask"}},
            "endpoints": [{"addresses": [pod.name], "conditions": {"ready": True}} for pod in ready],
        }]  # fmt: skip
        self._emit_list("endpointslices", slices)

    def _scraped_counters(self) -> events.Event:
        if not self.counters:
            return events.SourceStatus(at=self._now(), source="traffic", state="stale", error="No answer.")
        pods = [pod for pod in self._active_pods() if not pod.reason]
        counters = {pod.name: events.Counters(pod.answered, pod.failed, ()) for pod in pods}
        return events.CountersScraped(at=self._now(), pods=counters)
