"""What a persistence run proved."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from dashboard.runs.demos.persistence.ledger import Comparison
from dashboard.runs.verdict import Json, Verdict, as_seconds, as_text, decide, rounded

ACKED_BEFORE, RATE_BEFORE, ACKED_AFTER = 500, 100.0, 100  # with less the traffic is too thin to prove anything
IDS = 100  # that are listed
SHORT_ID = 8  # characters, as in a uid's first group

SCOPES = {
    "graceful": "The pod was deleted and replaced: mongod was told to end, and closed its files itself.",
    "crash": "mongod was killed (SIGKILL): a process's death was survived, which says nothing of a power cut.",
}


class Killed(Struct, frozen=True):
    """Who and what the database was, before and after. Ids, None where there was none or it is not known."""

    pod: str | None = None
    container: str | None = None
    node: str | None = None
    claim: str | None = None  # uid
    volume: str | None = None  # PersistentVolume


class Persisted(Struct, frozen=True):
    """All that a persistence run saw."""

    mode: str
    attempted: int = 0
    acked: int = 0
    unknown: int = 0
    failed: int = 0
    acked_before: int = 0
    acked_after: int = 0
    rate_before: float = 0.0  # acknowledged a second, just before the kill
    in_flight: int = 0  # operations under way during the outage
    longest_write: float | None = None
    before: Killed | None = None
    after: Killed | None = None
    down: float | None = None  # seconds from the kill until the new mongod answered as primary
    ready: float | None = None  # seconds from the kill until its pod was Ready
    last_write: bool | None = None  # whether the last document was acknowledged, None if it never came to that
    trouble: str | None = None  # what was told last of a write that was not acknowledged, a sentence
    comparison: Comparison | None = None  # None if it never came to that
    unread: str | None = None  # what could not be read back, and why
    stopped: str | None = None  # why it ended early: an abort, a lost lease, a limit


def persistence(seen: Persisted) -> Verdict:
    """Anything lost, corrupt, unexpected, or on another volume is a FAIL; whatever else is missing, INCONCLUSIVE."""
    failures = list(_losses(seen))
    doubts = list(_doubts(seen))
    verdict, reason = decide(failures, doubts)
    evidence = _persistence_evidence(seen)
    return Verdict(verdict, reason, evidence, _persistence_line(verdict, seen.mode, evidence))


def _losses(seen: Persisted) -> Iterator[str]:
    if found := seen.comparison:
        yield from _listed(found.lost, "was acknowledged and is lost", "were acknowledged and are lost")
        yield from _listed(found.corrupt, "is not as it was written", "are not as they were written")
        yield from _listed(found.unexpected, "is there that nobody wrote", "are there that nobody wrote")
        if found.lost and volume(seen) == "none":
            yield "The database has no persistent volume."
    if volume(seen) == "changed":
        yield "The database came back on another volume."


def _listed(ids: Sequence[str], one: str, more: str) -> Iterator[str]:
    if ids:
        shown = ", ".join(ids[:3]) + (" …" if len(ids) > 3 else "")
        yield f"{len(ids)} document{'' if len(ids) == 1 else 's'} {one if len(ids) == 1 else more}: {shown}."


def _doubts(seen: Persisted) -> Iterator[str]:
    """What keeps a run without losses from being a proof. Of a run that ended early only that is told."""
    if seen.stopped:
        yield seen.stopped
        yield from _unacknowledged(seen)
        return
    if seen.unread or seen.comparison is None:
        yield seen.unread or "Nothing was read back."
    yield from _unchanged(seen)
    if volume(seen) == "none":
        yield "The database has no persistent volume: what survived did so by luck."
    elif volume(seen) is None:
        yield "Whether the volume is the same is not known."
    if seen.acked_before < ACKED_BEFORE or seen.rate_before < RATE_BEFORE:
        yield (
            f"Too thin before the kill: {seen.acked_before} acknowledged, {seen.rate_before:.0f} a second, where"
            f" {ACKED_BEFORE} and {RATE_BEFORE:.0f} are needed."
        )
    if seen.acked_after < ACKED_AFTER:
        yield f"Too thin afterwards: {seen.acked_after} acknowledged, where {ACKED_AFTER} are needed."
    if seen.in_flight < 1:
        yield "No write was under way during the outage."
    if seen.down is None:
        yield "The new mongod was not seen to answer."
    if not seen.last_write:
        yield "The last write was not acknowledged."
    if seen.acked_after < ACKED_AFTER or not seen.last_write:
        yield from _unacknowledged(seen)


def _unacknowledged(seen: Persisted) -> Iterator[str]:
    """What the writers were told, where they were not told enough."""
    if seen.trouble and seen.unknown + seen.failed > 0:
        yield f"{seen.unknown + seen.failed} writes were not acknowledged, the last one for this: {seen.trouble}"


def _unchanged(seen: Persisted) -> Iterator[str]:
    before, after = seen.before or Killed(), seen.after or Killed()
    if seen.mode == "crash":
        if before.container is None or after.container is None or before.container == after.container:
            yield "The container is not seen to be a new one: nothing shows that mongod died."
        if before.pod != after.pod:
            yield "The pod was replaced, which a crash does not do: something else was at work."
    elif before.pod is None or after.pod is None or before.pod == after.pod:
        yield "The pod's uid is not seen to be a new one: nothing shows that it was replaced."


def volume(seen: Persisted) -> str | None:
    """same, changed or none; None while it is not known."""
    before, after = seen.before, seen.after
    if before is None or after is None:
        return None
    if before.claim is None and after.claim is None:
        return "none"
    return "same" if (before.claim, before.volume) == (after.claim, after.volume) else "changed"


def _persistence_evidence(seen: Persisted) -> Json:
    found = seen.comparison
    before, after = seen.before or Killed(), seen.after or Killed()
    ids = {
        f"{name}_ids": list(getattr(found, name)[:IDS])
        for name in ("lost", "corrupt", "unexpected")
        if found and getattr(found, name)
    }
    return {
        "mode": seen.mode,
        "attempted": seen.attempted,
        "acked": seen.acked,
        "unknown": seen.unknown,
        "failed": seen.failed,
        "lost": len(found.lost) if found else None,
        "corrupt": len(found.corrupt) if found else None,
        "unexpected": len(found.unexpected) if found else None,
        "recovered": len(found.recovered) if found else None,
        "pod": {"before": before.pod, "after": after.pod},
        "container": {"before": before.container, "after": after.container},
        "node": {"before": before.node, "after": after.node},
        "volume": volume(seen),
        "claim": {"before": before.claim, "after": after.claim},
        "down": rounded(seen.down),
        "ready": rounded(seen.ready),
        "longest_write": rounded(seen.longest_write),
        "acked_before": seen.acked_before,
        "acked_after": seen.acked_after,
        "rate_before": rounded(seen.rate_before, 1),
        "in_flight": seen.in_flight,
        "scope": SCOPES.get(seen.mode),
    } | ids


def _persistence_line(verdict: str, mode: str, evidence: Json) -> str:
    replaced = "container" if mode == "crash" else "pod"
    counts = ["attempted", "acked", "unknown", "failed", "lost", "corrupt", "recovered"]
    if evidence["unexpected"]:
        counts.insert(-1, "unexpected")
    return " ".join(
        [
            f"persistence {verdict.upper()} mode={mode}",
            *(f"{name}={as_text(evidence[name])}" for name in counts),
            f"{replaced}={'→'.join(_short(evidence[replaced][when]) for when in ('before', 'after'))}",
            f"volume={as_text(evidence['volume'])}",
            *(f"{name}={as_seconds(evidence[name])}" for name in ("down", "longest_write")),
        ]
    )


def _short(id_: str | None) -> str:
    return id_[:SHORT_ID] if id_ else "-"
