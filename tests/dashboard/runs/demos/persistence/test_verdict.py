"""The persistence verdict: findings that PASS, and for each rule a change that does not."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from dashboard.runs.demos.persistence.observation import DatabaseIdentity, Kill, Observations
from dashboard.runs.demos.persistence.records import PersistenceObserved, observations
from dashboard.runs.demos.persistence.verdict import PersistenceFindings, findings, verdict_of
from dashboard.runs.workload.judgement.findings import IDS
from dashboard.runs.workload.judgement.judge import FINDINGS, Judgement
from dashboard.runs.workload.judgement.traffic import Coverage
from dashboard.runs.workload.operation import Operation, ReadBack
from dashboard.runs.workload.records import WorkloadReader
from tests.dashboard.runs.workload.operations import acknowledgements

OLD = DatabaseIdentity("aaaaaaaa-1", "a1b2c3d4e5f6", "node-1", "claim-1", "pv-1")
REPLACED = DatabaseIdentity("bbbbbbbb-2", "b1b2c3d4e5f6", "node-1", "claim-1", "pv-1")
CRASHED = DatabaseIdentity("aaaaaaaa-1", "c3d4e5f6a7b8", "node-1", "claim-1", "pv-1")
KILL = Kill("graceful", 100.0, OLD, back=102.9, ready=105.4, after=REPLACED)

GRACEFUL = PersistenceFindings(
    mode="graceful",
    attempted=5120,
    acked=5116,
    unknown=4,
    failed=0,
    acked_before=3000,
    acked_after=2116,
    rate_before=160.0,
    in_flight=8,
    longest_write=3.12,
    kills=(KILL,),
    last_write=True,
    judgement=Judgement(recovered=("1", "2", "3", "4"), reads=440, stable=900, never_read=1200),
    read_back=True,
    coverage=(Coverage("reads under way during the outage", 2, required=True),),
)
CRASH = replace(GRACEFUL, mode="crash", kills=(replace(KILL, mode="crash", after=CRASHED),))


def killed(found: PersistenceFindings, **changes: Any) -> PersistenceFindings:
    """Return the findings with another kill."""
    return replace(found, kills=(replace(found.kills[0], **changes),))


def judged(**ids: tuple[str, ...]) -> PersistenceFindings:
    return replace(GRACEFUL, judgement=Judgement(**ids))


def test_run_without_a_fault_passes_with_one_line() -> None:
    assert verdict_of(CRASH).line == (
        "persistence PASS mode=crash attempted=5120 acked=5116 unknown=4 failed=0 lost=0 corrupt=0 stale=0"
        " regressed=0 resurrected=0 recovered=4 reads=440 container=a1b2c3d4→c3d4e5f6 volume=same"
        " down=2.9s longest_write=3.1s"
    )
    verdict = verdict_of(GRACEFUL)
    assert (verdict.verdict, verdict.reason) == ("pass", None)
    assert " pod=aaaaaaaa→bbbbbbbb volume=same " in verdict.line


def test_evidence_has_counts_and_identities() -> None:
    evidence = verdict_of(CRASH).evidence
    counts = {"attempted": 5120, "acked": 5116, "unknown": 4, "failed": 0, "lost": 0, "corrupt": 0, "unexpected": 0}
    assert evidence.items() >= (counts | {"recovered": 4, "down": 2.9, "longest_write": 3.12}).items()
    assert evidence["container"] == {"before": "a1b2c3d4e5f6", "after": "c3d4e5f6a7b8"}
    assert evidence["pod"] == {"before": "aaaaaaaa-1", "after": "aaaaaaaa-1"}
    assert evidence["volume"] == "same"


@pytest.mark.parametrize(("gap", "adapter", "seen"), [(2.5, False, True), (0.3, False, False), (0.3, True, None)])
def test_unnoticed_outage_of_an_unread_database_proves_nothing(gap: float, adapter: bool, seen: bool | None) -> None:
    times = [*(number / 10 for number in range(1000)), *(100 + gap + number / 10 for number in range(100))]
    run = Observations(mode="graceful", operations=acknowledgements(*times), kills=(KILL,), adapter=adapter)
    found = [each for each in findings(run).coverage if "without an acknowledged write" in each.what]
    assert [each.seen for each in found] == ([] if seen is None else [seen])
    assert all(each.required for each in found)


def test_scope_of_a_crash_excludes_power_cuts() -> None:
    assert "power cut" in verdict_of(CRASH).evidence["scope"]
    assert "power cut" not in verdict_of(GRACEFUL).evidence["scope"]


@pytest.mark.parametrize(
    ("database", "process"),
    [("mongodb", "mongod"), ("postgresql", "PostgreSQL"), ("", "process of the database")],
)
def test_words_are_those_of_the_database(database: str, process: str) -> None:
    found = killed(replace(GRACEFUL, database=database, adapter=bool(database)), back=None)
    verdict = verdict_of(found)
    assert (verdict.verdict, verdict.reason) == ("inconclusive", f"The new {process} was not seen to answer.")
    assert ("mongod" in f"{verdict.evidence}") == (database == "mongodb")


def test_records_of_before_the_databases_name_have_mongodbs_words() -> None:
    old = {"type": "Ran", "mode": "graceful", "last_write": True, "last_error": None, "unread": None, "adapter": False}
    run = observations([msgspec.convert(old, PersistenceObserved)], {}, WorkloadReader())
    assert (run.adapter, run.database) == (False, "mongodb")
    assert "The new mongod was not seen to answer." in (verdict_of(findings(run)).reason or "")


@pytest.mark.parametrize(
    ("ids", "reason"),
    [
        ({"lost": ("a" * 24,)}, "1 document was acknowledged and is lost: aaaaaaaaaaaaaaaaaaaaaaaa."),
        ({"lost": ("a", "b", "c", "d")}, "4 documents were acknowledged and are lost: a, b, c …."),
        ({"corrupt": ("b",)}, "1 document is not as it was written: b."),
        ({"unexpected": ("c", "d")}, "2 documents are there though nobody wrote them: c, d."),
        ({"regressed": ("a",)}, "1 document went back to an older version: a."),
        ({"resurrected": ("a",)}, "1 document was there after its acknowledged deletion: a."),
        ({"stale": ("a", "b")}, "2 documents were read as they were before acknowledged writes: a, b."),
    ],
)
def test_each_finding_fails(ids: dict[str, tuple[str, ...]], reason: str) -> None:
    verdict = verdict_of(judged(**ids))
    assert (verdict.verdict, verdict.reason) == ("fail", reason)
    assert verdict.line.startswith("persistence FAIL ")


def test_every_finding_has_its_reason() -> None:
    for name in FINDINGS:
        verdict = verdict_of(judged(**{name: ("a",)}))
        assert verdict.verdict == "fail" and verdict.evidence[f"{name}_ids"] == ["a"]


def test_lost_ids_are_listed_up_to_a_limit() -> None:
    lost = tuple(f"{number:024x}" for number in range(5 * IDS))
    evidence = verdict_of(judged(lost=lost)).evidence
    assert evidence["lost"] == 5 * IDS
    assert evidence["lost_ids"] == list(lost[:IDS])
    assert "corrupt_ids" not in evidence


def test_line_counts_unexpected_documents() -> None:
    assert " lost=0 corrupt=0 unexpected=1 stale=0 " in verdict_of(judged(unexpected=("x",))).line


def test_rto_is_the_longest_outage_and_rpo_what_was_undone() -> None:
    kills = (KILL, replace(KILL, mode="crash", at=200.0, before=REPLACED, back=204.5, ready=206.0,
                           after=replace(REPLACED, container="new")))  # fmt: skip
    evidence = verdict_of(replace(GRACEFUL, kills=kills)).evidence
    assert (evidence["rto"], evidence["down"], evidence["rpo"], evidence["kills"]) == (4.5, 4.5, 0, 2)
    assert [(each["mode"], each["down"]) for each in evidence["outages"]] == [("graceful", 2.9), ("crash", 4.5)]
    assert verdict_of(judged(lost=("a",), regressed=("b",), resurrected=("c",), stale=("d",))).evidence["rpo"] == 3


def test_several_kills_are_on_the_line() -> None:
    again = replace(KILL, mode="crash", before=REPLACED, after=replace(REPLACED, container="new"))
    verdict = verdict_of(replace(GRACEFUL, kills=(KILL, again)))
    assert verdict.verdict == "pass"
    assert verdict.line.startswith("persistence PASS mode=graceful kills=2 attempted=")


def test_each_kill_needs_its_new_container_or_pod() -> None:
    again = replace(KILL, mode="crash", before=REPLACED, after=REPLACED)
    verdict = verdict_of(replace(GRACEFUL, kills=(KILL, again)))
    assert (verdict.verdict, "No new container" in (verdict.reason or "")) == ("inconclusive", True)


@pytest.mark.parametrize(
    "after",
    [
        replace(REPLACED, claim="claim-2"),
        replace(REPLACED, volume="pv-2"),
        replace(REPLACED, claim=None, volume=None),
    ],
)
def test_another_volume_fails(after: DatabaseIdentity) -> None:
    verdict = verdict_of(killed(GRACEFUL, after=after))
    assert (verdict.verdict, verdict.evidence["volume"]) == ("fail", "changed")


def test_database_without_a_volume_is_inconclusive() -> None:
    without_volume = killed(
        GRACEFUL,
        before=replace(OLD, claim=None, volume=None),
        after=replace(REPLACED, claim=None, volume=None),
    )
    verdict = verdict_of(without_volume)
    assert (verdict.verdict, verdict.evidence["volume"]) == ("inconclusive", "none")
    lost = verdict_of(replace(without_volume, judgement=Judgement(lost=("a",))))
    assert (lost.verdict, lost.evidence["volume"]) == ("fail", "none")


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"acked_before": 499}, "Too thin before the kill"),
        ({"rate_before": 99.0}, "Too thin before the kill"),
        ({"acked_after": 99}, "Too thin afterwards"),
        ({"in_flight": 0}, "No write was under way"),
        ({"kills": (replace(KILL, after=replace(REPLACED, pod=OLD.pod)),)}, "No new pod uid"),
        ({"kills": (replace(KILL, after=None),)}, "unknown whether the volume"),
        ({"kills": (replace(KILL, back=None),)}, "not seen to answer"),
        ({"coverage": (Coverage("deletions before the kill", 0, required=True),)}, "deletions before the kill"),
        ({"last_write": False}, "last write was not acknowledged"),
        ({"last_write": None}, "last write was not acknowledged"),
        ({"read_back": False}, "Nothing was read back"),
        ({"unread": "GET /proofs answers 503."}, "GET /proofs answers 503."),
        ({"stopped": "Aborted by operator."}, "Aborted by operator."),
    ],
)
def test_each_gap_in_the_proof_makes_the_run_inconclusive(change: dict[str, Any], cause: str) -> None:
    verdict = verdict_of(replace(GRACEFUL, **change))
    assert verdict.verdict == "inconclusive"
    assert cause in (verdict.reason or "")
    assert verdict.line.startswith("persistence INCONCLUSIVE mode=graceful ")


def test_run_at_the_minimum_of_every_limit_passes() -> None:
    unseen = Coverage("a retried write", 0, required=False)
    minimum = replace(
        GRACEFUL, acked_before=500, rate_before=100.0, acked_after=100, in_flight=1, coverage=(unseen,)
    )  # fmt: skip
    assert verdict_of(minimum).verdict == "pass"


@pytest.mark.parametrize("after", [OLD, replace(CRASHED, container=None), replace(CRASHED, pod="cccccccc-3")])
def test_crash_needs_a_new_container_in_the_same_pod(after: DatabaseIdentity) -> None:
    assert verdict_of(killed(CRASH, after=after)).verdict == "inconclusive"


@pytest.mark.parametrize(
    "doubt", [{"stopped": "Aborted by operator."}, {"acked_before": 3}, {"in_flight": 0}, {"unread": "Gone."}]
)
def test_fail_outranks_inconclusive(doubt: dict[str, Any]) -> None:
    verdict = verdict_of(replace(judged(lost=("a",)), **doubt))
    assert verdict.verdict == "fail"


def test_run_that_ended_in_the_preflight_has_a_line() -> None:
    verdict = verdict_of(PersistenceFindings(mode="crash", stopped="The pod mongodb-0 is not Ready."))
    assert (verdict.verdict, verdict.reason) == ("inconclusive", "The pod mongodb-0 is not Ready.")
    assert verdict.line == (
        "persistence INCONCLUSIVE mode=crash attempted=0 acked=0 unknown=0 failed=0 lost=- corrupt=- stale=-"
        " regressed=- resurrected=- recovered=- reads=0 container=-→- volume=- down=- longest_write=-"
    )


def test_stale_read_of_an_aborted_run_fails() -> None:
    """What only a read-back shows is unknown then."""
    found = replace(judged(stale=("a",)), read_back=False, stopped="Aborted by operator.")
    verdict = verdict_of(replace(found, judgement=replace(found.judgement, reads=9)))
    assert verdict.verdict == "fail"
    assert {name: verdict.evidence[name] for name in ("stale", "resurrected", "lost", "regressed", "rpo")} == {
        "stale": 1, "resurrected": 0, "lost": None, "regressed": None, "rpo": None,
    }  # fmt: skip


def run_of(per_second: int, *, changed: str = "") -> Observations:
    """Return a run of 12 s, killed at 4 s and back at 6 s: a write each 1/`per_second`, and of each kind some."""
    operations = []
    times = [n / per_second for n in range(12 * per_second) if not 4 < n / per_second < 6]
    for number, at in enumerate(times):
        id_ = f"{number:024x}"
        operations.append(Operation(0, "post", id_, at, at + 0.005, "acknowledged", 1, id_))
        if number % 8 == 0:
            operations.append(Operation(0, "put", id_, at + 0.01, at + 0.02, "acknowledged", 2, f"{id_}-2"))
        if number % 16 == 0:
            operations.append(Operation(0, "delete", id_, at + 0.03, at + 0.04, "acknowledged"))
            operations.append(Operation(0, "get", id_, at + 0.05, at + 0.06, "seen", seen={}))
    operations.append(Operation(1, "post", "f" * 24, 3.99, 6.01, "acknowledged", 1, "f" * 24))
    operations.append(Operation(0, "list", None, 4.5, 6.1, "failed"))
    left = {}
    for each in operations:
        if each.kind == "delete":
            left.pop(each.id)
        elif each.sha256:
            left[each.id] = each.sha256
    back = replace(KILL, at=4.0, back=5.9, ready=6.5)
    documents = {id_: sha256 for id_, sha256 in left.items() if id_ and id_ != changed}
    return Observations(
        mode="graceful",
        operations=operations,
        kills=(back,),
        read_backs=(ReadBack("database", 20, 21, documents),),
        last_write=True,
    )


def test_verdict_follows_from_the_observations_alone() -> None:
    found = findings(run_of(200))
    assert (found.acked_before > 500, found.rate_before > 200, found.acked_after > 100) == (True, True, True)
    assert found.in_flight >= 1 and round(found.longest_write or 0, 2) == 2.02
    assert verdict_of(found).verdict == "pass", verdict_of(found).reason
    assert verdict_of(findings(run_of(20))).verdict == "inconclusive"
    lost = verdict_of(findings(run_of(200, changed="f" * 24)))
    assert (lost.verdict, lost.evidence["lost_ids"]) == ("fail", ["f" * 24])
