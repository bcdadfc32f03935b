"""An autoscale run's evidence as text, for its card and its claim."""

from dashboard.runs.verdict import Json
from dashboard.runs.words import after, count, elapsed, number, plural, present


def key_figures(evidence: Json) -> list[str]:
    start, peak, t2 = _start(evidence), number(evidence.get("peak")), number(evidence.get("t2"))
    pods = ""
    if start is not None and peak is not None:
        back = [start] if number(evidence.get("t8")) is not None else []
        path = " → ".join(count(each) for each in (start, peak, *back))
        pods = f"{path} pods" if peak > start else f"stayed at {plural(start, 'pod')}"
    return present([pods, f"{elapsed(t2)} to more pods" if t2 is not None else ""])


def lines(evidence: Json) -> list[list[str]]:
    """Moments are seconds from the load's start; missing ones are left out."""
    start, peak = _start(evidence), number(evidence.get("peak"))
    rate, errors, t6 = (number(evidence.get(name)) for name in ("rate", "errors", "t6"))
    load = [
        "" if start is None or peak is None else f"{count(start)} → {plural(peak, 'pod')}",
        "" if rate is None else f"{count(rate)} requests a second",
        "" if errors is None else f"errors {count(errors)}",
    ]
    up = [
        after("over the target after", evidence.get("t1")), after("more asked for", evidence.get("t2")),
        after("Ready", evidence.get("t3")), after("serving", evidence.get("t4")), after("steady", evidence.get("t5")),
    ]  # fmt: skip
    down = [
        after("load stopped after", t6), after("fewer asked for", evidence.get("t7"), t6),
        after("back where it began", evidence.get("t8"), t6),
    ]  # fmt: skip
    return [parts for parts in (present(load), present(up), present(down)) if parts]


def compared(evidence: Json) -> float | None:
    return number(evidence.get("t2"))


def _start(evidence: Json) -> float | None:
    """Return the number of pods before the load; runs kept without `start` have `min`."""
    start = number(evidence.get("start"))
    return number(evidence.get("min")) if start is None else start
