"""How fast, and after how long, an autoscaler may follow: its `behavior`, by the controller's rules (Kubernetes 1.36).

Two things hold it back. A stabilization window: of what was recommended within it, the least counts on the way up, the
most on the way down. And policies: so many pods, or percent of them, in a period.
"""

import math
from collections.abc import Iterable, Sequence

from msgspec import Struct

from dashboard.core import objects
from dashboard.core.hpa.utilization import Tolerance
from dashboard.core.quantity import number

MOST_MEMORY_SECONDS = 3600.0  # the API takes no longer window or period
UNSTATED_TOLERANCE = 0.3  # that a controller may have been started with, at most; 0.1 unless told otherwise
DOWN_WINDOW_SECONDS = 300.0  # what the controller is started with, unless told otherwise

# The reasons of the ScalingLimited condition, in Kubernetes' own words.
WITHIN, UP_RATE, DOWN_RATE = "DesiredWithinRange", "ScaleUpLimit", "ScaleDownLimit"
TOO_MANY, TOO_FEW = "TooManyReplicas", "TooFewReplicas"


class Policy(Struct, frozen=True):
    percent: bool
    value: int
    period: float


class Rules(Struct, frozen=True):
    """`select` is Max, Min or Disabled: the policy that allows the most counts, or the least, or none is allowed."""

    window: float
    policies: tuple[Policy, ...]
    select: str = "Max"


_UP = Rules(0.0, (Policy(False, 4, 15.0), Policy(True, 100, 15.0)))
_DOWN = Rules(DOWN_WINDOW_SECONDS, (Policy(True, 100, 15.0),))


class HpaBehavior(Struct, frozen=True):
    """`given`: whether the object says any of it. Where it does not, the controller goes by older and simpler rules.
    `widest`: the tolerance that the controller may have, where the object states none."""

    up: Rules
    down: Rules
    tolerance: Tolerance
    given: bool
    widest: Tolerance = Tolerance(UNSTATED_TOLERANCE, UNSTATED_TOLERANCE)

    @property
    def disabled(self) -> list[str]:
        """The directions in which it allows no change at all, by the names of their fields."""
        rules = {"scaleUp": self.up, "scaleDown": self.down}
        return [name for name, one in rules.items() if one.select == "Disabled"]

    @property
    def memory(self) -> float:
        """For how many seconds the past matters."""
        periods = (policy.period for rules in (self.up, self.down) for policy in rules.policies)
        return min(max(self.up.window, self.down.window, *periods), MOST_MEMORY_SECONDS)


class Recommendation(Struct, frozen=True):
    at: float
    replicas: int


class Change(Struct, frozen=True):
    """Pods asked for more (or, negative, fewer) at a moment."""

    at: float
    replicas: int


class Decision(Struct, frozen=True):
    """`stabilized` is what the windows left of the proposal, `replicas` what limits and policies left of that."""

    replicas: int
    stabilized: int
    limited: str


def behavior_of(spec: objects.AutoscalerSpec) -> HpaBehavior:
    """With the defaults where nothing is said."""
    given = spec.behavior
    up, down = (given.scale_up, given.scale_down) if given else (None, None)
    below = number(down.tolerance) if down and down.tolerance else None
    above = number(up.tolerance) if up and up.tolerance else None
    usual = Tolerance()
    tolerance = Tolerance(usual.down if below is None else below, usual.up if above is None else above)
    widest = Tolerance(*(UNSTATED_TOLERANCE if stated is None else stated for stated in (below, above)))
    return HpaBehavior(_rules(up, _UP), _rules(down, _DOWN), tolerance, given is not None, widest)


def _rules(given: objects.ScalingRules | None, usual: Rules) -> Rules:
    if given is None:
        return usual
    policies = (Policy(one.type == "Percent", one.value, float(one.period_seconds)) for one in given.policies or ())
    seconds = given.stabilization_window_seconds
    window = usual.window if seconds is None else float(seconds)
    return Rules(window, tuple(policies) or usual.policies, given.select_policy or "Max")


def decide(
    behavior: HpaBehavior,
    bounds: tuple[int, int],
    current: int,
    wanted: int,
    recommended: Iterable[Recommendation],
    changes: Sequence[Change],
    at: float,
) -> Decision:
    """What becomes of `wanted` at `at`; `bounds` are the least and the most pods allowed."""
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
    """The current number, moved only as far as all that was recommended within the windows agrees to."""
    up = down = wanted
    for one in recommended:
        if one.at > at - behavior.up.window:
            up = min(up, one.replicas)
        if one.at > at - behavior.down.window:
            down = max(down, one.replicas)
    return min(max(current, up), down)


def allowed_up(rules: Rules, current: int, changes: Sequence[Change], at: float) -> int:
    """The most pods that the policies let it have now."""
    if rules.select == "Disabled":
        return current
    proposals = []
    for policy in rules.policies:
        start = _at_start(policy, current, changes, at)
        proposals.append(math.ceil(start * (1 + policy.value / 100)) if policy.percent else start + policy.value)
    return max(current, (min if rules.select == "Min" else max)(proposals))


def allowed_down(rules: Rules, current: int, changes: Sequence[Change], at: float) -> int:
    """The fewest pods that the policies let it have now."""
    if rules.select == "Disabled":
        return current
    proposals = []
    for policy in rules.policies:
        start = _at_start(policy, current, changes, at)
        proposals.append(int(start * (1 - policy.value / 100)) if policy.percent else start - policy.value)
    return min(current, (max if rules.select == "Min" else min)(proposals))


def _at_start(policy: Policy, current: int, changes: Sequence[Change], at: float) -> int:
    """How many pods there were when the policy's period began."""
    return current - sum(change.replicas for change in changes if change.at > at - policy.period)
