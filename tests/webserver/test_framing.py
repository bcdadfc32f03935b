"""The framing of requests: where each ends. The test oracle is h11, which parses the same bytes."""

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webserver.framing import MOST_CHUNKS, Framing, Part, SizeLimits

LIMITS = SizeLimits(head=4096, body=1024)
GET = b"GET /data?limit=1 HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /data HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
CHUNKED = b"POST /data HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def arrived(received: bytes, limits: SizeLimits = LIMITS) -> Part:
    return Framing(limits).arrived(received)


@pytest.mark.parametrize(
    ("received", "part"),
    [
        (b"", Part.HEAD),
        (b"GET / HT", Part.HEAD),
        (GET[:-1], Part.HEAD),
        (GET, Part.WHOLE),
        (GET + GET, Part.WHOLE),
        (POST, Part.BODY),
        (POST + b"1234", Part.BODY),
        (POST + b"12345", Part.WHOLE),
        (POST.replace(b"Content-Length: 5", b"content-LENGTH:5"), Part.BODY),
        (POST.replace(b"5", b"1025"), Part.WHOLE),  # too large
        (POST.replace(b"5", b"-1"), Part.WHOLE),  # malformed
        (CHUNKED, Part.BODY),
        (CHUNKED + b"3\r\nabc\r\n", Part.BODY),
        (CHUNKED + b"3\r\nabc\r\n0\r\n", Part.BODY),
        (CHUNKED + b"3\r\nabc\r\n0\r\n\r\n", Part.WHOLE),
        (CHUNKED + b"7\r\n\r\n0\r\n\r\n\r\n", Part.BODY),  # the chunk contains an end
        (CHUNKED + b"3;name=value\r\nabc\r\n0\r\nTrailer: a\r\n", Part.BODY),
        (CHUNKED + b"3;name=value\r\nabc\r\n0\r\nTrailer: a\r\n\r\n", Part.WHOLE),
        (POST.replace(b"5", b"0" * 30 + b"5"), Part.BODY),
        (POST.replace(b"5", b"9" * 30), Part.WHOLE),  # too large
        (b"GET / HTTP/1.1\n", Part.WHOLE),  # malformed
        (b"GET / HTTP/1.1\r\nHost: a\n", Part.WHOLE),  # malformed
        (POST.replace(b"a", b"a\nb"), Part.WHOLE),  # malformed
        (CHUNKED + b"x\r\n", Part.WHOLE),  # malformed
        (CHUNKED + b"3\n", Part.WHOLE),  # malformed
        (CHUNKED + b"3\r\nabcde", Part.WHOLE),  # malformed
        (CHUNKED + b"1" * 256, Part.WHOLE),  # malformed
        (CHUNKED + b"401\r\n", Part.WHOLE),  # too large
        (b"A" * 4097, Part.WHOLE),  # too large
        (b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03", Part.HEAD),  # a TLS ClientHello, which the deadline ends
    ],
)
def test_received_part_of_a_request_is_recognized(received: bytes, part: Part) -> None:
    assert arrived(received) is part


@pytest.mark.parametrize(("more", "part"), [(0, Part.BODY), (1, Part.WHOLE)])
def test_body_of_too_many_chunks_is_cut(more: int, part: Part) -> None:
    framing = Framing(SizeLimits(4096, 100_000))
    assert framing.arrived(CHUNKED + b"1\r\na\r\n" * (MOST_CHUNKS + more)) is part
    assert (framing.is_cut, framing.is_malformed) == (part is Part.WHOLE, False)


@settings(max_examples=200)
@given(st.lists(st.sampled_from([b"A: b\r\n", b"C: d\r\n"]), max_size=5), st.lists(st.integers(1, 9), max_size=40))
def test_trailers_that_come_in_pieces_end_where_they_end(trailers: list[bytes], pieces: list[int]) -> None:
    sent = CHUNKED + b"3\r\nabc\r\n0\r\n" + b"".join(trailers) + b"\r\n"
    framing, at = Framing(LIMITS), len(CHUNKED)
    for size in [*pieces, len(sent)]:
        at = min(at + size, len(sent))
        assert (framing.arrived(sent[:at]) is Part.WHOLE) == (at == len(sent))
    assert framing.end == len(sent)


def test_expect_continue_is_recognized_if_the_body_is_within_the_limit() -> None:
    for length, expected in ((5, True), (2000, False)):
        framing = Framing(LIMITS)
        framing.arrived(POST.replace(b"5\r\n", b"%d\r\nExpect: 100-continue\r\n" % length))
        assert framing.expects_continue is expected


def test_client_of_http_1_0_expects_no_continue() -> None:
    framing = Framing(LIMITS)
    framing.arrived(POST.replace(b"1.1", b"1.0").replace(b"5\r\n", b"5\r\nExpect: 100-continue\r\n"))
    assert not framing.expects_continue


BODIES = st.binary(max_size=300)
HEADERS = st.lists(st.sampled_from([b"A: b", b"X-Content-Length: 7", b"Accept: */*", b"Cookie: content-length: 9"]))


def request(headers: list[bytes], chunks: list[bytes] | None, body: bytes) -> bytes:
    head = [b"POST /data HTTP/1.1", b"Host: a", *headers]
    if chunks is None:
        return b"\r\n".join([*head, b"Content-Length: %d" % len(body), b"", body])
    framed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks if chunk)
    return b"\r\n".join([*head, b"Transfer-Encoding: chunked", b"", framed]) + b"0\r\n\r\n"


@settings(max_examples=300)
@given(HEADERS, st.none() | st.lists(BODIES, max_size=4), BODIES, st.lists(st.integers(1, 60), max_size=40))
def test_request_is_whole_exactly_when_h11_finds_its_end(
    headers: list[bytes], chunks: list[bytes] | None, body: bytes, pieces: list[int]
) -> None:
    sent = request(headers, chunks, body)
    framing, oracle = Framing(SizeLimits(100_000, 100_000)), h11.Connection(h11.SERVER)
    at, ended = 0, False
    for size in [*pieces, len(sent)]:
        piece = sent[at : at + size]
        at += size
        if not piece or ended:
            continue
        oracle.receive_data(piece)
        while (event := oracle.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            ended = ended or isinstance(event, h11.EndOfMessage)
        assert (framing.arrived(sent[:at]) is Part.WHOLE) == ended
    assert ended
    following = Framing(SizeLimits(100_000, 100_000))
    assert following.arrived(sent + GET) is Part.WHOLE and following.end == framing.end == len(sent)


@settings(max_examples=500)
@given(st.binary(max_size=500), st.integers(0, 500))
def test_whole_request_stays_whole_with_more_bytes(received: bytes, cut: int) -> None:
    for start in (b"", GET[:-2], CHUNKED, POST):
        framing = Framing(LIMITS)
        if framing.arrived(start + received[:cut]) is Part.WHOLE:
            assert Framing(LIMITS).arrived(start + received) is Part.WHOLE
