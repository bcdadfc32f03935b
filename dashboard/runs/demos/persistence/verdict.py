"""The verdict of a persistence run. Pure: it follows from the run's observations."""

from collections.abc import Iterator, Sequence

from dashboard.runs.demos.persistence.observation import DatabaseIdentity, Kill, Observations
from dashboard.runs.demos.persistence.words import short_id
from dashboard.runs.mode import Mode
from dashboard.runs.verdict import FieldSentence, Json, Verdict, as_seconds, as_text, decide, rounded
from dashboard.runs.workload.judgement import figures
from dashboard.runs.workload.judgement.coverage import coverage, outages
from dashboard.runs.workload.judgement.figures import WorkloadFigures
from dashboard.runs.workload.judgement.findings import counted_findings, listed_ids, losses
from dashboard.runs.workload.judgement.traffic import Coverage

PROCESSES = {"mongodb": "mongod", "postgresql": "PostgreSQL"}  # as the words call them; a crash is mongod's alone
SCOPES = {
    "graceful": "The pod was deleted and replaced: mongod was told to end, and closed its files itself.",
    "crash": "mongod was killed (SIGKILL): the data survived the end of a process, which says nothing of a power cut.",
}
TARGET_SCOPE = "The pod was deleted and replaced: the database was told to end, and had time for it."
READ_SCOPE = f"{TARGET_SCOPE} The documents were read back from it, and through the service."
UNREAD_SCOPE = f"{TARGET_SCOPE} It was not read itself: the documents were read back through the service."
SILENT_SECONDS = 1.0  # of an outage that the service has noticed
COUNTS = ("lost", "corrupt", "stale", "regressed", "resurrected", "recovered", "reads")  # of the line


class PersistenceFindings(WorkloadFigures, frozen=True, kw_only=True):
    """The figures from which the verdict follows."""

    mode: Mode  # of the first kill
    kills: Sequence[Kill] = ()
    adapter: bool = True  # whether the database itself could be asked
    database: str = "mongodb"


def findings(run: Observations) -> PersistenceFindings:
    """Return the figures of a run."""
    return PersistenceFindings(
        mode=run.mode,
        kills=run.kills,
        adapter=run.adapter,
        database=run.database,
        coverage=(*coverage(run.operations, run.gone, kinds=run.kinds), *([] if run.adapter else noticed(run))),
        **figures.of_run(run, run.gone),
    )


def noticed(run: Observations) -> Iterator[Coverage]:
    """Yield for how long no write was acknowledged: where nobody asks the database itself, only this shows that the
    service's documents are in the database that was killed."""
    ended = [(at, back) for at, back in run.gone if back is not None]
    if ended and len(ended) == len(run.gone):
        silent = min(end - begin for begin, end in outages(run.operations, ended))
        down = min(back - at for at, back in ended)
        least = min(SILENT_SECONDS, down / 2)
        yield Coverage("seconds without an acknowledged write during the outage", silent, True, least)


def verdict_of(found: PersistenceFindings) -> Verdict:
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
        yield from figures.unacknowledged(found)
        return
    yield from figures.unread(found)
    for kill in found.kills:
        yield from _unchanged(kill)
    if volume(found) == "none":
        yield FieldSentence("volume", "The database has no persistent volume: the documents survived by luck.")
    elif volume(found) is None:
        yield FieldSentence("volume", "It is unknown whether the volume is the same.")
    yield from figures.thin(found)
    if _down(found) is None:
        process = PROCESSES.get(found.database, "process of the database")
        yield FieldSentence("down", f"The new {process} was not seen to answer.")
    else:
        yield from figures.unseen(found)
    yield from figures.unfinished(found)


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
    return figures.longest([None if kill.back is None else kill.back - kill.at for kill in found.kills])


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
        **figures.evidence(found),
        **counted,
        "pod": {"before": before.pod, "after": after.pod},
        "container": {"before": before.container, "after": after.container},
        "node": {"before": before.node, "after": after.node},
        "volume": volume(found),
        "claim": {"before": before.claim, "after": after.claim},
        "down": down,
        "ready": rounded(figures.longest([None if kill.ready is None else kill.ready - kill.at for kill in kills])),
        "rto": down,
        "rpo": None if None in undone else sum(filter(None, undone)),
        "outages": [_outage(kill) for kill in kills],
        "scope": _scope(found),
    } | listed_ids(found.judgement)


def _scope(found: PersistenceFindings) -> str:
    if not found.adapter:
        return UNREAD_SCOPE
    if found.database != "mongodb":
        return READ_SCOPE if found.read_back and not found.unread else TARGET_SCOPE
    return " ".join(SCOPES[mode] for mode in dict.fromkeys([found.mode, *(kill.mode for kill in found.kills)]))


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
