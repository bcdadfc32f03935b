"""What an autoscaler makes of a load: the moments t0 … t8, found in what the state shows second by second.

Moments are seconds since 1970 by the dashboard's clock, but a CPU sample's is its own. A kubelet's clock may be off by
a little: no sample counts as later than it was seen.
"""

import math
from collections import deque
from collections.abc import Mapping
from statistics import mean, median
from typing import Any

from msgspec import Struct

from dashboard.core.autoscaler.utilization import Tolerance
from dashboard.core.news import plain, span
from dashboard.core.verdict import MOMENTS

STEADY_SECONDS = 60.0
SETTLED_SECONDS = 3.0  # at min, before anything begins
LEAST_RESOLUTION, USUAL_RESOLUTION = 15.0, 60.0  # seconds between two samples of a pod, in limits while it is not known
GAPS = 200  # between samples that are looked at
BLIND_SECONDS = 30.0  # without figures, and two samples' time
CALIBRATION_RATE = 25.0  # requests a second: more than the samples' noise, and even a slow machine must not scale
LEAST_COST = 5.0  # millicores that the calibration must cost to be told from noise

Json = dict[str, Any]
Samples = Mapping[str, tuple[float, float]]  # pod uid → (the sample's moment, millicores)


class Sight(Struct, frozen=True):
    """What the state showed at a moment. Pods by uid: those of the service that are Ready and not about to go."""

    at: float
    low: int
    high: int
    target: int
    current: int
    desired: int
    ready: frozenset[str]
    serving: frozenset[str]
    requests: Mapping[str, int]  # CPU requests, millicores
    samples: Samples
    seen_percent: int | None = None  # the controller's own figure
    active: bool = True  # ScalingActive
    inactive: str = ""  # why it is not
    tolerance: Tolerance = Tolerance()
    away: str | None = None  # the source that does not tell now

    @property
    def used(self) -> float | None:
        """Millicores of all Ready pods together; None until each has a sample."""
        if not self.ready or self.ready - self.samples.keys():
            return None
        return sum(self.samples[uid][1] for uid in self.ready)

    @property
    def percent(self) -> float | None:
        """CPU in percent of what is requested."""
        used, requested = self.used, sum(self.requests.get(uid, 0) for uid in self.ready)
        return None if used is None or not requested else 100 * used / requested

    @property
    def newest(self) -> float | None:
        """The newest sample's moment."""
        return max((min(at, self.at) for uid, (at, _) in self.samples.items() if uid in self.ready), default=None)

    @property
    def even(self) -> bool:
        """As many pods as asked for."""
        return self.desired == self.current == len(self.ready)

    @property
    def at_min(self) -> bool:
        return self.even and self.desired == self.low

    @property
    def content(self) -> bool:
        """Whether CPU is such that the autoscaler would leave the number of pods as it is."""
        return self.percent is not None and self.content_at(self.percent)

    def content_at(self, percent: float) -> bool:
        """The same for another figure: for the autoscaler's own sake, and not only because max keeps it."""
        ratio, pods = percent / self.target, len(self.ready)
        if self.tolerance.holds(ratio):
            return True
        return math.ceil(pods * ratio) == pods or (ratio < 1 and pods == self.low)


def sight(state: Json, samples: Samples, deployment: str, at: float) -> Sight | None:
    """From the state and the pods' newest samples; None where there is no autoscaler with a CPU target."""
    scaler = state["autoscaler"]
    if scaler is None or not scaler["target_percent"]:
        return None
    pods = {
        pod["uid"]: pod
        for pod in state["pods"]
        if pod["app"] == deployment and pod["ready"] and pod["phase"] == "Running"
    }
    condition = next((one for one in scaler["conditions"] if one["type"] == "ScalingActive"), None)
    tolerance = (scaler.get("reckoning") or {}).get("tolerance")
    return Sight(
        at=at,
        low=scaler["min"],
        high=scaler["max"],
        target=scaler["target_percent"],
        current=scaler["current"],
        desired=scaler["desired"],
        ready=frozenset(pods),
        serving=frozenset(uid for uid, pod in pods.items() if pod["requests_per_second"]),
        requests={uid: pod["cpu_request_millicores"] or 0 for uid, pod in pods.items()},
        samples={uid: sample for uid, sample in samples.items() if uid in pods},
        seen_percent=scaler["cpu_percent"],
        active=condition is not None and condition["status"] == "True",
        inactive=_why(condition),
        tolerance=Tolerance(**tolerance) if tolerance else Tolerance(),
        away=_away(state["sources"]),
    )


def _why(condition: Json | None) -> str:
    if condition is None:
        return "it has no such condition"
    return f"{plain(condition['reason'] or 'no reason', 60)}: {plain(condition['message'] or '', 200)}"


def _away(sources: Json) -> str | None:
    """The first of the sources that the story is read from that does not tell."""
    needed = ("horizontalpodautoscalers", "pods", "metrics")
    return next((name for name in needed if (sources.get(name) or {}).get("state") != "live"), None)


class Resolution:
    """How far apart a pod's samples are: the median of all that were seen."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        self._gaps: deque[float] = deque(maxlen=GAPS)
        self._waited: tuple[float, float] | None = None  # from when until when it was looked for

    def see(self, samples: Samples, at: float) -> None:
        self._waited = (self._waited[0] if self._waited else at, at)
        for uid, (at, _) in samples.items():
            if (before := self._last.get(uid)) is not None and at > before:
                self._gaps.append(at - before)
        self._last = {uid: at for uid, (at, _) in samples.items()}

    @property
    def seconds(self) -> float | None:
        return median(self._gaps) if self._gaps else None

    @property
    def assumed(self) -> float:
        """For limits. A sample a second would not make the autoscaler look more often; and while no second one was
        seen, it is at least the time since the first."""
        waited = self._waited[1] - self._waited[0] if self._waited else 0.0
        return max(LEAST_RESOLUTION, self.seconds or min(USUAL_RESOLUTION, waited))


def limits(resolution: float, window: float) -> dict[str, float]:
    """Seconds within which each moment has to come: t1 … t5 from t0, t7 and t8 from t6.

    A sample is up to one resolution old when it is read, and spans another one; the controller looks every 15 s. On the
    way down the stabilization window (`window` seconds) has to pass, too.
    """
    sampled = 2 * resolution
    return {
        "t1": 30 + sampled,
        "t2": 45 + sampled,
        "t3": 120 + sampled,
        "t4": 150 + sampled,
        "t5": 210 + 2 * sampled,
        "t7": window + 45 + sampled,
        "t8": window + 90 + sampled,
    }


class Calibration:
    """What one request a second costs in CPU, from a short and light load that began at `start`."""

    def __init__(self, start: Sight) -> None:
        self._start = start
        self._idle = start.used or 0.0
        self._moments: dict[str, set[float]] = {}  # uid → of the samples since
        self._answered: list[tuple[float, int]] = []
        self._used: float | None = None

    def see(self, sight: Sight, answered: int) -> None:
        """Once a second; `answered` requests so far."""
        self._answered.append((sight.at, answered))
        for uid, (at, _) in sight.samples.items():
            if at >= self._start.at:
                self._moments.setdefault(uid, set()).add(at)
        # A pod's second sample spans load alone: it begins where the first one ended.
        if sight.used is not None and all(len(self._moments.get(uid, ())) >= 2 for uid in sight.ready):
            self._used = sight.used

    @property
    def done(self) -> bool:
        return self._used is not None

    @property
    def cost(self) -> float | None:
        """Millicores for each request a second; None if it can't be told from noise."""
        if self._used is None or len(self._answered) < 2:
            return None
        (began, first), (ended, last) = self._answered[0], self._answered[-1]
        rate = (last - first) / (ended - began)
        used = self._used - self._idle
        return used / rate if rate > 0 and used >= LEAST_COST else None

    @property
    def aim(self) -> int:
        """The number of pods to come out: two more than min, or as many as there may be."""
        return min(self._start.low + 2, self._start.high)

    @property
    def rate(self) -> float | None:
        """Requests a second for which `aim` pods are needed, and a quarter of a pod's work is left over.

        Under the full load a request costs up to a sixth less than under this light one: then more is left over, and
        the autoscaler is content with `aim` all the same, or with one pod fewer.
        """
        start, cost = self._start, self.cost
        if cost is None:
            return None
        requested = sum(start.requests.values()) / len(start.ready)
        needed = (self.aim - 0.25) * requested * start.target / 100
        idle = self._idle * self.aim / len(start.ready)
        rate = (needed - idle) / cost
        return round(rate, 1) if rate > 0 else None


class Scaling:
    """Finds the moments. `start` is the sight at t0, `window` the autoscaler's scale-down window in seconds.

    `resolution` is told of the samples by whoever looks.
    """

    def __init__(self, start: Sight, window: float, resolution: Resolution) -> None:
        self.peak = len(start.ready)
        self.flapped: str | None = None
        self.inactive: str | None = None
        self.blind: str | None = None
        self._start = self._last = start
        self._window = window
        self._resolution = resolution
        self._at: dict[str, float] = {"t0": start.at}
        self._at_stop = start.desired  # pods asked for when the load stopped
        self._fell = False  # the number of pods that are asked for, under load
        self._even: deque[tuple[float, float]] = deque()  # moment and CPU percent, while as many are Ready as asked for
        self._figures_at = start.at

    @property
    def moments(self) -> dict[str, float | None]:
        """Seconds from t0, None of what has not come."""
        began = self._start.at
        return {name: round(self._at[name] - began, 3) if name in self._at else None for name in MOMENTS}

    def came(self, moment: str) -> bool:
        return moment in self._at

    def see(self, sight: Sight) -> list[str]:
        """What the state shows now, once a second. The moments that are new by it."""
        known = set(self._at)
        self._look_for_figures(sight)
        self._look_for_faults(sight)
        if self.came("t6"):
            self._fall(sight)
        else:
            self._rise(sight)
        self._last = sight
        return sorted(set(self._at) - known)

    def stop(self, at: float) -> None:
        """The load ends."""
        self._at.setdefault("t6", at)
        self._at_stop = self._last.desired

    def steady(self) -> float:
        """For how many of the STEADY_SECONDS there have been as many pods as asked for."""
        return self._even[-1][0] - self._even[0][0] if self._even else 0.0

    def late(self, at: float) -> str | None:
        """Which moment should have come by now, in a sentence."""
        allowed = limits(self._resolution.assumed, self._window)
        origin = "t6" if self.came("t6") else "t0"
        awaited = ("t7", "t8") if self.came("t6") else ("t1", "t2", "t3", "t4", "t5")
        passed = at - self._at[origin]
        for moment in awaited:
            if not self.came(moment) and passed > allowed[moment]:
                since = "the load stopped" if origin == "t6" else "the load began"
                return f"Not within {allowed[moment]:.0f} s after {since}: {MOMENTS[moment]} ({moment})."
        return None

    def _look_for_figures(self, sight: Sight) -> None:
        if not sight.away and sight.newest is not None and sight.newest > self._figures_at:
            self._figures_at = sight.newest
        silent = sight.at - self._figures_at
        if silent > BLIND_SECONDS + 2 * self._resolution.assumed:
            source = f": the source {sight.away} does not tell" if sight.away else ""
            self.blind = self.blind or f"There were no new CPU figures for {span(silent)}{source}."

    def _look_for_faults(self, sight: Sight) -> None:
        """What must not happen at any time. That the controller got no figures is not its own fault, but the run's."""
        self.peak = max(self.peak, len(sight.ready))
        if not sight.active:
            words = f"ScalingActive was not True: {sight.inactive}."
            if sight.inactive.startswith("FailedGet"):
                self.blind = self.blind or words
            else:
                self.inactive = self.inactive or words
        before, now = self._last.desired, sight.desired
        if now > before and (self.came("t6") or self._fell):
            when = "after the load had stopped" if self.came("t6") else "after it had fallen under the same load"
            self.flapped = self.flapped or f"It flapped: from {before} to {now} pods {when}."
        self._fell |= now < before

    def _rise(self, sight: Sight) -> None:
        if not self.came("t3"):
            self._find_over(sight)
        if sight.desired > self._start.desired:
            self._find("t2", sight.at)
        if sight.ready - self._start.ready:
            self._find("t3", sight.at)
        if sight.serving - self._start.ready:
            self._find("t4", sight.at)
        self._find_steady(sight)

    def _find_steady(self, sight: Sight) -> None:
        """As many pods as asked for, for long enough, and CPU meanwhile, in the mean, such that they will do: a single
        sample is one of a busy machine, too, and the autoscaler itself does not act on each that is low."""
        if not (sight.even and sight.percent is not None and self.came("t4")):
            self._even.clear()
            return
        self._even.append((sight.at, sight.percent))
        while len(self._even) > 2 and sight.at - self._even[1][0] >= STEADY_SECONDS:
            self._even.popleft()
        if self.steady() >= STEADY_SECONDS and sight.content_at(mean(percent for _, percent in self._even)):
            self._find("t5", sight.at)

    def _find_over(self, sight: Sight) -> None:
        """t1 by a sample, or by the controller's figure: by whichever was earlier. It may have had a sample before the
        dashboard, which then comes by it later and finds an earlier moment."""
        found = [self._at["t1"]] if self.came("t1") else []
        if sight.percent is not None and sight.percent > sight.target and sight.newest is not None:
            found.append(sight.newest)
        if sight.seen_percent is not None and sight.seen_percent > sight.target:
            found.append(sight.at)
        if found := [at for at in found if at >= self._start.at]:
            self._at["t1"] = min(found)

    def _fall(self, sight: Sight) -> None:
        if sight.desired < self._at_stop:
            self._find("t7", sight.at)
        if sight.at_min:
            self._find("t8", sight.at)

    def _find(self, moment: str, at: float) -> None:
        self._at.setdefault(moment, at)
