"""Log streams: their heartbeats, their limits, and their ends."""

import socket
import threading
import time
from collections.abc import Iterable, Iterator

import pytest

from dashboard.kube.errors import ObjectReadUnavailable
from dashboard.web import log_streams
from dashboard.web.log_streams import LogStreams, ViewerConnection
from tests.dashboard.stubs import wait_until


class StubLog:
    """A log with given pieces, which is then silent until it is closed."""

    def __init__(self, pieces: Iterable[bytes] = ()) -> None:
        self.closed = threading.Event()
        self._pieces = pieces

    def pieces(self) -> Iterator[bytes]:
        yield from self._pieces
        self.closed.wait(60)

    def close(self) -> None:
        self.closed.set()


def test_silent_log_has_a_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_streams, "HEARTBEAT_SECONDS", 0.01)
    monkeypatch.setattr(log_streams, "POLL_SECONDS", 0.01)
    lines = LogStreams().open(StubLog, ViewerConnection(None), follow=True).lines()
    assert [next(lines), next(lines), next(lines)] == [b"\n"] * 3
    lines.close()  # type: ignore[attr-defined]


def test_log_that_is_not_followed_has_no_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_streams, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(log_streams, "LONGEST_SECONDS", 0.1)
    stream = LogStreams().open(lambda: StubLog([b"a\n"]), ViewerConnection(None), follow=False)
    wait_until(lambda: not stream._pieces.empty())
    lines = list(stream.lines())
    assert lines[0] == b"a\n" and b"\n" not in lines


def test_stream_ends_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_streams, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(log_streams, "LONGEST_SECONDS", 0.05)
    log = StubLog()
    *_, last = LogStreams().open(lambda: log, ViewerConnection(None), follow=True).lines()
    assert log.closed.is_set()
    assert b"limit" in last


def test_closed_connection_ends_the_stream_of_a_silent_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_streams, "POLL_SECONDS", 0.01)
    server, client = socket.socketpair()
    log = StubLog()
    lines = LogStreams().open(lambda: log, ViewerConnection(server), follow=True).lines()
    assert next(lines) == b"\n"
    client.close()
    assert list(lines) == []
    assert log.closed.is_set()
    server.close()


def test_stop_closes_the_connection_of_a_reader_that_does_not_read() -> None:
    server, client = socket.socketpair()
    streams = LogStreams()
    streams.open(StubLog, ViewerConnection(server), follow=True)
    streams.stop()
    assert client.recv(1) == b""
    client.close()
    server.close()


def test_log_is_not_read_ahead_of_a_slow_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_streams, "POLL_SECONDS", 0.01)
    pieces: list[bytes] = []

    def endless() -> Iterator[bytes]:
        while True:
            pieces.append(b"line\n")
            yield pieces[-1]

    stream = LogStreams().open(lambda: StubLog(endless()), ViewerConnection(None), follow=True)
    wait_until(lambda: len(pieces) >= log_streams.PIECES)
    time.sleep(0.05)
    assert len(pieces) <= log_streams.PIECES + 2
    stream.close()


def test_stream_whose_log_fails_to_open_is_released() -> None:
    def fail() -> StubLog:
        raise ObjectReadUnavailable("no")

    streams = LogStreams(1)
    for _ in range(2):
        with pytest.raises(ObjectReadUnavailable):
            streams.open(fail, ViewerConnection(None), follow=True)
