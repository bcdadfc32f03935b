"""Several containers' logs as one stream, with a pod reader whose logs the test writes."""

import queue
import threading
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from dashboard.kube.errors import ContainerWaiting, ObjectNotFound, ObjectReadError, ObjectReadUnavailable
from dashboard.kube.pods import merged_log
from dashboard.kube.pods.details import LogRequest
from dashboard.kube.pods.logs import LONGEST_TAIL
from dashboard.kube.pods.merged_log import LINES_A_SECOND, Budget, FollowerSlots, MergedLog, MergedRequest
from tests.dashboard.stubs import wait_until

Json = dict[str, Any]


def line(second: int, text: str) -> bytes:
    return f"2026-05-28T21:26:{second:02}.000000000Z {text}\n".encode()


class WrittenLog:
    """A log that the test writes: bytes, or None for its end."""

    def __init__(self, *pieces: bytes | None) -> None:
        self.queue: queue.Queue[bytes | None] = queue.Queue()
        for piece in pieces:
            self.queue.put(piece)

    def pieces(self) -> Iterator[bytes]:
        while (piece := self.queue.get()) is not None:
            yield piece

    def close(self) -> None:
        self.queue.put(None)


class WrittenReader:
    """A pod reader. `logs` has what the requests for each container's log get, in order."""

    def __init__(self, **logs: list[WrittenLog | ObjectReadError]) -> None:
        self.logs = logs
        self.requests: list[LogRequest] = []
        self.looked_up: list[str] = []  # uids
        self.state: Json = {"running": {}}

    def pod(self, view: Json) -> Json:
        self.looked_up.append(view["uid"])
        status = [{"name": name, "state": self.state} for name in self.logs]
        return {"spec": {"containers": [{"name": name} for name in self.logs]}, "status": {"containerStatuses": status}}

    def events(self, view: Json) -> list[Json]:
        return []

    def log(self, view: Json, asked: LogRequest) -> WrittenLog:
        self.requests.append(asked)
        answers = self.logs[asked.container]
        answer = answers.pop(0) if answers else WrittenLog()
        if isinstance(answer, ObjectReadError):
            raise answer
        return answer


class Reading:
    """A merged log that is being read, and its records."""

    def __init__(
        self,
        reader: WrittenReader,
        pods: list[Json] | None = None,
        slots: FollowerSlots | None = None,
        viewer: str = "",
        **request: Any,
    ) -> None:
        self.pods = pods if pods is not None else [pod("a")]
        self.slots = slots or FollowerSlots()
        asked = MergedRequest(**({"follow": True} | request))
        self.log = MergedLog(lambda: self.pods, reader, asked, self.slots, viewer=viewer)
        self.records: list[Json] = []
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        for block in self.log.pieces():
            self.records += [msgspec.json.decode(each) for each in block.splitlines()]

    def texts(self) -> list[str]:
        return [each["text"] for each in self.records if "text" in each and "state" not in each]

    def states(self) -> list[str]:
        return [each["state"] for each in self.records if "state" in each]

    def dropped(self) -> int:
        return sum(each.get("dropped", 0) for each in self.records)

    def omitted(self) -> list[int]:
        return [each["omitted"] for each in self.records if "omitted" in each]

    def close(self) -> None:
        self.log.close()
        self.thread.join(30)
        assert not self.thread.is_alive()


def pod(uid: str, **fields: Any) -> Json:
    return {"uid": uid, "name": f"flask-{uid}", "app": "flask", "restarts": 0} | fields


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merged_log, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(merged_log, "BACKOFF_SECONDS", (0.01,))


def test_each_source_is_named_before_its_lines() -> None:
    reading = Reading(WrittenReader(app=[WrittenLog(line(1, "one"))], proxy=[WrittenLog(line(2, "two"))]))
    wait_until(lambda: sorted(reading.texts()) == ["one", "two"])
    named: dict[int, str] = {}
    for each in reading.records:
        if "container" in each:
            named[each["source"]] = f"{each['pod']} {each['container']}"
        assert each["source"] in named
    assert sorted(named.values()) == ["flask-a app", "flask-a proxy"]
    reading.close()


def test_log_without_follow_ends_with_its_containers() -> None:
    reading = Reading(WrittenReader(app=[WrittenLog(line(1, "one"), None)]), follow=False)
    reading.thread.join(30)
    assert not reading.thread.is_alive()
    assert (reading.texts(), reading.states()) == (["one"], ["live", "ended"])


def test_tail_is_shared_between_the_pods() -> None:
    reader = WrittenReader(app=[])
    reading = Reading(reader, [pod("a"), pod("b")], tail=100)
    wait_until(lambda: len(reader.requests) == 2)
    assert {each.tail for each in reader.requests} == {50}
    reading.close()


def test_pod_that_comes_later_is_followed() -> None:
    reader = WrittenReader(app=[WrittenLog(line(1, "one")), WrittenLog(line(2, "two"))])
    reading = Reading(reader)
    wait_until(lambda: reading.texts() == ["one"])
    reading.pods = [pod("a"), pod("b")]
    wait_until(lambda: reading.texts() == ["one", "two"])
    reading.close()


def test_log_that_ends_while_its_container_runs_is_opened_again_from_its_last_line() -> None:
    reader = WrittenReader(app=[WrittenLog(line(1, "one"), None), WrittenLog(line(2, "two"))])
    reading = Reading(reader)
    wait_until(lambda: reading.texts() == ["one", "two"])
    assert [each.since for each in reader.requests] == ["", "2026-05-28T21:26:01.000000000Z"]
    reading.close()


def test_terminated_container_says_why_and_goes_on_after_its_restart() -> None:
    reader = WrittenReader(app=[WrittenLog(line(1, "one"), None), WrittenLog(line(2, "two"))])
    reader.state = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}
    reading = Reading(reader)
    wait_until(lambda: "ended" in reading.states())
    assert reading.records[-1]["text"] == "OOMKilled, exit code 137"
    assert len(reader.requests) == 1
    reading.pods = [pod("a", restarts=1)]
    wait_until(lambda: reading.texts() == ["one", "two"])
    assert reading.states() == ["live", "ended", "live"]
    reading.close()


def test_log_says_that_its_pod_is_gone() -> None:
    log = WrittenLog(line(1, "one"))
    reading = Reading(WrittenReader(app=[log]))
    wait_until(lambda: reading.texts() == ["one"])
    reading.pods = []
    log.close()
    wait_until(lambda: reading.states() == ["live", "gone"])
    reading.close()


@pytest.mark.parametrize(
    ("error", "state"), [(ContainerWaiting("no"), "waiting"), (ObjectReadUnavailable("no"), "away")]
)
def test_passing_error_is_told_and_tried_again(error: ObjectReadError, state: str) -> None:
    reading = Reading(WrittenReader(app=[error, WrittenLog(line(1, "one"))]))
    wait_until(lambda: reading.texts() == ["one"])
    assert reading.states() == [state, "live"]
    reading.close()


def test_lasting_error_ends_the_source() -> None:
    reader = WrittenReader(app=[ObjectNotFound("no"), WrittenLog(line(1, "one"))])
    reading = Reading(reader)
    wait_until(lambda: reading.states() == ["gone"])
    wait_until(reading.slots.take)
    assert len(reader.requests) == 1
    reading.close()


def test_unknown_container_is_told() -> None:
    reading = Reading(WrittenReader(app=[]), container="nginx")
    wait_until(lambda: reading.states() == ["gone"])
    reading.close()


def test_burst_is_cut_and_what_is_dropped_is_counted() -> None:
    burst = b"".join(line(n % 60, f"line {n}") for n in range(10_000))
    reading = Reading(WrittenReader(app=[WrittenLog(burst)]))
    wait_until(lambda: reading.dropped() > 0)
    kept = len(reading.texts())
    assert kept + reading.dropped() == 10_000
    assert LONGEST_TAIL <= kept <= LONGEST_TAIL + 2 * LINES_A_SECOND
    reading.close()


def test_slow_reader_loses_lines_and_control_records_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merged_log, "LARGEST_BUFFER", 300)
    reader = WrittenReader(app=[WrittenLog(*(line(n, "x" * 100) for n in range(10)), None)])
    log = MergedLog(lambda: [pod("a")], reader, MergedRequest(), FollowerSlots())
    log._update()  # starts the followers; nobody reads
    wait_until(log._has_ended)
    records = []
    while not log._buffer.empty():
        records += [msgspec.json.decode(each) for each in log._buffer.get().splitlines()]
    texts = [each for each in records if "text" in each and "state" not in each]
    assert len(texts) < 10
    assert len(texts) + sum(each.get("dropped", 0) for each in records) == 10
    assert records[0]["container"] == "app"


def test_containers_beyond_the_limit_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merged_log, "MOST_FOLLOWERS", 2)
    reading = Reading(WrittenReader(app=[]), [pod(uid) for uid in "abcde"])
    wait_until(lambda: any(each.get("omitted") == 3 for each in reading.records))
    reading.close()


def test_followers_of_all_streams_are_limited_and_released() -> None:
    slots = FollowerSlots(1)
    log = WrittenLog(line(1, "one"))
    merged = MergedLog(lambda: [pod("a")], WrittenReader(app=[log]), MergedRequest(follow=True), slots)
    pieces = merged.pieces()
    assert next(pieces)
    assert not slots.take()
    merged.close()
    wait_until(slots.take)


def test_one_viewer_leaves_followers_to_others() -> None:
    slots = FollowerSlots(3, most_of_a_viewer=2)
    assert [slots.take("one"), slots.take("one"), slots.take("one")] == [True, True, False]
    assert [slots.take("another"), slots.take("a third")] == [True, False]
    slots.release("one")
    assert slots.take("one")


def test_followers_count_for_their_viewer() -> None:
    slots = FollowerSlots(10, most_of_a_viewer=1)
    reading = Reading(WrittenReader(app=[], proxy=[]), slots=slots, viewer="one")
    wait_until(lambda: reading.omitted() == [1])
    assert (slots.take("one"), slots.take("another")) == (False, True)
    reading.close()
    wait_until(lambda: slots.take("one"))


def test_omitted_container_is_followed_once_another_leaves_room() -> None:
    slots = FollowerSlots(1)
    assert slots.take()  # by another stream
    reading = Reading(WrittenReader(app=[WrittenLog(line(1, "one"))]), slots=slots)
    wait_until(lambda: reading.omitted() == [1])
    slots.release()
    wait_until(lambda: reading.texts() == ["one"])
    wait_until(lambda: reading.omitted() == [1, 0])
    reading.close()


def test_container_beyond_the_limit_of_a_stream_is_followed_once_another_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merged_log, "MOST_FOLLOWERS", 1)
    logs = [WrittenLog(line(1, "one")), WrittenLog(line(2, "two"))]
    reading = Reading(WrittenReader(app=[logs[0]], proxy=[logs[1]]), follow=False)
    wait_until(lambda: reading.omitted() == [1])
    logs[0].close()
    wait_until(lambda: reading.texts() == ["one", "two"])
    logs[1].close()
    reading.thread.join(30)
    assert not reading.thread.is_alive()


def test_containers_of_a_pod_that_is_gone_are_no_longer_omitted() -> None:
    slots = FollowerSlots(0)
    reading = Reading(WrittenReader(app=[]), [pod("a"), pod("b")], slots=slots)
    wait_until(lambda: reading.omitted()[-1:] == [2])
    reading.pods = [pod("b")]
    wait_until(lambda: reading.omitted()[-1:] == [1])
    reading.close()


def test_log_without_follow_ends_while_others_have_all_followers() -> None:
    reading = Reading(WrittenReader(app=[]), slots=FollowerSlots(0), follow=False)
    reading.thread.join(30)
    assert not reading.thread.is_alive()
    assert reading.omitted() == [1]


def test_pods_are_not_looked_up_while_omitted_containers_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merged_log, "MOST_FOLLOWERS", 2)
    reader = WrittenReader(app=[])
    reading = Reading(reader, [pod(str(n)) for n in range(50)], slots=FollowerSlots(0))
    wait_until(lambda: reading.omitted()[-1:] == [50])
    time.sleep(0.2)  # many updates
    assert sorted(reader.looked_up) == ["0", "1"]
    reading.close()


def test_line_keeps_its_carriage_returns() -> None:
    reading = Reading(WrittenReader(app=[WrittenLog(line(1, "back\rover"))]))
    wait_until(lambda: reading.texts() == ["back\rover"])
    reading.close()


@pytest.mark.parametrize(
    "said", ["unable to retrieve container logs for containerd://0a1b", "20T no time", "failed to watch file: EMFILE"]
)
def test_line_of_the_kubelet_itself_has_no_time(said: str) -> None:
    log = WrittenLog(line(1, "one"), f"{said}\n".encode(), None)
    reader = WrittenReader(app=[log, WrittenLog(f"{said}\n".encode(), None), WrittenLog(line(2, "two"))])
    reading = Reading(reader)
    wait_until(lambda: reading.texts() == ["one", said, "two"])  # said once, though each try begins with it
    assert [each["at"] for each in reading.records if "at" in each][1] == ""
    assert {each.since for each in reader.requests} <= {"", "2026-05-28T21:26:01.000000000Z"}
    reading.close()


def test_budget_allows_the_rate_and_a_burst_after_a_pause() -> None:
    now = [0.0]
    budget = Budget(lambda: now[0])
    assert budget.take(10_000, 100.0) == LONGEST_TAIL
    now[0] = 1.0
    assert budget.take(10_000, 100.0) == 100
    now[0] = 1_000.0
    assert budget.take(10_000, 100.0) == 100 * merged_log.BURST_SECONDS


def test_pods_beyond_the_limit_are_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merged_log, "MOST_FOLLOWERS", 2)
    reader = WrittenReader(app=[])
    reading = Reading(reader, [pod(str(n)) for n in range(500)])
    wait_until(lambda: any(each.get("omitted") == 498 for each in reading.records))
    wait_until(lambda: len(reader.requests) == 2)
    reading.close()


def test_pod_that_ends_makes_room_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merged_log, "MOST_FOLLOWERS", 1)
    first = WrittenLog(line(1, "one"))
    reading = Reading(WrittenReader(app=[first, WrittenLog(line(2, "two"))]), [pod("a"), pod("b")])
    wait_until(lambda: reading.texts() == ["one"])
    reading.pods = [pod("b")]
    first.close()
    wait_until(lambda: reading.texts() == ["one", "two"])
    assert [each["source"] for each in reading.records if "container" in each] == [0, 1]
    reading.close()
