"""The audit: its lines on stdout, in memory, on the timeline, and as Kubernetes Events."""

import json
import threading
import time
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest

from dashboard.core.events import ActionRecorded
from dashboard.web.audit_log import EVENTS, KEPT, KEPT_DENIED, AuditLog
from tests.dashboard.stubs import Emitted

POD = {"kind": "Pod", "name": "mongodb-0", "uid": "u1"}
LATEST = "9999-12-31T23:59:59.999Z"
ANNA = "operator (session 3f2a, 10.0.0.7)"

Json = dict[str, Any]


class StubRecorder:
    """An event recorder that keeps the Events. It blocks while `answering` is cleared, and raises `error`."""

    def __init__(self) -> None:
        self.recorded: list[tuple[str, str, Json, str]] = []
        self.answering = threading.Event()
        self.answering.set()
        self.error: Exception | None = None

    def record(self, reason: str, message: str, about: Json, type_: str) -> None:
        self.answering.wait(30)
        self.recorded.append((reason, message, about, type_))
        if self.error:
            raise self.error


@pytest.fixture
def recorder() -> StubRecorder:
    return StubRecorder()


@pytest.fixture
def out() -> StringIO:
    return StringIO()


@pytest.fixture
def audit(emitted: Emitted, recorder: StubRecorder, out: StringIO) -> Iterator[AuditLog]:
    audit = AuditLog(emitted, recorder.record, out)
    audit.start()
    yield audit
    recorder.answering.set()
    audit.stop()


def test_action_is_a_line_of_json_on_stdout(audit: AuditLog, out: StringIO) -> None:
    audit(ANNA, "crash mongodb-0", "started", POD)
    (line,) = [json.loads(line) for line in out.getvalue().splitlines()]
    assert line.pop("at").endswith("Z")
    assert line == {
        "event": "audit", "id": 1, "by": ANNA, "action": "crash mongodb-0", "outcome": "started", "object": POD,
    }  # fmt: skip


def test_action_is_on_the_timeline_with_its_mark(audit: AuditLog, emitted: Emitted) -> None:
    audit(ANNA, "restart mongodb-0 (crash)", "started", POD, "kill")
    (event,) = emitted.of(ActionRecorded)
    assert (event.tone, event.about, event.mark) == ("busy", POD, "kill")
    assert event.text.startswith("restart mongodb-0 (crash): started") and ANNA in event.text


@pytest.mark.parametrize(("outcome", "tone"), [("refused: 409 A run is going.", "warn"), ("failed: 502 no", "bad")])
def test_tone_of_an_action_follows_from_its_outcome(audit: AuditLog, emitted: Emitted, outcome: str, tone: str) -> None:
    audit(ANNA, "run persistence", outcome)
    assert [event.tone for event in emitted.of(ActionRecorded)] == [tone]


def test_action_is_an_event_on_its_object(audit: AuditLog, recorder: StubRecorder, emitted: Emitted) -> None:
    audit(ANNA, "restart mongodb-0 (crash)", "started", POD)
    audit(ANNA, "restart mongodb-0 (crash)", "failed: no such container", POD)
    emitted.wait(lambda _: len(recorder.recorded) == 2)
    assert [(about, type_) for _, _, about, type_ in recorder.recorded] == [(POD, "Normal"), (POD, "Warning")]
    assert ANNA in recorder.recorded[0][1]


def test_refused_and_objectless_actions_are_no_kubernetes_events(audit: AuditLog, recorder: StubRecorder) -> None:
    audit(ANNA, "restart mongodb-0", "refused: 409 another uid", POD)
    audit(ANNA, "start a load", "started")
    audit.stop()
    assert recorder.recorded == []


@pytest.mark.slow
def test_audit_does_not_wait_for_the_api_server(
    audit: AuditLog, recorder: StubRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    recorder.answering.clear()
    for number in range(EVENTS + 10):
        audit(ANNA, f"restart {number}", "started", POD)
    assert len(audit.newest()) == EVENTS + 10
    assert "the API server is slow" in caplog.text


def test_event_that_fails_is_logged_and_the_next_one_is_sent(
    audit: AuditLog, recorder: StubRecorder, emitted: Emitted, caplog: pytest.LogCaptureFixture
) -> None:
    recorder.error = RuntimeError("403: may not create events")
    audit(ANNA, "one", "started", POD)
    audit(ANNA, "two", "started", POD)
    emitted.wait(lambda _: caplog.text.count("may not create events") == 2)


def test_newest_lines_are_kept_newest_first(audit: AuditLog) -> None:
    for number in range(KEPT + 5):
        audit(ANNA, str(number), "started")
    lines = audit.newest()
    assert len(lines) == KEPT
    assert (lines[0]["action"], lines[-1]["action"]) == (str(KEPT + 4), "5")


def test_denied_requests_do_not_displace_actions_and_are_not_emitted(audit: AuditLog, emitted: Emitted) -> None:
    audit(ANNA, "run persistence", "started")
    for _ in range(KEPT_DENIED + 50):
        audit.denied("nobody (no token, 10.0.0.9)", "run a demo", "refused: 401")
    audit(ANNA, "abort it", "started")
    lines = audit.newest()
    assert len(lines) == KEPT_DENIED + 2
    assert (lines[0]["action"], lines[-1]["action"]) == ("abort it", "run persistence")
    assert len(emitted.of(ActionRecorded)) == 2


def test_long_and_unprintable_text_becomes_one_short_line(audit: AuditLog, out: StringIO) -> None:
    audit("x" * 10_000, "a\nb\x1b[31m", "c" * 10_000, {"kind": "Pod", "name": "n" * 10_000, "uid": None})
    (line,) = out.getvalue().splitlines()
    assert len(line) < 2_000 and json.loads(line)["action"] == "a b [31m"


def test_closed_stdout_does_not_block_actions(audit: AuditLog, out: StringIO) -> None:
    out.close()
    audit(ANNA, "abort it", "started")
    assert len(audit.newest()) == 1


def test_lines_of_another_process_are_adopted_once(audit: AuditLog, out: StringIO, emitted: Emitted) -> None:
    audit(ANNA, "restart mongodb-0", "started", POD)
    audit.denied("nobody", "run a demo", "refused: 401")
    kept = audit.kept()
    time.sleep(0.002)  # a later millisecond
    other = AuditLog(emitted, None, out)
    other(ANNA, "abort it", "started")
    for _ in range(2):
        other.adopt(kept, LATEST)
    lines = other.newest()
    assert [(line["action"], line["object"]) for line in lines] == [
        ("abort it", None), ("run a demo", None), ("restart mongodb-0", POD),
    ]  # fmt: skip
    assert len({line["id"] for line in lines}) == 3 and lines[0].keys() == lines[1].keys()
    assert [line.denied for line in other.kept()] == [False, True, False]


def test_lines_from_the_future_are_not_adopted(audit: AuditLog, emitted: Emitted) -> None:
    audit(ANNA, "restart mongodb-0", "started", POD)
    other = AuditLog(emitted, None)
    other.adopt(audit.kept(), "2026-01-01T00:00:00.000Z")
    assert other.newest() == []


def test_adopted_lines_do_not_displace_newer_ones(audit: AuditLog, emitted: Emitted, out: StringIO) -> None:
    for number in range(KEPT):
        audit(ANNA, f"old {number}", "started")
    time.sleep(0.002)
    other = AuditLog(emitted, None, out)
    other(ANNA, "new", "started")
    other.adopt(audit.kept(), LATEST)
    assert len(other.newest()) == KEPT and other.newest()[0]["action"] == "new"
