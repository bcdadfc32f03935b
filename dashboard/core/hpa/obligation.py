"""What the controller owes: the number of pods that it should ask for, by the object's own spec and by the figure that
the controller itself reports in its status.

Whatever is in doubt is not owed: the dashboard's own figure has to agree with the controller's, a tolerance that the
object does not state may be wider than usual, and a policy's past that began before anybody watched counts as one that
forbids a change.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from dashboard.core.hpa.behavior import Policy
from dashboard.core.hpa.recommendations import Recommendations
from dashboard.core.hpa.spec import HpaSpec
from dashboard.core.hpa.utilization import Figures

WRITTEN_SECONDS = 1.0  # lastScaleTime is written in whole seconds


def owed(
    task: HpaSpec, measured: Figures, reported: int, memory: Recommendations, at: float, last_scaled: float | None
) -> int | None:
    """How many pods it should ask for in the place of `task.current`; None where it owes no change.

    `reported` is the controller's figure in the target's unit, `last_scaled` the status' lastScaleTime in seconds.
    """
    if not task.low <= task.current <= task.high:
        return task.clamp(task.current)
    certain = replace(task, behavior=replace(task.behavior, tolerance=task.behavior.widest))
    numbers = [
        task.decide(certain.propose(measured, figure).wanted, memory.recommended, memory.changes, at).replicas
        for figure in (reported, measured.percent)
    ]
    rules = task.behavior.up if min(numbers) > task.current else task.behavior.down
    if _forgot(memory, rules.policies, at, last_scaled):
        return None
    if min(numbers) > task.current:
        return min(numbers)
    if max(numbers) < task.current and not task.others:  # another metric may want the pods
        return max(numbers)
    return None


def _forgot(memory: Recommendations, policies: Iterable[Policy], at: float, last_scaled: float | None) -> bool:
    """Whether a policy counts a change that was made before the dashboard looked."""
    period = max((policy.period for policy in policies), default=0.0)
    return last_scaled is not None and at - period < last_scaled < memory.began - WRITTEN_SECONDS
