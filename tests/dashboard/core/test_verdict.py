"""Verdicts: each rule has a story that makes it say PASS, and one change that makes it say something else."""

from typing import Any

import pytest
from msgspec.structs import replace

from dashboard.core.ledger import Comparison
from dashboard.core.verdict import IDS, Killed, Persisted, Scaled, Verdict, autoscale, persistence

NOTHING = Comparison((), (), (), ())
OLD = Killed("aaaaaaaa-1", "a1b2c3d4e5f6", "node-1", "claim-1", "pv-1")
REPLACED = Killed("bbbbbbbb-2", "b1b2c3d4e5f6", "node-1", "claim-1", "pv-1")
CRASHED = Killed("aaaaaaaa-1", "c3d4e5f6a7b8", "node-1", "claim-1", "pv-1")

GRACEFUL = Persisted(
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

MOMENTS: dict[str, float | None] = {
    "t0": 0.0, "t1": 18.2, "t2": 21.0, "t3": 27.5, "t4": 29.0, "t5": 95.0, "t6": 96.0, "t7": 170.0, "t8": 176.0,
}  # fmt: skip
SCALED = Scaled(
    min=2,
    peak=4,
    rate=402.5,
    offered=38_640,
    achieved=38_640,
    errors=0,
    dropped=0,
    lag_p99_ms=1.44,
    cpu_percent=31.0,
    moments=MOMENTS,
    resolution=15.0,
)


def missing(*names: str) -> dict[str, float | None]:
    return {name: None if name in names else at for name, at in MOMENTS.items()}


def test_a_persistence_run_without_fault_passes_with_one_line_that_a_shell_can_read() -> None:
    assert persistence(CRASH).line == (
        "persistence PASS mode=crash attempted=5120 acked=5116 unknown=4 failed=0 lost=0 corrupt=0 recovered=4"
        " container=a1b2c3d4→c3d4e5f6 volume=same down=2.9s longest_write=3.1s"
    )
    told = persistence(GRACEFUL)
    assert (told.verdict, told.reason) == ("pass", None)
    assert " pod=aaaaaaaa→bbbbbbbb volume=same " in told.line


def test_the_evidence_has_counts_as_integers_and_who_was_before_and_after() -> None:
    evidence = persistence(CRASH).evidence
    counts = {"attempted": 5120, "acked": 5116, "unknown": 4, "failed": 0, "lost": 0, "corrupt": 0, "unexpected": 0}
    assert evidence.items() >= (counts | {"recovered": 4, "down": 2.9, "longest_write": 3.12}).items()
    assert evidence["container"] == {"before": "a1b2c3d4e5f6", "after": "c3d4e5f6a7b8"}
    assert evidence["pod"] == {"before": "aaaaaaaa-1", "after": "aaaaaaaa-1"}
    assert evidence["volume"] == "same"


def test_a_crash_says_that_it_is_no_power_cut() -> None:
    assert "power cut" in persistence(CRASH).evidence["scope"]
    assert "power cut" not in persistence(GRACEFUL).evidence["scope"]


@pytest.mark.parametrize(
    ("comparison", "words"),
    [
        (Comparison(("a" * 24,), (), (), ()), "1 document was acknowledged and is lost: aaaaaaaaaaaaaaaaaaaaaaaa."),
        (Comparison(("a", "b", "c", "d"), (), (), ()), "4 documents were acknowledged and are lost: a, b, c …."),
        (Comparison((), ("b",), (), ()), "1 document is not as it was written: b."),
        (Comparison((), (), ("c", "d"), ()), "2 documents are there that nobody wrote: c, d."),
    ],
)
def test_anything_lost_corrupt_or_unexpected_fails(comparison: Comparison, words: str) -> None:
    told = persistence(replace(GRACEFUL, comparison=comparison))
    assert (told.verdict, told.reason) == ("fail", words)
    assert told.line.startswith("persistence FAIL ")


def test_the_ids_that_are_lost_are_listed_but_not_without_end() -> None:
    lost = tuple(f"{number:024x}" for number in range(5 * IDS))
    evidence = persistence(replace(GRACEFUL, comparison=Comparison(lost, (), (), ()))).evidence
    assert evidence["lost"] == 5 * IDS
    assert evidence["lost_ids"] == list(lost[:IDS])
    assert "corrupt_ids" not in evidence


def test_an_unexpected_document_stands_in_the_line() -> None:
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
def test_another_volume_fails(after: Killed) -> None:
    told = persistence(replace(GRACEFUL, after=after))
    assert (told.verdict, told.evidence["volume"]) == ("fail", "changed")


def test_a_database_without_a_volume_proves_nothing_even_if_all_is_there() -> None:
    bare = {"before": replace(OLD, claim=None, volume=None), "after": replace(REPLACED, claim=None, volume=None)}
    told = persistence(replace(GRACEFUL, **bare))
    assert (told.verdict, told.evidence["volume"]) == ("inconclusive", "none")
    lost = persistence(replace(GRACEFUL, **bare, comparison=Comparison(("a",), (), (), ())))
    assert (lost.verdict, lost.evidence["volume"]) == ("fail", "none")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"acked_before": 499}, "Too thin before the kill"),
        ({"rate_before": 99.0}, "Too thin before the kill"),
        ({"acked_after": 99}, "Too thin afterwards"),
        ({"in_flight": 0}, "No write was under way"),
        ({"after": replace(REPLACED, pod=OLD.pod)}, "uid is not seen to be a new one"),
        ({"after": None}, "Whether the volume is the same is not known"),
        ({"down": None}, "not seen to answer"),
        ({"last_write": False}, "last write was not acknowledged"),
        ({"last_write": None}, "last write was not acknowledged"),
        ({"comparison": None}, "Nothing was read back"),
        ({"unread": "GET /proofs answers 503."}, "GET /proofs answers 503."),
        ({"stopped": "Aborted by operator."}, "Aborted by operator."),
    ],
)
def test_whatever_keeps_it_from_being_a_proof_makes_it_inconclusive(change: dict[str, Any], words: str) -> None:
    told = persistence(replace(GRACEFUL, **change))
    assert told.verdict == "inconclusive"
    assert words in (told.reason or "")
    assert told.line.startswith("persistence INCONCLUSIVE mode=graceful ")


def test_at_the_least_of_everything_it_still_passes() -> None:
    least = replace(GRACEFUL, acked_before=500, rate_before=100.0, acked_after=100, in_flight=1)
    assert persistence(least).verdict == "pass"


@pytest.mark.parametrize("after", [OLD, replace(CRASHED, container=None), replace(CRASHED, pod="cccccccc-3")])
def test_a_crash_needs_a_new_container_in_the_same_pod(after: Killed) -> None:
    assert persistence(replace(CRASH, after=after)).verdict == "inconclusive"


@pytest.mark.parametrize(
    "doubt", [{"stopped": "Aborted by operator."}, {"acked_before": 3}, {"in_flight": 0}, {"unread": "Gone."}]
)
def test_fail_outranks_inconclusive(doubt: dict[str, Any]) -> None:
    told = persistence(replace(GRACEFUL, comparison=Comparison(("a",), (), (), ()), **doubt))
    assert told.verdict == "fail"


def test_a_run_that_never_began_has_a_line_too() -> None:
    told = persistence(Persisted(mode="crash", stopped="The pod mongodb-0 is not Ready."))
    assert (told.verdict, told.reason) == ("inconclusive", "The pod mongodb-0 is not Ready.")
    assert told.line == (
        "persistence INCONCLUSIVE mode=crash attempted=0 acked=0 unknown=0 failed=0 lost=- corrupt=- recovered=-"
        " container=-→- volume=- down=- longest_write=-"
    )


# Autoscale


def test_an_autoscale_run_without_fault_passes_with_one_line() -> None:
    told = autoscale(SCALED)
    assert (told.verdict, told.reason) == ("pass", None)
    assert told.line == (
        "autoscale PASS min=2 peak=4 rate=402.5 offered=38640 achieved=38640 errors=0 lag_p99=1.4ms"
        " t0=0.0s t1=18.2s t2=21.0s t3=27.5s t4=29.0s t5=95.0s t6=96.0s t7=170.0s t8=176.0s"
    )
    assert told.evidence.items() >= {"min": 2, "peak": 4, "rate": 402.5, "lag_p99_ms": 1.44, "t5": 95.0}.items()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"late": "Not within 75 s after the load began: more pods asked for (t2)."}, "Not within 75 s"),
        ({"moments": missing("t7", "t8"), "late": "Not within 135 s after the load stopped: …"}, "Not within 135 s"),
        ({"moments": missing("t8")}, "Never came: back at min (t8)."),
        ({"moments": missing("t1", "t4")}, "Never came: CPU over the target (t1), a new pod serves (t4)."),
        (
            {"moments": MOMENTS | {"t2": 17.0}},
            "Out of order: more pods asked for (t2) before CPU over the target (t1).",
        ),
        (
            {"moments": MOMENTS | {"t4": 27.0}},
            "Out of order: a new pod serves (t4) before the first new pod Ready (t3).",
        ),
        ({"peak": 2}, "never rose over 2"),
        ({"flapped": "It flapped: from 3 to 4 pods after it had fallen under the same load."}, "It flapped"),
        ({"inactive": "ScalingActive was not True: InvalidSelector: …."}, "ScalingActive"),
        ({"errors": 39}, "39 of 38640 requests failed, 0.1 %"),
    ],
)
def test_what_does_not_happen_as_it_should_fails(change: dict[str, Any], words: str) -> None:
    told = autoscale(replace(SCALED, **change))
    assert told.verdict == "fail"
    assert words in (told.reason or "")
    assert told.line.startswith("autoscale FAIL ")


def test_one_request_in_a_thousand_may_fail() -> None:
    assert autoscale(replace(SCALED, errors=38)).verdict == "pass"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lag_p99_ms": 50.1}, "lagged"),
        ({"lag_p99_ms": None}, "told no figures"),
        ({"achieved": 0}, "told no figures"),
        ({"cpu_percent": 80.5}, "of its core"),
        ({"dropped": 500}, "thin"),
        ({"offered": 30_000}, "thin"),
        ({"blind": "There were no new CPU figures for 61 s."}, "no new CPU figures"),
        ({"stopped": "Aborted by operator.", "moments": missing("t5", "t7", "t8")}, "Aborted by operator."),
    ],
)
def test_an_unsound_load_no_figures_or_an_abort_make_it_inconclusive(change: dict[str, Any], words: str) -> None:
    told = autoscale(replace(SCALED, **change))
    assert told.verdict == "inconclusive"
    assert words in (told.reason or "")


@pytest.mark.parametrize("flaw", [{"lag_p99_ms": 400.0}, {"cpu_percent": 99.0}, {"dropped": 20_000}, {"blind": "No."}])
def test_what_an_unsound_load_brought_about_is_no_finding(flaw: dict[str, Any]) -> None:
    seen = replace(SCALED, **flaw, errors=9_000, moments=missing("t5", "t7", "t8"), late="Not within 270 s …: steady.")
    assert autoscale(seen).verdict == "inconclusive"


def test_fail_outranks_an_abort() -> None:
    assert autoscale(replace(SCALED, stopped="Aborted by operator.", errors=20_000)).verdict == "fail"
    assert autoscale(replace(SCALED, stopped="Aborted by operator.", flapped="It flapped.")).verdict == "fail"


def test_never_back_at_min_fails_however_the_load_was() -> None:
    late = {"late": "Not within 180 s after the load stopped: back at min (t8).", "moments": missing("t8")}
    assert autoscale(replace(SCALED, lag_p99_ms=90.0, **late)).verdict == "fail"
    assert autoscale(replace(SCALED, blind="There were no figures.", **late)).verdict == "inconclusive"


def test_a_run_that_ended_before_its_load_has_a_line_too() -> None:
    told: Verdict = autoscale(Scaled(stopped="There are no figures of the pods' CPU."))
    assert (told.verdict, told.reason) == ("inconclusive", "There are no figures of the pods' CPU.")
    assert told.line.startswith("autoscale INCONCLUSIVE min=- peak=- rate=- offered=0 ")
    assert told.line.endswith(" t8=-")
    assert autoscale(Scaled()).verdict == "inconclusive"
