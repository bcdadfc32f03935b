"""The verdict of a persistence run. Pure: it follows from the run's observations."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from dashboard.runs.demos.persistence.coverage import coverage, in_flight
from dashboard.runs.demos.persistence.observation import DatabaseIdentity, Kill, Mode, Observations
from dashboard.runs.demos.persistence.words import short_id
from dashboard.runs.verdict import FieldSentence, Json, Verdict, as_seconds, as_text, decide, rounded
from dashboard.runs.workload import traffic
from dashboard.runs.workload.findings import counted_findings, listed_ids, losses
from dashboard.runs.workload.judge import Judgement, judge
from dashboard.runs.workload.traffic import Coverage

ACKED_BEFORE, RATE_BEFORE, ACKED_AFTER = 500, 100.0, 100  # with less traffic a run proves nothing

SCOPES = {
    "graceful": "The pod was deleted and replaced: mongod was told to end, and closed its files itself.",
    "crash": "mongod was killed (SIGKILL): the data survived the end of a process, which says nothing of a power cut.",
}
COUNTS = ("lost", "corrupt", "stale", "regressed", "resurrected", "recovered", "reads")  # of the line


class PersistenceFindings(Struct, frozen=True):
    """The figures from which the verdict follows."""

    mode: Mode  # of the first kill
    attempted: int = 0
    acked: int = 0
    unknown: int = 0
    failed: int = 0
    acked_before: int = 0
    acked_after: int = 0  # after the outage; after several, the least
    rate_before: float = 0.0  # acknowledged a second, just before the kill
    in_flight: int = 0  # writes that were pending during the outage
    longest_write: float | None = None
    kills: Sequence[Kill] = ()
    last_write: bool | None = None
    last_error: str | None = None
    judgement: Judgement = Judgement()
    read_back: bool = False  # whether there is a read-back
    coverage: Sequence[Coverage] = ()
    unread: str | None = None
    stopped: str | None = None


def findings(run: Observations) -> PersistenceFindings:
    """Return the figures of a run."""
    operations, kills = run.operations, run.kills
    killed = kills[0].at if kills else traffic.EVER
    ends = [*(kill.at for kill in kills[1:]), traffic.EVER]
    after = [
        0 if kill.back is None else traffic.acknowledged(operations, kill.back, end)
        for kill, end in zip(kills, ends, strict=False)
    ]
    return PersistenceFindings(
        mode=run.mode,
        **traffic.counts(operations),
        acked_before=traffic.acknowledged(operations, until=killed),
        acked_after=min(after, default=0),
        rate_before=traffic.rate(operations, killed) if kills else 0.0,
        in_flight=in_flight(operations, kills),
        longest_write=traffic.longest(operations),
        kills=kills,
        last_write=run.last_write,
        last_error=run.last_error,
        judgement=judge(operations, run.read_backs),
        read_back=bool(run.read_backs),
        coverage=coverage(operations, kills),
        unread=run.unread,
        stopped=run.stopped,
    )


def persistence(found: PersistenceFindings) -> Verdict:
    """Return FAIL for any of FINDINGS or another volume; INCONCLUSIVE for other gaps."""
    failures = [*losses(found.judgement), *_other_volume(found)]
    doubts = list(_doubts(found))
    verdict, reason = decide(failures, doubts)
    evidence = _evidence(found)
    return Verdict(verdict, reason, evidence, _line(verdict, evidence), failures, doubts)


def _other_volume(found: PersistenceFindings) -> Iterator[str]:
    if found.judgement.lost and volume(found) == "none":
        yield FieldSentence("volume", "The database has no persistent volume.")
    if volume(found) == "changed":
        yield FieldSentence("volume", "The database came back on another volume.")


def _doubts(found: PersistenceFindings) -> Iterator[str]:
    """Yield why a run without losses is not a proof. If it ended early, that alone is the reason."""
    if found.stopped:
        yield found.stopped
        yield from _unacknowledged(found)
        return
    if found.unread or not found.read_back:
        yield found.unread or "Nothing was read back."
    for kill in found.kills:
        yield from _unchanged(kill)
    if volume(found) == "none":
        yield FieldSentence("volume", "The database has no persistent volume: the documents survived by luck.")
    elif volume(found) is None:
        yield FieldSentence("volume", "It is unknown whether the volume is the same.")
    if found.acked_before < ACKED_BEFORE or found.rate_before < RATE_BEFORE:
        yield FieldSentence(
            "acked_before",
            f"Too thin before the kill: {found.acked_before} acknowledged, {found.rate_before:.0f} a second, where"
            f" {ACKED_BEFORE} and {RATE_BEFORE:.0f} are needed.",
        )
    if found.acked_after < ACKED_AFTER:
        thin = f"Too thin afterwards: {found.acked_after} acknowledged, where {ACKED_AFTER} are needed."
        yield FieldSentence("acked_after", thin)
    if found.in_flight < 1:
        yield FieldSentence("in_flight", "No write was under way during the outage.")
    if _down(found) is None:
        yield FieldSentence("down", "The new mongod was not seen to answer.")
    elif missing := [each.what for each in found.coverage if each.required and not each.seen]:
        yield FieldSentence("coverage", f"Not seen: {', '.join(missing)}.")
    if not found.last_write:
        yield "The last write was not acknowledged."
    if found.acked_after < ACKED_AFTER or not found.last_write:
        yield from _unacknowledged(found)


def _unacknowledged(found: PersistenceFindings) -> Iterator[str]:
    """Yield how many writes were not acknowledged, and the writers' last error, if there is one."""
    if found.last_error and found.unknown + found.failed > 0:
        yield f"{found.unknown + found.failed} writes were not acknowledged. The last error: {found.last_error}"


def _unchanged(kill: Kill) -> Iterator[str]:
    before, after = kill.before, kill.after or DatabaseIdentity()
    if kill.mode == "crash":
        if before.container is None or after.container is None or before.container == after.container:
            yield "No new container was seen: nothing shows that mongod died."
        if before.pod != after.pod:
            yield "The pod was replaced, which a crash does not do: something else replaced it."
    elif before.pod is None or after.pod is None or before.pod == after.pod:
        yield "No new pod uid was seen: nothing shows that the pod was replaced."


def volume(found: PersistenceFindings) -> str | None:
    """Return "same", "changed" or "none"; None if it is unknown."""
    pairs = [(kill.before, kill.after) for kill in found.kills]
    if not pairs or any(after is None for _, after in pairs):
        return None
    volumes = {(each.claim, each.volume) for pair in pairs for each in pair if each}
    if {claim for claim, _ in volumes} == {None}:
        return "none"
    return "same" if len(volumes) == 1 else "changed"


def _down(found: PersistenceFindings) -> float | None:
    """Return the longest time without a database, in seconds; None if one has not ended."""
    return _longest([None if kill.back is None else kill.back - kill.at for kill in found.kills])


def _longest(durations: Sequence[float | None]) -> float | None:
    known = [each for each in durations if each is not None]
    return max(known) if known and len(known) == len(durations) else None


def _evidence(found: PersistenceFindings) -> Json:
    kills = found.kills
    before = kills[0].before if kills else DatabaseIdentity()
    after = (kills[-1].after if kills else None) or DatabaseIdentity()
    counted = counted_findings(found.judgement, found.read_back)
    down = rounded(_down(found))
    undone = [counted[name] for name in ("lost", "regressed", "resurrected")]
    return {
        "mode": found.mode,
        "kills": len(kills),
        "attempted": found.attempted,
        "acked": found.acked,
        "unknown": found.unknown,
        "failed": found.failed,
        **counted,
        "pod": {"before": before.pod, "after": after.pod},
        "container": {"before": before.container, "after": after.container},
        "node": {"before": before.node, "after": after.node},
        "volume": volume(found),
        "claim": {"before": before.claim, "after": after.claim},
        "down": down,
        "ready": rounded(_longest([None if kill.ready is None else kill.ready - kill.at for kill in kills])),
        "rto": down,
        "rpo": None if None in undone else sum(filter(None, undone)),
        "outages": [_outage(kill) for kill in kills],
        "longest_write": rounded(found.longest_write),
        "acked_before": found.acked_before,
        "acked_after": found.acked_after,
        "rate_before": rounded(found.rate_before, 1),
        "in_flight": found.in_flight,
        "coverage": [
            {"what": each.what, "count": rounded(each.count), "required": each.required, "seen": each.seen}
            for each in found.coverage
        ],
        "scope": " ".join(SCOPES[mode] for mode in dict.fromkeys([found.mode, *(kill.mode for kill in kills)])),
    } | listed_ids(found.judgement)


def _outage(kill: Kill) -> Json:
    """Return one kill's figures."""
    return {
        "mode": kill.mode,
        "down": None if kill.back is None else rounded(kill.back - kill.at),
        "ready": None if kill.ready is None else rounded(kill.ready - kill.at),
        "pod": kill.after and kill.after.pod,
        "container": kill.after and kill.after.container,
    }


def _line(verdict: str, evidence: Json) -> str:
    replaced = "container" if evidence["mode"] == "crash" else "pod"
    counts = ["attempted", "acked", "unknown", "failed", *COUNTS]
    if evidence["unexpected"]:
        counts.insert(counts.index("stale"), "unexpected")
    if evidence["kills"] > 1:
        counts.insert(0, "kills")
    return " ".join(
        [
            f"persistence {verdict.upper()} mode={evidence['mode']}",
            *(f"{name}={as_text(evidence[name])}" for name in counts),
            f"{replaced}={'→'.join(short_id(evidence[replaced][when]) for when in ('before', 'after'))}",
            f"volume={as_text(evidence['volume'])}",
            *(f"{name}={as_seconds(evidence[name])}" for name in ("down", "longest_write")),
        ]
    )
