"""The judgement of runs that disrupt the service's pods, on histories made by hand."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from dashboard.load.options import ANSWER_SECONDS
from dashboard.runs.demos.disruption.failures import (
    EXCUSED_SECONDS,
    FEW,
    WITHDRAWAL_SECONDS,
    failures,
)
from dashboard.runs.demos.disruption.fields import compared, key_figures, lines
from dashboard.runs.demos.disruption.observation import Disruption, Facts, Standing, TrialObservations
from dashboard.runs.demos.disruption.recovery import recoveries
from dashboard.runs.demos.disruption.verdict import findings, verdict_of
from dashboard.runs.demos.registry import DEMOS
from dashboard.runs.verdict import Verdict, checks
from dashboard.runs.workload.operation import Operation
from tests.dashboard.runs.demos.disruption.histories import (
    CUT,
    FACTS,
    GRACE,
    HEALING,
    ROLLOUT,
    START,
    deleted,
    history,
    load,
    pod,
    standing,
)

RUNS = {"rollout": ROLLOUT, "self-healing": HEALING}
KILLED = HEALING.disruptions[1].at


def verdict(run: TrialObservations, demo: str = "rollout") -> Verdict:
    return verdict_of(demo, findings(run))


def changed(run: TrialObservations, **changes: Any) -> TrialObservations:
    return replace(run, **changes)


@pytest.mark.parametrize("demo", RUNS)
def test_healthy_run_passes_with_every_claim(demo: str) -> None:
    found = verdict(RUNS[demo], demo)
    assert found.verdict == "pass", found.reason
    claims = [(each.name, each.claim) for each in DEMOS[demo].evidence if each.claim]
    assert {each["verdict"] for each in checks(claims, found)} == {"pass"}
    assert len(claims) > 5 and found.line.startswith(f"{demo} PASS ")


@pytest.mark.parametrize("demo", RUNS)
def test_evidence_has_the_fields_that_the_demo_declares(demo: str) -> None:
    evidence = verdict(RUNS[demo], demo).evidence
    assert evidence.keys() <= {each.name for each in DEMOS[demo].evidence}
    assert key_figures(evidence) and len(lines(evidence)) == 2 and compared(evidence) == START
    assert key_figures({}) == lines({}) == [] and compared({}) is None


def test_times_of_a_roll_out() -> None:
    first, second = recoveries(ROLLOUT)
    assert (first.whole, first.gone, first.replaced) == (START, START + GRACE, 2)
    assert {*first.new} == {*first.served} == {*second.old} == {"uid-c", "uid-d"}


def test_times_and_pods_of_a_deletion_and_of_one_without_a_grace_period() -> None:
    first, second = recoveries(HEALING)
    assert (first.whole, first.gone, first.least_ready) == (START, START + GRACE, 1)
    assert (second.whole, second.gone) == (START, 0.5)
    assert (first.new, second.new) == (("uid-c",), ("uid-d",))


# FAIL


def test_recovery_that_is_over_between_two_samples_of_the_load_is_a_proof() -> None:
    def quick(done: Disruption, after: list[Standing]) -> tuple[Disruption, list[Standing]]:
        starting, whole, gone = after
        return replace(done, at=done.at + 0.3, answered=done.at + 0.4), [
            starting,
            replace(whole, at=done.at + 1.8),
            gone,
        ]

    run = history(quick(*deleted("delete", 10.0, "a", "b", "c")), quick(*deleted("kill", 40.0, "b", "c", "d")))
    found = verdict(run, "self-healing")
    assert (found.verdict, found.reason) == ("pass", None)
    stopped = [each if each.at <= 10 else replace(each, totals=run.load[10].totals) for each in run.load]
    assert "answered meanwhile (0 of" in (verdict(changed(run, load=stopped), "self-healing").reason or "")


@pytest.mark.parametrize("demo", RUNS)
def test_failed_request_fails(demo: str) -> None:
    found = verdict(changed(RUNS[demo], load=load(80.0, [(15.0, 2)])), demo)
    assert found.verdict == "fail" and found.evidence["failed"] == 2
    assert found.evidence["failed_by_kind"] == {"connect": 2}


@pytest.mark.parametrize(
    ("kind", "outcome"), [("post", "failed"), ("put", "unknown"), ("delete", "open"), ("get", "failed")]
)
def test_failed_write_or_read_fails(kind: Any, outcome: Any) -> None:
    ended = None if outcome == "open" else 13.0
    failed = Operation(0, kind, f"{7:024x}", 12.0, ended, outcome, 2 if kind == "put" else None)
    found = verdict(changed(ROLLOUT, operations=[*ROLLOUT.operations, failed]))
    assert found.verdict == "fail" and found.evidence["failed"] == 1


@pytest.mark.parametrize(
    ("facts", "named", "unnamed"),
    [(Facts(False, True), "preStop", "readiness"), (Facts(True, False), "readiness", "preStop")],
)
def test_failure_names_what_the_pods_lack(facts: Facts, named: str, unnamed: str) -> None:
    reason = verdict(changed(ROLLOUT, facts=facts, load=load(80.0, [(15.0, 2)]))).reason
    assert reason and named in reason and unnamed not in reason


@pytest.mark.parametrize(
    ("silence", "named"), [((12.0, 24.0), True), ((12.0, None), True), ((9.0, 24.0), True), ((5.0, 9.0), False)]
)
def test_failure_names_mongodb_if_it_did_not_answer_meanwhile(silence: tuple[float, float | None], named: bool) -> None:
    late = [*CUT.standings, replace(CUT.standings[-1], at=110.0)]
    for failed in (changed(ROLLOUT, load=load(80.0, [(15.0, 2)], "timeout")), changed(CUT, standings=late)):
        found = verdict(changed(failed, silences=(silence,)))
        assert (found.verdict, "MongoDB" in (found.reason or "")) == ("fail", named)


def test_silence_of_mongodb_that_fails_no_request_is_no_doubt() -> None:
    assert verdict(changed(ROLLOUT, silences=((12.0, 24.0),))).verdict == "pass"


def test_service_that_is_not_whole_in_time_fails() -> None:
    late = changed(CUT, standings=[*CUT.standings, replace(CUT.standings[-1], at=110.0)])
    found = verdict(late)
    assert found.verdict == "fail" and found.reason and "c is not Ready" in found.reason


@pytest.mark.parametrize(
    ("deadline", "failure", "due"),
    [(None, None, 100.0), (60, None, 100.0), (300, None, START + 300.0), (300, "It exceeds a quota.", 100.0)],
)
def test_service_is_whole_in_time_or_by_the_deployments_deadline(
    deadline: float | None, failure: str | None, due: float
) -> None:
    ready = standing(10 + START, *(pod(each) for each in "abc"), pod("d", ready=False))
    late = replace(ready, at=110.0 + START, failure=failure)
    run = changed(CUT, standings=[*CUT.standings, ready, late], facts=replace(FACTS, progress_deadline=deadline))
    (found,) = recoveries(run)
    assert (found.due, bool(found.overdue)) == (due, due == 100.0)


def test_lost_document_fails() -> None:
    (back,) = ROLLOUT.read_backs
    less = dict([*back.documents.items()][1:])
    found = verdict(changed(ROLLOUT, read_backs=[replace(back, documents=less)]))
    assert found.verdict == "fail" and found.evidence["lost"] == 1


def test_autoscaler_that_adds_pods_meanwhile_changes_nothing_that_is_owed() -> None:
    grown = [
        replace(each, desired=4, pods=(*each.pods, pod("x", ready=False), pod("y", ready=False)))
        if each.at > 10
        else each
        for each in HEALING.standings
    ]
    first, _ = recoveries(changed(HEALING, standings=grown))
    assert first.whole == START


def test_autoscaler_that_removes_pods_meanwhile_changes_what_is_owed() -> None:
    shrunk = [replace(each, desired=1) if each.at > 10 else each for each in HEALING.standings]
    assert recoveries(changed(HEALING, standings=shrunk))[0].whole == 0.5


@pytest.mark.parametrize(
    ("lag", "seconds", "expected"), [(80.0, 30.0, "inconclusive"), (3.0, 30.0, "fail"), (80.0, 0.1, "fail")]
)
def test_write_without_an_answer_for_long_is_inconclusive_if_the_dashboard_lags(
    lag: float, seconds: float, expected: str
) -> None:
    late = [replace(each, totals=replace(each.totals, lag_p99_ms=lag)) for each in ROLLOUT.load]
    unanswered = Operation(0, "put", f"{7:024x}", 12.0, 12.0 + seconds, "unknown", 2)
    found = verdict(changed(ROLLOUT, load=late, operations=[*ROLLOUT.operations, unanswered]))
    assert found.verdict == expected
    assert found.evidence["failed_by_kind"] == {"late write" if seconds >= ANSWER_SECONDS else "write": 1}


# Excused by a sudden end


def test_load_errors_are_excused_within_the_deadline_only() -> None:
    inside = changed(HEALING, load=load(80.0, [(KILLED + 3, 4)]))
    assert verdict(inside, "self-healing").verdict == "pass"
    assert verdict(inside, "self-healing").evidence["excused"] == 4
    outside = changed(HEALING, load=load(80.0, [(KILLED + EXCUSED_SECONDS + 1, 4)]))
    assert verdict(outside, "self-healing").verdict == "fail"


def killed_pod_with(requests: float, others: int = 1) -> TrialObservations:
    """Return the run with more pods, of which the one that is killed has so many requests a second; the others 25."""
    more = tuple(pod(f"other-{number}") for number in range(others - 1))
    ends = pod("b", requests=requests)
    return changed(
        HEALING,
        standings=[
            replace(each, pods=(*(ends if one.name == "b" else one for one in each.pods), *more), desired=others + 1)
            for each in HEALING.standings
        ],
    )


@pytest.mark.parametrize(
    ("requests", "others", "share"), [(25.0, 1, 0.75), (25.0, 3, 0.375), (75.0, 1, 0.875), (5.0, 3, 0.375)]
)
def test_no_more_requests_are_excused_than_the_killed_pod_can_have_had(
    requests: float, others: int, share: float
) -> None:
    most = int(50 * WITHDRAWAL_SECONDS * share + FEW)
    run = killed_pod_with(requests, others)
    found = failures(changed(run, load=load(80.0, [(KILLED + 8, most + 5)])))
    assert (found.excused.count, found.owed.count) == (most, 5)


def test_what_was_in_flight_at_a_sudden_end_is_excused_beyond_that() -> None:
    in_flight = [
        replace(each, totals=replace(each.totals, in_flight=40))
        for each in load(80.0, [(KILLED + 8, int(50 * WITHDRAWAL_SECONDS * 0.75 + FEW) + 45)])
    ]
    assert failures(changed(HEALING, load=in_flight)).owed.count == 5


@pytest.mark.parametrize("others", [1, 4])
@pytest.mark.parametrize("requests", [25.0, 75.0])
def test_sudden_end_excuses_no_failure_of_the_whole_service(requests: float, others: int) -> None:
    run = killed_pod_with(requests, others)
    seconds = range(1, int(WITHDRAWAL_SECONDS) + 1)
    of_load = changed(run, load=load(80.0, [(KILLED + second, 50) for second in seconds]))
    assert failures(of_load).owed.count > 0
    of_writers = changed(
        run,
        operations=[
            replace(each, outcome="failed" if each.seen else "unknown", seen=None)
            if KILLED < each.began <= KILLED + WITHDRAWAL_SECONDS
            else each
            for each in run.operations
        ],
    )
    assert failures(of_writers).owed.count > 0


@pytest.mark.parametrize("kind", ["5xx", "other"])
def test_errors_that_somebody_answered_are_no_sudden_end(kind: str) -> None:
    found = failures(changed(HEALING, load=load(80.0, [(KILLED + 3, 4)], kind)))
    assert (found.excused.count, found.owed.count) == (0, 4)


def test_refused_write_is_no_sudden_end() -> None:
    refused = Operation(0, "post", "f" * 24, KILLED + 1, KILLED + 2, "failed", 1, "sha")
    found = failures(changed(HEALING, operations=[refused]))
    assert (found.excused.count, found.owed.count) == (0, 1)


@given(began=st.floats(0.0, 79.0), seconds=st.floats(0.01, 20.0))
def test_write_is_excused_if_it_was_in_flight_or_sent_before_the_address_was_withdrawn(
    began: float, seconds: float
) -> None:
    failed = Operation(0, "post", "f" * 24, began, began + seconds, "unknown", 1, "sha")
    found = failures(changed(HEALING, operations=[failed]))
    excused = began + seconds > KILLED and -ANSWER_SECONDS <= began - KILLED <= WITHDRAWAL_SECONDS
    before = began + seconds <= HEALING.disruptions[0].at
    assert (found.before.count, found.excused.count) == (int(before), int(excused and not before))
    assert found.before.count + found.owed.count + found.excused.count == 1


@given(errors=st.lists(st.tuples(st.integers(0, 80).map(float), st.integers(1, 9)), max_size=6))
def test_each_error_of_the_load_is_counted_once(errors: list[tuple[float, int]]) -> None:
    found = failures(changed(HEALING, load=load(80.0, errors), operations=()))
    total = found.before.count + found.owed.count + found.excused.count
    assert total == sum(count for _, count in errors)


@given(st.data())
def test_run_cut_off_anywhere_neither_passes_nor_fails(data: st.DataObject) -> None:
    run = data.draw(st.sampled_from([*RUNS.items()]))
    at = data.draw(st.floats(0.0, 70.0))
    demo, whole = run
    cut = changed(
        whole,
        standings=[each for each in whole.standings if each.at <= at],
        disruptions=[each for each in whole.disruptions if each.answered <= at],
        load=[each for each in whole.load if each.at <= at],
        operations=(),
        read_backs=(),
        stopped="Aborted.",
        last_write=None,
    )
    assert verdict(cut, demo).verdict == "inconclusive"


# INCONCLUSIVE


@pytest.mark.parametrize("facts", [None, Facts(False, True), Facts(True, False)])
def test_luck_is_no_proof(facts: Facts | None) -> None:
    assert verdict(changed(ROLLOUT, facts=facts)).verdict == "inconclusive"


def test_nothing_is_owed_while_the_pods_cannot_be_seen() -> None:
    blind = changed(CUT, standings=[*CUT.standings, replace(CUT.standings[-1], at=110.0, away="pods")])
    assert verdict(blind).verdict == "inconclusive"


def test_one_pod_is_no_proof() -> None:
    alone = [replace(each, pods=each.pods[-1:], desired=1) for each in ROLLOUT.standings]
    assert verdict(changed(ROLLOUT, standings=alone)).verdict == "inconclusive"


def test_new_pod_that_no_request_reached_is_no_proof() -> None:
    idle = [replace(each, pods=tuple(replace(one, requests=0.0) for one in each.pods)) for each in ROLLOUT.standings]
    assert verdict(changed(ROLLOUT, standings=idle)).verdict == "inconclusive"


def test_same_template_is_no_proof() -> None:
    same = [replace(each, template_after=each.template_before) for each in ROLLOUT.disruptions]
    assert verdict(changed(ROLLOUT, disruptions=same)).verdict == "inconclusive"


def test_roll_back_to_another_template_is_no_proof() -> None:
    first, second = ROLLOUT.disruptions
    other = [first, replace(second, template_after="other")]
    assert verdict(changed(ROLLOUT, disruptions=other)).verdict == "inconclusive"


def test_no_request_in_flight_is_no_proof() -> None:
    early = [replace(each, ended=9.99) if 9.9 < each.began < 10 else each for each in ROLLOUT.operations]
    late = [replace(each, began=10.2, ended=10.3) if 10 <= each.began < 10.2 else each for each in early]
    found = verdict(changed(ROLLOUT, operations=[each for each in late if each.kind == "post"]))
    assert found.verdict == "inconclusive" and found.reason and "in flight" in found.reason


@pytest.mark.parametrize(
    "changes",
    [
        {"load": ()},
        {"load": load(9.0)},
        {"load": [replace(each, totals=replace(each.totals, due=100 * int(each.at))) for each in load(80.0)]},
        {"load": load(80.0, [(5.0, 1)])},
        {"read_backs": ()},
        {"unread": "It could not be read."},
        {"last_write": False},
        {"stopped": "Aborted."},
        {"disruptions": ROLLOUT.disruptions[:1]},
        {"disruptions": ()},
        {"disruptions": (), "facts": Facts(False, True), "silences": ((5.0, None),)},
        {"asked": ("restart", "undo", "restart")},
    ],
)
def test_gap_in_the_evidence_is_no_proof(changes: dict[str, Any]) -> None:
    assert verdict(changed(ROLLOUT, **changes)).verdict == "inconclusive"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("timeout", "inconclusive"), ("connect", "inconclusive"), ("broken", "fail"), ("5xx", "fail")],
)
def test_late_generator_excuses_what_its_deadlines_may_make(kind: str, expected: str) -> None:
    points = load(80.0, [(15.0, 2)], kind)
    late = [replace(each, totals=replace(each.totals, lag_p99_ms=80.0)) for each in points]
    assert verdict(changed(ROLLOUT, load=late)).verdict == expected


def test_replacement_of_another_pod_is_not_that_of_the_deleted_one() -> None:
    same: list[Standing] = [standing(0.0, pod("a"), pod("b")), standing(60.0, pod("a"), pod("b"))]
    assert verdict(changed(HEALING, standings=same), "self-healing").verdict == "inconclusive"
