"""The obligation of the autoscaler's controller: the scaling that its spec and its own reported CPU value demand.

In doubt there is no obligation. The dashboard's CPU value must agree with the controller's; an unstated tolerance may
be larger than the default; a scaling from before the dashboard's start may have used up a policy; and a policy counts
the changes of its own direction alone. Those of the other direction would demand more, but the controller forgets some
of them (`Recommendations.change`), at a time that depends on its clock, and older ones count none.
"""

from msgspec.structs import replace

from dashboard.core.hpa.behavior import Rules
from dashboard.core.hpa.recommendations import Recommendations
from dashboard.core.hpa.spec import HpaSpec
from dashboard.core.hpa.utilization import Figures

WRITTEN_SECONDS = 1.0  # the resolution of lastScaleTime


def owed(
    spec: HpaSpec, measured: Figures, reported: int, history: Recommendations, at: float, last_scaled: float | None
) -> int | None:
    """Return the replicas that the controller must ask for instead of `spec.current`; None if no change is due.

    `reported` is the controller's CPU value in the target's unit, `last_scaled` the status' lastScaleTime in seconds.
    """
    if not spec.low <= spec.current <= spec.high:
        return spec.clamp(spec.current)
    strict = replace(spec, behavior=replace(spec.behavior, tolerance=spec.behavior.widest))
    numbers = [
        _decided(spec, strict.propose(measured, percent).wanted, history, at)
        for percent in (reported, measured.percent)
    ]
    rules = spec.behavior.up if min(numbers) > spec.current else spec.behavior.down
    if _changed_before_start(history, rules, at, last_scaled):
        return None
    if min(numbers) > spec.current:
        return min(numbers)
    if max(numbers) < spec.current and not spec.others:  # another metric may need the pods
        return max(numbers)
    return None


def _decided(spec: HpaSpec, wanted: int, history: Recommendations, at: float) -> int:
    """Return the decision on `wanted` pods by the changes of its own direction."""
    ups = [change for change in history.changes if change.replicas > 0]
    downs = [change for change in history.changes if change.replicas < 0]
    decided = spec.decide(wanted, history.recommended, ups, at).replicas
    if decided < spec.current:
        return spec.decide(wanted, history.recommended, downs, at).replicas
    # Remembered recommendations, which are reconstructed, may demand no more than the controller's figure does.
    return min(decided, max(wanted, spec.current))


def _changed_before_start(history: Recommendations, rules: Rules, at: float, last_scaled: float | None) -> bool:
    """Return whether a policy's period includes a scaling from before the dashboard's start."""
    return last_scaled is not None and at - rules.period < last_scaled < history.began - WRITTEN_SECONDS
