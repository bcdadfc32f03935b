"""The login link, asked of an HTTP server that takes one token."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tools.cluster.errors import ClusterError
from tools.deploy import links
from tools.local.mongod import free_ports

TOKEN = "0123456789abcdef"


class Stub(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        known = {f"Bearer {TOKEN}": 200, "Bearer elsewhere": 404}
        self.send_response(known.get(self.headers["Authorization"], 401))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Stub) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_link_that_works_is_no_error(url: str) -> None:
    links.check(url, TOKEN)
    assert links.login(url, TOKEN) == f"dashboard {url}/login#{TOKEN}"


@pytest.mark.parametrize(("token", "message"), [("former", "another token"), ("elsewhere", "no dashboard")])
def test_link_that_would_not_work_is_an_error_that_names_the_address(url: str, token: str, message: str) -> None:
    with pytest.raises(ClusterError, match=message) as raised:
        links.check(url, token)
    assert url in str(raised.value) and token not in str(raised.value)


def test_nothing_that_answers_is_an_error() -> None:
    with pytest.raises(ClusterError, match="No dashboard answers"):
        links.check(f"http://127.0.0.1:{free_ports(1)[0]}", TOKEN)


def test_address_of_the_last_deployment_is_remembered(tmp_path: Path) -> None:
    directory = tmp_path / ".cluster"
    assert links.remembered(directory, "http://127.0.0.1:8080") == "http://127.0.0.1:8080"
    links.remember(directory, "http://127.0.0.1:18080")
    assert links.remembered(directory, "http://127.0.0.1:8080") == "http://127.0.0.1:18080"
