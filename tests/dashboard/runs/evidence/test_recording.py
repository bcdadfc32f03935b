"""What the run manager records of each run, and keeps; and a report that is made from it."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from dashboard.core.errors import ExternalError
from dashboard.core.events import ObjectChanged, ObjectsListed, ObjectUnreadable, UnreadableObject
from dashboard.core.state.journal import Began, PodCounters, Scraped
from dashboard.runs.demos.records import reader
from dashboard.runs.evidence.file import Unreadable
from dashboard.runs.evidence.replay import MOST_BYTES, MOST_OBJECTS, Replay, replayed
from dashboard.runs.evidence.store import Unkept
from dashboard.runs.records.archive import UnknownRun
from dashboard.web.report.report import Report
from tests.dashboard.runs.evidence.recorded import lines_of, numbers
from tests.dashboard.runs.harness import FakeWriters, RunHarness

Json = dict[str, Any]

AT = "2027-01-15T08:00:00Z"
TARGETS = {
    "namespace": "n", "cluster": "c", "deployment": "flask", "statefulset": "mongodb", "autoscaler": "flask",
    "service": "flask",
}  # fmt: skip


def test_run_says_what_its_file_is(harness: RunHarness) -> None:
    run = harness.run("persistence")
    file = harness.manager.evidence(run["id"])
    assert file == harness.files.files[run["id"]]
    expected = {"bytes": len(file), "sha256": hashlib.sha256(file).hexdigest(), "kept": True, "why": None}
    assert run["evidence_file"] == harness.manager.list()[0]["evidence_file"] == expected
    assert harness.cluster.history[0]["evidence_file"] == expected


def test_run_has_its_file_before_its_verdict_is_seen(harness: RunHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    save = harness.files.save

    def look_and_save(run: str, started: str, file: bytes) -> None:
        seen.append(harness.manager.get(run)["verdict"])
        save(run, started, file)

    monkeypatch.setattr(harness.files, "save", look_and_save)
    assert harness.run("persistence")["verdict"] == "pass"
    assert seen == ["running"]


def test_file_has_the_runs_start_options_and_verdict(harness: RunHarness) -> None:
    run = harness.run("persistence", mode="crash")
    file = reader([harness.manager.evidence(run["id"])])
    list(file.records())
    assert (file.header.at, file.header.options, file.header.by) == (run["started"], {"mode": "crash"}, "operator")
    assert file.header.software["python"]
    assert file.end and (file.end.at, file.end.line, file.end.evidence) == (run["ended"], run["line"], run["evidence"])


@pytest.mark.parametrize("options", [{"mode": "graceful"}, {"mode": "crash"}, {"kills": 3}], ids=repr)
def test_verdict_of_a_persistence_run_follows_from_its_records(harness: RunHarness, options: Json) -> None:
    assert harness.run_and_recompute("persistence", **options)["verdict"] == "pass"


FAULTS: dict[str, Callable[[RunHarness], None]] = {
    "the database stays away": lambda harness: setattr(harness.cluster, "stays_down", True),
    "the service can't be read back": lambda harness: setattr(harness, "configure_writers", _unreadable),
    "the database can't be read back": lambda harness: setattr(harness.reader, "error", ExternalError("No answer.")),
    "nothing is left": lambda harness: setattr(harness.cluster, "on_exit", harness.cluster.documents.clear),
    "it is aborted": lambda harness: harness.during_step(
        "outage", lambda: harness.manager.abort(harness.current_run()["id"], "operator")
    ),
}


def _unreadable(writers: FakeWriters) -> None:
    writers.error = ExternalError("No answer.")


@pytest.mark.parametrize("fault", FAULTS)
def test_verdict_of_a_faulty_run_follows_from_its_records(harness: RunHarness, fault: str) -> None:
    FAULTS[fault](harness)
    assert harness.run_and_recompute("persistence")["verdict"] != "pass"


def test_aborted_run_has_a_file_with_the_reason(harness: RunHarness) -> None:
    harness.during_step("settle", lambda: harness.manager.abort(harness.current_run()["id"], "operator"))
    run = harness.run("autoscale")
    (stopped,) = (
        line["record"] for line in lines_of(harness.manager.evidence(run["id"])) if line["record"]["type"] == "Stopped"
    )
    assert (stopped["reason"], stopped["aborted"]) == ("Aborted by operator.", True)


def test_journal_ends_with_the_run(harness: RunHarness) -> None:
    run = harness.run("persistence")
    before = harness.manager.evidence(run["id"])
    harness.clock.advance(30)
    assert harness.autoscaler.builder._journal is None
    assert harness.manager.evidence(run["id"]) == before


def test_no_users_document_is_in_the_file(harness: RunHarness) -> None:
    run = harness.run("autoscale")
    assert numbers(harness.manager.evidence(run["id"]), "CollectionRead") == []


def test_file_that_can_not_be_kept_is_in_memory_until_the_restart(harness: RunHarness) -> None:
    harness.files.error = ExternalError("It is too large.")
    run = harness.run("persistence")
    assert (run["verdict"], run["evidence_file"]["kept"], run["evidence_file"]["why"]) == (
        "pass", False, "It is too large.",
    )  # fmt: skip
    assert harness.manager.evidence(run["id"])
    restarted = harness.new_manager(harness.clock, harness.spawn)
    restarted._archive.sync()
    with pytest.raises(Unkept):
        restarted.evidence(run["id"])


def test_unknown_run_has_no_file(harness: RunHarness) -> None:
    with pytest.raises(UnknownRun):
        harness.manager.evidence("none")


def test_report_after_a_restart_has_its_charts(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    harness = RunHarness(step=0.25)
    monkeypatch.setattr("dashboard.web.report.report.now", harness.clock.now)
    run = harness.run("autoscale")
    restarted = harness.new_manager(harness.clock, harness.spawn)
    restarted._archive.sync()
    replay = replayed(reader([restarted.evidence(run["id"])]))
    report = Report(restarted.get(run["id"]), replay.tables(), "flask-mongodb", "embedded", replay.target())
    with app.test_request_context():
        page = report.as_html()
    assert 'aria-label="CPU of the pods' in page and 'aria-label="Pods: desired from 2 to 3' in page
    assert "There are data since" not in page
    history = report.as_json()["history"]
    assert max(history["replicas"]["ready"]) == run["evidence"]["peak"]
    memory = harness.autoscaler.builder.history.since(0.0)["tables"]
    assert history == Report(run, memory, "flask-mongodb", "embedded", 70).as_json()["history"]


def listed(count: int) -> ObjectsListed:
    pods = [{"metadata": {"uid": f"u{number}"}} for number in range(count)]
    return ObjectsListed(at=AT, kind="pods", objects=pods)


def test_file_of_more_objects_than_a_run_can_see_is_unreadable() -> None:
    replay = Replay()
    replay.apply(Began(at=AT, targets=TARGETS, sources=["pods"]))
    replay.apply(listed(MOST_OBJECTS))
    with pytest.raises(Unreadable):
        replay.apply(ObjectChanged(at=AT, kind="pods", object={"metadata": {"uid": "another"}}))
    with pytest.raises(Unreadable):
        replay.apply(listed(MOST_OBJECTS + 1))
    with pytest.raises(Unreadable):
        replay.apply(Began(at=AT, targets=TARGETS, sources=[str(number) for number in range(MOST_OBJECTS + 1)]))


def test_file_of_more_unreadable_objects_than_a_run_can_see_is_unreadable() -> None:
    replay = Replay()
    replay.apply(Began(at=AT, targets=TARGETS, sources=["pods"]))
    replay.apply(listed(MOST_OBJECTS))
    replay.apply(ObjectUnreadable(at=AT, kind="pods", object=UnreadableObject("u0", "a", "Expected `int`")))
    with pytest.raises(Unreadable):
        replay.apply(ObjectUnreadable(at=AT, kind="pods", object=UnreadableObject("another", "a", "Expected `int`")))


@pytest.mark.slow
def test_file_of_larger_objects_or_counters_than_a_run_can_see_is_unreadable() -> None:
    replay = Replay()
    replay.apply(Began(at=AT, targets=TARGETS, sources=["pods", "traffic"]))
    labels = {f"label-{number}": "" for number in range(20_000)}
    with pytest.raises(Unreadable):
        for number in range(MOST_BYTES // 300_000 + 1):
            pod = {"metadata": {"uid": f"u{number}", "labels": labels}}
            replay.apply(ObjectChanged(at=AT, kind="pods", object=pod))
    buckets = ((0.0, 0.0),) * 40_000
    with pytest.raises(Unreadable):
        for number in range(MOST_BYTES // 300_000 + 1):
            replay.apply(Scraped(at=AT, pods={f"p{number}": PodCounters(0.0, 0.0, buckets)}))
