"""The observed autoscaler: its view with its evaluation, and questions about it."""

from collections.abc import Sequence
from typing import Any

import msgspec

from dashboard.core.hpa.behavior import HpaBehavior, behavior_of
from dashboard.core.hpa.evaluation import Evaluator, EvaluatorMemory
from dashboard.core.hpa.findings import Surroundings, findings
from dashboard.core.hpa.metrics import CPU, limit_of, pod_facts
from dashboard.core.hpa.proposals import ProposalReader
from dashboard.core.hpa.spec import cpu_metric, seen_of, target_of
from dashboard.core.hpa.what_if import Present
from dashboard.core.objects import Autoscaler, AutoscalerSpec, PodMetrics
from dashboard.core.state import views
from dashboard.core.state.observed_objects import ObservedObjects
from dashboard.core.timestamps import seconds

Json = dict[str, Any]
Samples = dict[str, PodMetrics]  # by pod name


class ObservedAutoscaler:
    """`view` is its view, None without an autoscaler. In the methods, `load` is the last load's duration in seconds,
    None if there was none."""

    def __init__(self, objects: ObservedObjects) -> None:
        self.view: Json | None = None
        self._objects = objects
        self._evaluator = Evaluator()
        self._proposals = ProposalReader()

    def memory(self) -> EvaluatorMemory:
        return self._evaluator.memory()

    def restore(self, memory: EvaluatorMemory, view: Json | None) -> None:
        self._evaluator.restore(memory)
        self.view = view

    def evaluate(self, at: str, samples: Samples, members: Sequence[Json], load: float | None) -> None:
        """Update the view with what the controller would do at this time. `members` are the views of the pods that it
        measures."""
        autoscaler = self._objects.autoscaler()
        if autoscaler is None:
            self.view = None
            return
        pods, replicas, current = self._objects.members(), self._replicas(), self._current(autoscaler)
        found = self._proposals.read(autoscaler, pods, samples, seconds(at), current)
        evaluation = self._evaluator.evaluate(autoscaler, pods, samples, seconds(at), replicas, found.others)
        view = views.autoscaler(autoscaler)
        self.view = (
            view
            | {"target_of_requests": views.target_of_requests(view, members), "evaluation": evaluation}
            | found.state(evaluation, current)
            | {"findings": [msgspec.structs.asdict(one) for one in findings(autoscaler, self._around(load))]}
        )

    def evaluation_with(self, autoscaler: Autoscaler, at: str, samples: Samples) -> Json | None:
        """Return what the controller would do now with another spec of the observed autoscaler; None without a target.

        An evaluator with the same memory computes it, so that nothing here changes.
        """
        evaluator = Evaluator()
        evaluator.restore(self._evaluator.memory())
        pods, current = self._objects.members(), self._current(autoscaler)
        others = ProposalReader().read(autoscaler, pods, samples, seconds(at), current).others
        return evaluator.evaluate(autoscaler, pods, samples, seconds(at), self._replicas(), others)

    def present(self, load: float | None) -> Present | None:
        """Return the autoscaler with its surroundings (see core.hpa.what_if)."""
        autoscaler = self._objects.autoscaler()
        if autoscaler is None:
            return None
        evaluation = (self.view or {}).get("evaluation") or {}
        percent = evaluation.get("percent")
        if percent is None:
            percent = seen_of(autoscaler.status, target_of(autoscaler)[1])
        return Present(autoscaler, self._around(load), self._current(autoscaler), percent)

    def behavior(self) -> HpaBehavior:
        """Return the autoscaler's behavior; the default without one."""
        autoscaler = self._objects.autoscaler()
        return behavior_of(autoscaler.spec if autoscaler else AutoscalerSpec())

    def measured_container(self) -> str:
        """Return the container that its CPU metric measures, "" for whole pods."""
        autoscaler = self._objects.autoscaler()
        metric = cpu_metric(autoscaler.spec.metrics) if autoscaler else None
        return metric.container if metric else ""

    def resources(self, container: str) -> dict[str, tuple[int | None, int | None]]:
        """Return the container's CPU (request, limit) in millicores, by pod uid."""
        return {
            pod.metadata.uid: (pod_facts(pod, container).request, limit_of(pod, container, CPU))
            for pod in self._objects.members()
        }

    def _replicas(self) -> int | None:
        deployment = self._objects.deployment()
        return deployment.spec.replicas if deployment else None

    def _current(self, autoscaler: Autoscaler) -> int:
        replicas = self._replicas()
        return autoscaler.status.desired_replicas if replicas is None else replicas

    def _around(self, load: float | None) -> Surroundings:
        """Return what the autoscaler's settings are judged by."""
        living = [pod for pod in self._objects.members() if not pod.metadata.deletion_timestamp]
        autoscalers = [*self._objects.of("horizontalpodautoscalers")]
        return Surroundings(living, self._objects.deployment(), autoscalers, load)
