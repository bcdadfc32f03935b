"""The data service through its client, and the mock, in the same tests; and the client against faulty servers."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from pymongo import MongoClient

from dashboard.dataservice import client as client_module
from dashboard.dataservice.client import DataServiceClient as Client
from dashboard.dataservice.contract import (
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
from tests.service.process import ServiceProcess
from tools.local.mongod import Mongod, free_port

ID = "0123456789abcdef01234567"
JSON = "application/json"
DATABASE = "seen_by_the_dashboard"


@pytest.fixture(scope="module")
def real(mongod: Mongod, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with ServiceProcess(tmp_path_factory.mktemp("service"), mongod.uri, MONGODB_DATABASE=DATABASE) as started:
        yield started.wait_ready()


@pytest.fixture(params=["mock", pytest.param("real", marks=pytest.mark.mongod)])
def service(request: pytest.FixtureRequest) -> DataService:
    """A data service without documents."""
    if request.param == "mock":
        return MockDataService()
    started: ServiceProcess = request.getfixturevalue("real")
    with MongoClient[dict[str, Any]](request.getfixturevalue("mongod").uri) as outside:
        outside[DATABASE]["data"].delete_many({})
    return Client(started.url)


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
    written = b'{"_id":"%b","n":9007199254740993,"whole":1.0,"text":"\xc3\xa9"}' % id_.encode()
    assert service.document(id_).body == service.document(id_.upper()).body == written
    assert service.newest({}).body == b"[%b]" % written


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


def test_next_leads_through_all_pages_of_a_filter(service: DataService) -> None:
    for number in range(7):
        insert(service, number=number, even=number % 2 == 0)
    parameters, pages = {"filter": '{"even": true}', "limit": "2"}, []
    while parameters:
        answer = service.newest(parameters)
        pages.append([each["number"] for each in orjson.loads(answer.body)])
        parameters = dict(answer.next or {})
    assert pages == [[6, 4], [2, 0]]


@pytest.mark.parametrize(
    ("condition", "found"),
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
def test_filter_finds_its_documents(service: DataService, condition: dict[str, Any], found: list[int]) -> None:
    insert(service, place=0, n=1, word="a", flag=True)
    insert(service, place=1, n=2, word="b", inner={"x": 5, "list": [1, 2]})
    insert(service, place=2, word="c", n=None)
    answer = service.newest({"filter": orjson.dumps(condition).decode()})
    assert [each["place"] for each in orjson.loads(answer.body)] == found


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"limit": "0"}, "limit must be a whole number from 1 to 1,000."),
        ({"limit": "x"}, "limit must be"),
        ({"before": "x"}, "before must be an id of 24 hexadecimal digits."),
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
    assert answer.status == 404 and detail(answer) == "There is no document with this id."


def test_before_returns_older_documents_only(service: DataService) -> None:
    ids = [insert(service, number=number) for number in range(3)]
    answer = service.newest({"before": ids[2].upper(), "limit": "5"})
    assert [each["_id"] for each in orjson.loads(answer.body)] == [ids[1], ids[0]]
    assert answer.next is None


def test_mock_keeps_the_newest_documents_and_reports_insertions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.mock.database.data_service.KEPT", 2)
    emitted: list[tuple[str, Any]] = []
    mock = MockDataService(lambda id_, document: emitted.append((id_, document)))
    ids = [insert(mock, n=number) for number in range(3)]
    assert [each["_id"] for each in orjson.loads(mock.newest({}).body)] == [ids[2], ids[1]]
    assert emitted == [(id_, {"n": number}) for number, id_ in enumerate(ids)]


# The client against a stub


class StubService(ThreadingHTTPServer):
    """Answers each request with `behave`, and records it."""

    daemon_threads = True

    def __init__(self, behave: Callable[["StubServiceHandler"], None]) -> None:
        super().__init__(("127.0.0.1", 0), StubServiceHandler)
        self.behave = behave
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class StubServiceHandler(BaseHTTPRequestHandler):
    disable_nagle_algorithm = True  # or each answer in two writes waits 40 ms for an ACK
    protocol_version = "HTTP/1.1"
    server: StubService

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append((self.path, dict(self.headers), body))
        self.server.behave(self)

    do_POST = do_GET

    def answer(self, body: bytes, status: int = 200, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content_Type": JSON} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Requests are recorded instead."""


Serve = Callable[[Callable[[StubServiceHandler], None]], StubService]


@pytest.fixture
def serve() -> Iterator[Serve]:
    running: list[tuple[StubService, threading.Thread]] = []

    def start(behave: Callable[[StubServiceHandler], None]) -> StubService:
        server = StubService(behave)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        running.append((server, thread))
        return server

    yield start
    for server, thread in running:
        server.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def test_query_parameters_are_encoded(serve: Serve) -> None:
    server = serve(lambda request: request.answer(b"[]"))
    hostile = {"filter": '{"a": "b&limit=9#/../ä\r\nX: y"}', "before": "../x?y", "limit": "1", "other": "z"}
    Client(f"{server.url}/").newest(hostile)
    path, headers, _ = server.requests[0]
    assert urlsplit(path).path == "/data" and "X" not in headers
    assert parse_qs(urlsplit(path).query) == {name: [hostile[name]] for name in ("filter", "before", "limit")}
    assert headers["Connection"] == "close"


@pytest.mark.parametrize("id_", ["", "../metrics", f"{ID}/x", ID[:-1], f"{ID}\n", "é" * 24])
def test_invalid_id_is_not_sent(serve: Serve, id_: str) -> None:
    server = serve(lambda request: request.answer(b"{}"))
    with pytest.raises(ValueError):
        Client(server.url).document(id_)
    assert not server.requests


def test_body_is_sent_unchanged(serve: Serve) -> None:
    server = serve(lambda request: request.answer(b"{}", 201, Location=f"/data/{ID}"))
    answer = Client(server.url).insert(b'{ "n" : 1.00 }', "application/json; charset=utf-8")
    path, headers, body = server.requests[0]
    assert (path, headers["Content-Type"], body) == ("/data", "application/json; charset=utf-8", b'{ "n" : 1.00 }')
    assert (answer.status, answer.id) == (201, ID)


def test_only_known_parts_of_headers_are_returned(serve: Serve) -> None:
    link = '</data?limit=1&before=~a%2Bb&filter=%7B%7D&evil=1>; rel="next"'
    server = serve(lambda request: request.answer(b"[]", Link=link, Location="//evil.example/x", Retry_After="2"))
    answer = Client(server.url).newest({})
    assert answer.next == {"limit": "1", "before": "~a+b", "filter": "{}"}
    assert (answer.id, answer.retry_after) == (None, "2")


def send_slowly(request: StubServiceHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Type", JSON)
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    while not request.server.over.wait(0.02):
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
        while not request.server.over.is_set():
            request.wfile.write(b" " * 65536)
    except OSError:
        return


def send_part(request: StubServiceHandler) -> None:
    request.answer(b"[", length=9)
    request.close_connection = True


FAULTS: dict[str, tuple[Callable[[StubServiceHandler], object], type[DataServiceError]]] = {
    "no response": (lambda request: request.server.over.wait(60), DataServiceTimeout),
    "slow body": (send_slowly, DataServiceTimeout),
    "body cut off": (send_part, DataServiceTimeout),
    "not HTTP": (lambda request: request.wfile.write(b"nonsense\r\n\r\n"), DataServiceTimeout),
    "endless body": (send_forever, AnswerTooLarge),
    "large Content-Length": (lambda request: request.answer(b"", length=LARGEST_ANSWER + 1), AnswerTooLarge),
    "HTML": (lambda request: request.answer(b"<script>", Content_Type="text/html"), UnexpectedAnswer),
    "no Content-Type": (lambda request: request.answer(b"x", Content_Type=""), UnexpectedAnswer),
    "redirect": (lambda request: request.answer(b"{}", 302, Location="http://127.0.0.1:1/"), UnexpectedAnswer),
}


@pytest.mark.parametrize(("behave", "error"), FAULTS.values(), ids=FAULTS)
def test_faulty_response_raises_a_data_service_error(
    serve: Serve, behave: Callable[[StubServiceHandler], None], error: type[DataServiceError]
) -> None:
    server = serve(behave)
    with pytest.raises(error, match=r"\.$"):
        Client(server.url, deadline=0.5).newest({})
    assert len(server.requests) == 1  # no redirect is followed, nothing is retried


def test_response_of_the_largest_size_is_returned(serve: Serve) -> None:
    server = serve(lambda request: request.answer(b"[%b]" % (b" " * (LARGEST_ANSWER - 2))))
    assert len(Client(server.url).newest({}).body) == LARGEST_ANSWER


def test_unreachable_service_is_unavailable() -> None:
    for url in (f"http://127.0.0.1:{free_port()}", "http://nowhere.invalid:5000"):
        with pytest.raises(DataServiceUnavailable):
            Client(url).insert(b"{}", JSON)


def test_concurrent_reads_are_limited_and_do_not_block_writes(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "AT_ONCE", 1)
    arrived, proceed = threading.Event(), threading.Event()

    def wait(request: StubServiceHandler) -> None:
        if request.command == "GET":
            arrived.set()
            proceed.wait(60)
        request.answer(b"[]")

    client = Client(serve(wait).url)
    waiting = threading.Thread(target=client.newest, args=[{}])
    waiting.start()
    assert arrived.wait(30)
    with pytest.raises(DataServiceBusy):
        client.newest({})
    assert client.insert(b"{}", JSON).status == 200
    proceed.set()
    waiting.join()
    assert client.newest({}).status == 200
