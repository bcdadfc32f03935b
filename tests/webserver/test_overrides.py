"""The overrides make of a request what gunicorn itself makes of it, the first time and when its head is remembered."""

from typing import Any

import gunicorn
import pytest
from gunicorn.config import Config
from gunicorn.http.errors import InvalidHeader, UnsupportedTransferCoding
from gunicorn.http.parser import RequestParser
from gunicorn.http.unreader import IterUnreader
from gunicorn.http.wsgi import create
from hypothesis import given
from hypothesis import strategies as st

from webserver import overrides

CLIENT, SERVER = ("192.0.2.1", 50000), ("192.0.2.2", 5000)
HEADS = [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /data?limit=20&before=%41 HTTP/1.1\r\nHost: a:5000\r\nAccept: */*\r\n\r\n",
    b"GET /%C3%A4%2F HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
    b"POST /data HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    b"POST /data HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n1",
    b"GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1\r\nCookie: b=2\r\nX-Forwarded-Proto: https\r\nScript_Name: /x\r\n\r\n",
    b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET //data HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http://b/data HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + b"1" * 2000 + b"\r\n\r\n",
    b"GET /" + b"1" * 2000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    # What gunicorn refuses.
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
    b"GET / HTTP/1.1\nX: b\r\nHost: a\r\n\r\n",
    b"GET / HTTP/3.0\r\nHost: a\r\n\r\n",
    b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n1",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: 1\r\n" % each for each in range(101)) + b"\r\n",
]

SPOILING = [b"\r", b"\n", b" ", b":", b"\0", b"\xff", b"a", b""]


class Sink:
    """A client's connection that takes an answer."""

    def __init__(self) -> None:
        self.sent = b""

    def sendall(self, data: bytes) -> None:
        self.sent += data

    send = sendall


def _config(**changes: Any) -> Config:
    config = Config()
    config.set("forwarded_allow_ips", "")
    for name, value in changes.items():
        config.set(name, value)
    return config


CONFIG = _config(limit_request_fields=100)


def _by_gunicorn(data: bytes, config: Config) -> Any:
    def environ(request: Any) -> dict[str, Any]:
        made: dict[str, Any] = create(request, Sink(), CLIENT, SERVER, config)[1]
        return {name: value for name, value in made.items() if name not in ("wsgi.early_hints", "wsgi.file_wrapper")}

    return _outcome(RequestParser(config, iter([data]), CLIENT), environ)


def _by_the_overrides(data: bytes, config: Config) -> Any:
    common = overrides.connection_environ(config, None, CLIENT, SERVER)
    parser = overrides.Parser(config, iter([data]), CLIENT)
    return _outcome(parser, lambda request: common | request.fields | {"wsgi.input": request.body})


def _outcome(parser: Any, environ: Any) -> Any:
    """Return the error's type, or the environment, the body and whether the connection is to be closed."""
    try:
        request = next(parser)
        made = environ(request)
        body = made.pop("wsgi.input").read()
    except Exception as error:
        return type(error)
    for name in ("wsgi.errors", "wsgi.multithread", "gunicorn.socket"):
        made.pop(name, None)
    return made, body, request.should_close(), request.headers, request._expected_100_continue


@pytest.mark.parametrize("data", HEADS)
def test_head_is_read_as_by_gunicorn(data: bytes) -> None:
    expected = _by_gunicorn(data, CONFIG)
    assert [_by_the_overrides(data, CONFIG) for _ in range(2)] == [expected, expected]


@pytest.mark.parametrize("codings", [["gzip, chunked"], ["identity, chunked"], [", chunked"], ["gzip", "chunked"]])
def test_other_codings_than_chunked_are_refused(codings: list[str]) -> None:
    """gunicorn passes a body on as it is: the application would take compressed bytes for what they are not."""
    lines = "".join(f"Transfer-Encoding: {each}\r\n" for each in codings)
    data = f"POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n0\r\n\r\n".encode()
    assert _by_the_overrides(data, CONFIG) in (UnsupportedTransferCoding, InvalidHeader)


@given(st.sampled_from(HEADS), st.integers(0, 120), st.sampled_from(SPOILING))
def test_spoiled_head_is_read_as_by_gunicorn(data: bytes, place: int, byte: bytes) -> None:
    spoiled = data[:place] + byte + data[place + 1 :]
    assert _by_the_overrides(spoiled, CONFIG) == _by_gunicorn(spoiled, CONFIG)


def test_limits_of_a_head_count_when_it_is_remembered() -> None:
    data = b"GET /%s HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n" % (b"1" * 100)
    short, few = _config(limit_request_line=50), _config(limit_request_fields=1)
    assert isinstance(_by_the_overrides(data, CONFIG), tuple)
    for config in (short, few):
        assert _by_the_overrides(data, config) == _by_gunicorn(data, config)
        assert isinstance(_by_gunicorn(data, config), type)


def test_requests_with_one_head_share_nothing_that_changes() -> None:
    data = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n"
    first, second = (overrides.Request(CONFIG, IterUnreader(iter([data + body])), CLIENT) for body in (b"1", b"2"))
    first.force_close()
    first.fields["HTTP_HOST"] = "b"
    assert (first.body.read(), second.body.read()) == (b"1", b"2")
    assert (second.should_close(), second.fields["HTTP_HOST"]) == (False, "a")


@pytest.mark.parametrize(
    "headers",
    [
        [("Content-Type", "a/b"), ("Content-Length", "2"), ("Connection", "close"), ("X", " 1\t")],
        [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")],
        [("Bad Name", "1")],
        [("Name", "1\r\nInjected: 2")],
    ],
)
def test_answer_is_written_as_by_gunicorn(headers: list[tuple[str, str]]) -> None:
    def answer(kind: Any) -> Any:
        client = Sink()
        request = overrides.Request(CONFIG, IterUnreader(iter([HEADS[0]])), CLIENT)
        response = kind(request, client, CONFIG)
        try:
            response.start_response("200 OK", headers)
            response.write(b"{}")
            response.close()
        except Exception as error:
            return type(error)
        return [line for line in client.sent.splitlines() if not line.startswith(b"Date: ")]

    assert answer(overrides.Response) == answer(overrides.HttpResponse)


def test_installed_gunicorn_is_known() -> None:
    overrides.require_known(gunicorn.__version__)


def test_other_gunicorn_is_refused() -> None:
    with pytest.raises(overrides.UnknownVersion, match=r"27\.1\.0"):
        overrides.require_known("27.1.0")
