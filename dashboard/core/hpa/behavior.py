"""An autoscaler's `behavior`, by its controller's rules (Kubernetes 1.36).

Two things delay a scaling. The stabilization window: the lowest recommendation within it counts on the way up, the
highest on the way down. And the policies: they limit the pods, or the percent of them, added or removed in a period.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from dashboard.core import objects
from dashboard.core.hpa.utilization import Tolerance, replicas
from dashboard.core.quantity import number

MOST_MEMORY_SECONDS = 3600.0  # the API accepts no longer window or period
UNSTATED_TOLERANCE = 0.3  # the assumed maximum of the controller's own flag, whose default is 0.1
DOWN_WINDOW_SECONDS = 300.0  # the controller's default

# Reasons of the ScalingLimited condition.
WITHIN, UP_RATE, DOWN_RATE = "DesiredWithinRange", "ScaleUpLimit", "ScaleDownLimit"
TOO_MANY, TOO_FEW = "TooManyReplicas", "TooFewReplicas"


class Policy(Struct, frozen=True):
    """A maximum of `value` pods, or percent of them, in `period` seconds."""

    percent: bool
    value: int
    period: float


class Rules(Struct, frozen=True):
    """The rules of one direction. `select` is Max, Min or Disabled: the most or least permissive policy counts."""

    window: float
    policies: tuple[Policy, ...]
    select: str = "Max"

    @property
    def period(self) -> float:
        """The longest period of the policies, in seconds."""
        return max((policy.period for policy in self.policies), default=0.0)


_UP = Rules(0.0, (Policy(False, 4, 15.0), Policy(True, 100, 15.0)))
_DOWN = Rules(DOWN_WINDOW_SECONDS, (Policy(True, 100, 15.0),))


class HpaBehavior(Struct, frozen=True):
    """The behavior with defaults filled in.

    `given` is false if the object has no behavior: the controller then uses older and simpler rules. `widest` is the
    largest tolerance that the controller may have; they differ where the object states none.
    """

    up: Rules
    down: Rules
    tolerance: Tolerance
    given: bool
    widest: Tolerance = Tolerance(UNSTATED_TOLERANCE, UNSTATED_TOLERANCE)

    @property
    def disabled(self) -> list[str]:
        """The field names of the disabled directions."""
        rules = {"scaleUp": self.up, "scaleDown": self.down}
        return [name for name, one in rules.items() if one.select == "Disabled"]

    @property
    def memory(self) -> float:
        """The seconds for which past recommendations and changes matter."""
        longest = max(self.up.window, self.down.window, self.up.period, self.down.period)
        return min(longest, MOST_MEMORY_SECONDS)


class Recommendation(Struct, frozen=True):
    """A recommended number of pods."""

    at: float
    replicas: int


class Change(Struct, frozen=True):
    """A scaling: the number of pods added or, if negative, removed."""

    at: float
    replicas: int


class Decision(Struct, frozen=True):
    """A decision: `stabilized` is the proposal after the windows, `replicas` also after the limits and policies."""

    replicas: int
    stabilized: int
    limited: str


def behavior_of(spec: objects.AutoscalerSpec) -> HpaBehavior:
    """Return the behavior with defaults filled in."""
    given = spec.behavior
    up, down = (given.scale_up, given.scale_down) if given else (None, None)
    below = number(down.tolerance) if down and down.tolerance else None
    above = number(up.tolerance) if up and up.tolerance else None
    default = Tolerance()
    tolerance = Tolerance(default.down if below is None else below, default.up if above is None else above)
    # A controller without the feature ignores a tolerance that its API server keeps.
    widest = Tolerance(
        UNSTATED_TOLERANCE if below is None else max(below, default.down),
        UNSTATED_TOLERANCE if above is None else max(above, default.up),
    )
    return HpaBehavior(_rules(up, _UP), _rules(down, _DOWN), tolerance, given is not None, widest)


def _rules(given: objects.ScalingRules | None, default: Rules) -> Rules:
    if given is None:
        return default
    policies = (Policy(one.type == "Percent", one.value, float(one.period_seconds)) for one in given.policies or ())
    seconds = given.stabilization_window_seconds
    window = default.window if seconds is None else float(seconds)
    return Rules(window, tuple(policies) or default.policies, given.select_policy or "Max")


def decide(
    behavior: HpaBehavior,
    bounds: tuple[int, int],
    current: int,
    wanted: int,
    recommended: Iterable[Recommendation],
    changes: Sequence[Change],
    at: float,
) -> Decision:
    """Return the decision on `wanted` pods at time `at`. `bounds` are minReplicas and maxReplicas."""
    if not behavior.given:
        stabilized = max((one.replicas for one in recommended if one.at >= at - behavior.down.window), default=0)
        return _bounded(bounds, current, max(wanted, stabilized), max(2 * current, 4))
    stabilized = _stabilize(behavior, current, wanted, recommended, at)
    low, high = bounds
    if stabilized > current:
        most = allowed_up(behavior.up, current, changes, at)
        if stabilized > min(high, most):
            return Decision(min(high, most), stabilized, UP_RATE if most < high else TOO_MANY)
    elif stabilized < current:
        least = allowed_down(behavior.down, current, changes, at)
        if stabilized < max(low, least):
            return Decision(max(low, least), stabilized, DOWN_RATE if least > low else TOO_FEW)
    return Decision(stabilized, stabilized, WITHIN)


def _bounded(bounds: tuple[int, int], current: int, wanted: int, most: int) -> Decision:
    low, high = bounds
    if wanted < low:
        return Decision(low, wanted, TOO_FEW)
    if wanted > min(high, most):
        return Decision(min(high, most), wanted, UP_RATE if most < high else TOO_MANY)
    return Decision(wanted, wanted, WITHIN)


def _stabilize(
    behavior: HpaBehavior, current: int, wanted: int, recommended: Iterable[Recommendation], at: float
) -> int:
    """Return the current number, moved only as far as all recommendations within the windows agree."""
    up = down = wanted
    for one in recommended:
        if one.at > at - behavior.up.window:
            up = min(up, one.replicas)
        if one.at > at - behavior.down.window:
            down = max(down, one.replicas)
    return min(max(current, up), down)


def allowed_up(rules: Rules, current: int, changes: Sequence[Change], at: float) -> int:
    """Return the highest number of pods that the policies allow now."""
    if rules.select == "Disabled":
        return current
    proposals = []
    for policy in rules.policies:
        start = _at_start(policy, current, changes, at)
        proposals.append(replicas(start * (1 + policy.value / 100) if policy.percent else start + policy.value))
    return max(current, (min if rules.select == "Min" else max)(proposals))


def allowed_down(rules: Rules, current: int, changes: Sequence[Change], at: float) -> int:
    """Return the lowest number of pods that the policies allow now."""
    if rules.select == "Disabled":
        return current
    proposals = []
    for policy in rules.policies:
        start = _at_start(policy, current, changes, at)
        proposals.append(replicas(int(start * (1 - policy.value / 100)) if policy.percent else start - policy.value))
    return min(current, (max if rules.select == "Min" else min)(proposals))


def _at_start(policy: Policy, current: int, changes: Sequence[Change], at: float) -> int:
    """Return the number of pods at the start of the policy's period."""
    return current - sum(change.replicas for change in changes if change.at > at - policy.period)
