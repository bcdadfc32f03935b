"""The writers and both ways to read back, against a scripted service and against the real one during an outage."""

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient

from dashboard.core.errors import ExternalError
from dashboard.dataservice.client import DataServiceClient as Client
from dashboard.dataservice.contract import (
    DataService,
    DataServiceAnswer,
    DataServiceTimeout,
    DataServiceUnavailable,
    UnexpectedAnswer,
)
from dashboard.runs import ports
from dashboard.runs.demos.persistence import writers as module
from dashboard.runs.demos.persistence.document import digest, document
from dashboard.runs.demos.persistence.ledger import Ledger
from dashboard.runs.demos.persistence.readback import Reader
from dashboard.runs.demos.persistence.writers import AT_ONCE, DEADLINE_SECONDS, Ids, Writers
from tests.service.process import ServiceProcess
from tools.local.mongod import Mongod, free_port

DATABASE = "proofs_read_back"
STORED = DataServiceAnswer(201, b'{"id":"0123456789abcdef01234567"}')


class ScriptedService(DataService):
    """A service with scripted answers, in order; the last one is repeated."""

    def __init__(self, *answers: DataServiceAnswer | Exception) -> None:
        self.answers = list(answers) or [STORED]
        self.inserted: list[dict[str, Any]] = []
        self.pages: list[Mapping[str, str]] = []
        self.open = threading.Event()
        self.open.set()
        self._lock = threading.Lock()

    def insert(self, body: bytes, content_type: str) -> DataServiceAnswer:
        with self._lock:
            self.inserted.append(json.loads(body))
        assert self.open.wait(60)
        return self._next()

    def newest(self, parameters: Mapping[str, str]) -> DataServiceAnswer:
        self.pages.append(dict(parameters))
        return self._next()

    def document(self, id_: str) -> DataServiceAnswer:
        raise NotImplementedError

    def _next(self) -> DataServiceAnswer:
        with self._lock:
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def page(*documents: dict[str, Any], following: dict[str, str] | None = None) -> DataServiceAnswer:
    return DataServiceAnswer(200, json.dumps(documents).encode(), next=following)


def outcomes(ledger: Ledger) -> dict[str, int]:
    return {name: count for name, count in ledger.counts().items() if count and name != "attempted"}


def wait(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.02)


@pytest.fixture
def started() -> Iterator[Callable[..., Writers]]:
    """Starts writers, and stops them at the end."""
    made: list[Writers] = []

    def start(service: DataService, run: str = "run-1", **options: Any) -> Writers:
        made.append(Writers(service, run, **options))
        made[-1].start()
        return made[-1]

    yield start
    for each in made:
        each.stop()


def test_writers_implement_the_port() -> None:
    writers: ports.Writers = Writers(ScriptedService(), "run-1")
    reader: ports.Reader = Reader("mongodb://127.0.0.1", DATABASE)
    assert writers and reader


class TestWriting:
    def test_eight_write_documents_that_are_all_different_and_whole(self, started: Callable[..., Writers]) -> None:
        service = ScriptedService()
        writers = started(service)
        wait(lambda: len(service.inserted) >= 100)
        writers.stop()
        assert {each["writer"] for each in service.inserted} == set(range(8))
        for name in ("_id", "seq", "payload", "sha256"):
            assert len({each[name] for each in service.inserted}) == len(service.inserted)
        assert {each["run"] for each in service.inserted} == {"run-1"}
        assert all(digest(each["payload"]) == each["sha256"] for each in service.inserted)
        assert all(ObjectId.is_valid(each["_id"]) for each in service.inserted)
        assert outcomes(writers.ledger) == {"acked": len(service.inserted)}
        assert writers.ledger.compare({each["_id"]: each["sha256"] for each in service.inserted}).lost == ()

    def test_they_keep_a_pace_and_make_up_for_nothing(self, started: Callable[..., Writers]) -> None:
        service = ScriptedService()
        service.open.clear()
        writers = started(service, per_second=5.0)
        wait(lambda: len(service.inserted) == 8)
        time.sleep(1)
        assert len(service.inserted) == 8, "each has one document under way"
        began = time.monotonic()
        service.open.set()
        wait(lambda: len(service.inserted) >= 24)
        writers.stop()
        assert len(service.inserted) <= 16 + (time.monotonic() - began) * 40

    def test_write_is_in_the_ledger_before_it_is_sent(self, started: Callable[..., Writers]) -> None:
        service = ScriptedService()
        service.open.clear()
        writers = started(service)
        wait(lambda: len(service.inserted) == 8)
        assert writers.ledger.counts() == {"attempted": 8, "acked": 0, "unknown": 8, "failed": 0}
        service.open.set()
        writers.stop()
        assert outcomes(writers.ledger) == {"acked": len(service.inserted)}

    def test_stop_waits_for_pending_writes_and_is_idempotent(self, started: Callable[..., Writers]) -> None:
        service = ScriptedService()
        service.open.clear()
        writers = started(service)
        wait(lambda: len(service.inserted) == 8)
        threading.Timer(0.3, service.open.set).start()
        writers.stop()
        writers.stop()
        assert outcomes(writers.ledger) == {"acked": 8}
        assert writers.write() and outcomes(writers.ledger) == {"acked": 9}
        assert service.inserted[-1]["writer"] == 8

    def test_one_that_was_never_started_stops(self) -> None:
        Writers(ScriptedService(), "run-1").stop()

    def test_full_ledger_ends_the_writers(
        self, started: Callable[..., Writers], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "Ledger", lambda: Ledger(20))
        service = ScriptedService()
        writers = started(service)
        for thread in writers._threads:
            thread.join(60)
            assert not thread.is_alive()
        assert len(service.inserted) == 20
        assert not writers.write()

    @pytest.mark.parametrize(
        ("answer", "expected"),
        [
            (DataServiceAnswer(201, b"{}"), "acked"),
            (DataServiceAnswer(200, b"{}"), "acked"),
            (DataServiceAnswer(400, b"{}"), "failed"),
            (DataServiceAnswer(404, b"{}"), "failed"),
            (DataServiceAnswer(409, b"{}"), "failed"),
            (DataServiceAnswer(422, b"{}"), "failed"),
            (DataServiceAnswer(429, b"{}"), "failed"),
            (DataServiceAnswer(503, b'{"outcome":"not-applied"}'), "failed"),
            (DataServiceAnswer(500, b'{"outcome":"not-applied"}'), "failed"),
            (DataServiceAnswer(503, b'{"outcome":"unknown"}'), "unknown"),
            (DataServiceAnswer(503, b"{}"), "unknown"),
            (DataServiceAnswer(503, b"<html>"), "unknown"),
            (DataServiceAnswer(503, b'["not-applied"]'), "unknown"),
            (DataServiceAnswer(504, b'{"outcome":"unknown"}'), "unknown"),
            (DataServiceAnswer(502, b""), "unknown"),
            (DataServiceAnswer(500, b"{}"), "unknown"),
            (DataServiceAnswer(408, b"{}"), "unknown"),
            (DataServiceAnswer(302, b"{}"), "unknown"),
            (DataServiceTimeout("…"), "unknown"),
            (UnexpectedAnswer("…"), "unknown"),
            (DataServiceUnavailable("…"), "unknown"),
        ],
    )
    def test_only_a_clear_no_is_a_failure_and_only_a_clear_yes_an_acknowledgement(
        self, answer: DataServiceAnswer | Exception, expected: str
    ) -> None:
        writers = Writers(ScriptedService(answer), "run-1")
        assert writers.write() is (expected == "acked")
        assert outcomes(writers.ledger) == {expected: 1}

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (DataServiceAnswer(500, b'{"detail":"not authorized"}'), "The service answered 500: not authorized"),
            (DataServiceAnswer(502, b"<html>"), "The service answered 502"),
            (DataServiceUnavailable("Nothing is there."), "Nothing is there."),
            (STORED, None),
        ],
    )
    def test_why_a_document_was_not_acknowledged_is_kept(
        self, answer: DataServiceAnswer | Exception, words: str | None
    ) -> None:
        writers = Writers(ScriptedService(answer), "run-1")
        writers.write()
        assert writers.ledger.last_error == words

    def test_defect_leaves_the_document_unknown_and_the_writer_at_work(self, started: Callable[..., Writers]) -> None:
        service = ScriptedService(RuntimeError("a defect"), STORED)
        writers = started(service)
        wait(lambda: writers.ledger.counts()["acked"] >= 20)
        writers.stop()
        assert writers.ledger.counts()["unknown"] == 1

    def test_ids_never_repeat_and_sort_by_their_making(self) -> None:
        one, other = Ids(), Ids()
        made = [ids.new() for _ in range(1000) for ids in (one, other)]
        assert len(set(made)) == 2000
        assert all(ObjectId.is_valid(each) and abs(int(each[:8], 16) - time.time()) < 60 for each in made)


class TestReadingBack:
    def test_pages_are_followed_and_payloads_computed_anew(self) -> None:
        whole, changed = (document(f"{n:024x}", "run-1", 0, n, f"payload {n}") for n in range(2))
        changed["payload"] = "something else"
        broken = {"_id": "2" * 24, "payload": None, "sha256": digest("x")}
        following = {"before": "1", "limit": "1000"}
        service = ScriptedService(page(whole, following=following), page(changed, broken))
        writers = Writers(service, "run-1")
        read = writers.read(threading.Event())
        assert service.pages == [{"filter": '{"run": "run-1"}', "limit": "1000"}, following]
        assert read[whole["_id"]] == whole["sha256"]
        assert read[changed["_id"]] == digest("something else") != changed["sha256"]
        assert read["2" * 24] != digest("x")

    def test_page_is_tried_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
        service = ScriptedService(
            DataServiceTimeout("…"),
            DataServiceAnswer(503, b"{}"),
            DataServiceUnavailable("…"),
            page({"_id": "1" * 24, "payload": "p"}),
        )
        assert Writers(service, "run-1").read(threading.Event()) == {"1" * 24: digest("p")}

    def test_not_for_ever(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
        monkeypatch.setattr(module, "PAGE_SECONDS", 0.1)
        with pytest.raises(ExternalError, match="could not be read from the service: it answers 503"):
            Writers(ScriptedService(DataServiceAnswer(503, b"{}")), "run-1").read(threading.Event())

    def test_not_after_the_bell(self) -> None:
        cancelled = threading.Event()
        cancelled.set()
        with pytest.raises(ExternalError, match="cancelled"):
            Writers(ScriptedService(page()), "run-1").read(cancelled)

    @pytest.mark.parametrize("body", [b"{}", b"[1]", b"", b'[{"_id": 1}]', b"[" * 9000])
    def test_answer_that_is_no_list_is_an_error(self, body: bytes) -> None:
        with pytest.raises(ExternalError, match="list of documents"):
            Writers(ScriptedService(DataServiceAnswer(200, body)), "run-1").read(threading.Event())

    def test_pages_that_lead_in_a_circle_end(self) -> None:
        service = ScriptedService(page({"_id": "1" * 24, "payload": "p"}, following={"before": "1"}))
        with pytest.raises(ExternalError, match="pages do not end"):
            Writers(service, "run-1").read(threading.Event())


class TestReader:
    def test_it_reads_one_run_and_computes_payloads_anew(self, mongod: Mongod) -> None:
        reader = Reader(mongod.uri, DATABASE)
        with MongoClient[dict[str, Any]](mongod.uri) as outside:
            proofs = outside[DATABASE]["proofs"]
            proofs.delete_many({})
            made = [document(f"{n:024x}", f"run-{n % 2}", 0, n, f"payload {n}") for n in range(6)]
            proofs.insert_many([each | {"_id": ObjectId(each["_id"])} for each in made])
            proofs.update_one({"_id": ObjectId(made[1]["_id"])}, {"$set": {"payload": b"\xff"}})
            proofs.insert_one({"_id": "no ObjectId", "run": "run-1"})
        read = reader.read("run-1")
        assert read[made[3]["_id"]] == made[3]["sha256"]
        assert read[made[1]["_id"]] != made[1]["sha256"]
        assert set(read) == {made[n]["_id"] for n in (1, 3, 5)} | {"'no ObjectId'"}
        assert reader.read("run-9") == {}
        reader.close()

    def test_each_start_of_mongod_is_another_process_and_none_is_none(self, own_mongod: Mongod) -> None:
        reader = Reader(own_mongod.uri, DATABASE)
        first = reader.process()
        assert first and reader.process() == first
        own_mongod.kill()
        assert reader.process() is None
        own_mongod.start()
        wait(lambda: reader.process() is not None)
        assert reader.process() != first
        own_mongod.terminate()
        own_mongod.start()
        reader.close()
        reader.close()

    def test_empty_database_in_the_place_of_the_one_that_was_known_is_read(
        self, own_mongod: Mongod, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("dashboard.runs.demos.persistence.readback.RECONNECT_SECONDS", 1.0)
        own_mongod.terminate()
        own_mongod.start()  # a second election
        reader = Reader(own_mongod.uri, DATABASE)
        first = reader.process()
        assert first
        own_mongod.kill()
        shutil.rmtree(own_mongod.directory)
        own_mongod.start()
        wait(lambda: reader.process() not in (None, first))
        assert reader.read("run-1") == {}
        reader.close()

    def test_database_that_is_away_is_trouble(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("dashboard.runs.demos.persistence.readback.READ_SECONDS", 0.5)
        reader = Reader(f"mongodb://127.0.0.1:{free_port()}/?replicaSet=rs0", DATABASE)
        assert reader.process() is None
        with pytest.raises(ExternalError, match=r"^The documents could not be read from the database: \w+\.$"):
            reader.read("run-1")
        reader.close()


@pytest.mark.parametrize("end", [Mongod.kill, Mongod.terminate])
def test_through_the_real_service_nothing_is_lost_over_an_outage(
    end: Callable[[Mongod], None], own_mongod: Mongod, tmp_path: Path, started: Callable[..., Writers]
) -> None:
    reader = Reader(own_mongod.uri, DATABASE)
    with ServiceProcess(tmp_path, own_mongod.uri, MONGODB_DATABASE=DATABASE, REQUEST_DEADLINE_SECONDS="20") as served:
        served.wait_ready()
        client = Client(served.url, DEADLINE_SECONDS, collection="proofs", at_once=AT_ONCE)
        run = str(ObjectId())
        writers = started(client, run)
        wait(lambda: writers.ledger.counts()["acked"] >= 200)
        end(own_mongod)
        killed = time.monotonic()
        wait(lambda: time.monotonic() > killed + 1)
        assert writers.ledger.in_flight(killed, killed + 1)
        own_mongod.start()
        back = time.monotonic()
        wait(lambda: writers.ledger.acknowledged(back, time.monotonic()) >= 200)
        writers.stop()
        assert writers.write()
        through, past = writers.read(threading.Event()), reader.read(run)
    reader.close()
    assert through == past
    compared = writers.ledger.compare(past)
    assert (compared.lost, compared.corrupt, compared.unexpected) == ((), (), ())
    counts = writers.ledger.counts()
    assert counts["acked"] >= 400
    assert counts["attempted"] == counts["acked"] + counts["unknown"] + counts["failed"]
