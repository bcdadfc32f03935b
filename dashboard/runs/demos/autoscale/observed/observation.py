"""An observation: the autoscaler, its pods and their CPU in the dashboard's state at one time."""

import math
from collections.abc import Iterable
from functools import cached_property
from typing import Any

from msgspec import Struct

from dashboard.core.hpa.metrics import CPU
from dashboard.core.hpa.utilization import Tolerance
from dashboard.core.objects import ENDED_PHASES
from dashboard.core.state.builder import Look
from dashboard.core.text import plain
from dashboard.core.timestamps import seconds
from dashboard.runs.demos.autoscale.observed.samples import Samples

SOURCES = ("horizontalpodautoscalers", "pods", "deployments", "metrics")  # that a run needs
MESSAGE_LENGTH = 200  # characters of a condition's message
# Reasons of the conditions AbleToScale and ScalingLimited, while a window or a policy holds the number of pods.
UP_HOLDS = frozenset({"ScaleUpStabilized", "ScaleUpLimit"})
DOWN_HOLDS = frozenset({"ScaleDownStabilized", "ScaleDownLimit"})

Json = dict[str, Any]


class ObservedPod(Struct, frozen=True):
    """A pod that the autoscaler measures. `requests` and `errors` are per second, None while unknown; `stranger` is one
    of the Deployment's label that something else has made."""

    uid: str
    name: str
    phase: str
    ready: bool
    reason: str | None = None
    request: int = 0  # millicores
    limit: int | None = None
    requests: float | None = None
    errors: float | None = None
    stranger: bool = False


class Observation(Struct, frozen=True, dict=True):
    """Timestamps are seconds since 1970 by the dashboard's clock; `SampleClock` converts those of the samples.

    `target` and `figure`, which the controller reports, are in `unit`: "%" of the pods' requests, or "m" (millicores) a
    pod."""

    at: float
    low: int
    high: int
    target: int
    current: int
    desired: int
    pods: tuple[ObservedPod, ...]
    samples: Samples
    figure: int | None = None
    unit: str = "%"
    active: bool = True  # ScalingActive and AbleToScale
    inactive: str = ""  # why it is not
    tolerance: Tolerance = Tolerance()
    widest: Tolerance = Tolerance()  # the widest that the controller may use if the object sets none
    down_window: float = 60.0
    up_window: float = 0.0
    period: float = 15.0  # the longest of a policy
    away: str | None = None  # the source that does not answer now
    spec: tuple[Any, ...] = ()  # that must not change during a run
    unreadable: str | None = None  # what of the samples can't be used, in words
    owed: int | None = None  # pods that the controller should ask for by its own figure
    held: str | None = None  # why it asks for no other number, by its own conditions: Kubernetes' word
    others: tuple[tuple[str, int | None], ...] = ()  # the metrics but CPU, and the pods that each asks for, if known
    disabled: tuple[str, ...] = ()  # "scaleUp", "scaleDown": directions that its behavior disables
    next_change: tuple[float, int] | None = None  # (when, replicas), if CPU stays as it is
    endpoints: int | None = None  # ready addresses of the Service
    asked: int | None = None  # the Deployment's spec.replicas
    last_scaled: str | None = None  # the controller's last scaling, by its own clock
    updated: bool = True  # no rollout is under way
    failure: str | None = None  # why the Deployment can't create pods
    progress_deadline: int | None = None  # seconds after which Kubernetes calls the Deployment's progress failed
    counted: bool = True  # whether the pods' requests are counted

    @cached_property
    def ready(self) -> frozenset[str]:
        return frozenset(pod.uid for pod in self.pods if pod.ready and pod.phase == "Running")

    @cached_property
    def own(self) -> tuple[ObservedPod, ...]:
        """The Deployment's pods, which the autoscaler adds and removes."""
        return tuple(pod for pod in self.pods if not pod.stranger)

    @cached_property
    def own_ready(self) -> frozenset[str]:
        return frozenset(pod.uid for pod in self.own) & self.ready

    @cached_property
    def serving(self) -> frozenset[str]:
        """The pods that get requests. Where none are counted: those that are Ready, if the Service has all of them."""
        if not self.counted:
            return self.ready if (self.endpoints or 0) >= len(self.ready) else frozenset()
        return frozenset(pod.uid for pod in self.pods if pod.requests) & self.ready

    @cached_property
    def per_pod(self) -> float:
        """Millicores of a Ready pod when CPU is exactly at the target."""
        if self.unit == "m":
            return float(self.target)
        requests = [pod.request for pod in self.pods if pod.uid in self.ready]
        return self.target / 100 * sum(requests) / len(requests) if requests else 0.0

    @cached_property
    def used(self) -> float | None:
        """Millicores of all Ready pods together; None until each has a sample."""
        if not self.ready or self.ready - self.samples.keys():
            return None
        return sum(self.samples[uid][1] for uid in self.ready)

    @property
    def unmeasured(self) -> list[str]:
        """The names of the Ready pods without a sample."""
        return [pod.name for pod in self.pods if pod.uid in self.ready - self.samples.keys()]

    @property
    def uncounted(self) -> bool:
        """Whether the pods' requests are counted, and nobody can read them now."""
        return self.counted and all(pod.requests is None for pod in self.pods)

    @property
    def demand(self) -> float | None:
        """The CPU in use divided by a pod's CPU at the target: 2.6 needs three pods."""
        return self.used / self.per_pod if self.used is not None and self.per_pod else None

    @property
    def ratio(self) -> float | None:
        """CPU over its target."""
        return None if self.demand is None else self.demand / len(self.ready)

    @property
    def newest(self) -> float | None:
        """The newest sample's timestamp."""
        return max((self.samples[uid][0] for uid in self.ready & self.samples.keys()), default=None)

    @property
    def even(self) -> bool:
        """Whether there are as many Ready pods as asked for, and no others that start."""
        there = [pod for pod in self.own if pod.phase != "Terminating"]
        return self.desired == len(self.own_ready) == len(there)

    def sampled_since(self, begin: float) -> frozenset[str]:
        """Return the uids of the Ready pods whose newest sample's window began at `begin` or later."""
        spans = ((uid, *self.samples[uid]) for uid in self.ready & self.samples.keys())
        return frozenset(uid for uid, at, _, window in spans if at - window >= begin)

    def content_at(self, demand: float) -> bool:
        """Return whether the autoscaler would keep the number of pods at this demand; not because of max."""
        own = len(self.own_ready)
        if not own:
            return False
        ratio = demand / len(self.ready)
        return self.tolerance.holds(ratio) or math.ceil(demand) == own or (ratio < 1 and own == self.low)

    def held_by(self, count: int) -> str | None:
        """Return another metric than CPU by which there may be `count` pods: it asks for so many, or has no figure."""
        return next((name for name, asked in self.others if asked is None or asked >= count), None)

    def stays_at(self, demand: float) -> bool:
        """Return whether the number of pods stays at this demand, also because another metric keeps pods that CPU does
        not need."""
        return self.content_at(demand) or (demand < len(self.own_ready) and self.held_by(self.desired) is not None)

    def must_act(self, demand: float) -> bool:
        """Return whether this demand is over any tolerance that the controller may use."""
        return demand > len(self.ready) * (1 + self.widest.up)

    def written(self, ratio: float | None) -> str:
        """Format a ratio in the target's unit: "133 %"."""
        return "unknown" if ratio is None else f"{ratio * self.target:.0f} {self.unit}"

    @property
    def cpu(self) -> str:
        """CPU and its target as text: "CPU 133 % of a 70 % target"."""
        return f"CPU {self.written(self.ratio)} of a {self.target} {self.unit} target"


def observe(look: Look, samples: Samples, deployment: str, at: float) -> Observation | None:
    """Return an observation of a look with its samples corrected; None without an autoscaler with a CPU target."""
    state = look.state
    scaler = state["autoscaler"]
    unit = "%" if scaler and scaler["target_percent"] else "m"
    target = scaler and (scaler["target_percent"] or scaler.get("target_millicores"))
    if not target:
        return None
    arithmetic = scaler.get("evaluation") or {}
    tolerance, widest = arithmetic.get("tolerance"), arithmetic.get("widest_tolerance")
    workload = state.get("deployment") or {}
    inactive = _inactive(scaler["conditions"])
    watched = (state["sources"].get("traffic") or {}).get("state") == "live"
    members = [pod for pod in state["pods"] if pod["app"] == deployment and pod["phase"] not in ENDED_PHASES]
    pods = tuple(_pod(pod, watched, look.resources.get(pod["uid"]), pod["uid"] in look.strangers) for pod in members)
    desired = scaler["desired"] or workload.get("desired") or 0  # a new object has 0 at first
    held, owed = _held(scaler["conditions"]), arithmetic.get("owed")
    return Observation(
        at=at,
        low=scaler["min"],
        high=scaler["max"],
        target=target,
        current=scaler["current"],
        desired=desired,
        pods=pods,
        samples={pod.uid: samples[pod.uid] for pod in pods if pod.uid in samples},
        figure=scaler["cpu_percent"] if unit == "%" else scaler.get("cpu_millicores"),
        unit=unit,
        active=inactive is None,
        inactive=inactive or "",
        tolerance=Tolerance(**tolerance) if tolerance else Tolerance(),
        widest=Tolerance(**widest) if widest else Tolerance(),
        down_window=look.down_window,
        up_window=look.up_window,
        period=look.period,
        away=_away(state["sources"]),
        unreadable=(state["sources"].get("metrics") or {}).get("error"),
        spec=_spec(scaler, target, unit, arithmetic),
        owed=None if owed is not None and held in (UP_HOLDS if owed > desired else DOWN_HOLDS) else owed,
        held=held,
        others=_others(scaler.get("metrics") or ()),
        disabled=tuple(arithmetic.get("disabled") or ()),
        next_change=_next_change(arithmetic),
        endpoints=(state.get("service") or {}).get("endpoints"),
        asked=workload.get("desired"),
        last_scaled=scaler.get("last_scaled"),
        updated=workload.get("updated", 0) == workload.get("replicas", 0),
        failure=workload.get("failure"),
        progress_deadline=workload.get("progress_deadline"),
        counted="traffic" in state["sources"],
    )


def _pod(pod: Json, watched: bool, measured: tuple[int | None, int | None] | None, stranger: bool) -> ObservedPod:
    """`watched`: whether the pods' request counts are current; `measured`: CPU of the one container that the autoscaler
    measures (see `Look`)."""
    request, limit = measured or (pod["cpu_request_millicores"], pod["cpu_limit_millicores"])
    return ObservedPod(
        uid=pod["uid"],
        name=pod["name"],
        phase=pod["phase"],
        ready=pod["ready"],
        reason=pod["reason"] or pod["unready"],
        request=request or 0,
        limit=limit,
        requests=pod["requests_per_second"] if watched else None,
        errors=pod["errors_per_second"] if watched else None,
        stranger=stranger,
    )


def _others(metrics: Iterable[Json]) -> tuple[tuple[str, int | None], ...]:
    """Return the metrics' names and proposals, without the one of CPU that the run observes: the first."""
    views = [*metrics]
    cpu = next((view for view in views if view["name"] == CPU and view["type"].endswith("Resource")), None)
    return tuple((view["name"], view["proposed"]) for view in views if view is not cpu)


def _inactive(conditions: list[Json]) -> str | None:
    """Return why the controller can't act, or None if it can."""
    by_type = {condition["type"]: condition for condition in conditions}
    if by_type.get("AbleToScale", {}).get("status") == "False":
        return _condition_text(by_type["AbleToScale"])
    if "ScalingActive" not in by_type:
        return "it has not synced yet (it has no condition ScalingActive)"
    return None if by_type["ScalingActive"]["status"] == "True" else _condition_text(by_type["ScalingActive"])


def _held(conditions: list[Json]) -> str | None:
    """Return the window, the policy or the bound that holds the number of pods, by the controller's own conditions. It
    knows them better than anybody: how it was started, what it has done before, and when it was restarted."""
    reasons = {each["type"]: each["reason"] for each in conditions if each["status"] == "True"}
    named = reasons.get("AbleToScale"), reasons.get("ScalingLimited")
    return next((reason for reason in named if reason in UP_HOLDS | DOWN_HOLDS), None)


def _condition_text(condition: Json) -> str:
    return f"{plain(condition['reason'] or condition['type'], 60)}: {plain(condition['message'] or '', MESSAGE_LENGTH)}"


def _away(sources: Json) -> str | None:
    return next((name for name in SOURCES if (sources.get(name) or {}).get("state") != "live"), None)


def _spec(scaler: Json, target: int, unit: str, arithmetic: Json) -> tuple[Any, ...]:
    """Return the settings that the run depends on, as (name, value) pairs."""
    rules = arithmetic.get("rules") or {}
    named = {
        "scaleTargetRef": scaler.get("scales"),
        "minReplicas": scaler["min"],
        "maxReplicas": scaler["max"],
        "target": f"{target} {unit}",
        "behavior.scaleUp": rules.get("up"),
        "behavior.scaleDown": rules.get("down"),
    }
    return tuple(named.items())


def _next_change(arithmetic: Json) -> tuple[float, int] | None:
    until, replicas = arithmetic.get("until"), arithmetic.get("until_replicas")
    return None if until is None or replicas is None else (seconds(until), replicas)
