"""The evaluation of a HorizontalPodAutoscaler: what its controller does, and why, in figures and in words.

The status has the desired replicas and the CPU value of the controller's last sync. The rest is computed here by the
controller's rules, from the pods and their samples: what it would ask for now, what delays it, and when it will act.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from dashboard.core.hpa import explanation
from dashboard.core.hpa.behavior import TOO_FEW, TOO_MANY, WITHIN, Decision
from dashboard.core.hpa.explanation import EvaluationFacts
from dashboard.core.hpa.metrics import PERCENT, MetricsReader, MetricsView
from dashboard.core.hpa.obligation import owed
from dashboard.core.hpa.proposals import combined
from dashboard.core.hpa.recommendations import LATE_SECONDS, RecommendationMemory, Recommendations
from dashboard.core.hpa.spec import HpaSpec, seen_of, spec_of
from dashboard.core.hpa.utilization import Figures, Proposal, Unmeasurable, figures, figures_from
from dashboard.core.objects import Autoscaler, AutoscalerStatus, Pod, PodMetrics
from dashboard.core.timestamps import rfc3339, seconds

UNKNOWN = (  # the fields that are null without a CPU value
    "measured", "missing", "unready", "ignored", "percent", "adjusted", "ratio", "newest", "wanted", "clamped",
    "allowed_now", "recommended", "limited_by", "formula", "sentence", "next", "then", "provided", "until",
    "until_replicas",
)  # fmt: skip

Json = dict[str, Any]


class Measurement(Struct, frozen=True):
    """The CPU usage. `newest` is true if `percent` is from our samples, false if it is the controller's newer value."""

    figures: Figures
    percent: int
    newest: bool


class EvaluatorMemory(Struct, frozen=True):
    """What `Evaluator` keeps from one evaluation to the next."""

    identity: tuple[str, str, str]
    history: RecommendationMemory | None
    status: AutoscalerStatus | None
    reported: int | None
    reported_at: float
    computed: tuple[int, float] | None
    computed_at: float
    last: Json | None


class Evaluator:
    """Evaluates one autoscaler, and keeps the history that its controller keeps for the stabilization windows."""

    def __init__(self) -> None:
        self._reset("", "", PERCENT)

    def _reset(self, uid: str, container: str, unit: str) -> None:
        """Start without a history, for another object or another metric."""
        self._identity = uid, container, unit
        self._reader = MetricsReader(container, unit)
        self._history: Recommendations | None = None
        self._status: AutoscalerStatus | None = None
        self._reported: int | None = None  # the controller's CPU value, and the time of its arrival
        self._reported_at = 0.0
        self._computed: tuple[int, float] | None = None  # our value with its newest sample's time, and its arrival
        self._computed_at = 0.0
        self._last: Json | None = None  # the last scaling
        self._others: Sequence[int | None] = ()  # the other metrics' proposals

    def memory(self) -> EvaluatorMemory:
        return EvaluatorMemory(
            self._identity,
            self._history.memory() if self._history else None,
            self._status,
            self._reported,
            self._reported_at,
            self._computed,
            self._computed_at,
            self._last,
        )

    def restore(self, memory: EvaluatorMemory) -> None:
        """Go on from another evaluator's memory."""
        self._reset(*memory.identity)
        self._history = Recommendations.restored(memory.history) if memory.history else None
        self._status, self._last = memory.status, memory.last
        self._reported, self._reported_at = memory.reported, memory.reported_at
        self._computed, self._computed_at = memory.computed, memory.computed_at

    def evaluate(
        self,
        autoscaler: Autoscaler,
        pods: Iterable[Pod],
        samples: dict[str, PodMetrics],
        at: float,
        replicas: int | None = None,
        others: Sequence[int | None] = (),
    ) -> Json | None:
        """Return the evaluation at `at` (seconds since 1970), or None without a CPU target.

        `replicas` are the Deployment's spec.replicas, `others` the proposals of the other metrics. Unknown fields are
        null.
        """
        spec = spec_of(autoscaler, replicas)
        if spec is None:
            return None
        if self._identity != (identity := (autoscaler.metadata.uid, spec.container, spec.unit)):
            self._reset(*identity)
        history = self._history = self._history or Recommendations(spec.current, at)
        history.advance(at, spec.behavior)
        view = self._reader.view(pods, samples, at)
        self._others = others
        synced = self._observe(autoscaler.status, spec, history, view)
        result = self._evaluate(spec, history, view, synced)
        return result | {"last": self._last, "owed": self._owed(autoscaler.status, spec, history, view)}

    def _observe(self, status: AutoscalerStatus, spec: HpaSpec, history: Recommendations, view: MetricsView) -> bool:
        """Record what the status says. Return whether the controller has just synced without a scaling."""
        before, self._status = self._status, status
        reported = seen_of(status, spec.unit)
        if reported != self._reported:
            self._reported, self._reported_at = reported, view.at
        if before is None or before == status:
            return False
        scaling = _scaling(before, status)
        if scaling is None:
            return True
        self._record_scaling(replace(spec, current=scaling[0]), history, view, scaling[1], status.last_scale_time or "")
        return False

    def _record_scaling(self, spec: HpaSpec, history: Recommendations, view: MetricsView, to: int, at: str) -> None:
        """Record a scaling to `to` pods, with the calculation that led to it."""
        last = {"at": at, "from": spec.current, "to": to, "formula": None, "expected": None}
        try:
            given = figures(view.before(seconds(at)).pods, view.samples, view.at)
        except Unmeasurable:
            pass
        else:
            proposal = spec.propose(given, given.percent if self._reported is None else self._reported)
            last["formula"] = explanation.formula(spec, given, proposal)
            asked = combined(spec.current, [proposal.wanted, *self._others])
            if asked is not None:
                last["expected"] = spec.decide(asked, history.recommended, history.changes, view.at).replicas
            history.sync(asked, view.at)
        history.change(to - spec.current, _scaling_time(at, view.at), spec.behavior)
        self._last = last

    def _evaluate(self, spec: HpaSpec, history: Recommendations, view: MetricsView, synced: bool) -> Json:
        result = _spec_fields(spec)
        try:
            if spec.current == 0:
                raise Unmeasurable("The Deployment is scaled to zero, so the autoscaler does nothing.")
            measurement = self._measure(view)
        except Unmeasurable as error:
            history.recommend(None, view.at)
            return result | {"sentence": str(error)}
        proposal = spec.propose(measurement.figures, measurement.percent)
        result |= _proposal_fields(spec, measurement, proposal)
        if not spec.low <= spec.current <= spec.high:  # the controller computes no recommendation
            history.recommend(None, view.at)
            return result | _bounds_fields(spec, history)
        asked = combined(spec.current, [proposal.wanted, *self._others])
        if synced:
            history.sync(asked, view.at)
        history.recommend(asked, view.at)
        if asked is None:
            return result | explanation.explain_blocked(spec, measurement.figures, proposal)
        return result | self._decision_fields(spec, history, measurement, proposal, asked, view.at)

    def _owed(self, status: AutoscalerStatus, spec: HpaSpec, history: Recommendations, view: MetricsView) -> int | None:
        """Return the replicas that the controller must ask for by its own CPU value, None if no change is due."""
        if self._reported is None or spec.current == 0:
            return None
        try:
            given = figures(view.pods, view.samples, view.at)
        except Unmeasurable:
            return None
        scaled = seconds(status.last_scale_time) if status.last_scale_time else None
        return owed(spec, given, self._reported, history, view.at, scaled)

    def _measure(self, view: MetricsView) -> Measurement:
        """Measure by the newest samples, or by the controller's CPU value if that is newer."""
        try:
            given = figures(view.pods, view.samples, view.at)
        except Unmeasurable:
            if view.samples or self._reported is None:
                raise
            return Measurement(figures_from(view.pods, self._reported), self._reported, False)
        computed = given.percent, max(sample.at for sample in view.samples.values())
        if computed != self._computed:
            self._computed, self._computed_at = computed, view.at
        if self._reported is not None and self._reported != given.percent and self._reported_at > self._computed_at:
            return Measurement(given, self._reported, False)
        return Measurement(given, given.percent, True)

    def _decision_fields(
        self,
        spec: HpaSpec,
        history: Recommendations,
        measurement: Measurement,
        proposal: Proposal,
        asked: int,
        at: float,
    ) -> Json:
        """Return the fields about the decision on `asked` pods, the largest proposal, and about the next scaling."""
        decision = spec.decide(asked, history.recommended, history.changes, at)
        allowed = spec.allowed(spec.clamp(asked), history.changes, at)
        until, then = history.next_change(spec, asked) or (None, None)
        facts = EvaluationFacts(spec, measurement.figures, proposal, asked, decision, allowed, then)
        return {
            "allowed_now": allowed,
            "recommended": decision.replicas,
            "limited_by": _limit(spec, asked, decision),
            "until": None if until is None else rfc3339(round(until)),
            "until_replicas": then,
        } | explanation.explain(facts)


def _scaling(before: AutoscalerStatus, now: AutoscalerStatus) -> tuple[int, int] | None:
    """Return the (from, to) replicas of the last sync's scaling, or None if it did not scale.

    After a scaling, the status has both numbers. If a later sync has already updated it, `before` has the first one.
    """
    if not now.last_scale_time or before.last_scale_time == now.last_scale_time:
        return None
    start = before.desired_replicas if now.current_replicas == now.desired_replicas else now.current_replicas
    return (start, now.desired_replicas) if start != now.desired_replicas else None


def _scaling_time(last_scale_time: str, received: float) -> float:
    """Return the time of a scaling by our clock.

    lastScaleTime is in whole seconds. If the clocks differ or the status arrived late, the time of receipt counts: a
    policy then delays the next scaling longer, never shorter.
    """
    at = seconds(last_scale_time) + 1
    return at if received - LATE_SECONDS <= at <= received else received


def _spec_fields(spec: HpaSpec) -> Json:
    """Return the fields that need no CPU value; all others are null."""
    low, high = spec.band
    return dict.fromkeys(UNKNOWN) | {
        "replicas": spec.current,
        "target": spec.target,
        "unit": spec.unit,
        "tolerance": {"down": spec.behavior.tolerance.down, "up": spec.behavior.tolerance.up},
        "widest_tolerance": {"down": spec.behavior.widest.down, "up": spec.behavior.widest.up},
        "low": low,
        "high": high,
        "notes": [],
        "disabled": spec.behavior.disabled,
        "condition": explanation.condition(spec),
        "rules": explanation.rules(spec.behavior),
    }


def _proposal_fields(spec: HpaSpec, measurement: Measurement, proposal: Proposal) -> Json:
    given = measurement.figures
    percent = proposal.percent if proposal.adjusted is None else proposal.adjusted
    return {
        "measured": given.measured,
        "missing": len(given.missing),
        "unready": len(given.unready),
        "ignored": given.ignored,
        "percent": proposal.percent,
        "adjusted": proposal.adjusted,
        "ratio": round(percent / spec.target, 3),
        "newest": measurement.newest,
        "wanted": proposal.wanted,
        "clamped": spec.clamp(proposal.wanted),
    }


def _bounds_fields(spec: HpaSpec, history: Recommendations) -> Json:
    """Return the decision for replicas outside of the bounds: the controller then ignores the CPU value."""
    to = spec.clamp(spec.current)
    bound = "more than the" if spec.current > to else "fewer than the"
    return {
        "allowed_now": to - spec.current,
        "recommended": to,
        "limited_by": TOO_MANY if spec.current > to else TOO_FEW,
        "sentence": f"{explanation.pods(spec.current)}, {bound} {to} allowed: whatever CPU is, it asks for {to}.",
        "until": rfc3339(round(history.next_sync)),
        "until_replicas": to,
        "then": explanation.change_of(spec.current, to),
    }


def _limit(spec: HpaSpec, wanted: int, decision: Decision) -> str | None:
    """Return Kubernetes' reason for a decision that differs from the proposal, or None."""
    clamped = spec.clamp(wanted)
    if clamped == spec.current:
        return None if wanted == clamped else TOO_MANY if wanted > clamped else TOO_FEW
    if decision.stabilized == spec.current:
        return "ScaleUpStabilized" if wanted > spec.current else "ScaleDownStabilized"
    return None if decision.limited == WITHIN else decision.limited
