"""The failover verdict: findings that PASS, and for each rule a change that does not."""

from typing import Any

import pytest
from msgspec.structs import replace

from dashboard.runs.demos.failover.observation import FailoverObservations, Loss, PrimaryChange
from dashboard.runs.demos.failover.spec import DEMO
from dashboard.runs.demos.failover.verdict import FailoverFindings, findings, verdict_of
from dashboard.runs.demos.failover.words import compared, key_figures, lines
from dashboard.runs.verdict import checks
from dashboard.runs.workload.judgement.judge import FINDINGS, Judgement
from dashboard.runs.workload.judgement.traffic import Coverage
from dashboard.runs.workload.operation import Outcome
from tests.dashboard.runs.workload.operations import read, write

LOSS = Loss("crash", 100.0, "mongodb-0", "uid-0", "container-0", back=103.4, successor="mongodb-2", ready=118.0)

FAILED_OVER = FailoverFindings(
    mode="crash",
    members=3,
    attempted=5120,
    acked=5120,
    acked_before=3000,
    acked_after=2116,
    rate_before=160.0,
    in_flight=8,
    longest_write=3.6,
    losses=(LOSS,),
    resumed=(3.6,),
    wrote_on=(False,),
    last_write=True,
    judgement=Judgement(reads=440, stable=900, never_read=1200),
    read_back=True,
    coverage=(Coverage("replacements before the kill", 2, required=True),),
)


def test_run_without_a_fault_passes_with_one_line() -> None:
    verdict = verdict_of(FAILED_OVER)
    assert (verdict.verdict, verdict.reason) == ("pass", None)
    assert verdict.line == (
        "failover PASS mode=crash members=3 attempted=5120 acked=5120 failed=0 lost=0 corrupt=0 stale=0 regressed=0"
        " resurrected=0 recovered=0 reads=440 primary=mongodb-0→mongodb-2 takeover=3.4s resumed=3.6s"
        " ready=18.0s longest_write=3.6s"
    )


def test_evidence_as_text() -> None:
    evidence = verdict_of(FAILED_OVER).evidence
    assert key_figures(evidence) == ["0 of 5,120 lost", "a new primary after 3.4\N{NO-BREAK SPACE}s"]
    assert compared(evidence) == 3.4
    assert lines(evidence)[0] == ["acknowledged 5,120 of 5,120", "failed 0", "lost 0", "reads 440"]
    assert lines(evidence)[1][0] == "primary mongodb-0 → mongodb-2"
    assert lines({}) == [] and key_figures({}) == [] and compared({}) is None


@pytest.mark.parametrize("finding", FINDINGS)
def test_each_finding_of_the_judgement_fails_but_for_stale_reads(finding: str) -> None:
    ids: dict[str, Any] = {finding: ("a",)}
    verdict = verdict_of(replace(FAILED_OVER, judgement=Judgement(**ids)))
    assert verdict.verdict == ("pass" if finding == "stale" else "fail")
    assert verdict.evidence[finding] == 1


def test_stale_read_under_a_settled_primary_fails() -> None:
    verdict = verdict_of(replace(FAILED_OVER, judgement=Judgement(stale=("a", "b")), stale_later=("b",)))
    assert (verdict.verdict, verdict.evidence["stale"], verdict.evidence["stale_later"]) == ("fail", 2, 1)
    assert verdict.reason == "1 document was read as it was before an acknowledged write: b."
    claims = [(each.name, each.claim) for each in DEMO.evidence if each.claim]
    assert [each["name"] for each in checks(claims, verdict) if each["verdict"] == "fail"] == ["stale_later"]


@pytest.mark.parametrize(
    ("began", "ended", "later"),
    [(98.0, 99.9, True), (99.0, 100.1, False), (103.0, 103.5, False), (108.4, 108.6, False), (108.5, 108.6, True)],
)
def test_read_is_excused_while_the_primary_changes(began: float, ended: float, later: bool) -> None:
    operations = [replace(write(90.0, 90.1), version=1, sha256="0"), read(began, ended)]
    found = findings(FailoverObservations(mode="crash", losses=(LOSS,), operations=operations))
    assert len(found.judgement.stale) == 1 and len(found.stale_later) == later


def test_time_without_a_primary_begins_as_the_former_one_hands_over() -> None:
    handed = replace(LOSS, gone=102.9)
    evidence = verdict_of(replace(FAILED_OVER, losses=(handed,))).evidence
    assert (evidence["takeover"], evidence["ready"]) == (0.5, 18.0)


@pytest.mark.parametrize("ended", [99.0, 100.5, None])
@pytest.mark.parametrize("kind", ["refused", "unanswered", "read"])
def test_failed_requests_fail_from_the_end_of_the_primary_on(kind: str, ended: float | None) -> None:
    outcome: Outcome = "unknown" if kind == "unanswered" else "failed"
    operation = replace(read(98.0, 99.0), ended=ended, outcome=outcome, kind="get" if kind == "read" else "post")
    found = findings(FailoverObservations(mode="crash", losses=(LOSS,), operations=[operation]))
    assert (sum(found.failures.values()), found.failed_before) == ((1, 0) if ended != 99.0 else (0, 1))
    changed = replace(FAILED_OVER, failures=found.failures, failed_before=found.failed_before)
    assert verdict_of(changed).verdict == ("inconclusive" if ended == 99.0 else "fail")


@pytest.mark.parametrize(
    ("failures", "before", "quoted"), [({"writes": 1}, 0, True), ({"writes": 1}, 1, False), ({"reads": 1}, 0, False)]
)
def test_last_error_is_quoted_if_it_is_of_what_failed(failures: dict[str, int], before: int, quoted: bool) -> None:
    found = replace(FAILED_OVER, failures=failures, failed_before=before, last_error="503: no primary")
    assert ("503: no primary" in str(verdict_of(found).reason)) == quoted


def test_primary_that_the_dashboard_alone_does_not_see_is_in_doubt() -> None:
    unseen = replace(
        LOSS, back=None, successor=None, ready=None, overdue="No other member was primary.", given_up=130.0
    )
    for at, wrote_on in ((104.9, False), (106.0, True), (131.0, False)):
        run = FailoverObservations(mode="crash", losses=(unseen,), operations=[write(at - 0.1, at)])
        assert findings(run).wrote_on == [wrote_on]
    verdict = verdict_of(replace(FAILED_OVER, losses=(unseen,), resumed=(None,), wrote_on=(True,)))
    assert verdict.verdict == "inconclusive" and "the service wrote on" in str(verdict.reason)


def test_change_by_itself_is_in_doubt_and_excuses_reads() -> None:
    change = PrimaryChange(140.0, 143.0, "mongodb-1")
    verdict = verdict_of(replace(FAILED_OVER, changes=(change,)))
    assert verdict.verdict == "inconclusive" and "changed by itself, to mongodb-1" in str(verdict.reason)
    operations = [replace(write(90.0, 90.1), version=1, sha256="0"), read(147.0, 147.1)]
    run = FailoverObservations(mode="crash", losses=(LOSS,), operations=operations)
    assert len(findings(run).stale_later) == 1
    assert findings(replace(run, changes=(change,))).stale_later == ()


def test_missing_primary_fails_though_the_run_was_thin() -> None:
    overdue = replace(LOSS, back=None, successor=None, ready=None, overdue="No other member was primary within 30 s.")
    verdict = verdict_of(replace(FAILED_OVER, losses=(overdue,), resumed=(None,), acked_after=0, last_write=False))
    assert (verdict.verdict, verdict.reason) == ("fail", "No other member was primary within 30 s.")


@pytest.mark.parametrize(("resumed", "verdict"), [(8.3, "pass"), (8.5, "fail"), (None, "fail")])
def test_primary_that_takes_no_writes_fails(resumed: float | None, verdict: str) -> None:
    judged = verdict_of(replace(FAILED_OVER, resumed=(resumed,)))
    assert judged.verdict == verdict
    assert verdict == "pass" or "mongodb-2 was primary 3.4 s after mongodb-0 was not, and a write" in str(judged.reason)


def test_aborted_run_owes_no_further_write() -> None:
    judged = verdict_of(replace(FAILED_OVER, resumed=(None,), stopped="Aborted by operator."))
    assert (judged.verdict, judged.reason) == ("inconclusive", "Aborted by operator.")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"stopped": "Aborted by operator."}, "Aborted by operator."),
        ({"unread": "The database could not be read."}, "could not be read"),
        ({"read_back": False}, "Nothing was read back."),
        ({"losses": (), "resumed": (), "wrote_on": ()}, "The primary was not ended."),
        ({"losses": (replace(LOSS, successor="mongodb-0"),)}, "mongodb-0 itself was primary again"),
        ({"losses": (replace(LOSS, back=None, successor=None),)}, "No new primary was seen."),
        ({"losses": (replace(LOSS, ready=None),)}, "mongodb-0 was not seen to be a member again."),
        ({"acked_before": 499}, "Too thin before the kill: 499 acknowledged"),
        ({"rate_before": 99.0}, "99 a second"),
        ({"acked_after": 99}, "Too thin afterwards: 99 acknowledged"),
        ({"in_flight": 0}, "No write was under way during the outage."),
        ({"coverage": (Coverage("deletions after the outage", 0, required=True),)}, "Not seen: deletions after"),
        ({"last_write": False}, "The last write was not acknowledged."),
    ],
)
def test_what_was_not_seen_is_in_doubt(changes: dict[str, Any], reason: str) -> None:
    verdict = verdict_of(replace(FAILED_OVER, **changes))
    assert verdict.verdict == "inconclusive" and reason in str(verdict.reason)
