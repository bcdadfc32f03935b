"""The persistence verdict: findings that PASS, and for each rule a change that does not."""

from typing import Any

import pytest
from msgspec.structs import replace

from dashboard.runs.demos.persistence.ledger import Comparison
from dashboard.runs.demos.persistence.verdict import IDS, DatabaseIdentity, PersistenceFindings, persistence

OLD = DatabaseIdentity("aaaaaaaa-1", "a1b2c3d4e5f6", "node-1", "claim-1", "pv-1")
REPLACED = DatabaseIdentity("bbbbbbbb-2", "b1b2c3d4e5f6", "node-1", "claim-1", "pv-1")
CRASHED = DatabaseIdentity("aaaaaaaa-1", "c3d4e5f6a7b8", "node-1", "claim-1", "pv-1")

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
    before=OLD,
    after=REPLACED,
    down=2.9,
    ready=5.4,
    last_write=True,
    comparison=Comparison((), (), (), ("1", "2", "3", "4")),
)
CRASH = replace(GRACEFUL, mode="crash", after=CRASHED)


def test_run_without_a_fault_passes_with_one_line() -> None:
    assert persistence(CRASH).line == (
        "persistence PASS mode=crash attempted=5120 acked=5116 unknown=4 failed=0 lost=0 corrupt=0 recovered=4"
        " container=a1b2c3d4→c3d4e5f6 volume=same down=2.9s longest_write=3.1s"
    )
    verdict = persistence(GRACEFUL)
    assert (verdict.verdict, verdict.reason) == ("pass", None)
    assert " pod=aaaaaaaa→bbbbbbbb volume=same " in verdict.line


def test_evidence_has_counts_and_identities() -> None:
    evidence = persistence(CRASH).evidence
    counts = {"attempted": 5120, "acked": 5116, "unknown": 4, "failed": 0, "lost": 0, "corrupt": 0, "unexpected": 0}
    assert evidence.items() >= (counts | {"recovered": 4, "down": 2.9, "longest_write": 3.12}).items()
    assert evidence["container"] == {"before": "a1b2c3d4e5f6", "after": "c3d4e5f6a7b8"}
    assert evidence["pod"] == {"before": "aaaaaaaa-1", "after": "aaaaaaaa-1"}
    assert evidence["volume"] == "same"


def test_scope_of_a_crash_excludes_power_cuts() -> None:
    assert "power cut" in persistence(CRASH).evidence["scope"]
    assert "power cut" not in persistence(GRACEFUL).evidence["scope"]


@pytest.mark.parametrize(
    ("comparison", "reason"),
    [
        (Comparison(("a" * 24,), (), (), ()), "1 document was acknowledged and is lost: aaaaaaaaaaaaaaaaaaaaaaaa."),
        (Comparison(("a", "b", "c", "d"), (), (), ()), "4 documents were acknowledged and are lost: a, b, c …."),
        (Comparison((), ("b",), (), ()), "1 document is not as it was written: b."),
        (Comparison((), (), ("c", "d"), ()), "2 documents are there though nobody wrote them: c, d."),
    ],
)
def test_lost_corrupt_or_unexpected_documents_fail(comparison: Comparison, reason: str) -> None:
    verdict = persistence(replace(GRACEFUL, comparison=comparison))
    assert (verdict.verdict, verdict.reason) == ("fail", reason)
    assert verdict.line.startswith("persistence FAIL ")


def test_lost_ids_are_listed_up_to_a_limit() -> None:
    lost = tuple(f"{number:024x}" for number in range(5 * IDS))
    evidence = persistence(replace(GRACEFUL, comparison=Comparison(lost, (), (), ()))).evidence
    assert evidence["lost"] == 5 * IDS
    assert evidence["lost_ids"] == list(lost[:IDS])
    assert "corrupt_ids" not in evidence


def test_line_counts_unexpected_documents() -> None:
    line = persistence(replace(GRACEFUL, comparison=Comparison((), (), ("x",), ()))).line
    assert " lost=0 corrupt=0 unexpected=1 recovered=0 " in line


@pytest.mark.parametrize(
    "after",
    [
        replace(REPLACED, claim="claim-2"),
        replace(REPLACED, volume="pv-2"),
        replace(REPLACED, claim=None, volume=None),
    ],
)
def test_another_volume_fails(after: DatabaseIdentity) -> None:
    verdict = persistence(replace(GRACEFUL, after=after))
    assert (verdict.verdict, verdict.evidence["volume"]) == ("fail", "changed")


def test_database_without_a_volume_is_inconclusive() -> None:
    without_volume = {
        "before": replace(OLD, claim=None, volume=None),
        "after": replace(REPLACED, claim=None, volume=None),
    }
    verdict = persistence(replace(GRACEFUL, **without_volume))
    assert (verdict.verdict, verdict.evidence["volume"]) == ("inconclusive", "none")
    lost = persistence(replace(GRACEFUL, **without_volume, comparison=Comparison(("a",), (), (), ())))
    assert (lost.verdict, lost.evidence["volume"]) == ("fail", "none")


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"acked_before": 499}, "Too thin before the kill"),
        ({"rate_before": 99.0}, "Too thin before the kill"),
        ({"acked_after": 99}, "Too thin afterwards"),
        ({"in_flight": 0}, "No write was under way"),
        ({"after": replace(REPLACED, pod=OLD.pod)}, "No new pod uid"),
        ({"after": None}, "unknown whether the volume"),
        ({"down": None}, "not seen to answer"),
        ({"last_write": False}, "last write was not acknowledged"),
        ({"last_write": None}, "last write was not acknowledged"),
        ({"comparison": None}, "Nothing was read back"),
        ({"unread": "GET /proofs answers 503."}, "GET /proofs answers 503."),
        ({"stopped": "Aborted by operator."}, "Aborted by operator."),
    ],
)
def test_each_gap_in_the_proof_makes_the_run_inconclusive(change: dict[str, Any], cause: str) -> None:
    verdict = persistence(replace(GRACEFUL, **change))
    assert verdict.verdict == "inconclusive"
    assert cause in (verdict.reason or "")
    assert verdict.line.startswith("persistence INCONCLUSIVE mode=graceful ")


def test_run_at_the_minimum_of_every_limit_passes() -> None:
    minimum = replace(GRACEFUL, acked_before=500, rate_before=100.0, acked_after=100, in_flight=1)
    assert persistence(minimum).verdict == "pass"


@pytest.mark.parametrize("after", [OLD, replace(CRASHED, container=None), replace(CRASHED, pod="cccccccc-3")])
def test_crash_needs_a_new_container_in_the_same_pod(after: DatabaseIdentity) -> None:
    assert persistence(replace(CRASH, after=after)).verdict == "inconclusive"


@pytest.mark.parametrize(
    "doubt", [{"stopped": "Aborted by operator."}, {"acked_before": 3}, {"in_flight": 0}, {"unread": "Gone."}]
)
def test_fail_outranks_inconclusive(doubt: dict[str, Any]) -> None:
    verdict = persistence(replace(GRACEFUL, comparison=Comparison(("a",), (), (), ()), **doubt))
    assert verdict.verdict == "fail"


def test_run_that_ended_in_the_preflight_has_a_line() -> None:
    verdict = persistence(PersistenceFindings(mode="crash", stopped="The pod mongodb-0 is not Ready."))
    assert (verdict.verdict, verdict.reason) == ("inconclusive", "The pod mongodb-0 is not Ready.")
    assert verdict.line == (
        "persistence INCONCLUSIVE mode=crash attempted=0 acked=0 unknown=0 failed=0 lost=- corrupt=- recovered=-"
        " container=-→- volume=- down=- longest_write=-"
    )
