"""What the HorizontalPodAutoscaler makes of the figures, and why: its controller's own arithmetic, and in words.

The controller tells what it asks for, and the CPU figure of its last look. The rest is computed here by its rules,
from the pods and their samples: what it would ask for now, what holds it back, and when it will act.
"""

from collections.abc import Iterable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from dashboard.core.hpa import explanation
from dashboard.core.hpa.behavior import TOO_FEW, TOO_MANY, WITHIN, Decision
from dashboard.core.hpa.explanation import Standing
from dashboard.core.hpa.metrics import PERCENT, MetricsHistory, MetricsView
from dashboard.core.hpa.obligation import owed
from dashboard.core.hpa.recommendations import LATE_SECONDS, Recommendations
from dashboard.core.hpa.spec import HpaSpec, seen_of, spec_of
from dashboard.core.hpa.utilization import Figures, Proposal, Unmeasurable, figures
from dashboard.core.objects import Autoscaler, AutoscalerStatus, Pod, PodMetrics
from dashboard.core.timestamps import rfc3339, seconds

UNKNOWN = (  # without figures
    "measured", "missing", "unready", "ignored", "percent", "adjusted", "ratio", "newest", "wanted", "clamped",
    "allowed_now", "recommended", "limited_by", "formula", "sentence", "next", "then", "provided", "until",
    "until_replicas",
)  # fmt: skip

Json = dict[str, Any]


class Measured(Struct, frozen=True):
    """`newest`: the figure is of the samples here, which are at least as new as the controller's own."""

    figures: Figures
    percent: int
    newest: bool


class Evaluator:
    """Remembers what the autoscaler would have recommended, as its controller does for the stabilization windows."""

    def __init__(self) -> None:
        self._begin("", "", PERCENT)

    def _begin(self, uid: str, container: str, unit: str) -> None:
        """Another object, or another measure: nothing that was before holds."""
        self._of = uid, container, unit
        self._scenery = MetricsHistory(container, unit)
        self._memory: Recommendations | None = None
        self._status: AutoscalerStatus | None = None
        self._seen: int | None = None  # the controller's own figure, and when it came
        self._seen_at = 0.0
        self._ours: tuple[int, float] | None = None  # ours with its newest sample's moment, and when it came
        self._ours_at = 0.0
        self._last: Json | None = None  # the last change of the number of pods

    def evaluate(
        self,
        autoscaler: Autoscaler,
        pods: Iterable[Pod],
        samples: dict[str, PodMetrics],
        at: float,
        replicas: int | None = None,
    ) -> Json | None:
        """How it stands at `at` (seconds since 1970). `replicas` is what the Deployment asks for.

        None of an autoscaler that has no CPU target. Figures that can't be told are null.
        """
        task = spec_of(autoscaler, replicas)
        if task is None:
            return None
        if self._of != (of := (autoscaler.metadata.uid, task.container, task.unit)):
            self._begin(*of)
        memory = self._memory = self._memory or Recommendations(task.current, at)
        memory.pass_to(at, task.behavior)
        view = self._scenery.view(pods, samples, at)
        looked = self._hear(autoscaler.status, task, memory, view)
        told = self._tell(task, memory, view, looked)
        return told | {"last": self._last, "owed": self._owed(autoscaler.status, task, memory, view)}

    def _hear(self, status: AutoscalerStatus, task: HpaSpec, memory: Recommendations, view: MetricsView) -> bool:
        """Takes in what the controller wrote; whether it has just looked, and left the number as it is."""
        before, self._status = self._status, status
        seen = seen_of(status, task.unit)
        if seen != self._seen:
            self._seen, self._seen_at = seen, view.at
        if before is None or before == status:
            return False
        moved = _moved(before, status)
        if moved is None:
            return True
        self._change(replace(task, current=moved[0]), memory, view, moved[1], status.last_scale_time or "")
        return False

    def _change(self, task: HpaSpec, memory: Recommendations, view: MetricsView, to: int, at: str) -> None:
        """It has asked for another number of pods: why, by the figures that it had then."""
        told = {"at": at, "from": task.current, "to": to, "formula": None, "expected": None}
        try:
            found = figures(view.before(seconds(at)).members, view.readings, view.at)
        except Unmeasurable:
            pass
        else:
            proposal = task.propose(found, found.percent if self._seen is None else self._seen)
            told["formula"] = explanation.formula(task, found, proposal)
            told["expected"] = task.decide(proposal.wanted, memory.recommended, memory.changes, view.at).replicas
            memory.sync(proposal.wanted, view.at)
        memory.change(to - task.current, _moment_of(at, view.at))
        self._last = told

    def _tell(self, task: HpaSpec, memory: Recommendations, view: MetricsView, looked: bool) -> Json:
        told = _still(task)
        try:
            if task.current == 0:
                raise Unmeasurable("No pods to measure: a Deployment of zero is left alone.")
            measured = self._measure(view)
        except Unmeasurable as error:
            memory.recommend(None, view.at)
            return told | {"sentence": str(error)}
        proposal = task.propose(measured.figures, measured.percent)
        if looked:
            memory.sync(proposal.wanted, view.at)
        memory.recommend(proposal.wanted, view.at)
        told |= _figures(task, measured, proposal)
        if not task.low <= task.current <= task.high:
            return told | _brought_back(task, memory)
        return told | self._follow(task, memory, measured, proposal, view.at)

    def _owed(self, status: AutoscalerStatus, task: HpaSpec, memory: Recommendations, view: MetricsView) -> int | None:
        """The number of pods that it should ask for by its own figure, None where it owes no change."""
        if self._seen is None or task.current == 0:
            return None
        try:
            found = figures(view.members, view.readings, view.at)
        except Unmeasurable:
            return None
        scaled = seconds(status.last_scale_time) if status.last_scale_time else None
        return owed(task, found, self._seen, memory, view.at, scaled)

    def _measure(self, view: MetricsView) -> Measured:
        """By the newest samples, unless the controller's own figure is newer than these."""
        try:
            found = figures(view.members, view.readings, view.at)
        except Unmeasurable:
            if view.readings or self._seen is None:
                raise
            return Measured(_unsampled(view, self._seen), self._seen, False)
        ours = found.percent, max(one.at for one in view.readings.values())
        if ours != self._ours:
            self._ours, self._ours_at = ours, view.at
        if self._seen is not None and self._seen != found.percent and self._seen_at > self._ours_at:
            return Measured(found, self._seen, False)
        return Measured(found, found.percent, True)

    def _follow(
        self, task: HpaSpec, memory: Recommendations, measured: Measured, proposal: Proposal, at: float
    ) -> Json:
        """What comes of the wish, and when."""
        decision = task.decide(proposal.wanted, memory.recommended, memory.changes, at)
        allowed = task.allowed(task.clamp(proposal.wanted), memory.changes, at)
        until, then = memory.next_change(task, proposal.wanted) or (None, None)
        standing = Standing(task, measured.figures, proposal, decision, allowed, then)
        return {
            "allowed_now": allowed,
            "recommended": decision.replicas,
            "limited_by": _limit(task, proposal.wanted, decision),
            "until": None if until is None else rfc3339(round(until)),
            "until_replicas": then,
        } | explanation.words(standing)


def _moved(before: AutoscalerStatus | None, now: AutoscalerStatus) -> tuple[int, int] | None:
    """From how many pods to how many, if that is what its last look came to.

    At such a look the status has both numbers; where it was not heard of at once, the one before has the first.
    """
    if before is None or not now.last_scale_time or before.last_scale_time == now.last_scale_time:
        return None
    start = before.desired_replicas if now.current_replicas == now.desired_replicas else now.current_replicas
    return (start, now.desired_replicas) if start != now.desired_replicas else None


def _moment_of(written: str, heard: float) -> float:
    """When it asked, by our clock: the moment that it wrote, in whole seconds, unless that is of a clock unlike ours or
    it was heard of late. Then it counts as of now, since a policy forbids the longer the later its last change was."""
    at = seconds(written) + 1
    return at if heard - LATE_SECONDS <= at <= heard else heard


def _still(task: HpaSpec) -> Json:
    """What is known without any figure; the others are null."""
    low, high = task.band
    return dict.fromkeys(UNKNOWN) | {
        "replicas": task.current,
        "target": task.target,
        "unit": task.unit,
        "tolerance": {"down": task.behavior.tolerance.down, "up": task.behavior.tolerance.up},
        "widest_tolerance": {"down": task.behavior.widest.down, "up": task.behavior.widest.up},
        "low": low,
        "high": high,
        "notes": [],
        "disabled": task.behavior.disabled,
        "condition": explanation.condition(task),
        "rules": explanation.rules(task.behavior),
    }


def _figures(task: HpaSpec, measured: Measured, proposal: Proposal) -> Json:
    given = measured.figures
    percent = proposal.percent if proposal.adjusted is None else proposal.adjusted
    return {
        "measured": given.measured,
        "missing": len(given.missing),
        "unready": len(given.unready),
        "ignored": given.ignored,
        "percent": proposal.percent,
        "adjusted": proposal.adjusted,
        "ratio": round(percent / task.target, 3),
        "newest": measured.newest,
        "wanted": proposal.wanted,
        "clamped": task.clamp(proposal.wanted),
    }


def _brought_back(task: HpaSpec, memory: Recommendations) -> Json:
    """Outside of its bounds it does not look at figures."""
    to = task.clamp(task.current)
    bound = "more than the" if task.current > to else "fewer than the"
    return {
        "allowed_now": to - task.current,
        "recommended": to,
        "limited_by": TOO_MANY if task.current > to else TOO_FEW,
        "sentence": f"{explanation.pods(task.current)}, {bound} {to} allowed: whatever CPU is, it asks for {to}.",
        "until": rfc3339(round(memory.next_look)),
        "until_replicas": to,
        "then": explanation.coming(task.current, to),
    }


def _limit(task: HpaSpec, wanted: int, decision: Decision) -> str | None:
    """Why it is not the wish that is done, in Kubernetes' own word."""
    clamped = task.clamp(wanted)
    if clamped == task.current:
        return None if wanted == clamped else TOO_MANY if wanted > clamped else TOO_FEW
    if decision.stabilized == task.current:
        return "ScaleUpStabilized" if wanted > task.current else "ScaleDownStabilized"
    return None if decision.limited == WITHIN else decision.limited


def _unsampled(view: MetricsView, seen: int) -> Figures:
    """Where no samples may be read, the controller's figure is taken as that of the pods that are ready."""
    ready = [one for one in view.members if one.ready == "True" and one.leaving is None and one.request]
    if not ready:
        raise Unmeasurable("No pod is ready, so there is nothing to measure.")
    requested = sum(one.request or 0 for one in ready)
    return Figures(len(ready), -(-seen * requested // 100), requested)
