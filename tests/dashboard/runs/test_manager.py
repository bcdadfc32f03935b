"""The run manager in virtual time: whole runs, aborts and failures, one activity at a time, orphans, manual control."""

import threading
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from dashboard.clock import SystemClock
from dashboard.core.errors import ExternalError, InvalidOption, NotFound
from dashboard.core.events import LeaseChanged, RunHistoryUpdated, RunUpdated
from dashboard.core.state.builder import Look
from dashboard.core.timestamps import rfc3339, seconds
from dashboard.kube.lease import LeaseHolder
from dashboard.load.options import LoadBusy, LoadOptions
from dashboard.runs.activity_lock import RunActive
from dashboard.runs.demos.persistence.verdict import READ_SCOPE
from dashboard.runs.manager import in_thread
from dashboard.runs.manual import UidNotCurrent
from dashboard.runs.records.archive import UnknownRun
from dashboard.runs.workload.judgement import traffic
from dashboard.runs.workload.primary import Primary
from tests.dashboard.runs.harness import HOLDER, FakeWriters, RunHarness
from tests.dashboard.stubs import wait_until

PERSISTENCE = ("preflight", "warmup", "kill", "outage", "after", "readback")
AUTOSCALE = ("preflight", "settle", "load", "steady", "unload")

Json = dict[str, Any]


def states(run: Json) -> dict[str, str]:
    return {step["id"]: step["state"] for step in run["steps"]}


def assert_ended(harness: RunHarness, run: Json) -> None:
    """Assert that the run has a verdict, is emitted and saved with it, and left nothing running and no lease."""
    assert run["verdict"] in ("pass", "fail", "inconclusive")
    assert run["line"] and run["ended"] and (run["reason"] or run["verdict"] == "pass")
    assert not harness.load.running()
    assert not any(writers.writing for writers in harness.writers)
    assert harness.cluster.lease is None
    assert harness.events(LeaseChanged)[-1].lease is None
    assert harness.events(RunUpdated)[-1].run == run
    assert harness.cluster.history[0] == run
    assert harness.events(RunHistoryUpdated)[-1].runs[0]["verdict"] == run["verdict"]
    assert "running" not in states(run).values() and "waiting" not in states(run).values()


# Persistence runs


def test_graceful_run_passes(harness: RunHarness) -> None:
    run = harness.run("persistence")
    assert_ended(harness, run)
    assert (run["verdict"], run["reason"]) == ("pass", None)
    assert set(states(run).values()) == {"done"}
    evidence = run["evidence"]
    assert evidence["pod"] == {"before": "uid-1", "after": "uid-2"}
    assert (evidence["lost"], evidence["unknown"], evidence["volume"]) == (0, 0, "same")
    assert evidence["attempted"] == evidence["acked"] > 1000
    assert evidence["down"] == pytest.approx(3, abs=0.2)
    assert evidence["ready"] == pytest.approx(5, abs=0.6)
    assert evidence["longest_write"] == pytest.approx(2.5, abs=0.2)
    assert evidence["in_flight"] == 8
    assert harness.cluster.kills == [("graceful", "uid-1")]
    assert run["line"].startswith("persistence PASS mode=graceful attempted=")


def test_crash_run_passes_with_a_new_container_in_the_same_pod(harness: RunHarness) -> None:
    run = harness.run("persistence", mode="crash")
    assert_ended(harness, run)
    assert run["verdict"] == "pass"
    assert run["evidence"]["container"] == {"before": "container-1", "after": "container-2"}
    assert run["evidence"]["pod"] == {"before": "uid-1", "after": "uid-1"}
    assert harness.cluster.kills == [("crash", "uid-1")]
    assert " container=containe→containe volume=same " in run["line"]


def test_writers_continue_through_the_outage_and_for_ten_seconds_after_it(harness: RunHarness) -> None:
    harness.cluster.restart_seconds = 20
    run = harness.run("persistence")
    assert run["verdict"] == "pass"
    assert run["evidence"]["down"] == pytest.approx(20, abs=0.2)
    assert run["evidence"]["acked_after"] > 1000
    steps = {step["id"]: step for step in run["steps"]}
    assert steps["after"]["started"] < steps["after"]["ended"]


def test_lost_documents_fail_the_run(harness: RunHarness) -> None:
    def lose_documents() -> None:
        never_deleted = [id_ for id_ in harness.cluster.documents if int(id_, 16) % 3]
        for id_ in never_deleted[-14:]:
            del harness.cluster.documents[id_]

    harness.cluster.on_exit = lose_documents
    run = harness.run("persistence", mode="crash")
    assert_ended(harness, run)
    assert (run["verdict"], run["evidence"]["lost"]) == ("fail", 14)
    assert run["evidence"]["lost_ids"]
    assert run["line"].startswith("persistence FAIL mode=crash ")


def test_empty_database_without_a_volume_fails_the_run() -> None:
    harness = RunHarness(volume_claim=None)
    harness.cluster.on_exit = harness.cluster.documents.clear
    run = harness.run("persistence")
    assert_ended(harness, run)
    assert (run["verdict"], run["evidence"]["volume"]) == ("fail", "none")
    assert run["evidence"]["lost"] == run["evidence"]["rpo"] >= 300


def test_changed_payload_fails_the_run(harness: RunHarness) -> None:
    def corrupt_document() -> None:
        first = next(iter(harness.cluster.documents))
        harness.cluster.documents[first] = (harness.cluster.documents[first][0], "0" * 64)

    harness.cluster.on_exit = corrupt_document
    run = harness.run("persistence")
    assert (run["verdict"], run["evidence"]["corrupt"]) == ("fail", 1)


def test_documents_missing_from_the_service_only_are_lost(harness: RunHarness) -> None:
    harness.configure_writers = lambda writers: setattr(writers, "read", lambda cancelled: {})
    run = harness.run("persistence")
    assert run["verdict"] == "fail"
    assert run["evidence"]["lost"] > 1000


@pytest.mark.parametrize("source", ["database", "service"])
def test_failed_read_back_is_inconclusive(harness: RunHarness, source: str) -> None:
    error = ExternalError("The documents could not be read.")
    if source == "database":
        harness.reader.error = error
    else:
        harness.configure_writers = lambda writers: setattr(writers, "error", error)
    run = harness.run("persistence")
    assert_ended(harness, run)
    assert (run["verdict"], run["reason"]) == ("inconclusive", str(error))
    assert run["evidence"]["lost"] == 0


def texts(run: Json) -> list[str]:
    return [entry["text"] for entry in run["timeline"]]


def test_database_without_an_adapter_is_not_read_and_the_run_says_so_at_its_start(harness: RunHarness) -> None:
    harness.reader.reads, harness.reader.database = False, ""
    harness.reader.note = "The database itself is not read: it has no adapter"
    harness.reader.error = ExternalError("It must not be asked.")
    run = harness.run_and_recompute("persistence")
    assert run["verdict"] == "pass"
    assert texts(run).index(str(harness.reader.note)) < texts(run).index("mongodb-0 is Ready, on the volume pv-1")
    assert not any(text.startswith("From the database") for text in texts(run))
    assert "not read itself" in run["evidence"]["scope"]


class TestPlaceThatAFileNames:
    @pytest.fixture(autouse=True)
    def place(self, harness: RunHarness) -> None:
        harness.reader.database, harness.reader.place = "postgresql", "the table notes"

    def test_it_is_read_before_the_kill(self, harness: RunHarness) -> None:
        run = harness.run_and_recompute("persistence")
        assert run["verdict"] == "pass" and run["evidence"]["scope"] == READ_SCOPE
        (rehearsed,) = [text for text in texts(run) if text.endswith("documents so far")]
        assert texts(run).index(rehearsed) < texts(run).index("Kill the database")

    def test_another_table_than_the_services_accuses_nobody(
        self, harness: RunHarness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(harness.reader, "read", lambda run: {"1" * 24: "of another"})
        run = harness.run_and_recompute("persistence")
        assert_ended(harness, run)
        assert (run["verdict"], harness.cluster.kills) == ("inconclusive", [])
        assert "the table notes was not what the service writes to, with 1 document of this run" in run["reason"]

    @pytest.mark.parametrize("spoil", ["a part of a table", "deleted rows that stay"])
    def test_table_that_has_some_of_it_accuses_nobody(
        self, spoil: str, harness: RunHarness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        documents, ever = harness.cluster.documents, dict[str, str]()
        harness.clock.on_step.append(lambda: ever.update({id_: sha256 for id_, (_, sha256) in documents.items()}))

        def read(run: str) -> dict[str, str]:
            if spoil == "deleted rows that stay":
                return dict(ever)
            return {id_: sha256 for id_, (_, sha256) in documents.items() if not id_.endswith("0")}

        monkeypatch.setattr(harness.reader, "read", read)
        run = harness.run_and_recompute("persistence")
        assert (run["verdict"], harness.cluster.kills) == ("inconclusive", [])
        assert ("lost" if spoil == "a part of a table" else "deletion") in run["reason"]

    def test_database_that_cannot_be_read_is_not_killed(self, harness: RunHarness) -> None:
        harness.reader.error = ExternalError("GRANT SELECT ON notes TO reader.")
        run = harness.run_and_recompute("persistence")
        assert (run["verdict"], run["reason"]) == ("inconclusive", str(harness.reader.error))
        assert harness.cluster.kills == []

    def test_loss_after_the_kill_is_a_loss(self, harness: RunHarness) -> None:
        harness.cluster.on_exit = harness.cluster.documents.clear
        assert harness.run_and_recompute("persistence")["verdict"] == "fail"


def test_reason_why_no_primary_answers_is_told(harness: RunHarness) -> None:
    harness.cluster.process, harness.reader.problem = None, "PostgreSQL does not answer at notes-db:5433."
    run = harness.run("persistence")
    assert run["verdict"] == "inconclusive" and "at notes-db:5433." in run["reason"]


def test_database_that_refuses_the_dashboard_is_not_killed(harness: RunHarness) -> None:
    harness.reader.refusal = ExternalError("Give the password.")
    run = harness.run_and_recompute("persistence")
    assert (run["verdict"], run["reason"]) == ("inconclusive", "Give the password.")
    assert harness.cluster.kills == []


def test_process_that_refuses_the_dashboard_after_the_kill_is_another_one(harness: RunHarness) -> None:
    """An empty database in the place of the old one has lost the dashboard's user, too: the service shows the loss."""

    def lose_all() -> None:
        harness.cluster.documents.clear()
        harness.reader.refusal = harness.reader.error = ExternalError("There is no such user.")

    harness.cluster.on_exit = lose_all
    run = harness.run_and_recompute("persistence")
    assert_ended(harness, run)
    assert run["verdict"] == "fail" and run["evidence"]["lost"] > 300
    assert run["evidence"]["down"] == pytest.approx(3, abs=0.2)


def test_replacements_and_deletions_are_required_only_of_a_service_that_has_them(harness: RunHarness) -> None:
    def post_only(writers: FakeWriters) -> None:
        writers.changes = False

    harness.configure_writers = post_only
    run = harness.run_and_recompute("persistence")
    assert run["verdict"] == "inconclusive" and "replacements" in run["reason"]

    def of_two_routes(writers: FakeWriters) -> None:
        writers.changes, writers.kinds = False, {"post"}

    harness.configure_writers = of_two_routes
    assert harness.run_and_recompute("persistence")["verdict"] == "pass"


def test_failed_read_back_is_retried(harness: RunHarness) -> None:
    harness.reader.error = ExternalError("No primary.")
    harness.during_step("readback", lambda: setattr(harness.reader, "error", None), after=10)
    assert harness.run("persistence")["verdict"] == "pass"


def unjudgeable(writers: FakeWriters) -> None:
    writers.contract_obstacle = "The same write twice is not the same as once."


@pytest.mark.parametrize(
    ("inject", "cause"),
    [
        (lambda harness: setattr(harness.cluster, "database", None), "no pod mongodb-0"),
        (lambda harness: setattr(harness.cluster, "process", None), "primary"),
        (lambda harness: setattr(harness.reader, "beside", "mongodb-1"), "mongodb-1"),
        (lambda harness: harness.cluster.errors.update(volume_claim=NotFound("No volume claim.")), "No volume"),
        (lambda harness: setattr(harness, "configure_writers", unjudgeable), "twice"),
    ],
)
def test_failed_preflight_check_ends_the_run_before_any_write(harness: RunHarness, inject: Any, cause: str) -> None:
    inject(harness)
    run = harness.run("persistence")
    assert_ended(harness, run)
    assert run["verdict"] == "inconclusive"
    assert cause in run["reason"]
    assert states(run)["warmup"] == "skipped"
    assert harness.cluster.kills == []
    assert run["evidence"]["attempted"] == 0


def test_preflight_requires_a_ready_pod_and_a_bound_claim(harness: RunHarness) -> None:
    assert harness.cluster.database
    harness.cluster.database = replace(harness.cluster.database, ready=False)
    assert "not Ready" in harness.run("persistence")["reason"]
    harness.cluster.database = replace(harness.cluster.database, ready=True)
    harness.cluster.volume = replace(harness.cluster.volume, phase="Pending", volume=None)
    assert "Pending" in harness.run("persistence")["reason"]


def test_preflight_requires_a_ready_pod_of_the_service_and_says_why_there_is_none(harness: RunHarness) -> None:
    harness.autoscaler.refusal = "MongoDB refuses the service's user."
    run = harness.run("persistence")
    assert (run["verdict"], harness.cluster.kills) == ("inconclusive", [])
    assert "No pod of the service is Ready" in run["reason"]
    assert "MongoDB refuses the service's user." in run["reason"]


def test_reason_of_too_few_writes_says_why_no_pod_of_the_service_is_ready(harness: RunHarness) -> None:
    harness.configure_writers = lambda writers: setattr(writers, "interval", 5.0)
    words = "MongoDB refuses the service's user."
    harness.during_step("warmup", lambda: setattr(harness.autoscaler, "refusal", words))
    run = harness.run("persistence")
    assert "Too thin" in run["reason"] and "MongoDB refuses the service's user." in run["reason"]


def test_preflight_waits_for_a_restarting_database(harness: RunHarness) -> None:
    harness.autoscaler.mongo = {"state": "down"}
    harness.during_step("preflight", lambda: setattr(harness.autoscaler, "mongo", {"state": "up"}), after=20)
    run = harness.run("persistence")
    assert run["verdict"] == "pass"
    assert harness.cluster.kills != []


@pytest.mark.parametrize(
    ("mode", "waited", "ran", "expected"),
    [("crash", 80, 60, 540), ("crash", 40, 60, 0), ("crash", 80, 601, 0), ("graceful", 80, 60, 0)],
)
def test_crash_preflight_waits_out_the_kubelets_backoff(
    harness: RunHarness, mode: str, waited: int, ran: int, expected: int
) -> None:
    assert harness.cluster.database
    now = seconds(harness.clock.now())
    harness.cluster.database = replace(
        harness.cluster.database, started=rfc3339(now - ran), ended=rfc3339(now - ran - waited)
    )
    run = harness.run("persistence", mode=mode)
    (preflight,) = (each for each in run["steps"] if each["id"] == "preflight")
    assert run["verdict"] == "pass"
    assert seconds(preflight["ended"]) - seconds(preflight["started"]) == pytest.approx(expected, abs=1)


def test_reason_of_too_few_writes_has_the_services_last_error(harness: RunHarness) -> None:
    def fail_a_write(writers: FakeWriters) -> None:
        writers.interval = 0.2
        refused = writers.ledger.begin(0, "post", "refused", 0.0, 1, "")
        writers.ledger.end(refused, 0.0, "failed", "The service answered 500: not authorized.")

    harness.configure_writers = fail_a_write
    run = harness.run("persistence")
    assert (run["verdict"], run["evidence"]["failed"]) == ("inconclusive", 1)
    assert "answered 500: not authorized" in run["reason"]


def test_reason_of_a_missing_database_has_its_pods_reason_and_restarts(harness: RunHarness) -> None:
    harness.cluster.stays_down = True
    pod = {"uid": "uid-2", "app": "mongodb", "ready": False, "phase": "Running", "requests_per_second": None}
    harness.autoscaler.other_pods = [pod | {"name": "mongodb-0", "reason": "CrashLoopBackOff", "restarts": 7}]
    run = harness.run("persistence")
    assert run["verdict"] == "inconclusive"
    assert "mongodb-0: CrashLoopBackOff" in run["reason"] and "7 times" in run["reason"]


def test_too_few_writes_before_the_kill_prevent_it(harness: RunHarness) -> None:
    harness.configure_writers = lambda writers: setattr(writers, "interval", 0.2)
    run = harness.run("persistence")
    assert_ended(harness, run)
    assert run["verdict"] == "inconclusive" and states(run)["warmup"] == "failed"
    assert harness.cluster.kills == []


def test_writers_that_stop_before_the_kill_make_the_run_inconclusive(harness: RunHarness) -> None:
    def stop_and_kill(name: str, uid: str, mode: str) -> None:
        harness.writers[-1].writing = False
        kill(name, uid, mode)

    kill, harness.cluster.kill = harness.cluster.kill, stop_and_kill  # type: ignore[method-assign]
    run = harness.run("persistence", mode="crash")
    assert_ended(harness, run)
    assert run["verdict"] == "inconclusive"
    assert run["evidence"]["acked_after"] < 100 and run["evidence"]["in_flight"] == 0


def test_kills_alternate_between_the_modes_and_each_has_its_figures(harness: RunHarness) -> None:
    run = harness.run("persistence", mode="crash", kills=3)
    assert_ended(harness, run)
    assert (run["verdict"], run["reason"]) == ("pass", None)
    assert [mode for mode, _ in harness.cluster.kills] == ["crash", "graceful", "crash"]
    evidence = run["evidence"]
    assert [each["mode"] for each in evidence["outages"]] == ["crash", "graceful", "crash"]
    assert all(each["down"] == pytest.approx(3, abs=0.2) for each in evidence["outages"])
    assert evidence["rto"] == evidence["down"] == max(each["down"] for each in evidence["outages"])
    assert (evidence["kills"], evidence["rpo"]) == (3, 0)
    assert evidence["pod"]["before"] != evidence["pod"]["after"]
    assert run["line"].startswith("persistence PASS mode=crash kills=3 attempted=")
    assert set(states(run).values()) == {"done"}


def test_second_kill_after_which_the_database_stays_down_makes_the_run_inconclusive(harness: RunHarness) -> None:
    harness.cluster.on_exit = lambda: setattr(harness.cluster, "stays_down", True)
    run = harness.run("persistence", kills=2)
    assert_ended(harness, run)
    assert (run["verdict"], len(harness.cluster.kills)) == ("inconclusive", 2)
    assert run["evidence"]["down"] is None and states(run)["outage"] == "failed"
    assert run["evidence"]["outages"][0]["down"] == pytest.approx(3, abs=0.2)


@pytest.mark.parametrize(("missing", "cause"), [("changes", "replacements"), ("reads", "reads")])
def test_run_without_reads_or_changes_is_inconclusive(harness: RunHarness, missing: str, cause: str) -> None:
    harness.configure_writers = lambda writers: setattr(writers, missing, False)
    run = harness.run("persistence")
    assert run["verdict"] == "inconclusive" and cause in run["reason"]
    assert any(each["required"] and not each["seen"] for each in run["evidence"]["coverage"])


def test_passed_run_lists_what_it_has_seen(harness: RunHarness) -> None:
    evidence = harness.run("persistence")["evidence"]
    assert all(each["seen"] for each in evidence["coverage"] if each["required"])
    assert evidence["reads"] > 200 and evidence["stable"] > 200
    assert evidence["stale"] == evidence["regressed"] == evidence["resurrected"] == 0


# Negative controls: services that read, replace or delete wrongly


def after_the_outage(harness: RunHarness, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the documents once, 2 s after the outage."""
    harness.during_step("after", lambda: change(harness.cluster.documents), after=2)


def undo_after_the_outage(harness: RunHarness, kind: str) -> dict[str, Any]:
    """Undo the first write of a kind, 2 s after the outage. Return the documents as they were before such writes."""
    before: dict[str, Any] = {}
    apply = FakeWriters._apply

    def remember(writers: FakeWriters, write: Any) -> None:
        if write.kind == kind:
            before[write.id] = harness.cluster.documents[write.id]
        apply(writers, write)

    harness.configure_writers = lambda writers: setattr(writers, "_apply", partial(remember, writers))
    after_the_outage(harness, lambda documents: documents.update([next(iter(before.items()))]))
    return before


def test_replacement_that_goes_back_fails_the_run(harness: RunHarness) -> None:
    olds = undo_after_the_outage(harness, "put")
    run = harness.run("persistence")
    assert (run["verdict"], run["evidence"]["regressed_ids"]) == ("fail", [next(iter(olds))])
    assert {name: run["evidence"][name] for name in ("lost", "stale", "resurrected", "corrupt", "rpo")} == {
        "lost": 0, "stale": 0, "resurrected": 0, "corrupt": 0, "rpo": 1,
    }  # fmt: skip


def test_deleted_document_that_comes_back_fails_the_run(harness: RunHarness) -> None:
    deleted = undo_after_the_outage(harness, "delete")
    run = harness.run("persistence")
    assert (run["verdict"], run["evidence"]["resurrected_ids"]) == ("fail", [next(iter(deleted))])
    assert run["evidence"]["lost"] == run["evidence"]["regressed"] == run["evidence"]["stale"] == 0


def test_stale_read_fails_the_run(harness: RunHarness) -> None:
    """The documents are right in the end."""
    hidden: dict[str, Any] = {}

    def hide(documents: dict[str, Any]) -> None:
        hidden.update({id_: documents.pop(id_) for id_ in list(documents)[-5:]})
        harness.clock.after(1, lambda: documents.update(hidden))

    harness.configure_writers = lambda writers: setattr(writers, "changes", False)
    after_the_outage(harness, hide)
    run = harness.run("persistence")
    assert run["verdict"] == "fail" and set(run["evidence"]["stale_ids"]) <= hidden.keys()
    assert run["evidence"]["stale"] > 0 == run["evidence"]["lost"]


@pytest.mark.slow
def test_pod_that_is_not_replaced_makes_the_run_inconclusive(harness: RunHarness) -> None:
    harness.cluster.ignores_deletion = True
    run = harness.run("persistence")
    assert_ended(harness, run)
    assert run["verdict"] == "inconclusive" and "120 s" in run["reason"]
    assert states(run)["outage"] == "failed"


def test_database_that_stays_down_makes_the_run_inconclusive(harness: RunHarness) -> None:
    harness.cluster.stays_down = True
    run = harness.run("persistence", mode="crash")
    assert_ended(harness, run)
    assert run["verdict"] == "inconclusive" and states(run)["outage"] == "failed"


def test_failed_last_write_makes_the_run_inconclusive(harness: RunHarness) -> None:
    harness.configure_writers = lambda writers: setattr(writers, "fails_last_write", True)
    run = harness.run("persistence")
    assert run["verdict"] == "inconclusive" and "last write" in run["reason"]
    assert run["evidence"]["failed"] == 1


def test_failed_kill_makes_the_run_inconclusive_and_is_audited(harness: RunHarness) -> None:
    error = harness.cluster.errors["kill"] = ExternalError("Crash mode is not installed here.")
    run = harness.run("persistence", mode="crash")
    assert_ended(harness, run)
    assert (run["verdict"], run["reason"]) == ("inconclusive", str(error))
    assert ("restart mongodb-0 (crash)", f"failed: {error}") in [
        (action, outcome) for _, action, outcome, *_ in harness.audited
    ]


# An API server that does not answer for a moment


def no_answer(harness: RunHarness, method: str, seconds: float) -> Callable[[], None]:
    def begin() -> None:
        harness.cluster.errors[method] = ExternalError("The API server does not answer.")
        harness.clock.after(seconds, lambda: harness.cluster.errors.pop(method))

    return begin


@pytest.mark.parametrize("method", ["pod", "volume_claim"])
@pytest.mark.parametrize(("step", "after"), [("preflight", 0.0), ("outage", 3.2)])
def test_failed_read_of_the_pod_is_tried_again(harness: RunHarness, method: str, step: str, after: float) -> None:
    if step == "preflight":
        no_answer(harness, method, 1.0)()
    else:
        harness.during_step(step, no_answer(harness, method, 1.0), after)
    assert harness.run("persistence")["verdict"] == "pass"


def test_pod_that_cannot_be_read_after_the_kill_is_the_reason(harness: RunHarness) -> None:
    harness.during_step("outage", no_answer(harness, "pod", 500.0))
    run = harness.run("persistence")
    assert run["verdict"] == "inconclusive" and "does not answer" in run["reason"]


def test_hello_that_takes_too_long_once_before_the_second_kill_is_tried_again(harness: RunHarness) -> None:
    primary, missed = harness.reader.primary, []

    def miss_once() -> Primary | None:
        if harness.current_step() == "kill" and len(harness.cluster.kills) == 1 and not missed:
            missed.append(True)
            return None
        return primary()

    harness.reader.primary = miss_once  # type: ignore[method-assign]
    assert harness.run("persistence", kills=2)["verdict"] == "pass"
    assert missed


@pytest.mark.parametrize(
    ("lose", "cause"),
    [
        (lambda harness: setattr(harness.reader, "primary", lambda: None), "primary"),
        (lambda harness: setattr(harness.reader, "beside", "mongodb-1"), "mongodb-1"),
        (lambda harness: setattr(harness.cluster, "database", None), "no pod mongodb-0"),
        (
            lambda harness: setattr(harness.cluster, "database", replace(harness.cluster.database, ready=False)),
            "not Ready",
        ),
    ],
)
def test_database_that_is_gone_before_the_kill_is_not_killed_and_what_is_missing_is_named(
    harness: RunHarness, lose: Any, cause: str
) -> None:
    harness.during_step("warmup", lambda: lose(harness), after=2.0)
    run = harness.run("persistence")
    assert_ended(harness, run)
    assert (run["verdict"], harness.cluster.kills) == ("inconclusive", [])
    assert cause in run["reason"]


@pytest.mark.parametrize(("seconds", "kills"), [(5.0, 1), (12.0, 0)])
def test_lease_is_confirmed_within_ten_seconds_or_nothing_is_killed(
    harness: RunHarness, seconds: float, kills: int
) -> None:
    harness.during_step("warmup", no_answer(harness, "renew", seconds + 2.0), after=0.5)
    harness.configure_writers = lambda writers: setattr(writers, "interval", 0.05)
    run = harness.run("persistence")
    assert len(harness.cluster.kills) == kills, run["reason"]
    assert run["verdict"] == ("pass" if kills else "inconclusive")


# Aborts and failures


@pytest.mark.parametrize(
    ("demo", "step"), [*(("persistence", step) for step in PERSISTENCE), *(("autoscale", step) for step in AUTOSCALE)]
)
def test_abort_ends_the_run_in_every_step(demo: str, step: str) -> None:
    harness = RunHarness()

    def abort() -> None:
        harness.manager.abort(harness.current_run()["id"], "viewer")

    if step == "preflight":
        call_before(harness.cluster, "save", abort)
    elif step == "kill":
        call_before(harness.cluster, "renew", abort, lambda: harness.current_step() == "kill")
    elif step == "readback":
        harness.configure_writers = lambda writers: call_before(writers, "read", abort)
    else:
        harness.during_step(step, abort, after=0.5)
    run = harness.run(demo)
    assert_ended(harness, run)
    assert run["verdict"] == "inconclusive" and "viewer" in run["reason"]
    assert ("viewer", f"abort {run['id']}", "asked") in [line[:3] for line in harness.audited]
    if demo == "persistence":
        assert bool(harness.cluster.kills) == (step in ("outage", "after", "readback"))


def call_before(
    object_: Any, name: str, action: Callable[[], None], condition: Callable[[], bool] = lambda: True
) -> None:
    """Call `action` once, before the first call of a method that meets the condition."""
    method = getattr(object_, name)

    def patched(*arguments: Any) -> Any:
        if condition():
            setattr(object_, name, method)
            action()
        return method(*arguments)

    setattr(object_, name, patched)


@pytest.mark.parametrize("step", ["warmup", "outage"])
def test_lost_lease_ends_the_run(harness: RunHarness, step: str) -> None:
    harness.cluster.restart_seconds = 30
    other = LeaseHolder("other", "their-run", "")
    harness.during_step(step, lambda: setattr(harness.cluster, "lease", other))
    run = harness.run("persistence")
    assert run["verdict"] == "inconclusive" and "lease" in run["reason"]
    assert not harness.writers[-1].writing
    assert harness.cluster.lease == other


def test_lease_that_was_lost_since_its_renewal_prevents_the_kill(harness: RunHarness) -> None:
    primary = harness.reader.primary

    def lose_lease() -> Primary | None:
        if harness.writers and traffic.acknowledged(harness.writers[-1].ledger.operations()) >= 500:
            harness.cluster.lease = LeaseHolder("other", "their-run", "")
        return primary()

    harness.reader.primary = lose_lease  # type: ignore[method-assign]
    run = harness.run("persistence")
    assert (run["verdict"], harness.cluster.kills) == ("inconclusive", [])
    assert states(run)["kill"] == "failed"


def test_lease_that_cannot_be_confirmed_prevents_the_kill(harness: RunHarness) -> None:
    harness.during_step("warmup", lambda: harness.cluster.errors.update(renew=ExternalError("No answer.")))
    run = harness.run("persistence")
    assert harness.cluster.kills == []
    assert "No answer." in run["reason"]


def test_failed_renewals_end_the_run_and_its_load(harness: RunHarness) -> None:
    harness.during_step("steady", lambda: harness.cluster.errors.update(renew=ExternalError("No answer.")))
    run = harness.run("autoscale")
    assert_ended(harness, run)
    assert run["verdict"] == "inconclusive" and "No answer." in run["reason"]


def test_brief_failure_of_the_renewals_does_not_end_the_run(harness: RunHarness) -> None:
    harness.during_step("steady", lambda: harness.cluster.errors.update(renew=ExternalError("No answer.")))
    harness.during_step("steady", harness.cluster.errors.clear, after=9)
    assert harness.run("autoscale")["verdict"] == "pass"


def test_lease_is_renewed_every_five_seconds(harness: RunHarness) -> None:
    began = harness.clock.time
    harness.run("autoscale")
    assert harness.cluster.renewals >= (harness.clock.time - began) / 5 - 1


def test_shutdown_aborts_the_run(harness: RunHarness) -> None:
    def shut_down() -> None:
        harness.manager._context.cancel("Aborted: the dashboard is going down.")  # type: ignore[union-attr]

    harness.during_step("load", shut_down, after=5)
    run = harness.run("autoscale")
    assert_ended(harness, run)
    assert run["verdict"] == "inconclusive" and "going down" in run["reason"]
    harness.manager.end()
    with pytest.raises(RunActive):
        harness.manager.start("autoscale", {}, "operator")


def test_shutdown_aborts_a_run_in_a_thread_of_its_own(harness: RunHarness) -> None:
    harness.autoscaler.metrics = False  # the run waits for samples
    manager = harness.new_manager(SystemClock(), in_thread)
    before = threading.active_count()
    manager.begin()
    run_id = manager.start("autoscale", {}, "operator")
    assert manager.get(run_id)["verdict"] == "running"
    with pytest.raises(RunActive):
        manager.start("autoscale", {}, "operator")
    manager.end()
    assert_ended(harness, manager.get(run_id))
    assert "going down" in manager.get(run_id)["reason"]
    wait_until(lambda: threading.active_count() == before)


def test_bug_in_a_demo_ends_the_run(harness: RunHarness, caplog: pytest.LogCaptureFixture) -> None:
    harness.during_step("steady", lambda: setattr(harness.autoscaler, "look", lambda at: Look({}, {}, 60.0)), after=3)
    run = harness.run("autoscale")
    assert_ended(harness, run)
    assert run["verdict"] == "inconclusive" and "KeyError" in run["reason"]
    assert run["id"] in caplog.text


def test_run_without_a_decidable_verdict_is_inconclusive(harness: RunHarness, caplog: pytest.LogCaptureFixture) -> None:
    harness.configure_writers = lambda writers: setattr(writers.ledger, "operations", lambda: "?")
    run = harness.run("persistence")
    assert_ended(harness, run)
    assert (run["verdict"], run["line"]) == ("inconclusive", "persistence INCONCLUSIVE")
    assert "could not be decided" in caplog.text


def test_reason_of_an_abort_during_the_self_test_is_the_abort(harness: RunHarness) -> None:
    def start(options: LoadOptions, by: str, test_rate: float | None = None) -> None:
        harness.manager.abort(harness.manager.list()[0]["id"], "viewer")
        raise ExternalError("The load was stopped before it began.")

    harness.load.start = start  # type: ignore[method-assign]
    run = harness.run("autoscale", rate=300)
    assert_ended(harness, run)
    assert "viewer" in run["reason"]


def test_run_has_its_verdict_if_the_history_cannot_be_saved(harness: RunHarness) -> None:
    error = harness.cluster.errors["save"] = ExternalError("The ConfigMap is not there.")
    run = harness.run("persistence")
    assert run["verdict"] == "pass"
    assert any(str(error) in entry["text"] for entry in run["timeline"])
    assert harness.manager.get(run["id"]) == run


# Events and audit


def test_run_is_emitted_at_most_five_times_a_second(harness: RunHarness) -> None:
    harness.run("persistence")
    times = [at for at, event in harness.emitted if isinstance(event, RunUpdated)]
    intervals = [after - before for before, after in pairwise(times[:-1])]  # the verdict is emitted at once
    assert min(intervals) >= 0.2 - 0.051  # the clock's step
    steps = [step for event in harness.events(RunUpdated) for step in event.run["steps"]]
    assert {step["id"] for step in steps if step["state"] == "running"} >= {"warmup", "outage", "after"}


def test_evidence_is_emitted_during_the_run(harness: RunHarness) -> None:
    harness.run("persistence")
    evidence = [event.run["evidence"] for event in harness.events(RunUpdated)]
    acked = [figures["acked"] for figures in evidence if figures]
    assert acked == sorted(acked) and len(set(acked)) > 10


def test_run_is_saved_as_running_before_its_first_step(harness: RunHarness) -> None:
    run = harness.run("persistence")
    first, last = harness.cluster.saves[0], harness.cluster.saves[-1]
    assert (first[0]["id"], first[0]["verdict"]) == (run["id"], "running")
    assert last[0] == run


def test_actions_are_audited_and_marked_on_the_charts(harness: RunHarness) -> None:
    run = harness.run("persistence")
    pod = {"kind": "Pod", "name": "mongodb-0", "uid": "uid-1"}
    assert harness.audited[0][:3] == ("operator", f"run {run['id']} mode=graceful", "started")
    assert ("operator", "restart mongodb-0 (graceful)", "done", pod, "kill") in harness.audited
    assert harness.audited[-1][:3] == ("operator", f"run {run['id']}", run["line"])


def test_lease_is_emitted_when_it_is_acquired_and_released(harness: RunHarness) -> None:
    run = harness.run("persistence")
    first, last = harness.events(LeaseChanged)
    assert (first.lease["holder"], first.lease["run"], last.lease) == (HOLDER, run["id"], None)


def test_runs_are_listed_newest_first_and_found_by_their_id(harness: RunHarness) -> None:
    first = harness.run("persistence")
    second = harness.run("persistence", mode="crash")
    assert [run["id"] for run in harness.manager.list()] == [second["id"], first["id"]]
    assert harness.manager.get(first["id"]) == first
    with pytest.raises(UnknownRun):
        harness.manager.get("persistence-0")


def test_current_run_is_listed(harness: RunHarness) -> None:
    verdicts: list[str] = []

    def read() -> None:
        (row,) = harness.manager.list()
        verdicts.extend([row["verdict"], harness.manager.get(row["id"])["verdict"]])

    harness.during_step("outage", read)
    harness.run("persistence")
    assert verdicts == ["running", "running"]


# One activity at a time


def test_second_run_is_refused_with_the_holder(harness: RunHarness) -> None:
    errors: list[RunActive] = []

    def start_second_run() -> None:
        with pytest.raises(RunActive) as error:
            harness.manager.start("autoscale", {}, "another operator")
        errors.append(error.value)

    harness.during_step("warmup", start_second_run)
    run = harness.run("persistence")
    assert run["verdict"] == "pass"
    assert [(error.holder, error.run) for error in errors] == [(HOLDER, run["id"])]
    assert len(harness.manager.list()) == 1


def test_only_one_of_eight_simultaneous_starts_succeeds() -> None:
    harness = RunHarness()
    harness.spawn = lambda name, work: None  # the run never ends
    barrier, results = threading.Barrier(8), list[str | RunActive]()

    def start() -> None:
        barrier.wait()
        try:
            results.append(harness.manager.start("persistence", {}, "operator"))
        except RunActive as error:
            results.append(error)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8 and len([result for result in results if isinstance(result, str)]) == 1
    assert len(harness.manager.list()) == 1


def test_run_of_another_dashboard_refuses_every_activity_here(harness: RunHarness) -> None:
    harness.cluster.lease = LeaseHolder("other", "autoscale-7", "2026-11-25T04:00:00Z")
    with pytest.raises(RunActive) as error:
        harness.manager.start("persistence", {}, "operator")
    assert (error.value.holder, error.value.run) == ("other", "autoscale-7")
    with pytest.raises(RunActive):
        harness.manager.restart_mongo("uid-1", "graceful", "operator")
    with pytest.raises(RunActive):
        harness.manager.load(LoadOptions(rate=10, duration=10), "operator")
    assert harness.cluster.kills == [] and harness.load.started == []
    harness.cluster.lease = None
    assert harness.run("persistence")["verdict"] == "pass"


def test_failed_acquisition_of_the_lease_starts_no_run_and_blocks_no_later_one(harness: RunHarness) -> None:
    harness.cluster.errors["acquire"] = ExternalError("The API server can't be reached.")
    with pytest.raises(ExternalError, match="can't be reached"):
        harness.manager.start("persistence", {}, "operator")
    harness.cluster.errors.clear()
    assert harness.run("persistence")["verdict"] == "pass"


@pytest.mark.parametrize(
    ("demo", "options"), [("chaos", {}), ("persistence", {"mode": "nuke"}), ("autoscale", {"rate": -1})]
)
def test_invalid_option_starts_no_run(harness: RunHarness, demo: str, options: Json) -> None:
    with pytest.raises(InvalidOption):
        harness.manager.start(demo, options, "operator")
    assert harness.cluster.lease is None and harness.emitted == []


def test_abort_of_an_ended_run_does_nothing_and_of_an_unknown_one_raises(harness: RunHarness) -> None:
    run = harness.run("persistence")
    harness.manager.abort(run["id"], "operator")
    assert harness.manager.get(run["id"]) == run
    with pytest.raises(UnknownRun):
        harness.manager.abort("persistence-0", "operator")


# Orphaned runs


def running(harness: RunHarness, id_: str) -> Json:
    """Return a run as its dashboard saves it at its start."""
    run = harness.run("persistence")
    return run | {"id": id_, "verdict": "running", "line": None, "reason": None, "ended": None}


def test_run_without_a_lease_holder_is_marked_aborted() -> None:
    orphan = running(RunHarness(), "persistence-9")
    harness = RunHarness()
    harness.cluster.history = [orphan]
    harness.manager._archive.sync()
    run = harness.manager.get("persistence-9")
    assert run["verdict"] == "inconclusive" and run["reason"].startswith("Aborted")
    assert harness.cluster.history == [run]
    assert harness.events(RunHistoryUpdated)[-1].runs[0]["verdict"] == "inconclusive"
    assert harness.events(LeaseChanged)[-1].lease is None
    assert harness.run("persistence")["verdict"] == "pass"
    assert [run["id"] for run in harness.manager.list()][1] == "persistence-9"


def test_run_of_another_dashboard_is_read_until_it_ends() -> None:
    other = running(RunHarness(), "persistence-9")
    harness = RunHarness()
    harness.cluster.history = [other]
    harness.cluster.lease = LeaseHolder("other", "persistence-9", "2026-11-25T04:00:00Z")
    harness.manager._archive.sync()
    assert harness.manager.get("persistence-9")["verdict"] == "running"
    assert harness.cluster.saves == []
    assert harness.events(LeaseChanged)[-1].lease["holder"] == "other"
    with pytest.raises(RunActive) as error:
        harness.manager.abort("persistence-9", "operator")
    assert error.value.holder == "other"
    harness.cluster.history = [other | {"verdict": "pass"}]
    harness.cluster.lease = None
    harness.manager._archive.sync()
    assert harness.manager.get("persistence-9")["verdict"] == "pass"
    assert harness.events(LeaseChanged)[-1].lease is None


def test_run_that_ends_while_the_history_is_read_is_not_orphaned() -> None:
    other = running(RunHarness(), "persistence-9")
    harness = RunHarness()
    harness.cluster.history = [other]
    holder = harness.cluster.holder

    def end_and_read_holder() -> LeaseHolder | None:
        harness.cluster.history = [other | {"verdict": "pass"}]
        return holder()

    harness.cluster.holder = end_and_read_holder  # type: ignore[method-assign]
    harness.manager._archive.sync()
    assert harness.manager.get("persistence-9")["verdict"] == "pass"


def test_restarted_dashboard_orphans_its_own_run() -> None:
    orphan = running(RunHarness(), "persistence-9")
    harness = RunHarness()
    harness.cluster.history = [orphan]
    harness.cluster.lease = LeaseHolder(HOLDER, "persistence-9", "2026-11-25T04:00:00Z")
    harness.manager._archive.sync()
    assert harness.manager.get("persistence-9")["verdict"] == "inconclusive"
    assert harness.run("persistence")["verdict"] == "pass"


def test_history_is_read_only_after_a_change_of_the_lease(harness: RunHarness) -> None:
    harness.manager._archive.sync()
    harness.cluster.errors["load"] = ExternalError("Unexpected read.")
    harness.manager._archive.sync()
    assert len(harness.events(LeaseChanged)) == 1


# Manual restarts and loads


def test_restart_kills_the_pod_with_the_given_uid(harness: RunHarness) -> None:
    harness.manager.restart_mongo("uid-1", "graceful", "operator")
    assert harness.cluster.kills == [("graceful", "uid-1")]
    assert harness.cluster.lease is None
    pod = {"kind": "Pod", "name": "mongodb-0", "uid": "uid-1"}
    assert harness.audited == [("operator", "restart mongodb-0 (graceful)", "done", pod, "kill")]


@pytest.mark.parametrize("mode", ["graceful", "crash"])
def test_repeated_restart_kills_once(harness: RunHarness, mode: str) -> None:
    harness.manager.restart_mongo("uid-1", mode, "operator")
    with pytest.raises(UidNotCurrent):
        harness.manager.restart_mongo("uid-1", mode, "operator")
    harness.clock.advance(10)
    if mode == "graceful":
        with pytest.raises(UidNotCurrent) as error:
            harness.manager.restart_mongo("uid-1", mode, "operator")
        assert error.value.uid == "uid-2"
    assert harness.cluster.kills == [(mode, "uid-1")]


def test_new_container_of_the_same_pod_can_be_crashed(harness: RunHarness) -> None:
    harness.manager.restart_mongo("uid-1", "crash", "operator")
    harness.clock.advance(10)
    harness.manager.restart_mongo("uid-1", "crash", "operator")
    assert len(harness.cluster.kills) == 2


def test_restart_with_another_uid_mode_or_without_a_pod_is_refused(harness: RunHarness) -> None:
    with pytest.raises(UidNotCurrent) as error:
        harness.manager.restart_mongo("uid-0", "graceful", "operator")
    assert error.value.uid == "uid-1"
    with pytest.raises(InvalidOption, match="graceful or crash"):
        harness.manager.restart_mongo("uid-1", "nuke", "operator")
    harness.cluster.database = None
    with pytest.raises(UidNotCurrent) as error:
        harness.manager.restart_mongo("uid-1", "graceful", "operator")
    assert error.value.uid is None
    assert harness.cluster.kills == [] and harness.cluster.lease is None


def test_restart_and_manual_load_are_refused_during_a_run(harness: RunHarness) -> None:
    holders: list[str] = []

    def call_all() -> None:
        for call in (
            lambda: harness.manager.restart_mongo("uid-1", "graceful", "operator"),
            lambda: harness.manager.load(LoadOptions(rate=10, duration=10), "operator"),
            lambda: harness.manager.unload("operator"),
        ):
            with pytest.raises(RunActive) as error:
                call()
            holders.append(error.value.holder)

    harness.during_step("load", call_all, after=2)
    assert harness.run("autoscale")["verdict"] == "pass"
    assert holders == [HOLDER] * 3
    assert harness.cluster.kills == []


def test_failed_restart_is_audited_and_can_be_repeated(harness: RunHarness) -> None:
    error = harness.cluster.errors["kill"] = ExternalError("The API server can't be reached.")
    with pytest.raises(ExternalError):
        harness.manager.restart_mongo("uid-1", "graceful", "operator")
    assert harness.audited[-1][2] == f"failed: {error}"
    harness.cluster.errors.clear()
    harness.manager.restart_mongo("uid-1", "graceful", "operator")
    assert len(harness.cluster.kills) == 1


def test_manual_load_starts_stops_and_is_audited(harness: RunHarness) -> None:
    harness.manager.load(LoadOptions(rate=100, duration=60), "operator")
    with pytest.raises(LoadBusy):
        harness.manager.load(LoadOptions(rate=100, duration=60), "operator")
    harness.manager.unload("operator")
    assert not harness.load.running()
    assert [line[1:3] for line in harness.audited] == [("load 100/s for 60 s", "started"), ("load", "stopped")]
    harness.manager.unload("operator")
    assert len(harness.audited) == 2
