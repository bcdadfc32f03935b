"""The health server, and clients that stall, send slowly or connect in large numbers."""

import http.client
import socket
import time
from collections.abc import Iterator

import pytest

from webserver import health_server
from webserver.health_server import MOST_CONNECTIONS, HealthServer


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HealthServer]:
    monkeypatch.setattr(health_server, "CLIENT_SECONDS", 0.5)
    started = HealthServer("127.0.0.1", 0, {"/healthz": lambda: (200, "text/plain", b"ok\n")})
    started.start()
    yield started
    started.stop()


def request(server: HealthServer, path: str, method: str = "GET") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    connection.request(method, path)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, content


def test_known_paths_are_served(server: HealthServer) -> None:
    assert request(server, "/healthz") == (200, b"ok\n")
    assert request(server, "/healthz?verbose") == (200, b"ok\n")
    assert request(server, "/healthz", "HEAD") == (200, b"")
    assert request(server, "/none")[0] == 404
    assert request(server, "/healthz", "POST")[0] == 405


def test_connection_that_sends_slowly_has_a_deadline(server: HealthServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nA: ")
        end = time.monotonic() + 3
        with pytest.raises(OSError):
            while time.monotonic() < end:
                client.sendall(b"a")
                time.sleep(0.1)


@pytest.mark.slow
def test_silent_clients_do_not_block_probes(server: HealthServer) -> None:
    clients = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(3 * MOST_CONNECTIONS)]
    assert request(server, "/healthz") == (200, b"ok\n")
    for client in clients:
        client.close()


@pytest.mark.parametrize("sent", [b"\r\n\r\n", b"\x00\xff\r\n\r\n", b"GET\r\n\r\n", b"A" * 20_000])
def test_malformed_request_is_4xx_or_closed(server: HealthServer, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
        client.sendall(sent)
        response = client.recv(4096)
    assert response == b"" or response.startswith(b"HTTP/1.1 40")
    assert request(server, "/healthz") == (200, b"ok\n")
