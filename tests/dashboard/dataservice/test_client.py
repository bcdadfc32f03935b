"""The data service's client and the mock data service in the same tests; and the client against faulty servers."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from bson import ObjectId
from pymongo import MongoClient

from dashboard.dataservice import client as client_module
from dashboard.dataservice.client import DataServiceClient as Client
from dashboard.dataservice.http_client import CHUNK
from dashboard.dataservice.protocol import (
    LARGEST_ANSWER,
    AnswerTooLarge,
    DataService,
    DataServiceAnswer,
    DataServiceBusy,
    DataServiceError,
    DataServiceTimeout,
    DataServiceUnavailable,
    UnexpectedAnswer,
)
from dashboard.mock.database.data_service import MockDataService
from tests.dashboard.stubs import StubHandler, StubServer, wait_until
from tests.service.process import ServiceProcess
from tools.local.mongod import Mongod, free_port

ID = "0123456789abcdef01234567"
JSON = "application/json"
DATABASE = "dashboard_client_tests"


@pytest.fixture(scope="module")
def real_service(mongod: Mongod, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with ServiceProcess(tmp_path_factory.mktemp("service"), mongod.uri, MONGODB_DATABASE=DATABASE) as process:
        yield process.wait_ready()


@pytest.fixture(params=["mock", pytest.param("real", marks=pytest.mark.mongod)])
def service(request: pytest.FixtureRequest) -> DataService:
    """A data service without documents."""
    if request.param == "mock":
        return MockDataService()
    process: ServiceProcess = request.getfixturevalue("real_service")
    with MongoClient[dict[str, Any]](request.getfixturevalue("mongod").uri) as mongo:
        mongo[DATABASE]["data"].delete_many({})
    return Client(process.url)


def insert(service: DataService, **document: Any) -> str:
    answer = service.insert(orjson.dumps(document), JSON)
    assert answer.status == 201
    return str(orjson.loads(answer.body)["id"])


def detail(answer: DataServiceAnswer) -> str:
    assert answer.content_type == "application/problem+json"
    problem = orjson.loads(answer.body)
    assert problem["status"] == answer.status
    return str(problem["detail"])


def test_inserted_numbers_and_text_are_unchanged(service: DataService) -> None:
    answer = service.insert(b'{ "n": 9007199254740993, "whole": 1.0,"text": "\\u00e9" }', f"{JSON}; charset=utf-8")
    id_ = orjson.loads(answer.body)["id"]
    assert (answer.status, answer.content_type, answer.id) == (201, JSON, id_)
    stored = b'{"_id":"%b","n":9007199254740993,"whole":1.0,"text":"\xc3\xa9"}' % id_.encode()
    assert service.document(id_).body == service.document(id_.upper()).body == stored
    assert service.newest({}).body == b"[%b]" % stored


def test_document_is_replaced_and_deleted(service: DataService) -> None:
    id_ = insert(service, n=1)
    assert service.replace(id_, b'{"n":2}', JSON).status == 200
    assert orjson.loads(service.document(id_).body)["n"] == 2
    deleted = service.delete(id_)
    assert (deleted.status, deleted.body) == (204, b"")
    again = service.delete(id_)
    assert (again.status, again.content_type) == (404, "application/problem+json")
    assert service.replace(id_, b'{"n":3}', JSON).status == service.document(id_).status == 404


def test_document_is_changed_only_in_the_version_that_was_seen(service: DataService) -> None:
    id_ = insert(service, n=1)
    seen = str(service.document(id_).etag)
    replaced = service.replace(id_.upper(), b'{"n":2}', JSON, seen)
    now = service.document(id_).etag
    assert (replaced.status, replaced.etag) == (200, now) and now != seen
    for late in (service.replace(id_, b'{"n":3}', JSON, seen), service.delete(id_, seen)):
        assert (late.status, late.etag) == (412, now) and str(now) in detail(late)
    assert orjson.loads(service.document(id_).body)["n"] == 2
    assert service.replace(id_, b'{"n":4}', JSON, "*").status == 200
    assert service.delete(id_, str(service.document(id_).etag)).status == 204


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [(b"{", JSON, 400), (b"{}", "text/plain", 415), (b'{"_id":"%b"}' % ID.encode(), JSON, 422)],
)
def test_invalid_replacement_is_a_problem(service: DataService, body: bytes, content_type: str, status: int) -> None:
    id_ = insert(service, n=1)
    assert service.replace(id_, body, content_type).status == status
    assert orjson.loads(service.document(id_).body)["n"] == 1


def test_insert_with_an_id_is_idempotent(service: DataService) -> None:
    first = service.insert(orjson.dumps({"_id": ID.upper(), "a": 1}), JSON)
    again = service.insert(orjson.dumps({"a": 1, "_id": ID}), JSON)
    assert [(each.status, each.id) for each in (first, again)] == [(201, ID), (200, ID)]
    other = service.insert(orjson.dumps({"_id": ID, "a": 2}), JSON)
    assert other.status == 409 and ID in detail(other)


@pytest.mark.parametrize(
    ("body", "content_type", "status", "message"),
    [
        (b"{", JSON, 400, "The body is not JSON"),
        (b"[1]", JSON, 400, "The body must be a JSON object, not an array"),
        (b"null", JSON, 400, "not null"),
        (b'{"a":1}', "text/plain", 415, "application/json"),
        (b'{"a":1}', "", 415, "application/json"),
        (b'{"_id":7}', JSON, 422, "24 hexadecimal digits"),
        (b'{"a":"' + b"x" * (1 << 20) + b'"}', JSON, 413, "1,048,576 bytes"),
    ],
)
def test_invalid_document_is_a_problem(
    service: DataService, body: bytes, content_type: str, status: int, message: str
) -> None:
    answer = service.insert(body, content_type)
    assert answer.status == status and message in detail(answer)
    assert service.newest({}).body == b"[]"


def test_next_links_lead_through_all_pages_of_a_filter(service: DataService) -> None:
    for number in range(7):
        insert(service, number=number, even=number % 2 == 0)
    parameters, pages = {"filter": '{"even": true}', "limit": "2"}, []
    while parameters:
        answer = service.newest(parameters)
        pages.append([each["number"] for each in orjson.loads(answer.body)])
        parameters = dict(answer.next or {})
    assert pages == [[6, 4], [2, 0]]


@pytest.mark.parametrize(
    ("filter_", "places"),
    [
        ({"n": 1}, [0]),
        ({"n": 1.0}, [0]),
        ({"n": {"$gt": 1}}, [1]),
        ({"n": {"$gte": 1, "$lt": 2}}, [0]),
        ({"n": {"$lte": 2}}, [1, 0]),
        ({"n": None}, [2]),
        ({"inner.x": 5}, [1]),
        ({"inner.list": 2}, [1]),
        ({"inner": {"$exists": False}}, [2, 0]),
        ({"flag": True}, [0]),
        ({"flag": 1}, []),
        ({"$or": [{"n": 1}, {"word": "c"}]}, [2, 0]),
        ({"$or": [{"inner.x": 1}, {"word": {"$exists": False}}]}, []),
    ],
)
def test_filter_returns_matching_documents(service: DataService, filter_: dict[str, Any], places: list[int]) -> None:
    insert(service, place=0, n=1, word="a", flag=True)
    insert(service, place=1, n=2, word="b", inner={"x": 5, "list": [1, 2]})
    insert(service, place=2, word="c", n=None)
    answer = service.newest({"filter": orjson.dumps(filter_).decode()})
    assert [each["place"] for each in orjson.loads(answer.body)] == places


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"limit": "0"}, "limit must be a whole number from 1 to 1,000."),
        ({"limit": "x"}, "limit must be"),
        ({"before": "x"}, "before must be"),
        ({"filter": "x"}, "The filter is not JSON"),
        ({"filter": "[]"}, "The filter must be a JSON object, not an array."),
        ({"filter": '{"$where": "1"}'}, 'The operator "$where" is not allowed'),
        ({"filter": '{"a": {"$regex": "x"}}'}, 'The operator "$regex" is not allowed'),
        ({"filter": '{"$or": []}'}, "$or takes a list of filters"),
        ({"filter": '{"a": {"$exists": 1}}'}, "$exists takes true or false."),
    ],
)
def test_invalid_query_is_400(service: DataService, parameters: dict[str, str], message: str) -> None:
    answer = service.newest(parameters)
    assert answer.status == 400 and message in detail(answer)


def test_unknown_document_is_404(service: DataService) -> None:
    answer = service.document(ID)
    assert answer.status == 404 and "no document" in detail(answer)


def test_before_returns_older_documents_only(service: DataService) -> None:
    ids = [insert(service, number=number) for number in range(3)]
    answer = service.newest({"before": ids[2].upper(), "limit": "5"})
    assert [each["_id"] for each in orjson.loads(answer.body)] == [ids[1], ids[0]]
    assert answer.next is None


def test_mock_keeps_the_newest_documents_and_reports_insertions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.mock.database.data_service.KEPT", 2)
    emitted: list[tuple[str, Any]] = []
    mock = MockDataService(lambda id_, before, after: emitted.append((id_, after)))
    ids = [insert(mock, n=number) for number in range(3)]
    assert [each["_id"] for each in orjson.loads(mock.newest({}).body)] == [ids[2], ids[1]]
    assert emitted == [(id_, {"n": number}) for number, id_ in enumerate(ids)]


# The client against a stub


class StubService(StubServer):
    """A data service that responds to each request with `respond`, and records it."""

    def __init__(self, respond: "Respond") -> None:
        super().__init__(StubServiceHandler)
        self.respond = respond
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.stopped = threading.Event()

    def stop(self) -> None:
        self.stopped.set()
        super().stop()


class StubServiceHandler(StubHandler):
    server: StubService

    def do_GET(self) -> None:
        self.server.requests.append((self.path, dict(self.headers), self.body()))
        self.server.respond(self)

    do_POST = do_GET

    def send_json(self, body: bytes, status: int = 200, **headers: str) -> None:
        """Send a response. `headers`, named with underscores, replace or follow the usual ones."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.respond(status, body, {"Content-Type": JSON} | named)


Respond = Callable[[StubServiceHandler], object]
Serve = Callable[[Respond], StubService]


@pytest.fixture
def serve() -> Iterator[Serve]:
    with contextlib.ExitStack() as services:
        yield lambda respond: services.enter_context(StubService(respond))


def test_query_parameters_are_encoded(serve: Serve) -> None:
    server = serve(lambda request: request.send_json(b"[]"))
    parameters = {"filter": '{"a": "b&limit=9#/../ä\r\nX: y"}', "before": "../x?y", "limit": "1", "other": "z"}
    Client(f"{server.url}/").newest(parameters)
    path, headers, _ = server.requests[0]
    assert urlsplit(path).path == "/data" and "X" not in headers
    assert parse_qs(urlsplit(path).query) == {name: [parameters[name]] for name in ("filter", "before", "limit")}
    assert headers["Connection"] == "close"


def test_filter_is_no_longer_than_its_characters_make_it(serve: Serve) -> None:
    """The service refuses a request line of more than 8,190 bytes."""
    server = serve(lambda request: request.send_json(b"[]"))
    for text in (":" * 3_900, "/,?" * 1_300, "ä" * 1_300):
        Client(server.url).newest({"filter": text, "before": ID, "limit": "1000"})
        path = server.requests[-1][0]
        assert len(path) < 8_000 and parse_qs(urlsplit(path).query)["filter"] == [text]


@pytest.mark.parametrize("id_", ["", "../metrics", f"{ID}/x", ID[:-1], f"{ID}\n", "é" * 24])
def test_invalid_id_is_not_sent(serve: Serve, id_: str) -> None:
    server = serve(lambda request: request.send_json(b"{}"))
    with pytest.raises(ValueError):
        Client(server.url).document(id_)
    assert not server.requests


def test_body_is_sent_unchanged(serve: Serve) -> None:
    server = serve(lambda request: request.send_json(b"{}", 201, Location=f"/data/{ID}"))
    answer = Client(server.url).insert(b'{ "n" : 1.00 }', "application/json; charset=utf-8")
    path, headers, body = server.requests[0]
    assert (path, headers["Content-Type"], body) == ("/data", "application/json; charset=utf-8", b'{ "n" : 1.00 }')
    assert (answer.status, answer.id) == (201, ID)


def test_only_known_parts_of_headers_are_returned(serve: Serve) -> None:
    link = '</data?limit=1&before=~a%2Bb&filter=%7B%7D&evil=1>; rel="next"'
    server = serve(lambda request: request.send_json(b"[]", Link=link, Location="//evil.example/x", Retry_After="2"))
    answer = Client(server.url).newest({})
    assert answer.next == {"limit": "1", "before": "~a+b", "filter": "{}"}
    assert (answer.id, answer.retry_after) == (None, "2")


def send_slowly(request: StubServiceHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Type", JSON)
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    while not request.server.stopped.wait(0.02):
        try:
            request.wfile.write(b"1\r\n \r\n")
        except OSError:
            return


def send_forever(request: StubServiceHandler) -> None:
    """Send a response without end."""
    request.send_response(200)
    request.send_header("Content-Type", JSON)
    request.end_headers()
    request.close_connection = True
    try:
        while not request.server.stopped.is_set():
            request.wfile.write(b" " * 65536)
    except OSError:
        return


def send_part(request: StubServiceHandler) -> None:
    request.send_json(b"[", Content_Length="9")
    request.close_connection = True


FAULTS: dict[str, tuple[Respond, type[DataServiceError]]] = {
    "no response": (lambda request: request.server.stopped.wait(60), DataServiceTimeout),
    "slow body": (send_slowly, DataServiceTimeout),
    "body cut off": (send_part, DataServiceTimeout),
    "not HTTP": (lambda request: request.wfile.write(b"nonsense\r\n\r\n"), DataServiceTimeout),
    "endless body": (send_forever, AnswerTooLarge),
    "large length": (
        lambda request: request.send_json(b" " * CHUNK, Content_Length=str(LARGEST_ANSWER + 1)),
        AnswerTooLarge,
    ),
    "HTML": (lambda request: request.send_json(b"<script>", Content_Type="text/html"), UnexpectedAnswer),
    "no Content-Type": (lambda request: request.send_json(b"x", Content_Type=""), UnexpectedAnswer),
    "redirect": (lambda request: request.send_json(b"{}", 302, Location="http://127.0.0.1:1/"), UnexpectedAnswer),
}


@pytest.mark.parametrize(("respond", "error"), FAULTS.values(), ids=FAULTS)
def test_faulty_response_raises_a_data_service_error(
    serve: Serve, respond: Respond, error: type[DataServiceError]
) -> None:
    server = serve(respond)
    with pytest.raises(error, match=r"\.$"):
        Client(server.url, deadline=0.5 if error is DataServiceTimeout else 30).document(ID)
    wait_until(lambda: server.requests)
    assert len(server.requests) == 1, "no redirect is followed and no request retried"


@pytest.mark.parametrize("length", ["9" * 5000, "nine"])
def test_length_that_is_no_number_is_none(serve: Serve, length: str) -> None:
    def respond(request: StubServiceHandler) -> None:
        request.send_json(b"[]", Content_Length=length)
        request.close_connection = True

    assert Client(serve(respond).url).newest({}).body == b"[]"


def test_response_of_the_largest_size_is_returned(serve: Serve) -> None:
    server = serve(lambda request: request.send_json(b"[%b]" % (b" " * (LARGEST_ANSWER - 2))))
    assert len(Client(server.url).newest({}).body) == LARGEST_ANSWER


def pages(service: DataService, **parameters: str) -> Iterator[list[Any]]:
    following: Any = parameters
    while following is not None:
        answer = service.newest(following)
        yield orjson.loads(answer.body)
        following = answer.next


@pytest.mark.mongod
def test_document_that_is_too_large_hides_no_other(real_service: ServiceProcess, mongod: Mongod) -> None:
    service, ids = Client(real_service.url), [ObjectId() for _ in range(6)]
    sizes = [5_000_000, 1, 15_000_000, 5_000_000, 1, 1]
    with MongoClient[dict[str, Any]](mongod.uri) as mongo:
        documents = mongo[DATABASE]["data"]
        documents.delete_many({})
        documents.insert_many([{"_id": id_, "text": "x" * size} for id_, size in zip(ids, sizes, strict=True)])
        found = list(pages(service, limit="20"))
        assert [each["_id"] for page in found for each in page] == [str(id_) for id_ in reversed(ids)]
        assert [len(page) for page in found] == [2, 1, 1, 1, 1]
        large = [each for page in found for each in page if "$tooLarge" in each]
        assert len(large) == 3 and all("4 MiB" in each["$tooLarge"] for each in large)
        assert [len(page) for page in pages(service, limit="1")] == [1] * 6
        with pytest.raises(AnswerTooLarge):
            service.document(str(ids[2]))
        documents.delete_many({})


@pytest.mark.mongod
def test_page_whose_json_is_too_large_has_its_first_document_only(real_service: ServiceProcess, mongod: Mongod) -> None:
    with MongoClient[dict[str, Any]](mongod.uri) as mongo:
        documents = mongo[DATABASE]["data"]
        documents.delete_many({})
        documents.insert_many([{"numbers": [1 / 3] * 50_000} for _ in range(5)])  # 12 bytes of BSON each, 19 of JSON
        found = list(pages(Client(real_service.url)))
        assert [len(page) for page in found] == [1, 4] and all(each["numbers"] for page in found for each in page)
        documents.delete_many({})


@pytest.mark.parametrize("page", [b"", b"{", b'[{"key":1,', b'[{"_id":', b'[{"_id":"65f0', b'[{"_id":' + b"[" * 90_000])
def test_page_that_does_not_begin_as_the_services_is_too_large(serve: Serve, page: bytes) -> None:
    server = serve(lambda request: request.send_json(page + b" " * (LARGEST_ANSWER + 1)))
    with pytest.raises(AnswerTooLarge):
        Client(server.url).newest({"limit": "20"})


def test_unreachable_service_is_unavailable() -> None:
    for url in (f"http://127.0.0.1:{free_port()}", "http://nowhere.invalid:5000"):
        with pytest.raises(DataServiceUnavailable):
            Client(url).insert(b"{}", JSON)


def test_concurrent_reads_are_limited_and_do_not_block_writes(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "AT_ONCE", 1)
    received, released = threading.Event(), threading.Event()

    def hold_reads(request: StubServiceHandler) -> None:
        if request.command == "GET":
            received.set()
            released.wait(60)
        request.send_json(b"[]")

    client = Client(serve(hold_reads).url)
    reader = threading.Thread(target=client.newest, args=[{}])
    reader.start()
    assert received.wait(30)
    with pytest.raises(DataServiceBusy):
        client.newest({})
    assert client.insert(b"{}", JSON).status == 200
    released.set()
    reader.join()
    assert client.newest({}).status == 200
