"""Whole failover runs in virtual time: each PASS, FAIL and INCONCLUSIVE, with its reason."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from dashboard.core.errors import ExternalError
from dashboard.runs.demos.registry import offered
from tests.dashboard.runs.demos.failover.replica_set import NAMES, ReplicaSet
from tests.dashboard.runs.harness import FakeWriters, RunHarness

Json = dict[str, Any]

SLOW_SECONDS = 1.0  # between the writes of a run that waits for minutes


@pytest.fixture
def members(harness: RunHarness) -> ReplicaSet:
    return ReplicaSet(harness)


def run(harness: RunHarness, **options: Any) -> Json:
    return harness.run_and_recompute("failover", **options)


@pytest.mark.parametrize("mode", ["graceful", "crash"])
def test_another_member_takes_over(mode: str, harness: RunHarness, members: ReplicaSet) -> None:
    done = run(harness, mode=mode)
    assert (done["verdict"], done["reason"]) == ("pass", None)
    assert {step["state"] for step in done["steps"]} == {"done"}
    assert members.kills == [("mongodb-0", mode)]
    evidence = done["evidence"]
    assert (evidence["lost"], evidence["failed"], evidence["members"]) == (0, 0, 3)
    assert evidence["successor"] == "mongodb-0 → mongodb-1"
    assert evidence["takeover"] == pytest.approx(1.5, abs=0.2) and evidence["ready"] == pytest.approx(12, abs=1)
    assert {check["verdict"] for check in done["checks"]} == {"pass"}
    assert " members=3 " in done["line"] and " primary=mongodb-0→mongodb-1 " in done["line"]


@pytest.mark.slow
def test_several_losses_alternate_between_the_modes(harness: RunHarness, members: ReplicaSet) -> None:
    done = run(harness, mode="crash", kills=3)
    assert done["verdict"] == "pass"
    assert members.kills == [("mongodb-0", "crash"), ("mongodb-1", "graceful"), ("mongodb-0", "crash")]
    assert [each["successor"] for each in done["evidence"]["failovers"]] == ["mongodb-1", "mongodb-0", "mongodb-1"]
    assert " kills=3 " in done["line"]


def test_without_a_new_primary_it_fails_and_names_the_members_that_are_not_ready(
    harness: RunHarness, members: ReplicaSet
) -> None:
    members.takeover_seconds = None
    harness.during_step("takeover", lambda: break_pod(members, "mongodb-2"))
    done = run(harness, kills=3)
    assert done["verdict"] == "fail"
    assert "No other member was primary within 15 s of the end of mongodb-0." in done["reason"]
    assert "mongodb-2 is not Ready" in done["reason"] and "writes without an answer" in done["reason"]
    assert verdict_of(done, "takeover") == "fail"
    assert len(members.kills) == 1, "the primary of a set without one is not ended"


def test_write_that_the_new_primary_lacks_fails(harness: RunHarness, members: ReplicaSet) -> None:
    def lose() -> None:
        unchanged = [id_ for id_ in harness.cluster.documents if int(id_, 16) % 3]  # by the writers
        del harness.cluster.documents[max(unchanged)]

    harness.during_step("after", lose)
    done = run(harness)
    assert (done["verdict"], verdict_of(done, "lost")) == ("fail", "fail")
    assert "acknowledged and is lost" in done["reason"]


@pytest.mark.slow
def test_primary_that_takes_its_time_to_hand_over_is_waited_for(harness: RunHarness, members: ReplicaSet) -> None:
    members.handover_seconds = 50.0
    done = run(harness)
    assert done["verdict"] == "pass" and done["evidence"]["takeover"] == pytest.approx(1.5, abs=0.2)


def slow_down(harness: RunHarness, step: str) -> None:
    """Let the writers write less often from a step on, in which the run waits for minutes."""
    harness.during_step(step, lambda: setattr(harness.writers[-1], "interval", SLOW_SECONDS))


@pytest.mark.slow
def test_primary_that_never_hands_over_proves_nothing(harness: RunHarness, members: ReplicaSet) -> None:
    members.handover_seconds = 200.0
    slow_down(harness, "kill")
    done = run(harness)
    assert (done["verdict"], done["reason"]) == (
        "inconclusive", "mongodb-0 was still the primary after 150 s, though told to end.",
    )  # fmt: skip


def test_refused_write_fails(harness: RunHarness, members: ReplicaSet) -> None:
    def refuse() -> None:
        ledger = harness.writers[-1].ledger
        write = ledger.begin(0, "post", "f" * 24, harness.clock.time, 1, "0")
        ledger.end(write, harness.clock.time, "failed", "The service answered 503: no primary")

    harness.during_step("takeover", refuse)
    done = run(harness)
    assert (done["verdict"], verdict_of(done, "failed")) == ("fail", "fail")
    assert done["reason"] == (
        "1 request failed (writes that were refused: 1). The writers' last error: The service answered 503: no primary"
    )


def break_pod(members: ReplicaSet, name: str) -> None:
    members.pods[name] = replace(members.pods[name], ready=False)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (lambda members: setattr(members, "current", None), "No primary answers the dashboard."),
        (lambda members: break_pod(members, "mongodb-1"), "The pod mongodb-1 is not Ready."),
        (lambda members: members.pods.pop("mongodb-2"), "2 members that hold data, and a failover needs 3"),
    ],
)
def test_set_that_is_not_whole_is_not_broken_further(
    fault: Callable[[ReplicaSet], object], reason: str, harness: RunHarness, members: ReplicaSet
) -> None:
    fault(members)
    done = run(harness)
    assert done["verdict"] == "inconclusive" and reason in done["reason"]
    assert members.kills == []


def test_member_that_becomes_ready_is_waited_for(harness: RunHarness, members: ReplicaSet) -> None:
    former = members.pods["mongodb-1"]
    break_pod(members, "mongodb-1")
    harness.clock.after(40, lambda: members.pods.update({"mongodb-1": former}))
    assert run(harness)["verdict"] == "pass"


def test_former_primary_that_is_primary_again_proves_nothing(harness: RunHarness, members: ReplicaSet) -> None:
    members.former_again = True
    done = run(harness)
    assert done["verdict"] == "inconclusive"
    assert "mongodb-0 itself was primary again: no other member took over." in done["reason"]
    assert verdict_of(done, "successor") == "inconclusive"


def test_former_primary_that_stays_away_is_in_doubt(harness: RunHarness, members: ReplicaSet) -> None:
    members.ready_seconds = None
    slow_down(harness, "ready")
    done = run(harness)
    assert done["verdict"] == "inconclusive" and "mongodb-0 was not Ready again within 180 s." in done["reason"]


def test_pod_that_cannot_be_read_meanwhile_is_the_reason(harness: RunHarness, members: ReplicaSet) -> None:
    error = ExternalError("The API server does not answer.")

    def fail(name: str) -> Any:
        raise error

    def begin() -> None:
        harness.cluster.pod = fail  # type: ignore[method-assign]
        harness.writers[-1].interval = SLOW_SECONDS

    harness.during_step("ready", begin)
    assert "The API server does not answer." in run(harness)["reason"]


def test_refused_kill_is_the_reason(harness: RunHarness, members: ReplicaSet) -> None:
    def refuse(name: str, uid: str, mode: str) -> None:
        raise ExternalError("The pod mongodb-0 could not be deleted: forbidden.")

    harness.cluster.kill = refuse  # type: ignore[method-assign]
    done = run(harness)
    assert done["verdict"] == "inconclusive" and "forbidden" in done["reason"]


def test_thin_traffic_is_in_doubt(harness: RunHarness, members: ReplicaSet) -> None:
    def slow(writers: FakeWriters) -> None:
        writers.interval = 0.5

    harness.configure_writers = slow
    done = run(harness)
    assert done["verdict"] == "inconclusive" and "Too thin" in done["reason"]
    assert members.kills == []


def test_abort_ends_it(harness: RunHarness, members: ReplicaSet) -> None:
    harness.during_step("ready", lambda: harness.manager.abort(harness.current_run()["id"], "operator"))
    done = run(harness)
    assert (done["verdict"], done["reason"]) == ("inconclusive", "Aborted by operator.")
    assert not harness.writers[-1].writing


def test_it_is_offered_where_there_are_three_members_and_persistence_where_there_is_one() -> None:
    for demo, where in (("failover", [False, False, True]), ("persistence", [True, False, False])):
        assert [demo in offered(members, ()) for members in (1, 2, len(NAMES))] == where


@pytest.mark.parametrize("step", ["warmup", "ready", "after"])
def test_primary_that_changes_by_itself_leaves_a_doubt(step: str, harness: RunHarness, members: ReplicaSet) -> None:
    def change() -> None:
        members.current = "mongodb-2"
        harness.cluster.process = "by-itself"

    harness.during_step(step, change, after=1.0)
    done = run(harness)
    assert done["verdict"] == "inconclusive"
    assert done["reason"] == "The primary changed by itself, to mongodb-2: the run had not ended it."
    assert done["evidence"]["changes"] == 1


def test_change_before_the_run_writes_is_of_no_account(harness: RunHarness, members: ReplicaSet) -> None:
    whole = members.pods["mongodb-1"]
    break_pod(members, "mongodb-1")

    def change() -> None:
        members.current, harness.cluster.process = "mongodb-2", "by-itself"
        members.pods["mongodb-1"] = whole

    harness.clock.after(20, change)
    assert run(harness)["verdict"] == "pass"


def test_member_that_is_no_longer_the_primary_is_not_ended(harness: RunHarness, members: ReplicaSet) -> None:
    renew = harness.cluster.renew

    def change_once() -> None:
        renew()
        if harness.current_step() == "kill" and members.current == "mongodb-0" and not members.kills:
            members.current, harness.cluster.process = "mongodb-1", "by-itself"

    harness.cluster.renew = change_once  # type: ignore[method-assign]
    run(harness)
    assert members.kills == [("mongodb-1", "graceful")]


def verdict_of(done: Json, claim: str) -> str:
    (found,) = (check["verdict"] for check in done["checks"] if check["name"] == claim)
    return str(found)
