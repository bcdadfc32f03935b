"""The autoscaler's arithmetic in words. Every figure in a sentence was computed before."""

import math
from typing import Any

from msgspec import Struct

from dashboard.core.hpa.behavior import Decision, HpaBehavior, Rules
from dashboard.core.hpa.metrics import PERCENT
from dashboard.core.hpa.spec import HpaSpec
from dashboard.core.hpa.utilization import Figures, Proposal, ceiling

TIMES, MINUS = "\u00d7", "\u2212"

Json = dict[str, Any]


class Standing(Struct, frozen=True):
    """All that is told about.

    `then` is how many pods there will be if the load stays what it is, None for no other number. `allowed` pods may
    come (or, negative, go) now.
    """

    task: HpaSpec
    figures: Figures
    proposal: Proposal
    decision: Decision
    allowed: int
    then: int | None


def words(told: Standing) -> Json:
    """`then` and `provided` go around a time that only the page knows: "2 pods go", "if CPU stays at or under 28 %"."""
    found, unit = formula(told.task, told.figures, told.proposal), told.task.unit
    measure = f"{pods(told.figures.measured)} at {told.proposal.percent} {unit} of a {told.task.target} {unit} target"
    return {
        "formula": found,
        "sentence": f"{measure} → {found}, {_verdict(told)}",
        "next": _next(told),
        "notes": _notes(told),
        "then": None if told.then is None else coming(told.task.current, told.then),
        "provided": _provided(told),
    }


def formula(task: HpaSpec, given: Figures, proposal: Proposal) -> str:
    """As one would write it down: "ceil(2 x 133 / 70) = 4", with a multiplication sign."""
    target, tolerance = task.target, task.behavior.tolerance
    percent = proposal.percent if proposal.adjusted is None else proposal.adjusted
    lead = "" if proposal.adjusted is None else f"{_mean(given, proposal, task)} → "
    ratio = percent / target
    if proposal.why == "tolerated":
        most = tolerance.up if ratio > 1 else tolerance.down
        distance = f"{abs(ratio - 1):.2f}".rstrip("0").rstrip(".")
        return f"{lead}|{percent} / {target} {MINUS} 1| = {distance} ≤ {most:g}"
    if proposal.why == "turned":
        return f"{lead}{percent} / {target} = {ratio:.2f} {'>' if ratio > 1 else '<'} 1"
    wanted = math.ceil(ratio * proposal.counted)
    limit = task.clamp(wanted)
    end = "" if limit == wanted or proposal.why != "scale" else f" → {'min' if limit > wanted else 'max'} {limit}"
    return f"{lead}ceil({proposal.counted} {TIMES} {percent} / {target}) = {wanted}{end}"


def condition(task: HpaSpec) -> str:
    """When pods go, with all of them measured."""
    current, down = task.current, task.behavior.down
    if current <= task.low:
        return f"{pods(task.low)} {_are(task.low)} the least allowed: however low CPU is, none goes."
    figure = ceiling(current, current - 1, task.target, task.behavior.tolerance)
    if figure is None or (task.behavior.given and down.select == "Disabled"):
        return "Its behavior lets no pod go."
    wanted = math.ceil(figure / task.target * current)
    count = min(current - task.clamp(wanted), -task.allowed(wanted, [], 0.0))
    go = "one goes" if count == 1 else f"{count} go"
    if not down.window:
        return f"From {pods(current)}, {go} once CPU is at or under {figure} {task.unit}."
    return f"From {pods(current)}, {go} once CPU has stayed at or under {figure} {task.unit} for {span(down.window)}."


def coming(current: int, then: int) -> str:
    """ "2 pods go", or come."""
    count = abs(then - current)
    one, many = ("comes", "come") if then > current else ("goes", "go")
    return f"{pods(count)} {one if count == 1 else many}"


def rules(behavior: HpaBehavior) -> Json:
    """How fast and how late it may act, in each direction."""
    if not behavior.given:
        later = f"after {span(behavior.down.window)} of less, by any number"
        return {"up": "at once, to double or to 4 pods at most", "down": later}
    up, down = behavior.up.window, behavior.down.window
    return {
        "up": _rule(behavior.up, f"after {span(up)} of more" if up else "at once", "+"),
        "down": _rule(behavior.down, f"after {span(down)} of less" if down else "at once", MINUS),
    }


def pods(count: int) -> str:
    return f"{count} pod" if count == 1 else f"{count} pods"


def span(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{minutes:g} min" if minutes > 1 and not rest else f"{seconds:g} s"


def signed(count: int) -> str:
    return f"{MINUS}{-count}" if count < 0 else f"+{count}"


def _mean(given: Figures, proposal: Proposal, task: HpaSpec) -> str:
    """The figure of all, with what the pods without one of their own are supposed to use."""
    supposed = 0 if proposal.percent > task.target else task.busy
    count = proposal.counted - given.measured
    exact = (given.measured * proposal.percent + count * supposed) // proposal.counted
    if exact != proposal.adjusted:  # their requests differ
        return f"{proposal.adjusted} {task.unit} of all {proposal.counted}"
    total = f"{given.measured} {TIMES} {proposal.percent} + {count} {TIMES} {supposed}"
    return f"({total}) / {proposal.counted} = {proposal.adjusted}"


def _verdict(told: Standing) -> str:
    task, wanted = told.task, told.proposal.wanted
    if told.proposal.why == "tolerated":
        return "within the tolerance"
    if wanted == task.current:
        return "so nothing changes"
    if task.clamp(wanted) == task.current:
        return f"{task.current} {_are(task.current)} the {'most' if wanted > task.current else 'least'} allowed"
    return f"{signed(told.allowed)} allowed now" if told.allowed else "none allowed now"


def _next(told: Standing) -> str:
    """What follows, but for the time."""
    task, wanted = told.task, told.proposal.wanted
    if told.proposal.why == "tolerated":
        low, high = task.band
        return f"Nothing changes from {low} to {high} {task.unit}."
    if told.proposal.why != "scale":
        return "Pods without a figure of their own never turn it round."
    if told.then is None:
        if task.clamp(wanted) == task.current:
            return "That many there are already." if wanted == task.current else "Nothing changes."
        return f"Its behavior lets no pod {'come' if wanted > task.current else 'go'}."
    if told.decision.stabilized == task.current:
        up = told.then > task.current
        window = task.behavior.up.window if up else task.behavior.down.window
        return f"The {'least' if up else 'most'} that was wanted in the last {span(window)} counts, so it waits."
    each = round(told.figures.measured * told.proposal.percent / told.then) if told.then else 0
    if task.unit == PERCENT:
        return f"The same work is about {each} % of {pods(told.then)}."
    return f"The same work is about {each} m for {'each of ' if told.then > 1 else ''}{pods(told.then)}."


def _notes(told: Standing) -> list[str]:
    given, proposal, unit = told.figures, told.proposal, told.task.unit
    counted = proposal.adjusted is not None
    rising = proposal.percent > told.task.target
    notes = []
    if given.unready:
        how = f"counted as 0 {unit}, since it would scale up" if counted and rising else "left out"
        notes.append(f"{pods(len(given.unready))} not measured yet: {how}.")
    if given.missing:
        how = f"0 {unit}, since it would scale up" if rising else f"{told.task.busy} {unit}, since it would scale down"
        notes.append(f"{pods(len(given.missing))} without a sample: counted as {how}.")
    if given.ignored:
        notes.append(f"{pods(given.ignored)} on the way out: left out.")
    if told.task.others:
        more = "one more metric" if told.task.others == 1 else f"{told.task.others} more metrics"
        notes.append(f"It goes by {more}, not evaluated here: the highest proposal counts.")
    return notes


def _provided(told: Standing) -> str | None:
    """On what the change depends."""
    task = told.task
    if told.then is None:
        return None
    if told.then > task.current:
        return "if CPU stays this high"
    figure = None
    if told.proposal.adjusted is None and told.figures.measured == task.current:
        figure = ceiling(task.current, told.then, task.target, task.behavior.tolerance)
    return "if CPU stays this low" if figure is None else f"if CPU stays at or under {figure} {task.unit}"


def _rule(given: Rules, when: str, sign: str) -> str:
    if given.select == "Disabled":
        return "never"
    periods = {policy.period for policy in given.policies}
    common = f" in {span(periods.pop())}" if len(periods) == 1 else ""
    parts = [
        f"{sign}{policy.value}{' %' if policy.percent else ' pod' if policy.value == 1 else ' pods'}"
        + ("" if common else f" in {span(policy.period)}")
        for policy in given.policies
    ]
    which = f", whichever is {'less' if given.select == 'Min' else 'more'}" if len(parts) > 1 else ""
    return f"{when}, by {' or '.join(parts)}{common} at most{which}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
