"""The verdict of an autoscale run.

An unmet obligation (`obligations`) and errors under a valid load are a FAIL. An invalid load, and anything that could
not be reached, is INCONCLUSIVE.
"""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from dashboard.load.options import MOST_CPU_PERCENT, MOST_LAG_MS
from dashboard.runs.demos.autoscale.observed.moments import NAMES
from dashboard.runs.verdict import FieldSentence, Json, Verdict, as_seconds, as_text, decide, rounded

ERRORS = 0.001  # of all requests, allowed
SENT = 0.99  # of the due requests, required


class AutoscaleFindings(Struct, frozen=True):
    """Everything that an autoscale run observed. `moments` are seconds from t0; `start` is the number of pods then."""

    min: int | None = None
    start: int | None = None
    peak: int | None = None
    target: str | None = None  # with its unit
    rate: float | None = None  # in the end
    rates: tuple[Json, ...] = ()  # {"at": seconds from t0, "rate"}
    cost: float | None = None  # millicores for each request a second
    background: float | None = None  # millicores that were in use before the load
    due: int = 0
    offered: int = 0
    achieved: int = 0
    errors: int = 0
    errors_by_kind: Mapping[str, int] = {}
    errors_of: str | None = None  # which pods answered with errors, as text
    dropped: int = 0
    lag_p99_ms: float | None = None
    cpu_percent: float | None = None  # of the generator
    moments: dict[str, float | None] = {}
    resolution: float | None = None  # seconds between two samples of a pod
    owed: tuple[Json, ...] = ()  # the met obligations, and the unmet one
    unmet: str | None = None  # the unmet obligation as a sentence, with its times
    contradiction: str | None = None
    stopped: str | None = None  # why the run ended early
    aborted: bool = False
    overloaded: bool = False  # whether it ended because the service did not answer in time
    jumped: bool = False  # whether it ended because the dashboard's clock jumped
    disturbed: bool = False  # whether it ended because somebody changed the autoscaler or its Deployment


def verdict_of(found: AutoscaleFindings) -> Verdict:
    flaws = list(_flaws(found))
    # Errors are excused; obligations hold under any load.
    excused = bool(flaws or found.disturbed or found.contradiction) or found.aborted or found.overloaded or found.jumped
    errors = list(_errors(found))
    failures = [*([FieldSentence("owed", found.unmet)] if found.unmet else []), *([] if excused else errors)]
    doubts = [*([found.stopped] if found.stopped and not found.unmet else []), *flaws, *_gaps(found)]
    verdict, reason = decide(failures, doubts)
    evidence = _evidence(found)
    return Verdict(verdict, reason, evidence, _line(verdict, evidence), failures, doubts + errors * excused)


def _flaws(found: AutoscaleFindings) -> Iterator[str]:
    """Yield why the load was invalid."""
    if found.moments.get("t0") is None:
        if not found.stopped:
            yield "There was no load."
        return
    if found.lag_p99_ms is None or found.achieved < 1:
        if not found.stopped:
            yield "The load generator reported no figures."
        return
    if found.lag_p99_ms > MOST_LAG_MS:
        lag = f"The load generator lagged: {found.lag_p99_ms:.0f} ms late (p99), where {MOST_LAG_MS:.0f} are allowed."
        yield FieldSentence("lag_p99_ms", lag)
    if (found.cpu_percent or 0.0) > MOST_CPU_PERCENT:
        yield f"The load generator used {found.cpu_percent:.0f} % of its core: {MOST_CPU_PERCENT:.0f} are allowed."
    sent, due = found.offered - found.dropped, max(found.due, found.offered)
    if sent < SENT * due:
        yield f"The load was thin: {sent} requests were sent, where {due} were due."


def _errors(found: AutoscaleFindings) -> Iterator[str]:
    sent = found.offered - found.dropped
    if sent > 0 and found.errors > ERRORS * sent:
        kinds = ", ".join(f"{count} of {kind}" for kind, count in sorted(found.errors_by_kind.items()))
        yield FieldSentence(
            "errors",
            f"{found.errors} of {sent} requests failed, {100 * found.errors / sent:.2g} %, where 0.1 % is allowed"
            f"{f' ({kinds})' if kinds else ''}{f': {found.errors_of}' if found.errors_of else ''}.",
        )


def _gaps(found: AutoscaleFindings) -> Iterator[str]:
    """Yield why a run without failures is not a proof."""
    if found.contradiction:
        yield found.contradiction
    if found.stopped or found.unmet:
        return  # then the reason for missing moments is known
    if missing := [f"{words} ({name})" for name, words in NAMES.items() if found.moments.get(name) is None]:
        yield f"Not reached: {', '.join(missing)}."


def _evidence(found: AutoscaleFindings) -> Json:
    return {
        "min": found.min,
        "start": found.start,
        "peak": found.peak,
        "target": found.target,
        "rate": rounded(found.rate, 1),
        "rates": list(found.rates),
        "cost_millicores": rounded(found.cost),
        "background_millicores": rounded(found.background, 0),
        "offered": found.offered,
        "achieved": found.achieved,
        "errors": found.errors,
        "errors_by_kind": dict(found.errors_by_kind),
        "dropped": found.dropped,
        "lag_p99_ms": rounded(found.lag_p99_ms),
        "cpu_percent": rounded(found.cpu_percent, 1),
        "resolution": rounded(found.resolution, 1),
        "owed": list(found.owed),
        **{name: rounded(found.moments.get(name), 1) for name in NAMES},
    }


def _line(verdict: str, evidence: Json) -> str:
    lag = evidence["lag_p99_ms"]
    return " ".join(
        [
            f"autoscale {verdict.upper()}",
            *(f"{name}={as_text(evidence[name])}" for name in ("min", "peak", "rate", "offered", "achieved", "errors")),
            f"lag_p99={'-' if lag is None else f'{lag:.1f}ms'}",
            *(f"{name}={as_seconds(evidence[name])}" for name in NAMES),
        ]
    )
