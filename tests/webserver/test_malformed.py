"""Requests that no well-behaved client sends, by raw sockets to both programs: each has one answer, 4xx or 501, and
ends its connection. What follows it on the connection is never taken for a request."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.dashboard.process import DashboardProcess
from tests.dashboard.stubs import OPERATOR
from tests.service.process import ServiceProcess
from tools.local.mongod import Mongod

pytestmark = pytest.mark.slow

BODY = b'{"a": 1}'
MEBIBYTE = 1 << 20
AT_ONCE_SECONDS = 5.0  # on a busy machine
DEADLINE_SECONDS = 10.0 + 5.0  # for a request to be whole; and the same
FOLLOWING = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


@dataclass(frozen=True)
class Program:
    """A program that serves, and a request of its own with a body."""

    port: int
    post: bytes  # its head's beginning
    log: Path

    def send(self, data: bytes, seconds: float = AT_ONCE_SECONDS, *, then_end: bool = False) -> bytes:
        """Send it on a new connection. Return the whole answer once the program has closed the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as client:
            try:
                client.sendall(data)
                if then_end:
                    client.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it has refused the rest
            answer, end = b"", time.monotonic() + seconds
            while piece := client.recv(65536):
                answer += piece
                assert time.monotonic() < end
            return answer


@pytest.fixture(scope="module")
def service(mongod: Mongod, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with ServiceProcess(tmp_path_factory.mktemp("service"), mongod.uri) as started:
        head = b"POST /data HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        yield Program(started.wait_ready().port, head, started.log)


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    path = tmp_path_factory.mktemp("dashboard") / "log"
    with path.open("wb") as log, DashboardProcess(8, output=log) as started:
        token = b"Authorization: Bearer %b\r\n" % OPERATOR.encode()
        head = b"POST /api/documents HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n" + token
        yield Program(started.port, head, path)


@pytest.fixture(params=["service", "dashboard"])
def program(request: pytest.FixtureRequest, service: Program, dashboard: Program) -> Program:
    return service if request.param == "service" else dashboard


CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(BODY)

# What stands between the head's beginning and the next request, in the middle of a connection.
BODIES = {
    "no chunk size": CHUNKED + b"\r\n" + BODY,
    "chunk size that is no number": CHUNKED + b"x\r\n" + BODY,
    "chunk size with a prefix": CHUNKED + b"0x8\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunk size with a sign": CHUNKED + b"+8\r\n" + BODY + b"\r\n0\r\n\r\n",
    "negative chunk size": CHUNKED + b"-8\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunk size with a space": CHUNKED + b"8 \r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunk size with an underscore": CHUNKED + b"0_8\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunk size of 17 digits": CHUNKED + b"1" + b"0" * 16 + b"\r\n" + BODY,
    "chunk size of 16 digits": CHUNKED + b"f" * 16 + b"\r\n" + BODY,
    "chunk size of 1000 digits": CHUNKED + b"0" * 1000 + b"8\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunk that is too large by a byte": CHUNKED + b"%x\r\n" % ((2 << 20) + 1) + BODY,
    "chunk without CRLF": CHUNKED + b"8\r\n" + BODY + b"0\r\n\r\n",
    "chunk with other bytes for CRLF": CHUNKED + b"8\r\n" + BODY + b"XX0\r\n\r\n",
    "chunk without CRLF, and no end": CHUNKED + b"8\r\n" + BODY + b"XX8\r\n",
    "chunk line that ends with LF": CHUNKED + b"8\n" + BODY + b"\n0\n\n",
    "extension that is none": CHUNKED + b"8;\x01\r\n" + BODY + b"\r\n0\r\n\r\n",
    "extension with a bare CR": CHUNKED + b"8;a\rb\r\n" + BODY + b"\r\n0\r\n\r\n",
    "extension of 1 MB": CHUNKED + b"8;" + b"a" * MEBIBYTE + b"\r\n" + BODY + b"\r\n0\r\n\r\n",
    "extension of 1 MB without end": CHUNKED + b"8;" + b"a" * MEBIBYTE,
    "trailer without a colon": CHUNKED + b"8\r\n" + BODY + b"\r\n0\r\nabc\r\n\r\n",
    "trailer with a length": CHUNKED + b"8\r\n" + BODY + b"\r\n0\r\nContent-Length: 5\r\n\r\n",
    "trailer that is folded": CHUNKED + b"8\r\n" + BODY + b"\r\n0\r\nA: b\r\n c\r\n\r\n",
    "trailer with NUL": CHUNKED + b"8\r\n" + BODY + b"\r\n0\r\nA: \0\r\n\r\n",
    "trailers of 3 MB": CHUNKED + b"8\r\n" + BODY + b"\r\n0\r\n" + b"A: b\r\n" * (MEBIBYTE // 2),
    "too many trailers": CHUNKED + b"8\r\n" + BODY + b"\r\n0\r\n" + b"A: b\r\n" * 1000 + b"\r\n",
    "chunked twice": b"Transfer-Encoding: chunked\r\n" + CHUNKED + b"8\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunked twice in one": b"Transfer-Encoding: chunked, chunked\r\n\r\n8\r\n" + BODY + b"\r\n0\r\n\r\n",
    "gzip and chunked": b"Transfer-Encoding: gzip, chunked\r\n\r\n8\r\n" + BODY + b"\r\n0\r\n\r\n",
    "gzip and chunked in two": b"Transfer-Encoding: gzip\r\n" + CHUNKED + b"8\r\n" + BODY + b"\r\n0\r\n\r\n",
    "identity and chunked": b"Transfer-Encoding: identity, chunked\r\n\r\n8\r\n" + BODY + b"\r\n0\r\n\r\n",
    "empty coding and chunked": b"Transfer-Encoding: , chunked\r\n\r\n8\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunked and gzip": b"Transfer-Encoding: chunked, gzip\r\n\r\n8\r\n" + BODY + b"\r\n0\r\n\r\n",
    "gzip": b"Transfer-Encoding: gzip\r\n" + LENGTH + b"\r\n" + BODY,
    "identity": b"Transfer-Encoding: identity\r\n" + LENGTH + b"\r\n" + BODY,
    "no coding": b"Transfer-Encoding:\r\n" + LENGTH + b"\r\n" + BODY,
    "unknown coding": b"Transfer-Encoding: xchunked\r\n\r\n8\r\n" + BODY + b"\r\n0\r\n\r\n",
    "coding in quotes": b'Transfer-Encoding: "chunked"\r\n\r\n8\r\n' + BODY + b"\r\n0\r\n\r\n",
    "coding behind a vertical tab": b"Transfer-Encoding: \x0bchunked\r\n\r\n8\r\n" + BODY + b"\r\n0\r\n\r\n",
    "folded coding": b"Transfer-Encoding:\r\n chunked\r\n\r\n8\r\n" + BODY + b"\r\n0\r\n\r\n",
    "space before the colon": b"Transfer-Encoding : chunked\r\n\r\n8\r\n" + BODY + b"\r\n0\r\n\r\n",
    "tab before the colon": b"Content-Length\t: 8\r\n\r\n" + BODY,
    "coding and length": LENGTH + CHUNKED + b"8\r\n" + BODY + b"\r\n0\r\n\r\n",
    "length and coding": b"Transfer-Encoding: chunked\r\n" + LENGTH + b"\r\n8\r\n" + BODY + b"\r\n0\r\n\r\n",
    "two lengths": LENGTH + b"Content-Length: 5\r\n\r\n" + BODY,
    "the same length twice": LENGTH + LENGTH + b"\r\n" + BODY,
    "a list of lengths": b"Content-Length: 8, 8\r\n\r\n" + BODY,
    "negative length": b"Content-Length: -8\r\n\r\n" + BODY,
    "length with a sign": b"Content-Length: +8\r\n\r\n" + BODY,
    "length with an underscore": b"Content-Length: 0_8\r\n\r\n" + BODY,
    "length that is no number": b"Content-Length: x\r\n\r\n" + BODY,
    "length in hexadecimal": b"Content-Length: 0x8\r\n\r\n" + BODY,
    "length with other digits": b"Content-Length: \xb2\r\n\r\n" + BODY,
    "no length": b"Content-Length:\r\n\r\n" + BODY,
    "length of 18 digits": b"Content-Length: " + b"9" * 18 + b"\r\n\r\n" + BODY,
    "length of 19 digits": b"Content-Length: " + b"9" * 19 + b"\r\n\r\n" + BODY,
    "length of 100 digits": b"Content-Length: " + b"9" * 100 + b"\r\n\r\n" + BODY,
    "length of 5000 digits": b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n" + BODY,
    "folded header": LENGTH + b"A: b\r\n c\r\n\r\n" + BODY,
    "folded length": b"Content-Length:\r\n 8\r\n\r\n" + BODY,
    "name with a space": LENGTH + b"A B: c\r\n\r\n" + BODY,
    "name that begins with a space": b" " + LENGTH + b"\r\n" + BODY,
    "no name": LENGTH + b": c\r\n\r\n" + BODY,
    "no colon": LENGTH + b"abc\r\n\r\n" + BODY,
    "name with NUL": LENGTH + b"A\0: b\r\n\r\n" + BODY,
    "NUL": LENGTH + b"A: b\0c\r\n\r\n" + BODY,
    "NUL in a length": b"Content-Length: 8\0\r\n\r\n" + BODY,
    "bare LF": LENGTH + b"A: b\nC: d\r\n\r\n" + BODY,
    "bare LF without end": LENGTH + b"A: b\n\n" + BODY,
    "bare CR": LENGTH + b"A: b\rC: d\r\n\r\n" + BODY,
    "bare CR before a length": b"A: b\rContent-Length: 8\r\n\r\n" + BODY,
    "two hosts": LENGTH + b"Host: b\r\n\r\n" + BODY,
    "other expectation": LENGTH + b"Expect: 200-ok\r\n\r\n" + BODY,
    "header of 100 kB": LENGTH + b"A: " + b"b" * 100_000 + b"\r\n\r\n" + BODY,
    "header of 1 MB without end": LENGTH + b"A: " + b"b" * MEBIBYTE,
    "too many headers": LENGTH + b"A: b\r\n" * 1000 + b"\r\n" + BODY,
}

LINES = {
    "no version": b"GET /\r\n\r\n",
    "version 0.9": b"GET / HTTP/0.9\r\n\r\n",
    "version 2.0": b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    "version without a dot": b"GET / HTTP/11\r\nHost: a\r\n\r\n",
    "HTTP/2's preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no path": b"GET  HTTP/1.1\r\nHost: a\r\n\r\n",
    "line of 100 kB": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "line of 1 MB without end": b"GET /" + b"a" * MEBIBYTE,
    "query of 100 kB": b"GET /?" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "NUL in the path": b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
    "space in the path": b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    "bytes beyond ASCII": b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n",
    "tab for a space": b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "method in lower case": b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
    "method of 1 kB": b"A" * 1000 + b" / HTTP/1.1\r\nHost: a\r\n\r\n",
    "line that ends with LF": b"GET / HTTP/1.1\nHost: a\n\n",
    "line with a bare CR": b"GET / HTTP/1.1\rHost: a\r\n\r\n",
    "two empty lines before": b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "half an address": b"GET http://[::1 HTTP/1.1\r\nHost: a\r\n\r\n",
    "asterisk": b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
    "authority": b"GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    "chunked in version 1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(32)) * 16,
    "nothing but zeros": bytes(2 * MEBIBYTE),
}


def check_refused(program: Program, answer: bytes, logged: int) -> None:
    found = re.findall(rb"HTTP/1\.[01] ([0-9]{3}) ", answer)
    assert len(found) == 1, answer[:500]
    assert found[0].startswith(b"4") or found == [b"501"], answer[:500]
    assert b"\r\nConnection: close\r\n" in answer and b"Content-Type: application/problem+json" in answer
    log = program.log.read_bytes()[logged:].decode()
    assert "Traceback" not in log and "unexpected error" not in log and "smuggled" not in log


@pytest.mark.parametrize("case", BODIES)
def test_malformed_request_is_refused_once_and_its_rest_is_no_request(program: Program, case: str) -> None:
    logged = program.log.stat().st_size
    answer = program.send(program.post + BODIES[case] + FOLLOWING)
    check_refused(program, answer, logged)


@pytest.mark.parametrize("case", LINES)
def test_malformed_line_is_refused_once_and_what_follows_is_no_request(program: Program, case: str) -> None:
    logged = program.log.stat().st_size
    answer = program.send(LINES[case] + FOLLOWING)
    check_refused(program, answer, logged)


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\nHo", b"POST / HTTP/1.1\r\n", b"GE"])
def test_head_that_breaks_off_is_400(program: Program, sent: bytes) -> None:
    check_refused(program, program.send(sent, then_end=True), program.log.stat().st_size)


@pytest.mark.parametrize(
    "body", [LENGTH + b"\r\n{", CHUNKED, CHUNKED + b"8\r\n{", CHUNKED + b"8\r\n" + BODY + b"\r\n0"]
)
def test_body_that_breaks_off_is_400(program: Program, body: bytes) -> None:
    check_refused(program, program.send(program.post + body, then_end=True), program.log.stat().st_size)


def test_request_without_end_is_408(program: Program) -> None:
    for body in (LENGTH + b"\r\n{", CHUNKED + b"8\r\n" + BODY + b"\r\n0\r\nA: b\r\n"):
        assert program.send(program.post + body, DEADLINE_SECONDS).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("body", [b"Content-Length: " + b"0" * 30 + b"8\r\n\r\n" + BODY, CHUNKED + b"008;a=b\r\n" + BODY
                                  + b"\r\n0\r\nA: b\r\n\r\n"])  # fmt: skip
def test_unusual_request_is_served(program: Program, body: bytes) -> None:
    last = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    found = re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", program.send(program.post + body + last))
    assert found[0] == b"201" and len(found) == 2


@pytest.mark.parametrize(("version", "continues"), [(b"1.0", False), (b"1.1", True)])
def test_client_of_http_1_0_gets_no_100(program: Program, version: bytes, continues: bool) -> None:
    head = program.post.replace(b"HTTP/1.1", b"HTTP/" + version) + LENGTH + b"Expect: 100-continue\r\n\r\n"
    with socket.create_connection(("127.0.0.1", program.port), timeout=AT_ONCE_SECONDS) as client:
        client.sendall(head)
        answer = b""
        if continues:
            answer = client.recv(65536)
        else:
            time.sleep(0.3)  # for a 100 to come before the body
        client.sendall(BODY)
        while b" 201 " not in answer and (received := client.recv(65536)):
            answer += received
        interim = rb"HTTP/1\.1 100 Continue\r\n\r\n" if continues else b""
        assert re.match(interim + rb"HTTP/1\.[01] 201 ", answer)
