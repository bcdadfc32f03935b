"""A seeded story of a deployment, for work on the page: the same events as the real sources tell.

A story knows no clock, so that a seed tells the same one each time.
"""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from dashboard.clock import rfc3339
from dashboard.core import event, objects
from dashboard.core.snapshot import Targets

STEP_SECONDS = 0.5
START_STEPS = 6  # from a pod's creation until it is ready
SAMPLE_STEPS = 10
CYCLE_STEPS = 240  # load rises and falls once
KILL_STEPS = 160  # the database's pod is replaced
WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron", "iris", "juniper")
MEBI = 2**20


class Story:
    """Pods under a load that comes and goes, an autoscaler that follows it, a database that is killed at times."""

    def __init__(self, targets: Targets, seed: int, started: datetime) -> None:
        self._targets = targets
        self._random = random.Random(seed)  # noqa: S311 - a story, no secret
        self._started = started
        self._steps = 0
        self._uids = 0
        self._pods: dict[str, tuple[objects.Pod, int]] = {}  # name → pod, the step of its creation
        self._documents: list[event.Document] = []
        self._count = 0
        self._percent = 40
        self._claim_uid = self._uid()

    def opening(self) -> Iterator[event.Told]:
        """What a first list of everything tells."""
        self._steps = -START_STEPS
        for name, app in (
            (f"{self._targets.deployment}-5d9c7b6f4-{self._suffix()}", self._targets.deployment),
            (f"{self._targets.deployment}-5d9c7b6f4-{self._suffix()}", self._targets.deployment),
            (self._database, self._targets.statefulset),
            (f"dashboard-7c4f9d8b5-{self._suffix()}", "dashboard"),
        ):
            self._create(name, app)
        self._steps = 0
        for _ in range(8):
            self._insert()
        yield event.Versioned(at=self._at(), kubernetes="v0.0.0-fake")
        yield self._listed("pods", [self._grown(name) for name in self._pods])
        yield self._listed("persistentvolumeclaims", [self._claim()])
        yield self._listed("events", [])
        yield event.Scraped(at=self._at(), pods={})
        yield from self._workloads(event.Listed)
        yield self._sampled()
        yield self._contents()

    def step(self) -> Iterator[event.Told]:
        """What happens in the next half second."""
        self._steps += 1
        yield from self._grow()
        if self._steps % KILL_STEPS == 60:
            yield from self._kill()
        if self._steps % SAMPLE_STEPS == 0:
            yield from self._load()
        if self._database_ready():
            if self._random.random() < 0.25:
                self._insert()
                yield self._contents()
            if self._steps % 2 == 0:
                yield event.Operations(at=self._at(), per_second=round(self._percent * self._random.uniform(2, 3), 1))

    @property
    def _database(self) -> str:
        return f"{self._targets.statefulset}-0"

    def _database_ready(self) -> bool:
        return self._ready(self._database)

    def _grow(self) -> Iterator[event.Told]:
        """Pods that started become ready, and those that were told to go are gone."""
        for name in list(self._pods):
            pod, born = self._pods[name]
            age = self._steps - born
            if pod.metadata.deletion_timestamp:
                if age >= START_STEPS:
                    yield from self._remove(name)
            elif age in (2, START_STEPS):
                yield self._changed("pods", self._grown(name))
                yield from self._workloads(event.Changed)
                if name == self._database and age == START_STEPS:
                    yield self._contents()

    def _kill(self) -> Iterator[event.Told]:
        yield from self._end(self._database)
        yield event.MongoDown(at=self._at(), error="the database has no primary")

    def _remove(self, name: str) -> Iterator[event.Told]:
        pod, _ = self._pods.pop(name)
        yield event.Deleted(at=self._at(), kind="pods", uid=pod.metadata.uid)
        if name == self._database:  # a StatefulSet's pod comes back under its name
            yield self._changed("pods", self._create(name, self._targets.statefulset))
        yield from self._workloads(event.Changed)

    def _load(self) -> Iterator[event.Told]:
        """A new sample: the load has moved on, and the autoscaler draws its conclusion."""
        rising = self._steps % CYCLE_STEPS < CYCLE_STEPS // 2
        replicas = self._replicas()
        total = (240 if rising else 60) * self._random.uniform(0.85, 1.15)
        self._percent = round(total / max(1, len(replicas)))
        yield self._sampled()
        desired = self._desired()
        for _ in range(desired - len(replicas)):
            name = f"{self._targets.deployment}-5d9c7b6f4-{self._suffix()}"
            yield self._changed("pods", self._create(name, self._targets.deployment))
        for name in replicas[desired:][:1]:
            yield from self._end(name)
        yield from self._workloads(event.Changed)

    def _desired(self) -> int:
        return min(5, max(2, -(-len(self._replicas()) * self._percent // 70)))

    def _replicas(self) -> list[str]:
        """The Deployment's pods, oldest first, without those on their way out."""
        return [
            name
            for name, (pod, _) in self._pods.items()
            if name.startswith(f"{self._targets.deployment}-") and not pod.metadata.deletion_timestamp
        ]

    def _end(self, name: str) -> Iterator[event.Told]:
        if name in self._pods:
            pod = self._grown(name, ending=True)
            self._pods[name] = (pod, self._steps)
            yield self._changed("pods", pod)

    def _create(self, name: str, app: str) -> objects.Pod:
        pod = objects.Pod(
            metadata=objects.Meta(
                name=name,
                uid=self._uid(),
                creation_timestamp=self._at(),
                labels={"app.kubernetes.io/name": app},
            ),
            spec=objects.PodSpec(
                containers=[
                    objects.Container(
                        name=app,
                        resources=objects.Resources(
                            requests={"cpu": "100m", "memory": "96Mi"}, limits={"cpu": "400m", "memory": "256Mi"}
                        ),
                    )
                ],
                node_name="node",
            ),
        )
        self._pods[name] = (pod, self._steps)
        return pod

    def _grown(self, name: str, *, ending: bool = False) -> objects.Pod:
        """The pod as old as it is now."""
        pod, born = self._pods[name]
        age = self._steps - born
        ready = age >= START_STEPS and not ending
        waiting = objects.ContainerState(waiting=objects.StateReason("ContainerCreating"))
        return objects.Pod(
            metadata=objects.Meta(
                name=name,
                uid=pod.metadata.uid,
                creation_timestamp=pod.metadata.creation_timestamp,
                deletion_timestamp=self._at() if ending else None,
                labels=pod.metadata.labels,
            ),
            spec=pod.spec,
            status=objects.PodStatus(
                phase="Running" if age >= 2 else "Pending",
                pod_ip=f"10.0.0.{int(pod.metadata.uid[-3:]) % 250 + 1}" if age >= 2 else None,
                conditions=[objects.Condition(type="Ready", status=str(ready))],
                container_statuses=[
                    objects.ContainerStatus(
                        name="main", state=objects.ContainerState() if age >= 2 else waiting
                    )
                ],
            ),
        )

    def _ready(self, name: str) -> bool:
        pod, born = self._pods.get(name, (None, 0))
        return pod is not None and not pod.metadata.deletion_timestamp and self._steps - born >= START_STEPS

    def _workloads(self, told: Any) -> Iterator[event.Told]:
        """The Deployment, the StatefulSet, the autoscaler and the Service's endpoints, as they follow from the pods."""
        ready = [name for name in self._replicas() if self._ready(name)]
        desired = self._desired()
        yield self._one(told, "deployments", self._workload(self._targets.deployment, desired, len(ready)))
        database = int(self._database_ready())
        yield self._one(told, "statefulsets", self._workload(self._targets.statefulset, 1, database))
        yield self._one(told, "horizontalpodautoscalers", self._autoscaler(desired))
        yield self._one(told, "endpointslices", self._endpoints(len(ready)))

    def _workload(self, name: str, desired: int, ready: int) -> objects.Workload:
        return objects.Workload(
            metadata=objects.Meta(name=name, uid=f"uid-{name}"),
            spec=objects.ReplicasSpec(desired),
            status=objects.ReplicasStatus(ready_replicas=ready, updated_replicas=desired),
        )

    def _autoscaler(self, desired: int) -> objects.Autoscaler:
        cpu = objects.ResourceMetric(
            name="cpu", target=objects.MetricValue(70), current=objects.MetricValue(self._percent)
        )
        metric = objects.Metric(type="Resource", resource=cpu)
        return objects.Autoscaler(
            metadata=objects.Meta(name=self._targets.autoscaler, uid="uid-autoscaler"),
            spec=objects.AutoscalerSpec(min_replicas=2, max_replicas=5, metrics=[metric]),
            status=objects.AutoscalerStatus(
                current_replicas=len(self._replicas()),
                desired_replicas=desired,
                current_metrics=[metric],
                conditions=[
                    objects.Condition("AbleToScale", "True", "ReadyForNewScale", "recommended size matches"),
                    objects.Condition("ScalingActive", "True", "ValidMetricFound", "able to calculate from cpu"),
                ],
            ),
        )

    def _endpoints(self, ready: int) -> objects.EndpointSlice:
        return objects.EndpointSlice(
            metadata=objects.Meta(
                name="slice", uid="uid-slice", labels={"kubernetes.io/service-name": self._targets.service}
            ),
            endpoints=[objects.Endpoint(addresses=[f"10.0.0.{index}"]) for index in range(ready)],
        )

    def _claim(self) -> objects.Claim:
        return objects.Claim(
            metadata=objects.Meta(name=f"data-{self._database}", uid=self._claim_uid),
            spec=objects.ClaimSpec(volume_name="pvc-fake"),
            status=objects.ClaimStatus(phase="Bound", capacity={"storage": "1Gi"}),
        )

    def _sampled(self) -> event.Sampled:
        return event.Sampled(
            at=self._at(), samples=[self._sample(name) for name in self._pods if self._ready(name)]
        )

    def _sample(self, name: str) -> objects.PodMetrics:
        busy = name in self._replicas()
        cpu = self._percent * self._random.uniform(0.9, 1.1) if busy else self._random.uniform(10, 40)
        memory = self._random.uniform(60, 110) * MEBI
        return objects.PodMetrics(
            metadata=objects.Meta(name=name),
            timestamp=self._at(),
            window="15s",
            containers=[objects.ContainerMetrics("main", {"cpu": f"{cpu:.0f}m", "memory": str(int(memory))})],
        )

    def _insert(self) -> None:
        self._count += 1
        key = self._random.choice(WORDS)
        document: dict[str, Any] = {"key": key, "value": self._random.randint(0, 999)}
        if self._count % 9 == 0:
            document["tags"] = self._random.sample(WORDS, 3)
        self._documents.insert(0, event.Document(id=f"{self._count:024x}", document=document, inserted=self._at()))
        del self._documents[20:]

    def _contents(self) -> event.Contents:
        return event.Contents(
            at=self._at(),
            version="0.0.0-fake",
            count=self._count,
            size_bytes=self._count * 61,
            newest=list(self._documents),
        )

    def _listed(self, kind: str, listed: list[Any]) -> event.Listed:
        return event.Listed(at=self._at(), kind=kind, objects=listed)

    def _changed(self, kind: str, changed: Any) -> event.Changed:
        return event.Changed(at=self._at(), kind=kind, object=changed)

    def _one(self, told: Any, kind: str, one: Any) -> event.Told:
        return self._listed(kind, [one]) if told is event.Listed else self._changed(kind, one)

    def _at(self) -> str:
        return rfc3339(self._started + timedelta(seconds=self._steps * STEP_SECONDS))

    def _uid(self) -> str:
        self._uids += 1
        return f"fake-{self._random.getrandbits(48):012x}-{self._uids:03d}"

    def _suffix(self) -> str:
        return "".join(self._random.choices("bcdfghjklmnpqrstvwxz2456789", k=5))
