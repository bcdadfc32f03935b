"""A channel's sending, on a pair of sockets."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.dashboard.stubs import wait_until
from webserver.channel import JOINED_BYTES, Allowance, Channel
from webserver.framing import SizeLimits

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


@pytest.fixture
def ends() -> Iterator[tuple[Channel, socket.socket]]:
    """A channel and its client."""
    server, client = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)  # keeps the packets apart
    client.settimeout(10)
    channel = Channel(server, SizeLimits(1000, 1000), Allowance(1 << 20))
    yield channel, client
    channel.close()
    client.close()


def test_few_threads_wait_for_room_and_the_others_are_refused_at_once() -> None:
    allowance = Allowance(10, waiting=1)
    assert allowance.take(8)
    with ThreadPoolExecutor(1) as pool:
        waits = pool.submit(allowance.take, 5, 20)
        wait_until(lambda: not allowance._waiting)
        began = time.monotonic()
        assert not allowance.take(5, 20) and time.monotonic() - began < 10
        assert allowance.take(2) and allowance.free == 0
        allowance.give_back(5)
        assert waits.result() and allowance.free == 0
    assert not allowance.take(5, 0.01)


def test_head_and_body_are_one_packet(ends: tuple[Channel, socket.socket]) -> None:
    channel, client = ends
    for _ in range(2):
        channel.sendall(HEAD)
        for piece in (b"body", b"more"):
            channel.sendall(piece)
        channel.send_head()
        assert [client.recv(1000) for _ in range(2)] == [HEAD + b"body", b"more"]
        channel.next_request()


def test_head_without_a_body_is_sent_at_the_end(ends: tuple[Channel, socket.socket]) -> None:
    channel, client = ends
    channel.sendall(HEAD)
    channel.send_head()
    channel.send_head()
    channel.next_request()
    channel.send_head()
    client.setblocking(False)
    assert client.recv(1000) == HEAD
    with pytest.raises(BlockingIOError):
        client.recv(1000)


def test_large_body_is_not_copied_to_its_head(ends: tuple[Channel, socket.socket]) -> None:
    channel, client = ends
    body = b"x" * (JOINED_BYTES + 1)
    channel.sendall(HEAD)
    channel.sendall(body)
    assert [client.recv(JOINED_BYTES * 2) for _ in range(2)] == [HEAD, body]
