"""The writers and both read-backs, against a scripted service and against the real one during an outage."""

import contextlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from msgspec.structs import replace
from pymongo import MongoClient

from dashboard.core.errors import ExternalError
from dashboard.dataservice.http_client import HttpClient
from dashboard.dataservice.protocol import DataServiceTimeout, DataServiceUnavailable
from dashboard.runs import ports
from dashboard.runs.workload import service_reader
from dashboard.runs.workload import writers as module
from dashboard.runs.workload.document import digest, document
from dashboard.runs.workload.judgement import traffic
from dashboard.runs.workload.judgement.coverage import coverage
from dashboard.runs.workload.judgement.judge import FINDINGS, Judgement, judge
from dashboard.runs.workload.ledger import Ledger
from dashboard.runs.workload.mongo_reader import MongoReader
from dashboard.runs.workload.operation import Kind, Operation, ReadBack
from dashboard.runs.workload.primary import primary_of
from dashboard.runs.workload.writers import AT_ONCE, DEADLINE_SECONDS, ServiceWriters
from dashboard.target import template
from dashboard.target.client import ServiceClient
from dashboard.target.contract import Contract
from dashboard.target.own import own
from dashboard.target.service import DocumentPage, DocumentService, FoundDocument, WriteRoute, Written
from dashboard.target.template import Value
from tests.dashboard.stubs import wait_until
from tests.e2e.proofs import controls
from tests.service.process import ServiceProcess
from tests.trust.faults import service as faults
from tools.local.mongod import Mongod, free_port

DATABASE = "read_back_tests"
STORED = Written("acknowledged")
ID = "0123456789abcdef01234567"
CPU_SECONDS = 0.006  # of this process for an operation, at most; 0.001 were measured, at 170 a second a sixth of a core


class ScriptedService(DocumentService):
    """A service with scripted answers, of writes and reads. The last one is repeated."""

    def __init__(self, *answers: Written | FoundDocument | DocumentPage | Exception | None) -> None:
        self.contract = own()
        self.answers = list(answers) or [STORED]
        self.pages: list[tuple[str, str | None]] = []
        self._lock = threading.Lock()

    def write(self, route: WriteRoute, values: Mapping[str, Value]) -> Any:
        return self._next_answer()

    def read(self, id_: str) -> Any:
        return self._next_answer()

    def newest(self) -> Any:
        return self._next_answer()

    def search(self, run: str, path: str | None = None) -> Any:
        self.pages.append((run, path))
        return self._next_answer()

    def _next_answer(self) -> object:
        with self._lock:
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class FakeService(DocumentService):
    """A service that keeps its documents in memory. Writes block while `answering` is cleared. Subclasses have a defect
    each."""

    def __init__(self, contract: Contract | None = None) -> None:
        self.contract = contract or own()
        self.documents: dict[str, Mapping[str, Value]] = {}
        self.inserted: list[Mapping[str, Value]] = []
        self.answering = threading.Event()
        self.answering.set()

    def write(self, route: WriteRoute, values: Mapping[str, Value]) -> Written:
        if route == "write":
            self.inserted.append(values)
        assert self.answering.wait(60)
        return {"write": self.insert, "replace": self.replace, "delete": self.delete}[route](values)

    def insert(self, values: Mapping[str, Value]) -> Written:
        self.documents[str(values["id"])] = values
        return STORED

    def replace(self, values: Mapping[str, Value]) -> Written:
        assert values["id"] in self.documents
        return FakeService.insert(self, values)

    def delete(self, values: Mapping[str, Value]) -> Written:
        del self.documents[str(values["id"])]
        return STORED

    def read(self, id_: str) -> FoundDocument | None:
        return found(self.documents[id_]) if id_ in self.documents else None

    def newest(self) -> DocumentPage:
        newest = sorted(self.documents.copy().items(), reverse=True)[:200]
        return DocumentPage([found(values) for _, values in newest])

    def search(self, run: str, path: str | None = None) -> DocumentPage:
        return DocumentPage([found(values) for values in self.documents.copy().values() if values["run"] == run])


def found(values: Mapping[str, Value]) -> FoundDocument:
    return FoundDocument(str(values["id"]), values["payload"], values["run"])


class ForgetfulService(FakeService):
    """Every 40th document that it acknowledges is not stored."""

    def insert(self, values: Mapping[str, Value]) -> Written:
        return STORED if len(self.inserted) % 40 == 1 else super().insert(values)

    def replace(self, values: Mapping[str, Value]) -> Written:
        return super().replace(values) if values["id"] in self.documents else Written("failed", "404")

    def delete(self, values: Mapping[str, Value]) -> Written:
        return super().delete(values) if values["id"] in self.documents else Written("unknown", "404")


class CachingService(FakeService):
    """It answers reads from a copy of the documents that is half a second old."""

    def __init__(self, contract: Contract | None = None) -> None:
        super().__init__(contract)
        self._copies: list[tuple[float, dict[str, Mapping[str, Value]]]] = []

    def read(self, id_: str) -> FoundDocument | None:
        values = self._cached().get(id_)
        return found(values) if values else None

    def _cached(self) -> dict[str, Mapping[str, Value]]:
        now = time.monotonic()
        self._copies.append((now, self.documents.copy()))
        return next(copy for at, copy in reversed(self._copies) if at < now - 0.5 or at == self._copies[0][0])


class RevivingService(FakeService):
    """What it deletes is back after a moment."""

    def delete(self, values: Mapping[str, Value]) -> Written:
        id_ = str(values["id"])
        threading.Timer(0.1, self.documents.setdefault, (id_, self.documents[id_])).start()
        return super().delete(values)


class RevertingService(FakeService):
    """What it replaces is as before after a moment."""

    def replace(self, values: Mapping[str, Value]) -> Written:
        before = self.documents[str(values["id"])]
        threading.Timer(0.1, self._revert, (before,)).start()
        return super().replace(values)

    def _revert(self, before: Mapping[str, Value]) -> None:
        if before["id"] in self.documents:
            self.documents[str(before["id"])] = before


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

        def start(service: DocumentService, run: str = "run-1", **options: Any) -> ServiceWriters:
            writers = ServiceWriters(service, run, **options)
            writers.start()
            stops.callback(writers.stop)
            return writers

        yield start


def test_writers_and_reader_implement_their_ports() -> None:
    writers: ports.Writers = ServiceWriters(ScriptedService(), "run-1")
    reader: ports.DatabaseReader = MongoReader("mongodb://127.0.0.1", DATABASE)
    assert writers and reader


class TestWriting:
    @pytest.mark.slow
    def test_eight_writers_write_different_valid_documents(self, start_writers: Callable[..., ServiceWriters]) -> None:
        service = FakeService()
        writers = start_writers(service)
        wait_until(lambda: len(service.inserted) >= 100)
        writers.stop()
        assert {inserted["writer"] for inserted in service.inserted} == set(range(8))
        for name in ("id", "number", "payload", "sha256"):
            assert len({inserted[name] for inserted in service.inserted}) == len(service.inserted)
        assert {inserted["run"] for inserted in service.inserted} == {"run-1"}
        assert all(digest(inserted["payload"]) == inserted["sha256"] for inserted in service.inserted)
        assert all(ObjectId.is_valid(inserted["id"]) for inserted in service.inserted)
        posts = of_kind(writers.ledger, "post")
        assert {each.id for each in posts} == {inserted["id"] for inserted in service.inserted}
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
        versions = {id_: int(values["version"]) for id_, values in service.documents.items()}
        assert all(versions.get(each.id or "", each.version or 0) >= (each.version or 0) for each in puts)

    def test_document_whose_last_write_was_not_acknowledged_is_not_changed_again(
        self, start_writers: Callable[..., ServiceWriters]
    ) -> None:
        class Unsure(FakeService):
            def replace(self, values: Mapping[str, Value]) -> Written:
                return Written("unknown", "…")

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

    def test_ledger_has_each_writes_outcome_and_the_last_error(self) -> None:
        answers = (Written("unknown", "The service answered 502"), Written("failed", "It is full."), STORED)
        writers = ServiceWriters(ScriptedService(*answers), "run-1")
        assert [writers.write() for _ in answers] == [False, False, True]
        assert outcomes(writers.ledger) == {"acked": 1, "unknown": 1, "failed": 1}
        assert writers.ledger.last_error == "It is full."

    def test_bug_makes_the_write_unknown_and_does_not_end_writing(
        self, start_writers: Callable[..., ServiceWriters]
    ) -> None:
        class Buggy(FakeService):
            def insert(self, values: Mapping[str, Value]) -> Written:
                if len(self.inserted) == 1:
                    raise RuntimeError("a bug")
                return super().insert(values)

        writers = start_writers(Buggy())
        wait_until(lambda: counts(writers.ledger)["acked"] >= 20)
        writers.stop()
        assert counts(writers.ledger)["unknown"] == 1


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
            (FoundDocument(ID, "p"), {ID: digest("p")}),
            (FoundDocument(ID, None), {ID: digest(None)}),
            (None, {}),
            (DataServiceTimeout("…"), None),
        ],
    )
    def test_read_without_an_answer_has_seen_nothing(
        self, answer: FoundDocument | Exception | None, seen: dict[str, str] | None
    ) -> None:
        writers = ServiceWriters(ScriptedService(STORED, answer), "run-1")
        writers._write(0, "post", ID, 1)
        writers._getter(0)()
        (read,) = of_kind(writers.ledger, "get")
        assert (read.id, read.seen, read.outcome) == (ID, seen, "failed" if seen is None else "seen")

    def test_list_without_an_answer_has_seen_nothing(self) -> None:
        writers = ServiceWriters(ScriptedService(DataServiceTimeout("…")), "run-1")
        writers._list(1)
        assert [(each.seen, each.outcome) for each in writers.ledger.operations()] == [(None, "failed")]

    @pytest.mark.parametrize("run", ["run-1", None])
    def test_list_keeps_the_runs_documents_only(self, run: str | None) -> None:
        other = FoundDocument("f" * 24, "q", run and "run-2")
        service = ScriptedService(STORED, DocumentPage([other, FoundDocument(ID, "p", run)]))
        writers = ServiceWriters(service, "run-1")
        writers._write(0, "post", ID, 1)
        writers._list(1)
        assert of_kind(writers.ledger, "list")[0].seen == {ID: digest("p")}

    def test_reader_survives_a_bug(self, start_writers: Callable[..., ServiceWriters]) -> None:
        class Buggy(FakeService):
            def read(self, id_: str) -> FoundDocument | None:
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


def two_routes() -> Contract:
    return replace(own(), replace=None, delete=None, list=None, search=None)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("service", "expected"),
    [(FakeService, set()), (ForgetfulService, {"lost", "stale"}), (CachingService, {"lost", "stale"})],
)
def test_two_routes_are_enough_for_the_findings_that_they_can_show(
    service: type[FakeService], expected: set[str], start_writers: Callable[..., ServiceWriters]
) -> None:
    writers = start_writers(service(two_routes()))
    wait_until(lambda: len(of_kind(writers.ledger, "post")) >= 400)
    writers.stop()
    assert not of_kind(writers.ledger, "put", "delete", "list")
    found = findings(judged(writers, writers.read(threading.Event())))
    assert found <= expected and bool(found) == bool(expected)


class TestReadBackThroughTheService:
    def test_pages_are_followed_and_hashes_computed_from_the_payloads(self) -> None:
        intact, none = FoundDocument("0" * 24, "payload 0"), FoundDocument("2" * 24, None)
        service = ScriptedService(
            DocumentPage([intact], "/next"), DocumentPage([FoundDocument("1" * 24, "something else"), none])
        )
        read = ServiceWriters(service, "run-1").read(threading.Event())
        assert service.pages == [("run-1", None), ("run-1", "/next")]
        assert read == {"0" * 24: digest("payload 0"), "1" * 24: digest("something else"), "2" * 24: digest(None)}

    def test_each_document_is_read_by_its_id_where_there_is_no_search(self) -> None:
        service = FakeService(two_routes())
        writers = ServiceWriters(service, "run-1")
        assert all([writers.write() for _ in range(20)])
        written = [*service.documents]
        del service.documents[written[3]]
        read = writers.read(threading.Event())
        assert read.keys() == {*written} - {written[3]}
        assert read[written[0]] == service.documents[written[0]]["sha256"]

    def test_document_that_only_the_search_lacks_is_not_lost(self) -> None:
        class Capped(FakeService):
            """Its search has the first ten documents, and no next page."""

            def search(self, run: str, path: str | None = None) -> DocumentPage:
                return DocumentPage(super().search(run, path).documents[:10])

        service = Capped()
        writers = ServiceWriters(service, "run-1")
        assert all([writers.write() for _ in range(20)])
        with pytest.raises(ExternalError, match="which can be read"):
            writers.read(threading.Event())
        for id_ in [*service.documents][10:]:
            del service.documents[id_]
        assert len(writers.read(threading.Event())) == 10

    def test_write_that_was_not_acknowledged_may_be_applied_after_the_search(self) -> None:
        class Late(FakeService):
            """It answers nothing for certain, and its search is older than its reads."""

            def insert(self, values: Mapping[str, Value]) -> Written:
                super().insert(values)
                return Written("unknown", "no answer")

            def search(self, run: str, path: str | None = None) -> DocumentPage:
                return DocumentPage(())

        writers = ServiceWriters(Late(), "run-1")
        assert not writers.write()
        assert writers.read(threading.Event()) == {}

    def test_failed_page_is_retried(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(service_reader, "RETRY_SECONDS", 0.01)
        answers = (DataServiceTimeout("…"), DataServiceUnavailable("…"), DocumentPage([FoundDocument("1" * 24, "p")]))
        assert ServiceWriters(ScriptedService(*answers), "run-1").read(threading.Event()) == {"1" * 24: digest("p")}

    @pytest.mark.parametrize("contract", [own, two_routes])
    def test_retries_end_with_an_error(self, contract: Callable[[], Contract], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(service_reader, "RETRY_SECONDS", 0.01)
        monkeypatch.setattr(service_reader, "TRY_SECONDS", 0.1)
        service = ScriptedService(STORED, DataServiceTimeout("no answer"))
        service.contract = contract()
        writers = ServiceWriters(service, "run-1")
        assert writers.write()
        with pytest.raises(ExternalError, match="no answer"):
            writers.read(threading.Event())

    def test_cancelled_read_raises(self) -> None:
        cancelled = threading.Event()
        cancelled.set()
        with pytest.raises(ExternalError, match="cancelled"):
            ServiceWriters(ScriptedService(DocumentPage(())), "run-1").read(cancelled)

    def test_endless_pages_raise(self) -> None:
        service = ScriptedService(DocumentPage([FoundDocument("1" * 24, "p")], "/next"))
        with pytest.raises(ExternalError, match="do not end"):
            ServiceWriters(service, "run-1").read(threading.Event())


class TestReadBackFromTheDatabase:
    def test_one_runs_documents_are_read_and_hashes_computed_from_the_payloads(self, mongod: Mongod) -> None:
        reader = MongoReader(mongod.uri, DATABASE)
        with MongoClient[dict[str, Any]](mongod.uri) as client:
            proofs = client[DATABASE]["proofs"]
            proofs.delete_many({})
            values = [document(f"{n:024x}", f"run-{n % 2}", 0, n, f"payload {n}") for n in range(6)]
            documents: list[dict[str, Any]] = [template.body(own().write.body, each) for each in values]
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
        client = ServiceClient(own(), HttpClient(DEADLINE_SECONDS, AT_ONCE), service.url, {})
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
        client = ServiceClient(own(), HttpClient(DEADLINE_SECONDS, AT_ONCE), service.url, {})
        writers = start_writers(client, str(ObjectId()))
        wait_until(lambda: len(of_kind(writers.ledger, "delete")) >= 40 and len(of_kind(writers.ledger, "list")) >= 4)
        if finding == "stale":  # a slow machine needs longer to read at the wrong moment
            wait_until(lambda: finding in findings(judged(writers)), 60)
        writers.stop()
        time.sleep(1.5)
        judgement = judged(writers, writers.read(threading.Event()))
    assert finding in findings(judgement), judgement
    assert finding == "lost" or not judgement.lost
