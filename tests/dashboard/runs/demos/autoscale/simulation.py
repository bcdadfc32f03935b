"""An autoscaled Deployment in virtual time: pods, metrics-server, and the HorizontalPodAutoscaler's controller with an
arithmetic of its own, written after Kubernetes' documentation and not after the dashboard's.

What it does is told to a real `Snapshot` as the watches would tell it, so that a run sees the page's state.
"""

import math
import random
from collections.abc import Mapping
from typing import Any, Protocol

from msgspec import Struct, convert

from dashboard.core import events, objects
from dashboard.core.snapshot import Snapshot, Targets
from dashboard.core.timestamps import rfc3339
from dashboard.mock.cluster.manifests import BEHAVIOR

SOURCES = ("pods", "deployments", "horizontalpodautoscalers", "endpointslices", "metrics", "traffic", "mongo", "runs")
POLL_SECONDS = 5.0  # of metrics.k8s.io, and of the pods' counters
STEP_SECONDS = 0.25
INITIALIZATION_SECONDS = 300.0

Json = dict[str, Any]


class Clock(Protocol):
    time: float
    steps: list[Any]


class Traffic(Protocol):
    @property
    def rate(self) -> float: ...


class Options(Struct, kw_only=True):
    """How the deployment is made. CPU in millicores, times in seconds."""

    low: int = 2
    high: int = 5
    target: int = 70  # percent of the request
    value: int | None = None  # AverageValue, in the place of the percentage
    request: int = 100
    limit: int = 400
    behavior: Json | None = None
    cost: float = 1.2  # for each request a second, under 100 a second
    cheaper: float = 0.25  # the power of the rate by which a request gets cheaper
    idle: float = 3.0  # of a pod
    background: float = 0.0  # of traffic that is not the run's, all pods together
    noise: float = 0.05
    resolution: float = 15.0
    lag: float = 4.0  # of a sample's moment behind the scrape
    sync: float = 15.0
    tolerance: float = 0.1  # of the controller; no object tells it
    starts: float = 5.0  # from a pod's creation until it is Ready
    skew: float = 0.0  # by which the cluster's clocks are ahead of the dashboard's
    windows: bool = True  # whether samples tell theirs
    seed: int = 1


class Pod(Struct):
    name: str
    created: float
    ready_at: float | None  # None: it never will be
    deleted: float | None = None
    reason: str = ""  # why its container waits
    used: float = 0.0  # millicore-seconds so far
    answered: float = 0.0
    failed: float = 0.0
    serves: bool = True
    fails: bool = False
    evicted: bool = False
    template: int = 1

    def ready(self, at: float) -> bool:
        return self.deleted is None and self.ready_at is not None and at >= self.ready_at


class Sample(Struct):
    at: float
    window: float
    used: float


class Simulation:
    """`clock` is the world's; `load` has the rate at which requests are sent. Faults are set on it while it runs."""

    def __init__(
        self, clock: Clock, load: Traffic, epoch: float, options: Options | None = None, pods: int = 0
    ) -> None:
        self.options = options or Options()
        self._clock, self._load, self._epoch = clock, load, epoch
        self._random = random.Random(self.options.seed)  # noqa: S311 - a simulation
        self.snapshot = Snapshot(
            Targets("flask-mongodb", "test", "flask", "mongodb", "flask", "flask"), SOURCES, self._now()
        )
        self.moves = True  # whether the controller does anything
        self.reports = True  # whether it looks at all
        self.metrics = True
        self.uncounted = False  # whether nobody can read the pods' counters
        self.uid = "uid-autoscaler"
        self.looked = True  # whether the controller has, since the object is there
        self.present = True  # whether the autoscaler object exists
        self.scales = "flask"  # its scaleTargetRef
        self.inactive: tuple[str, str] | None = None  # why ScalingActive is False
        self.quota: int | None = None  # the most pods that there may be
        self.new_pods: Json = {}  # what is different about pods that come from now on
        self.mongo: Json | None = {"state": "up"}
        self.others: list[Json] = []  # pods beside the service's, as the state shows them
        self.template = 1  # that new pods are of
        count = pods or self.options.low
        self.replicas = count
        self._number = 0
        self.pods: list[Pod] = []
        self._samples: dict[str, Sample] = {}
        self._scraped: dict[str, tuple[float, float]] = {}  # pod → (moment, used so far)
        self._events: list[tuple[float, int]] = []  # scale events: (moment, change)
        self._recommended: list[tuple[float, int]] = []
        self.figure: int | None = None
        self.status = {"current": count, "desired": count, "scaled": None}
        self._first = clock.time
        self._last = clock.time
        self._due = dict.fromkeys(("scrape", "sync", "poll"), clock.time)
        self._due["scrape"] += self._random.uniform(0, self.options.resolution)
        self._due["sync"] += self._random.uniform(0, self.options.sync)
        self._create(count, clock.time - 400)
        self._warm_up()
        self._tell_all()
        clock.steps.append(self._step)

    # The View

    def view(self) -> Json:
        state = self.snapshot.state(0)
        return state | {"mongo": self.mongo, "pods": [*state["pods"], *self.others]}

    def samples(self) -> Mapping[str, tuple[float, float, float]]:
        return self.snapshot.samples()

    def down_window(self) -> float:
        return self.snapshot.down_window()

    # Time

    def _warm_up(self) -> None:
        """Two scrapes and a look at rest, so that there are figures from the beginning."""
        for pod in self.pods:
            pod.used = self.options.idle * 400
        at = self._clock.time - self.options.resolution
        self._scraped = {
            pod.name: (at - self.options.resolution, pod.used - self.options.idle * self.options.resolution * 2)
            for pod in self.pods
        }
        background = self.options.background / len(self.pods)
        self._samples = {
            pod.name: Sample(at - self.options.lag, self.options.resolution, self.options.idle + background)
            for pod in self.pods
        }
        self._scraped = {pod.name: (at, pod.used) for pod in self.pods}
        self._look(self._clock.time)

    def _step(self) -> None:
        now = self._clock.time
        if now - self._last < STEP_SECONDS:
            return
        elapsed, self._last = now - self._last, now
        self._work(now, elapsed)
        self._remove(now)
        if any(pod.ready_at is not None and now - elapsed < pod.ready_at <= now for pod in self.pods):
            self._tell_pods()
            self._tell_deployment()
        if now >= self._due["scrape"]:
            self._due["scrape"] += self.options.resolution
            self._scrape(now)
        if now >= self._due["sync"]:
            self._due["sync"] += self.options.sync
            if self.reports:
                self._look(now)
            self._tell_autoscaler()
        if now >= self._due["poll"]:
            self._due["poll"] += POLL_SECONDS
            self._tell_figures()

    def _work(self, now: float, elapsed: float) -> None:
        options, rate = self.options, self._load.rate
        cost = options.cost * (max(rate, 10.0) / 100) ** -options.cheaper
        serving = [pod for pod in self.pods if pod.ready(now) and pod.serves]
        for pod in self.pods:
            use = options.idle if pod.deleted is None else 0.0
            if pod in serving:
                share = (rate * cost + options.background) / len(serving)
                use += share * (1 + self._random.gauss(0, options.noise))
                pod.answered += rate / len(serving) * elapsed
                pod.failed += rate / len(serving) * elapsed if pod.fails else 0.0
            elif pod.deleted is None and now - pod.created < 3:
                use = 200.0  # it starts
            pod.used += min(max(use, 0.0), options.limit) * elapsed

    def _remove(self, now: float) -> None:
        old = [pod for pod in self.pods if pod.deleted is None and pod.template < self.template]
        if old and sum(pod.ready(now) and pod.template == self.template for pod in self.pods) >= self.replicas:
            for pod in old:
                pod.deleted = now
            self._tell_pods()
            self._tell_deployment()
        gone = [pod for pod in self.pods if pod.deleted is not None and now - pod.deleted > 6 and not pod.evicted]
        if gone:
            self.pods = [pod for pod in self.pods if pod not in gone]
            self._tell_pods()

    def _create(self, count: int, at: float) -> None:
        for _ in range(count):
            if self.quota is not None and len([pod for pod in self.pods if pod.deleted is None]) >= self.quota:
                break
            self._number += 1
            made = Pod(f"flask-{self._number}", at, at + self.options.starts, template=self.template)
            for name, value in self.new_pods.items():
                setattr(made, name, value)
            self.pods.append(made)

    def scale(self, to: int, at: float | None = None) -> None:
        """The Deployment's number of pods."""
        now = self._clock.time if at is None else at
        self.replicas = to
        there = [pod for pod in self.pods if pod.deleted is None]
        self._create(to - len(there), now)
        for pod in there[to:]:
            pod.deleted = now
        self._tell_pods()
        self._tell_deployment()

    def evict(self) -> None:
        """The oldest pod. It stays in the list, and another one comes in its place."""
        self.pods[0].deleted, self.pods[0].evicted = self._clock.time, True
        self.scale(self.replicas)

    def roll_out(self) -> None:
        """All pods are replaced by those of another template, once these are Ready."""
        self.template += 1
        self._create(self.replicas, self._clock.time)
        self._tell_pods()
        self._tell_deployment()

    def restart_controller(self) -> None:
        """It begins with the number that there is, and remembers nothing."""
        self._events.clear()
        self._recommended = [(self._clock.time, self.replicas)]

    def recreate(self) -> None:
        """The autoscaler's object is deleted and made again; its controller has not looked yet."""
        self.restart_controller()
        self.uid += "-again"
        self.figure, self.status, self.looked = None, {"current": 0, "desired": 0, "scaled": None}, False
        self._tell_autoscaler()

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
                samples[pod.name] = Sample(now - self.options.lag, window, (pod.used - before[1]) / window)
            self._scraped[pod.name] = (now, pod.used)
        self._samples = samples

    # The controller

    def _look(self, now: float) -> None:
        if not self.present:
            return
        there = [pod for pod in self.pods if pod.deleted is None]
        self.status["current"] = len(there)
        self.looked = True
        if self.inactive or self.scales != "flask":
            return
        proposal = self._propose(there, now)
        if proposal is None:
            self.inactive_for_want_of_figures = True
            return
        self.inactive_for_want_of_figures = False
        if not self.moves:
            self.status["desired"] = self.replicas
            return
        desired = self._limit(proposal, now)
        if desired != self.replicas:
            self._events.append((now, desired - self.replicas))
            self.status["scaled"] = rfc3339(math.floor(self._epoch + now + self.options.skew))
            self.status["desired"] = desired
            self.scale(desired, now)
        self.status["desired"] = desired

    def _propose(self, there: list[Pod], now: float) -> int | None:
        goal = float(self.options.value or self.options.request * self.options.target / 100)
        measured, missing, unready = [], 0, 0
        for pod in there:
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
        use = sum(measured) / len(measured)
        whole = self.options.value is not None
        self.figure = int(use) if whole else int(100 * use / self.options.request)
        ratio = self.figure / (goal if whole else self.options.target)
        count, total = len(measured), ratio * len(measured)
        if ratio > 1 and missing + unready:
            count, total = count + missing + unready, total
        elif ratio < 1 and missing:
            each = 1.0 if whole else max(100, self.options.target) / self.options.target
            count, total = count + missing, total + missing * each
        again = total / count
        if abs(again - 1) <= self.options.tolerance or (ratio > 1) != (again > 1):
            return self.replicas
        wanted = math.ceil(again * count)
        if (again < 1 and wanted > self.replicas) or (again > 1 and wanted < self.replicas):
            return self.replicas
        return wanted

    def _limit(self, wanted: int, now: float) -> int:
        given = BEHAVIOR if self.options.behavior is None else self.options.behavior
        up, down, current = given["scaleUp"], given["scaleDown"], self.replicas
        self._recommended.append((now, wanted))
        recent = [(at, number) for at, number in self._recommended if at > now - 3600]
        least = min([number for at, number in recent if at > now - up["stabilizationWindowSeconds"]] + [wanted])
        most = max([number for at, number in recent if at > now - down["stabilizationWindowSeconds"]] + [wanted])
        stabilized = min(max(current, least), most)
        if stabilized > current:
            bound = self._allowed(up, current, now, 1)
            return min(stabilized, bound, self.options.high)
        if stabilized < current:
            bound = self._allowed(down, current, now, -1)
            return max(stabilized, bound, self.options.low)
        return current

    def _allowed(self, rules: Json, current: int, now: float, sign: int) -> int:
        if rules.get("selectPolicy") == "Disabled":
            return current
        bounds = []
        for policy in rules["policies"]:
            start = current - sum(
                change for at, change in self._events if at > now - policy["periodSeconds"] and change * sign > 0
            )
            if policy["type"] == "Pods":
                bounds.append(start + sign * policy["value"])
            elif sign > 0:
                bounds.append(math.ceil(start * (1 + policy["value"] / 100)))
            else:
                bounds.append(int(start * (1 - policy["value"] / 100)))
        generous = (rules.get("selectPolicy") or "Max") == "Max"
        return (max if (sign > 0) == generous else min)(bounds)

    # What the watches tell

    def _now(self) -> str:
        return rfc3339(self._epoch + self._clock.time)

    def _stamp(self, at: float) -> str:
        """A moment as the cluster writes it."""
        return rfc3339(self._epoch + at + self.options.skew)

    def _tell_all(self) -> None:
        self._tell_pods()
        self._tell_deployment()
        self._tell_autoscaler()
        self._tell_figures()

    def _list(self, kind: str, items: list[Json]) -> None:
        made = [convert(item, objects.KINDS[kind]) for item in items]
        self.snapshot.apply(events.ObjectsListed(at=self._now(), kind=kind, objects=made))

    def _tell_pods(self) -> None:
        self._list("pods", [self._pod(pod) for pod in self.pods])

    def _pod(self, pod: Pod) -> Json:
        now = self._clock.time
        ready = pod.ready(now)
        since = pod.ready_at if pod.ready_at is not None and now >= pod.ready_at else pod.created
        meta = {"name": pod.name, "uid": f"uid-{pod.name}", "labels": {"app.kubernetes.io/name": "flask"}}
        meta["creationTimestamp"] = self._stamp(pod.created)
        if pod.deleted is not None and not pod.evicted:
            meta["deletionTimestamp"] = self._stamp(pod.deleted + 30)
            meta["deletionGracePeriodSeconds"] = 30
        waiting = {"waiting": {"reason": pod.reason}} if pod.reason else {}
        condition = {
            "type": "Ready",
            "status": "True" if ready else "False",
            "lastTransitionTime": self._stamp(since),
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
                "startTime": self._stamp(pod.created),
                "conditions": [condition],
                "containerStatuses": [{"name": "flask", "state": waiting}],
            },
        }

    def _tell_deployment(self) -> None:
        there = [pod for pod in self.pods if pod.deleted is None]
        failed = self.quota is not None and len(there) < self.replicas
        conditions = [{
            "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
            "message": 'pods "flask-x" is forbidden: exceeded quota: few, requested: pods=1, used: pods=2',
        }] if failed else []  # fmt: skip
        self._list("deployments", [{
            "metadata": {"name": "flask", "uid": "uid-flask"},
            "spec": {"replicas": self.replicas},
            "status": {
                "readyReplicas": sum(pod.ready(self._clock.time) for pod in there),
                "replicas": len(there),
                "updatedReplicas": sum(pod.template == self.template for pod in there),
                "conditions": conditions,
            },
        }])  # fmt: skip

    def _tell_autoscaler(self) -> None:
        if not self.present:
            self._list("horizontalpodautoscalers", [])
            return
        options = self.options
        target = (
            {"averageUtilization": options.target} if options.value is None else {"averageValue": f"{options.value}m"}
        )
        current = {"averageUtilization": self.figure} if options.value is None else {"averageValue": f"{self.figure}m"}
        reason, message = self.inactive or ("ValidMetricFound", "it can scale")
        active = "False" if self.inactive else "True"
        able = "True" if self.scales == "flask" else "False"
        self._list("horizontalpodautoscalers", [{
            "metadata": {"name": "flask", "uid": self.uid},
            "spec": {
                "scaleTargetRef": {"kind": "Deployment", "name": self.scales},
                "minReplicas": options.low,
                "maxReplicas": options.high,
                "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
                "behavior": BEHAVIOR if options.behavior is None else options.behavior,
            },
            "status": {
                "currentReplicas": self.status["current"],
                "desiredReplicas": self.status["desired"],
                "lastScaleTime": self.status["scaled"],
                "currentMetrics": [] if self.figure is None else [
                    {"type": "Resource", "resource": {"name": "cpu", "current": current}}
                ],
                "conditions": [] if not self.looked else [
                    {"type": "AbleToScale", "status": able, "reason": "FailedGetScale" if able == "False" else "Ready"},
                    {"type": "ScalingActive", "status": active, "reason": reason, "message": message},
                ],
            },
        }])  # fmt: skip

    def _tell_figures(self) -> None:
        samples = [
            {
                "metadata": {"name": name},
                "timestamp": self._stamp(sample.at),
                "window": f"{sample.window:.3f}s" if self.options.windows else "0s",
                "containers": [{"name": "flask", "usage": {"cpu": f"{max(0, round(sample.used))}m", "memory": "50Mi"}}],
            }
            for name, sample in self._samples.items()
        ]
        self.snapshot.apply(events.MetricsSampled(at=self._now(), samples=convert(samples, list[objects.PodMetrics])))
        if self.uncounted:
            self.snapshot.apply(
                events.SourceStatus(at=self._now(), source="traffic", state="stale", error="No answer.")
            )
        counters = {
            pod.name: events.Counters(pod.answered, pod.failed, ())
            for pod in self.pods
            if pod.deleted is None and not pod.reason
        }
        if not self.uncounted:
            self.snapshot.apply(events.CountersScraped(at=self._now(), pods=counters))
        ready = [pod for pod in self.pods if pod.ready(self._clock.time) and pod.serves]
        slices = [{
            "metadata": {"name": "flask-1", "uid": "s", "labels": {"kubernetes.io/service-name": "flask"}},
            "endpoints": [{"addresses": [pod.name], "conditions": {"ready": True}} for pod in ready],
        }]  # fmt: skip
        self._list("endpointslices", slices)
