"""The verdict of a persistence run."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from dashboard.runs.demos.persistence.ledger import Comparison
from dashboard.runs.demos.persistence.words import short_id
from dashboard.runs.verdict import About, Json, Verdict, as_seconds, as_text, decide, rounded

ACKED_BEFORE, RATE_BEFORE, ACKED_AFTER = 500, 100.0, 100  # with less traffic a run proves nothing
IDS = 100  # listed at most

SCOPES = {
    "graceful": "The pod was deleted and replaced: mongod was told to end, and closed its files itself.",
    "crash": "mongod was killed (SIGKILL): the data survived the end of a process, which says nothing of a power cut.",
}


class DatabaseIdentity(Struct, frozen=True):
    """The ids of the database's pod and volume at one time. None if there is none or it is unknown."""

    pod: str | None = None
    container: str | None = None
    node: str | None = None
    claim: str | None = None  # uid
    volume: str | None = None  # PersistentVolume


class PersistenceFindings(Struct, frozen=True):
    """Everything that a persistence run observed."""

    mode: str
    attempted: int = 0
    acked: int = 0
    unknown: int = 0
    failed: int = 0
    acked_before: int = 0
    acked_after: int = 0
    rate_before: float = 0.0  # acknowledged a second, just before the kill
    in_flight: int = 0  # writes that were pending during the outage
    longest_write: float | None = None
    before: DatabaseIdentity | None = None
    after: DatabaseIdentity | None = None
    down: float | None = None  # seconds from the kill until the new mongod answered as primary
    ready: float | None = None  # seconds from the kill until its pod was Ready
    last_write: bool | None = None  # whether the last document was acknowledged; None if it was never written
    last_error: str | None = None  # of a write that was not acknowledged, a sentence
    comparison: Comparison | None = None  # None if nothing was read back
    unread: str | None = None  # why something could not be read back
    stopped: str | None = None  # why the run ended early: an abort, a lost lease, a limit


def persistence(found: PersistenceFindings) -> Verdict:
    """Return FAIL for lost, corrupt or unexpected documents or another volume; INCONCLUSIVE for other gaps."""
    failures = list(_losses(found))
    doubts = list(_doubts(found))
    verdict, reason = decide(failures, doubts)
    evidence = _evidence(found)
    return Verdict(verdict, reason, evidence, _line(verdict, found.mode, evidence), failures, doubts)


def _losses(found: PersistenceFindings) -> Iterator[str]:
    if read := found.comparison:
        yield from _listed("lost", read.lost, "was acknowledged and is lost", "were acknowledged and are lost")
        yield from _listed("corrupt", read.corrupt, "is not as it was written", "are not as they were written")
        unexpected = ("is there though nobody wrote it", "are there though nobody wrote them")
        yield from _listed("unexpected", read.unexpected, *unexpected)
        if read.lost and volume(found) == "none":
            yield About("volume", "The database has no persistent volume.")
    if volume(found) == "changed":
        yield About("volume", "The database came back on another volume.")


def _listed(field: str, ids: Sequence[str], one: str, more: str) -> Iterator[str]:
    if ids:
        shown = ", ".join(ids[:3]) + (" …" if len(ids) > 3 else "")
        documents = "document" if len(ids) == 1 else "documents"
        yield About(field, f"{len(ids)} {documents} {one if len(ids) == 1 else more}: {shown}.")


def _doubts(found: PersistenceFindings) -> Iterator[str]:
    """Yield why a run without losses is not a proof. If it ended early, that alone is the reason."""
    if found.stopped:
        yield found.stopped
        yield from _unacknowledged(found)
        return
    if found.unread or found.comparison is None:
        yield found.unread or "Nothing was read back."
    yield from _unchanged(found)
    if volume(found) == "none":
        yield About("volume", "The database has no persistent volume: the documents survived by luck.")
    elif volume(found) is None:
        yield About("volume", "It is unknown whether the volume is the same.")
    if found.acked_before < ACKED_BEFORE or found.rate_before < RATE_BEFORE:
        yield About(
            "acked_before",
            f"Too thin before the kill: {found.acked_before} acknowledged, {found.rate_before:.0f} a second, where"
            f" {ACKED_BEFORE} and {RATE_BEFORE:.0f} are needed.",
        )
    if found.acked_after < ACKED_AFTER:
        thin = f"Too thin afterwards: {found.acked_after} acknowledged, where {ACKED_AFTER} are needed."
        yield About("acked_after", thin)
    if found.in_flight < 1:
        yield About("in_flight", "No write was under way during the outage.")
    if found.down is None:
        yield About("down", "The new mongod was not seen to answer.")
    if not found.last_write:
        yield "The last write was not acknowledged."
    if found.acked_after < ACKED_AFTER or not found.last_write:
        yield from _unacknowledged(found)


def _unacknowledged(found: PersistenceFindings) -> Iterator[str]:
    """Yield how many writes were not acknowledged, and the writers' last error, if there is one."""
    if found.last_error and found.unknown + found.failed > 0:
        yield f"{found.unknown + found.failed} writes were not acknowledged. The last error: {found.last_error}"


def _unchanged(found: PersistenceFindings) -> Iterator[str]:
    before, after = found.before or DatabaseIdentity(), found.after or DatabaseIdentity()
    if found.mode == "crash":
        if before.container is None or after.container is None or before.container == after.container:
            yield "No new container was seen: nothing shows that mongod died."
        if before.pod != after.pod:
            yield "The pod was replaced, which a crash does not do: something else replaced it."
    elif before.pod is None or after.pod is None or before.pod == after.pod:
        yield "No new pod uid was seen: nothing shows that the pod was replaced."


def volume(found: PersistenceFindings) -> str | None:
    """Return "same", "changed" or "none"; None if it is unknown."""
    before, after = found.before, found.after
    if before is None or after is None:
        return None
    if before.claim is None and after.claim is None:
        return "none"
    return "same" if (before.claim, before.volume) == (after.claim, after.volume) else "changed"


def _evidence(found: PersistenceFindings) -> Json:
    read = found.comparison
    before, after = found.before or DatabaseIdentity(), found.after or DatabaseIdentity()
    ids = {
        f"{name}_ids": list(getattr(read, name)[:IDS])
        for name in ("lost", "corrupt", "unexpected")
        if read and getattr(read, name)
    }
    return {
        "mode": found.mode,
        "attempted": found.attempted,
        "acked": found.acked,
        "unknown": found.unknown,
        "failed": found.failed,
        "lost": len(read.lost) if read else None,
        "corrupt": len(read.corrupt) if read else None,
        "unexpected": len(read.unexpected) if read else None,
        "recovered": len(read.recovered) if read else None,
        "pod": {"before": before.pod, "after": after.pod},
        "container": {"before": before.container, "after": after.container},
        "node": {"before": before.node, "after": after.node},
        "volume": volume(found),
        "claim": {"before": before.claim, "after": after.claim},
        "down": rounded(found.down),
        "ready": rounded(found.ready),
        "longest_write": rounded(found.longest_write),
        "acked_before": found.acked_before,
        "acked_after": found.acked_after,
        "rate_before": rounded(found.rate_before, 1),
        "in_flight": found.in_flight,
        "scope": SCOPES.get(found.mode),
    } | ids


def _line(verdict: str, mode: str, evidence: Json) -> str:
    replaced = "container" if mode == "crash" else "pod"
    counts = ["attempted", "acked", "unknown", "failed", "lost", "corrupt", "recovered"]
    if evidence["unexpected"]:
        counts.insert(-1, "unexpected")
    return " ".join(
        [
            f"persistence {verdict.upper()} mode={mode}",
            *(f"{name}={as_text(evidence[name])}" for name in counts),
            f"{replaced}={'→'.join(short_id(evidence[replaced][when]) for when in ('before', 'after'))}",
            f"volume={as_text(evidence['volume'])}",
            *(f"{name}={as_seconds(evidence[name])}" for name in ("down", "longest_write")),
        ]
    )
