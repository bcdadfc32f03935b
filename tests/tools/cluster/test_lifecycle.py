"""Requests to the node from outside its network."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tools.cluster import lifecycle


class Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 500)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Healthy) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(("path", "answered"), [("/healthz", True), ("/broken", False)])
def test_node_is_asked_past_the_proxy_of_the_environment(url: str, path: str, answered: bool) -> None:
    environment = os.environ | {"http_proxy": "http://127.0.0.1:1", "no_proxy": ""}
    command = (sys.executable, "-c", lifecycle.direct_request(url + path))
    assert (subprocess.run(command, env=environment, capture_output=True).returncode == 0) == answered
