"""What an autoscale run proved.

It fails by what was owed and did not come (`obligations`), and by requests that failed under a sound load. What could
not be brought about, and what an unsound load did, is INCONCLUSIVE.
"""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from dashboard.load.options import MOST_CPU_PERCENT, MOST_LAG_MS
from dashboard.runs.demos.autoscale.moments import NAMES
from dashboard.runs.verdict import Json, Verdict, as_seconds, as_text, decide, rounded

ERRORS = 0.001  # of all requests
SENT = 0.99  # of what was to be sent


class Findings(Struct, frozen=True):
    """All that a run found. `moments` are seconds from t0; `start` pods were there when the load began."""

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
    errors_of: str | None = None  # who answered with errors, in words
    dropped: int = 0
    lag_p99_ms: float | None = None
    cpu_percent: float | None = None  # of the generator
    moments: dict[str, float | None] = {}
    resolution: float | None = None  # seconds between two samples of a pod
    owed: tuple[Json, ...] = ()  # what was owed and met, and what was not
    unmet: str | None = None  # what was owed and did not come, in a sentence with its moments
    contradiction: str | None = None
    stopped: str | None = None  # why it ended early
    aborted: bool = False
    overloaded: bool = False  # whether it ended since the service did not answer in time what the run sent


def autoscale(found: Findings) -> Verdict:
    flaws = list(_flaws(found))
    excused = bool(flaws) or found.aborted or found.overloaded  # of errors: what was owed was so under any load
    failures = [*([found.unmet] if found.unmet else []), *([] if excused else _errors(found))]
    doubts = [*([found.stopped] if found.stopped else []), *flaws, *_gaps(found)]
    verdict, reason = decide(failures, doubts)
    evidence = _evidence(found)
    return Verdict(verdict, reason, evidence, _line(verdict, evidence))


def _flaws(found: Findings) -> Iterator[str]:
    """Why the load was not what it should have been."""
    if found.moments.get("t0") is None:
        if not found.stopped:
            yield "There was no load."
        return
    if found.lag_p99_ms is None or found.achieved < 1:
        if not found.stopped:
            yield "The load generator told no figures."
        return
    if found.lag_p99_ms > MOST_LAG_MS:
        yield f"The load generator lagged: {found.lag_p99_ms:.0f} ms late (p99), where {MOST_LAG_MS:.0f} are allowed."
    if (found.cpu_percent or 0.0) > MOST_CPU_PERCENT:
        yield f"The load generator used {found.cpu_percent:.0f} % of its core: {MOST_CPU_PERCENT:.0f} are allowed."
    sent, due = found.offered - found.dropped, max(found.due, found.offered)
    if sent < SENT * due:
        yield f"The load was thin: {sent} requests were sent, where {due} were due."


def _errors(found: Findings) -> Iterator[str]:
    sent = found.offered - found.dropped
    if sent > 0 and found.errors > ERRORS * sent:
        kinds = ", ".join(f"{count} of {kind}" for kind, count in sorted(found.errors_by_kind.items()))
        yield (
            f"{found.errors} of {sent} requests failed, {100 * found.errors / sent:.2g} %, where 0.1 % is allowed"
            f"{f' ({kinds})' if kinds else ''}{f': {found.errors_of}' if found.errors_of else ''}."
        )


def _gaps(found: Findings) -> Iterator[str]:
    """What keeps a run that nothing ended from being a proof."""
    if found.contradiction:
        yield found.contradiction
    if found.stopped or found.unmet:
        return  # then it is known why the rest did not come
    if missing := [f"{words} ({name})" for name, words in NAMES.items() if found.moments.get(name) is None]:
        yield f"Never came: {', '.join(missing)}."


def _evidence(found: Findings) -> Json:
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
