"""The writers and both read-backs, against a scripted service and against the real one during an outage."""

import contextlib
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
from dashboard.runs.workload import writers as module
from dashboard.runs.workload.document import digest, document
from dashboard.runs.workload.judgement import traffic
from dashboard.runs.workload.judgement.coverage import coverage
from dashboard.runs.workload.judgement.judge import FINDINGS, Judgement, judge
from dashboard.runs.workload.ledger import Ledger
from dashboard.runs.workload.mongo_reader import MongoReader
from dashboard.runs.workload.operation import Kind, Operation, ReadBack
from dashboard.runs.workload.primary import primary_of
from dashboard.runs.workload.writers import AT_ONCE, DEADLINE_SECONDS, Ids, ServiceWriters
from tests.dashboard.stubs import wait_until
from tests.e2e.proofs import controls
from tests.service.process import ServiceProcess
from tests.trust.faults import service as faults
from tools.local.mongod import Mongod, free_port

DATABASE = "read_back_tests"
STORED = DataServiceAnswer(201, b'{"id":"0123456789abcdef01234567"}')
ABSENT = DataServiceAnswer(404, b"{}", "application/problem+json")
ID = "0123456789abcdef01234567"
CPU_SECONDS = 0.006  # of this process for an operation, at most; 0.001 were measured, at 170 a second a sixth of a core


class ScriptedService(DataService):
    """A data service with scripted answers. The last one is repeated. Writes block while `answering` is cleared."""

    def __init__(self, *answers: DataServiceAnswer | Exception) -> None:
        self.answers = list(answers) or [STORED]
        self.inserted: list[dict[str, Any]] = []
        self.pages: list[Mapping[str, str]] = []
        self.answering = threading.Event()
        self.answering.set()
        self._lock = threading.Lock()

    def insert(self, body: bytes, content_type: str) -> DataServiceAnswer:
        with self._lock:
            self.inserted.append(json.loads(body))
        assert self.answering.wait(60)
        return self._next_answer()

    def newest(self, parameters: Mapping[str, str]) -> DataServiceAnswer:
        self.pages.append(dict(parameters))
        return self._next_answer()

    def document(self, id_: str) -> DataServiceAnswer:
        return self._next_answer()

    def replace(self, id_: str, body: bytes, content_type: str) -> DataServiceAnswer:
        return self._next_answer()

    def delete(self, id_: str) -> DataServiceAnswer:
        return self._next_answer()

    def _next_answer(self) -> DataServiceAnswer:
        with self._lock:
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class FakeService(DataService):
    """A data service that keeps its documents in memory. Writes block while `answering` is cleared. Subclasses have a
    defect each."""

    def __init__(self) -> None:
        self.documents: dict[str, bytes] = {}
        self.inserted: list[dict[str, Any]] = []
        self.answering = threading.Event()
        self.answering.set()

    def insert(self, body: bytes, content_type: str) -> DataServiceAnswer:
        made = json.loads(body)
        self.inserted.append(made)
        assert self.answering.wait(60)
        self.documents[made["_id"]] = body
        return STORED

    def replace(self, id_: str, body: bytes, content_type: str) -> DataServiceAnswer:
        assert self.answering.wait(60) and id_ in self.documents
        self.documents[id_] = body
        return DataServiceAnswer(200, b"{}")

    def delete(self, id_: str) -> DataServiceAnswer:
        assert self.answering.wait(60)
        del self.documents[id_]
        return DataServiceAnswer(204, b"", "")

    def document(self, id_: str) -> DataServiceAnswer:
        body = self.documents.get(id_)
        return ABSENT if body is None else DataServiceAnswer(200, body)

    def newest(self, parameters: Mapping[str, str]) -> DataServiceAnswer:
        newest = sorted(self.documents.copy().items(), reverse=True)[: int(parameters["limit"])]
        return DataServiceAnswer(200, b"[%b]" % b",".join(body for _, body in newest))


class ForgetfulService(FakeService):
    """Every 40th document that it acknowledges is not stored."""

    def insert(self, body: bytes, content_type: str) -> DataServiceAnswer:
        answer = super().insert(body, content_type)
        if len(self.inserted) % 40 == 1:
            del self.documents[json.loads(body)["_id"]]
        return answer

    def replace(self, id_: str, body: bytes, content_type: str) -> DataServiceAnswer:
        return super().replace(id_, body, content_type) if id_ in self.documents else ABSENT

    def delete(self, id_: str) -> DataServiceAnswer:
        return super().delete(id_) if id_ in self.documents else ABSENT


class CachingService(FakeService):
    """It answers reads from a copy of the documents that is half a second old."""

    def __init__(self) -> None:
        super().__init__()
        self._copies: list[tuple[float, dict[str, bytes]]] = []

    def document(self, id_: str) -> DataServiceAnswer:
        body = self._cached().get(id_)
        return ABSENT if body is None else DataServiceAnswer(200, body)

    def _cached(self) -> dict[str, bytes]:
        now = time.monotonic()
        self._copies.append((now, self.documents.copy()))
        return next(copy for at, copy in reversed(self._copies) if at < now - 0.5 or at == self._copies[0][0])


class RevivingService(FakeService):
    """What it deletes is back after a moment."""

    def delete(self, id_: str) -> DataServiceAnswer:
        body = self.documents[id_]
        threading.Timer(0.1, self.documents.setdefault, (id_, body)).start()
        return super().delete(id_)


class RevertingService(FakeService):
    """What it replaces is as before after a moment."""

    def replace(self, id_: str, body: bytes, content_type: str) -> DataServiceAnswer:
        before = self.documents[id_]
        threading.Timer(0.1, self._revert, (id_, before)).start()
        return super().replace(id_, body, content_type)

    def _revert(self, id_: str, before: bytes) -> None:
        if id_ in self.documents:
            self.documents[id_] = before


def page(*documents: dict[str, Any], next_: dict[str, str] | None = None) -> DataServiceAnswer:
    return DataServiceAnswer(200, json.dumps(documents).encode(), next=next_)


def outcomes(ledger: Ledger) -> dict[str, int]:
    """Return the ledger's counts of outcomes that occurred."""
    return {name: count for name, count in counts(ledger).items() if count and name != "attempted"}


def counts(ledger: Ledger) -> dict[str, int]:
    return traffic.counts(ledger.operations())


def of_kind(ledger: Ledger, *kinds: Kind) -> list[Operation]:
    return [each for each in ledger.operations() if each.kind in kinds]


def judged(writers: ServiceWriters, *documents: Mapping[str, str]) -> Judgement:
    """Judge the operations of writers that have stopped, with read-backs."""
    now = time.monotonic()
    return judge(writers.ledger.operations(), [ReadBack("service", now, now + 1, each) for each in documents])


def findings(judgement: Judgement) -> set[str]:
    return {name for name in FINDINGS if getattr(judgement, name)}


@pytest.fixture
def start_writers() -> Iterator[Callable[..., ServiceWriters]]:
    """A function that starts writers. They are stopped after the test."""
    with contextlib.ExitStack() as stops:

        def start(service: DataService, run: str = "run-1", **options: Any) -> ServiceWriters:
            writers = ServiceWriters(service, run, **options)
            writers.start()
            stops.callback(writers.stop)
            return writers

        yield start


def test_writers_and_reader_implement_their_ports() -> None:
    writers: ports.Writers = ServiceWriters(ScriptedService(), "run-1")
    reader: ports.Reader = MongoReader("mongodb://127.0.0.1", DATABASE)
    assert writers and reader


class TestWriting:
    @pytest.mark.slow
    def test_eight_writers_write_different_valid_documents(self, start_writers: Callable[..., ServiceWriters]) -> None:
        service = FakeService()
        writers = start_writers(service)
        wait_until(lambda: len(service.inserted) >= 100)
        writers.stop()
        assert {inserted["writer"] for inserted in service.inserted} == set(range(8))
        for name in ("_id", "seq", "payload", "sha256"):
            assert len({inserted[name] for inserted in service.inserted}) == len(service.inserted)
        assert {inserted["run"] for inserted in service.inserted} == {"run-1"}
        assert all(digest(inserted["payload"]) == inserted["sha256"] for inserted in service.inserted)
        assert all(ObjectId.is_valid(inserted["_id"]) for inserted in service.inserted)
        posts = of_kind(writers.ledger, "post")
        assert {each.id for each in posts} == {inserted["_id"] for inserted in service.inserted}
        assert {each.outcome for each in posts} == {"acknowledged"}

    @pytest.mark.slow
    def test_writers_replace_and_delete_only_their_own_documents_and_leave_most(
        self, start_writers: Callable[..., ServiceWriters]
    ) -> None:
        service = FakeService()
        writers = start_writers(service, per_second=60.0)
        wait_until(lambda: len(of_kind(writers.ledger, "delete")) >= 60)
        writers.stop()
        posts, puts, deletes = (of_kind(writers.ledger, kind) for kind in ("post", "put", "delete"))  # type: ignore[arg-type]
        owners = {each.id: each.by for each in posts}
        assert all(owners[each.id] == each.by for each in (*puts, *deletes))
        assert len(puts) > len(posts) / 10 < len(deletes) < len(posts) / 4
        assert {each.version for each in puts} >= {2, 3}
        assert len(service.documents) == len(posts) - len(deletes)
        assert len({each.id for each in (*puts, *deletes)}) < len(posts) / 2
        versions = {id_: json.loads(body)["version"] for id_, body in service.documents.items()}
        assert all(versions.get(each.id or "", each.version) >= (each.version or 0) for each in puts)

    def test_document_whose_last_write_was_not_acknowledged_is_not_changed_again(
        self, start_writers: Callable[..., ServiceWriters]
    ) -> None:
        class Unsure(FakeService):
            def replace(self, id_: str, body: bytes, content_type: str) -> DataServiceAnswer:
                raise DataServiceTimeout("…")

        writers = start_writers(Unsure(), per_second=60.0)
        wait_until(lambda: len(of_kind(writers.ledger, "put")) >= 20)
        writers.stop()
        puts = [each.id for each in of_kind(writers.ledger, "put")]
        assert len(set(puts)) == len(puts)
        assert not {each.id for each in of_kind(writers.ledger, "delete")} & set(puts)
        assert {each.outcome for each in of_kind(writers.ledger, "put")} == {"unknown"}

    @pytest.mark.slow
    def test_writers_keep_their_rate_and_do_not_catch_up(self, start_writers: Callable[..., ServiceWriters]) -> None:
        service = FakeService()
        service.answering.clear()
        writers = start_writers(service, per_second=5.0)
        wait_until(lambda: len(service.inserted) == 8)
        time.sleep(1)
        assert len(service.inserted) == 8, "each writer has one pending write"
        began = time.monotonic()
        service.answering.set()
        wait_until(lambda: len(service.inserted) >= 24)
        writers.stop()
        assert len(service.inserted) <= 16 + (time.monotonic() - began) * 40

    def test_write_is_in_the_ledger_before_it_is_sent(self, start_writers: Callable[..., ServiceWriters]) -> None:
        service = FakeService()
        service.answering.clear()
        writers = start_writers(service)
        wait_until(lambda: len(service.inserted) == 8)
        assert counts(writers.ledger) == {"attempted": 8, "acked": 0, "unknown": 8, "failed": 0}
        service.answering.set()
        writers.stop()
        assert outcomes(writers.ledger) == {"acked": len(service.inserted)}

    def test_stop_waits_for_pending_writes_and_is_idempotent(
        self, start_writers: Callable[..., ServiceWriters]
    ) -> None:
        service = FakeService()
        service.answering.clear()
        writers = start_writers(service)
        wait_until(lambda: len(service.inserted) == 8)

        def answer_after_the_stop() -> None:
            writers._stopped.wait(60)
            time.sleep(0.3)
            service.answering.set()

        threading.Thread(target=answer_after_the_stop).start()
        writers.stop()
        writers.stop()
        assert outcomes(writers.ledger) == {"acked": 8}
        assert writers.write() and outcomes(writers.ledger) == {"acked": 9}
        assert service.inserted[-1]["writer"] == 8

    def test_writers_that_never_started_can_be_stopped(self) -> None:
        ServiceWriters(ScriptedService(), "run-1").stop()

    @pytest.mark.slow
    def test_full_ledger_ends_the_writers(
        self, start_writers: Callable[..., ServiceWriters], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "Ledger", lambda: Ledger(20))
        writers = start_writers(FakeService())
        for thread in writers._threads:
            thread.join(60)
            assert not thread.is_alive()
        assert len(writers.ledger.operations()) == 20
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
            (DataServiceAnswer(204, b""), "unknown"),
            (DataServiceTimeout("…"), "unknown"),
            (UnexpectedAnswer("…"), "unknown"),
            (DataServiceUnavailable("…"), "unknown"),
        ],
    )
    def test_outcome_follows_from_the_answer_and_is_unknown_in_doubt(
        self, answer: DataServiceAnswer | Exception, expected: str
    ) -> None:
        writers = ServiceWriters(ScriptedService(answer), "run-1")
        assert writers.write() is (expected == "acked")
        assert outcomes(writers.ledger) == {expected: 1}

    @pytest.mark.parametrize(
        ("answer", "error"),
        [
            (DataServiceAnswer(500, b'{"detail":"not authorized"}'), "The service answered 500: not authorized"),
            (DataServiceAnswer(502, b"<html>"), "The service answered 502"),
            (DataServiceUnavailable("Nothing is there."), "Nothing is there."),
            (STORED, None),
        ],
    )
    def test_ledger_keeps_the_last_error(self, answer: DataServiceAnswer | Exception, error: str | None) -> None:
        writers = ServiceWriters(ScriptedService(answer), "run-1")
        writers.write()
        assert writers.ledger.last_error == error

    def test_bug_makes_the_write_unknown_and_does_not_end_writing(
        self, start_writers: Callable[..., ServiceWriters]
    ) -> None:
        class Buggy(FakeService):
            def insert(self, body: bytes, content_type: str) -> DataServiceAnswer:
                answer = super().insert(body, content_type)
                if len(self.inserted) == 1:
                    raise RuntimeError("a bug")
                return answer

        writers = start_writers(Buggy())
        wait_until(lambda: counts(writers.ledger)["acked"] >= 20)
        writers.stop()
        assert counts(writers.ledger)["unknown"] == 1

    def test_ids_are_unique_object_ids_of_the_current_time(self) -> None:
        generators = (Ids(), Ids())
        new = [ids.new() for _ in range(1000) for ids in generators]
        assert len(set(new)) == 2000
        assert all(ObjectId.is_valid(id_) and abs(int(id_[:8], 16) - time.time()) < 60 for id_ in new)

    @pytest.mark.parametrize(
        ("kind", "status", "expected"),
        [
            ("put", 200, "acknowledged"),
            ("put", 201, "unknown"),
            ("put", 404, "failed"),
            ("delete", 204, "acknowledged"),
            ("delete", 404, "unknown"),
            ("delete", 503, "unknown"),
            ("delete", 409, "failed"),
        ],
    )
    def test_outcome_of_a_change_is_unknown_in_doubt(self, kind: Kind, status: int, expected: str) -> None:
        writers = ServiceWriters(ScriptedService(DataServiceAnswer(status, b"{}")), "run-1")
        assert writers._write(0, kind, ID, 2) is (expected == "acknowledged")
        assert writers.ledger.operations()[0].outcome == expected


class TestReading:
    @pytest.mark.slow
    def test_readers_read_all_the_time_by_id_and_by_list(self, start_writers: Callable[..., ServiceWriters]) -> None:
        writers = start_writers(FakeService())
        wait_until(lambda: len(of_kind(writers.ledger, "get")) >= 20 and len(of_kind(writers.ledger, "list")) >= 2)
        writers.stop()
        reads = of_kind(writers.ledger, "get", "list")
        assert all(each.outcome == "seen" and each.seen is not None for each in reads)
        assert len({each.id for each in of_kind(writers.ledger, "get")}) >= 10
        assert findings(judged(writers)) == set()

    @pytest.mark.parametrize(
        ("answer", "seen"),
        [
            (DataServiceAnswer(200, json.dumps({"_id": ID, "payload": "p"}).encode()), {ID: digest("p")}),
            (ABSENT, {}),
            (DataServiceAnswer(404, b"{}"), None),
            (DataServiceAnswer(503, b"{}", "application/problem+json"), None),
            (DataServiceAnswer(200, b"[]"), None),
            (DataServiceTimeout("…"), None),
        ],
    )
    def test_only_the_services_own_answer_counts_as_seen(
        self, answer: DataServiceAnswer | Exception, seen: dict[str, str] | None
    ) -> None:
        writers = ServiceWriters(ScriptedService(STORED, answer), "run-1")
        writers._write(0, "post", ID, 1)
        writers._getter(0)()
        (read,) = of_kind(writers.ledger, "get")
        assert (read.id, read.seen, read.outcome) == (ID, seen, "failed" if seen is None else "seen")

    @pytest.mark.parametrize("answer", [ABSENT, DataServiceAnswer(503, b"{}"), DataServiceAnswer(200, b"{}")])
    def test_list_without_an_answer_has_seen_nothing(self, answer: DataServiceAnswer) -> None:
        writers = ServiceWriters(ScriptedService(answer), "run-1")
        writers._list(1)
        assert [(each.seen, each.outcome) for each in writers.ledger.operations()] == [(None, "failed")]

    def test_list_keeps_the_runs_documents_only(self) -> None:
        mine, other = document(ID, "run-1", 0, 0, "p"), document("f" * 24, "run-2", 0, 0, "q")
        service = ScriptedService(page(other, {"_id": "text"}, mine))
        writers = ServiceWriters(service, "run-1")
        writers._list(1)
        assert writers.ledger.operations()[0].seen == {ID: digest("p")}
        assert service.pages == [{"limit": "200"}]

    def test_reader_survives_a_bug(self, start_writers: Callable[..., ServiceWriters]) -> None:
        class Buggy(FakeService):
            def document(self, id_: str) -> DataServiceAnswer:
                raise RuntimeError("a bug")

        writers = start_writers(Buggy())
        wait_until(lambda: len(of_kind(writers.ledger, "get")) >= 3)
        writers.stop()
        assert {each.outcome for each in of_kind(writers.ledger, "get")} == {"open"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("service", "expected", "besides"),
    [
        (FakeService, set(), set()),
        (ForgetfulService, {"lost"}, {"stale"}),  # it forgets documents that are deleted later, too
        (CachingService, {"stale"}, {"resurrected"}),  # it has old copies of deleted documents, too
        (RevivingService, {"resurrected"}, set()),
        (RevertingService, {"regressed"}, {"stale"}),  # it reverts documents that are deleted later, too
    ],
)
def test_each_defect_of_a_service_has_its_finding(
    service: Callable[[], FakeService],
    expected: set[str],
    besides: set[str],
    start_writers: Callable[..., ServiceWriters],
) -> None:
    writers = start_writers(service())
    wait_until(lambda: len(of_kind(writers.ledger, "delete")) >= 40)
    writers.stop()
    time.sleep(0.3)
    assert expected <= findings(judged(writers, writers.read(threading.Event()))) <= expected | besides


class TestReadBackThroughTheService:
    def test_pages_are_followed_and_hashes_computed_from_the_payloads(self) -> None:
        intact, changed = (document(f"{n:024x}", "run-1", 0, n, f"payload {n}") for n in range(2))
        changed["payload"] = "something else"
        invalid = {"_id": "2" * 24, "payload": None, "sha256": digest("x")}
        next_page = {"before": "1", "limit": "1000"}
        service = ScriptedService(page(intact, next_=next_page), page(changed, invalid))
        writers = ServiceWriters(service, "run-1")
        read = writers.read(threading.Event())
        assert service.pages == [{"filter": '{"run": "run-1"}', "limit": "1000"}, next_page]
        assert read[intact["_id"]] == intact["sha256"]
        assert read[changed["_id"]] == digest("something else") != changed["sha256"]
        assert read["2" * 24] != digest("x")

    def test_failed_page_is_retried(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
        service = ScriptedService(
            DataServiceTimeout("…"),
            DataServiceAnswer(503, b"{}"),
            DataServiceUnavailable("…"),
            page({"_id": "1" * 24, "payload": "p"}),
        )
        assert ServiceWriters(service, "run-1").read(threading.Event()) == {"1" * 24: digest("p")}

    def test_retries_end_with_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
        monkeypatch.setattr(module, "PAGE_SECONDS", 0.1)
        with pytest.raises(ExternalError, match="503"):
            ServiceWriters(ScriptedService(DataServiceAnswer(503, b"{}")), "run-1").read(threading.Event())

    def test_cancelled_read_raises(self) -> None:
        cancelled = threading.Event()
        cancelled.set()
        with pytest.raises(ExternalError, match="cancelled"):
            ServiceWriters(ScriptedService(page()), "run-1").read(cancelled)

    @pytest.mark.parametrize("body", [b"{}", b"[1]", b"", b'[{"_id": 1}]', b"[" * 9000])
    def test_answer_that_is_not_a_list_of_documents_raises(self, body: bytes) -> None:
        with pytest.raises(ExternalError, match="list of documents"):
            ServiceWriters(ScriptedService(DataServiceAnswer(200, body)), "run-1").read(threading.Event())

    def test_endless_pages_raise(self) -> None:
        service = ScriptedService(page({"_id": "1" * 24, "payload": "p"}, next_={"before": "1"}))
        with pytest.raises(ExternalError, match="do not end"):
            ServiceWriters(service, "run-1").read(threading.Event())


class TestReadBackFromTheDatabase:
    def test_one_runs_documents_are_read_and_hashes_computed_from_the_payloads(self, mongod: Mongod) -> None:
        reader = MongoReader(mongod.uri, DATABASE)
        with MongoClient[dict[str, Any]](mongod.uri) as client:
            proofs = client[DATABASE]["proofs"]
            proofs.delete_many({})
            documents = [document(f"{n:024x}", f"run-{n % 2}", 0, n, f"payload {n}") for n in range(6)]
            proofs.insert_many([each | {"_id": ObjectId(each["_id"])} for each in documents])
            proofs.update_one({"_id": ObjectId(documents[1]["_id"])}, {"$set": {"payload": b"\xff"}})
            proofs.insert_one({"_id": "no ObjectId", "run": "run-1"})
        read = reader.read("run-1")
        assert read[documents[3]["_id"]] == documents[3]["sha256"]
        assert read[documents[1]["_id"]] != documents[1]["sha256"]
        assert set(read) == {documents[n]["_id"] for n in (1, 3, 5)} | {"'no ObjectId'"}
        assert reader.read("run-9") == {}
        reader.close()

    def test_process_changes_with_each_start_of_mongod_and_is_none_while_it_is_down(self, own_mongod: Mongod) -> None:
        reader = MongoReader(own_mongod.uri, DATABASE)
        first = reader.primary()
        assert first and reader.primary() == first
        assert first.beside("mongodb-0") is None
        own_mongod.kill()
        assert reader.primary() is None
        own_mongod.start()
        wait_until(lambda: reader.primary() is not None)
        assert reader.primary() != first
        own_mongod.terminate()
        own_mongod.start()
        reader.close()
        reader.close()

    def test_empty_database_that_replaced_another_is_read(
        self, own_mongod: Mongod, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("dashboard.runs.workload.mongo_reader.RECONNECT_SECONDS", 1.0)
        own_mongod.terminate()
        own_mongod.start()  # a second election
        reader = MongoReader(own_mongod.uri, DATABASE)
        first = reader.primary()
        assert first
        own_mongod.kill()
        shutil.rmtree(own_mongod.directory)
        own_mongod.start()
        wait_until(lambda: reader.primary() not in (None, first))
        assert reader.read("run-1") == {}
        reader.close()

    @pytest.mark.slow
    def test_unreachable_database_raises(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("dashboard.runs.workload.mongo_reader.READ_SECONDS", 0.5)
        reader = MongoReader(f"mongodb://127.0.0.1:{free_port()}/?replicaSet=rs0", DATABASE)
        assert reader.primary() is None
        with pytest.raises(ExternalError, match=r": \w+\.$"):
            reader.read("run-1")
        reader.close()


@pytest.mark.parametrize(
    ("hosts", "me", "primary"),
    [
        (["mongodb-0:27017", "mongodb-1:27017"], "mongodb-1:27017", "mongodb-1"),
        (["mongodb-0.mongodb:27017", "mongodb-1.mongodb:27017"], "mongodb-1.mongodb:27017", "mongodb-1"),
        (["mongodb-0:27017", "mongodb-1:27017"], "mongodb-0:27017", None),
        (["mongodb-0:27017"], "mongodb-0:27017", None),
        (["10.0.0.1:27017", "10.0.0.2:27017"], "10.0.0.2:27017", None),
        ([], "", None),
    ],
)  # fmt: skip
def test_primary_is_named_if_the_pod_is_another_member(hosts: list[str], me: str, primary: str | None) -> None:
    hello = {"isWritablePrimary": True, "topologyVersion": {"processId": 1}, "hosts": hosts, "me": me}
    found = primary_of(hello)
    assert found and found.beside("mongodb-0") == primary
    assert primary_of({**hello, "isWritablePrimary": False}) is None


@pytest.mark.parametrize("stop", [Mongod.kill, Mongod.terminate])
def test_outage_behind_the_real_service_loses_no_documents(
    stop: Callable[[Mongod], None], own_mongod: Mongod, tmp_path: Path, start_writers: Callable[..., ServiceWriters]
) -> None:
    reader = MongoReader(own_mongod.uri, DATABASE)
    options = {"MONGODB_DATABASE": DATABASE, "REQUEST_DEADLINE_SECONDS": "20"}
    with ServiceProcess(tmp_path, own_mongod.uri, **options) as service:
        service.wait_ready()
        client = Client(service.url, DEADLINE_SECONDS, collection="proofs", at_once=AT_ONCE)
        run = str(ObjectId())
        before = time.process_time()
        writers = start_writers(client, run)
        wait_until(lambda: counts(writers.ledger)["acked"] >= 200)
        each_seconds = (time.process_time() - before) / len(writers.ledger.operations())
        killed = time.monotonic()
        stop(own_mongod)
        time.sleep(1)
        own_mongod.start()
        back = time.monotonic()
        wait_until(lambda: traffic.acknowledged(writers.ledger.operations(), since=back) >= 200)
        writers.stop()
        assert writers.write()
        from_service, from_database = writers.read(threading.Event()), reader.read(run)
    reader.close()
    assert from_service == from_database
    judgement = judged(writers, from_service, from_database)
    assert findings(judgement) == set() and judgement.reads > 20
    covered = coverage(writers.ledger.operations(), [(killed, back)])
    assert [each for each in covered if each.required and not each.seen] == []
    assert counts(writers.ledger)["acked"] >= 400
    assert each_seconds < CPU_SECONDS


@pytest.mark.parametrize(
    ("program", "finding"),
    [
        (controls.STALE_PAGES, "stale"),
        (controls.REVIVES_DOCUMENTS, "resurrected"),
        (controls.REVERTS_REPLACEMENTS, "regressed"),
        (faults.DROPS_INSERTS, "lost"),
    ],
)
def test_defect_of_the_real_service_has_its_finding(
    program: str, finding: str, mongod: Mongod, tmp_path: Path, start_writers: Callable[..., ServiceWriters]
) -> None:
    """The negative controls of the tests on a cluster."""
    with ServiceProcess(tmp_path, mongod.uri, program, MONGODB_DATABASE=DATABASE) as service:
        service.wait_ready()
        client = Client(service.url, DEADLINE_SECONDS, collection="proofs", at_once=AT_ONCE)
        writers = start_writers(client, str(ObjectId()))
        wait_until(lambda: len(of_kind(writers.ledger, "delete")) >= 40 and len(of_kind(writers.ledger, "list")) >= 4)
        if finding == "stale":  # a slow machine needs longer to read at the wrong moment
            wait_until(lambda: finding in findings(judged(writers)), 60)
        writers.stop()
        time.sleep(1.5)
        judgement = judged(writers, writers.read(threading.Event()))
    assert finding in findings(judgement), judgement
    assert finding == "lost" or not judgement.lost
