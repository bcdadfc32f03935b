"""The explanation of an autoscaler's evaluation, as text. Nothing is computed here that decides a scaling."""

import math
from typing import Any

from msgspec import Struct

from dashboard.core.hpa.behavior import Decision, HpaBehavior, Rules
from dashboard.core.hpa.metrics import PERCENT
from dashboard.core.hpa.spec import HpaSpec
from dashboard.core.hpa.utilization import Figures, Proposal, ceiling

TIMES, MINUS = "\u00d7", "\u2212"

Json = dict[str, Any]


class EvaluationFacts(Struct, frozen=True):
    """The evaluation to explain.

    `asked` is the largest proposal of all metrics. `then` is the number of pods after the next scaling if the load
    stays the same, None for no scaling. The policies allow `allowed` pods to be added (or, negative, removed) now.
    """

    spec: HpaSpec
    figures: Figures
    proposal: Proposal
    asked: int
    decision: Decision
    allowed: int
    then: int | None

    @property
    def outvoted(self) -> bool:
        """Whether another metric asks for more pods than CPU."""
        return self.asked != self.proposal.wanted


def explain(facts: EvaluationFacts) -> Json:
    """Return the texts for the page.

    The page puts a countdown between `then` and `provided`: "2 pods go", "if CPU stays at or under 28 %".
    """
    spec, given, proposal = facts.spec, facts.figures, facts.proposal
    calculation = formula(spec, given, proposal)
    return {
        "formula": calculation,
        "sentence": f"{_measure(spec, given, proposal)} → {calculation}, {_verdict(facts)}",
        "next": _next(facts),
        "notes": _notes(facts),
        "then": None if facts.then is None else change_of(spec.current, facts.then),
        "provided": _provided(facts),
    }


def explain_blocked(spec: HpaSpec, given: Figures, proposal: Proposal) -> Json:
    """Return the texts where another metric has no figure: then the controller removes no pod."""
    calculation = formula(spec, given, proposal)
    verdict = "but another metric has no figure, so none goes"
    return {
        "formula": calculation,
        "sentence": f"{_measure(spec, given, proposal)} → {calculation}, {verdict}",
        "next": "Nothing changes until each metric has a figure, or one asks for more pods.",
    }


def formula(spec: HpaSpec, given: Figures, proposal: Proposal) -> str:
    """Return the calculation: "ceil(2 x 133 / 70) = 4", with a multiplication sign."""
    target, tolerance = spec.target, spec.behavior.tolerance
    percent = proposal.percent if proposal.adjusted is None else proposal.adjusted
    lead = "" if proposal.adjusted is None else f"{_mean(given, proposal, spec)} → "
    ratio = percent / target
    if proposal.why == "tolerated":
        most = tolerance.up if ratio > 1 else tolerance.down
        distance = f"{abs(ratio - 1):.2f}".rstrip("0").rstrip(".")
        return f"{lead}|{percent} / {target} {MINUS} 1| = {distance} ≤ {most:g}"
    if proposal.why == "turned":
        return f"{lead}{percent} / {target} = {ratio:.2f} {'>' if ratio > 1 else '<'} 1"
    wanted = math.ceil(ratio * proposal.counted)
    limit = spec.clamp(wanted)
    end = "" if limit == wanted or proposal.why != "scale" else f" → {'min' if limit > wanted else 'max'} {limit}"
    return f"{lead}ceil({proposal.counted} {TIMES} {percent} / {target}) = {wanted}{end}"


def condition(spec: HpaSpec) -> str:
    """Return the condition for a scale-down, in words, if every pod has a sample."""
    current, down = spec.current, spec.behavior.down
    if current <= spec.low:
        return f"{pods(spec.low)} {_are(spec.low)} the minimum: none goes, however low CPU is."
    highest = ceiling(current, current - 1, spec.target, spec.behavior.tolerance)
    if highest is None or (spec.behavior.given and down.select == "Disabled"):
        return "Its behavior allows no scale-down."
    wanted = math.ceil(highest / spec.target * current)
    count = min(current - spec.clamp(wanted), -spec.allowed(wanted, [], 0.0))
    go = "one goes" if count == 1 else f"{count} go"
    low = f"at or under {highest} {spec.unit}"
    if not down.window:
        return f"From {pods(current)}, {go} once CPU is {low}."
    return f"From {pods(current)}, {go} once CPU has stayed {low} for {window(down.window)}."


def change_of(current: int, then: int) -> str:
    """Return the change in words: "2 pods go", "1 pod comes"."""
    count = abs(then - current)
    one, many = ("comes", "come") if then > current else ("goes", "go")
    return f"{pods(count)} {one if count == 1 else many}"


def rules(behavior: HpaBehavior) -> Json:
    """Return the behavior's windows and policies in words, for each direction."""
    if not behavior.given:
        later = f"after {window(behavior.down.window)} of less, by any number"
        return {"up": "at once, to double or to 4 pods at most", "down": later}
    up, down = behavior.up.window, behavior.down.window
    return {
        "up": _rule(behavior.up, f"after {window(up)} of more" if up else "at once", "+"),
        "down": _rule(behavior.down, f"after {window(down)} of less" if down else "at once", MINUS),
    }


def pods(count: int) -> str:
    return f"{count} pod" if count == 1 else f"{count} pods"


def window(seconds: float) -> str:
    """Format a window of the spec, exactly: "90 s", "5 min"."""
    minutes, rest = divmod(seconds, 60)
    return f"{minutes:g} min" if minutes > 1 and not rest else f"{seconds:g} s"


def signed(count: int) -> str:
    return f"{MINUS}{-count}" if count < 0 else f"+{count}"


def _measure(spec: HpaSpec, given: Figures, proposal: Proposal) -> str:
    return f"{pods(given.measured)} at {proposal.percent} {spec.unit} of a {spec.target} {spec.unit} target"


def _mean(given: Figures, proposal: Proposal, spec: HpaSpec) -> str:
    """Return the mean of all counted pods, with the value assumed for pods without a sample."""
    assumed = 0 if proposal.percent > spec.target else spec.busy
    count = proposal.counted - given.measured
    exact = (given.measured * proposal.percent + count * assumed) // proposal.counted
    if exact != proposal.adjusted:  # the pods' requests differ
        return f"{proposal.adjusted} {spec.unit} of all {proposal.counted}"
    total = f"{given.measured} {TIMES} {proposal.percent} + {count} {TIMES} {assumed}"
    return f"({total}) / {proposal.counted} = {proposal.adjusted}"


def _verdict(facts: EvaluationFacts) -> str:
    spec, wanted = facts.spec, facts.asked
    lead = f"but another metric asks for {wanted}: " if facts.outvoted else ""
    if facts.proposal.why == "tolerated" and not lead:
        return "within the tolerance"
    if wanted == spec.current:
        return f"{lead}nothing changes" if lead else "so nothing changes"
    if spec.clamp(wanted) == spec.current:
        return f"{lead}{spec.current} {_are(spec.current)} the {'maximum' if wanted > spec.current else 'minimum'}"
    return f"{lead}{signed(facts.allowed)} allowed now" if facts.allowed else f"{lead}none allowed now"


def _next(facts: EvaluationFacts) -> str:
    """Return the consequence in words, without its time."""
    spec, wanted, then = facts.spec, facts.asked, facts.then
    if facts.outvoted and wanted == spec.current:
        return "The largest proposal of all metrics counts."
    if facts.proposal.why == "tolerated" and not facts.outvoted:
        low, high = spec.band
        return f"Nothing changes from {low} to {high} {spec.unit}."
    if facts.proposal.why != "scale" and not facts.outvoted:
        return "Pods without a sample never reverse the direction."
    if then is None:
        if spec.clamp(wanted) == spec.current:
            return "That is the current number." if wanted == spec.current else "Nothing changes."
        return f"Its behavior allows no scale-{'up' if wanted > spec.current else 'down'}."
    if facts.decision.stabilized == spec.current:
        up = then > spec.current
        last = window(spec.behavior.up.window if up else spec.behavior.down.window)
        return f"The {'lowest' if up else 'highest'} recommendation of the last {last} counts, so it waits."
    if facts.outvoted:
        return "The largest proposal of all metrics counts."
    each = round(facts.figures.measured * facts.proposal.percent / then) if then else 0
    if spec.unit == PERCENT:
        return f"The same work is about {each} % of {pods(then)}."
    return f"The same work is about {each} m for {'each of ' if then > 1 else ''}{pods(then)}."


def _notes(facts: EvaluationFacts) -> list[str]:
    spec, given, proposal = facts.spec, facts.figures, facts.proposal
    unit = spec.unit
    counted = proposal.adjusted is not None
    rising = proposal.percent > spec.target
    notes = []
    if given.unready:
        how = f"counted as 0 {unit}, since it would scale up" if counted and rising else "left out"
        notes.append(f"{pods(len(given.unready))} not measured yet: {how}.")
    if given.missing:
        how = f"0 {unit}, since it would scale up" if rising else f"{spec.busy} {unit}, since it would scale down"
        notes.append(f"{pods(len(given.missing))} without a sample: counted as {how}.")
    if given.ignored:
        notes.append(f"{pods(given.ignored)} terminating or failed: left out.")
    return notes


def _provided(facts: EvaluationFacts) -> str | None:
    """Return the condition for the next scaling."""
    spec, then = facts.spec, facts.then
    if then is None:
        return None
    if spec.others:
        return "if its metrics stay as they are"
    if then > spec.current:
        return "if CPU stays this high"
    highest = None
    if facts.proposal.adjusted is None and facts.figures.measured == spec.current:
        highest = ceiling(spec.current, then, spec.target, spec.behavior.tolerance)
    return "if CPU stays this low" if highest is None else f"if CPU stays at or under {highest} {spec.unit}"


def _rule(given: Rules, when: str, sign: str) -> str:
    if given.select == "Disabled":
        return "never"
    periods = {policy.period for policy in given.policies}
    common = f" in {window(periods.pop())}" if len(periods) == 1 else ""
    parts = [
        f"{sign}{policy.value}{' %' if policy.percent else ' pod' if policy.value == 1 else ' pods'}"
        + ("" if common else f" in {window(policy.period)}")
        for policy in given.policies
    ]
    which = f", whichever is {'less' if given.select == 'Min' else 'more'}" if len(parts) > 1 else ""
    return f"{when}, by {' or '.join(parts)}{common} at most{which}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
