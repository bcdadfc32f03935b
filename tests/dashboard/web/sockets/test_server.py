"""Socket.IO between a page and the dashboard's process, with a real client."""

import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import engineio
import orjson
import pytest
import socketio

from dashboard.app import create_app
from dashboard.config import DashboardConfig
from dashboard.core.state.diff import patch
from dashboard.web.sockets.server import JOIN_SECONDS, MOST_JOINING, share
from tests.dashboard.process import DashboardProcess
from tests.dashboard.stubs import AS_VIEWER, OPERATOR, ROOT, VIEWER, wait_until
from tests.dashboard.websocket import connect, frame, wait_until_closed

pytestmark = pytest.mark.slow  # starts processes

WAIT_SECONDS = 60  # on a busy machine; one second otherwise


class SequentialEngine(engineio.Client):
    """Handles messages one after the other, like a browser. The base class starts a thread for each message, so a patch
    could be handled before its snapshot."""

    def _trigger_event(self, event: str, *arguments: Any, **options: Any) -> Any:
        return super()._trigger_event(event, *arguments, **{**options, "run_async": False})


class SequentialClient(socketio.Client):
    def _engineio_client_class(self) -> type[engineio.Client]:
        return SequentialEngine


class PageClient:
    """Follows the messages like the page's state.js, and records them."""

    def __init__(self) -> None:
        self.client = SequentialClient(reconnection=False)
        self.messages: list[tuple[str, dict[str, Any]]] = []
        self.state: dict[str, Any] = {"about": {"viewers": 0}}
        self.seq = -1
        self._received = threading.Condition()
        for name in ("snapshot", "patch", "tick"):
            self.client.on(name, lambda message, name=name: self._receive(name, message))
        self.client.on("disconnect", lambda *_: self._receive("disconnect", {}))

    def _receive(self, name: str, message: dict[str, Any]) -> None:
        with self._received:
            self.messages.append((name, message))
            if name == "snapshot":
                self.state, self.seq = message["state"], message["seq"]
            elif name == "patch":
                assert message["seq"] == self.seq + 1
                self.state, self.seq = patch(self.state, message["changes"]), message["seq"]
            self._received.notify_all()

    def of(self, name: str) -> list[dict[str, Any]]:
        return [message for received, message in self.messages if received == name]

    def wait(self, condition: Callable[[], Any], seconds: float = WAIT_SECONDS) -> None:
        with self._received:
            assert self._received.wait_for(condition, seconds), [name for name, _ in self.messages]


@contextmanager
def page(
    dashboard: DashboardProcess, headers: dict[str, str] | None = None, path: str = "socket.io"
) -> Iterator[PageClient]:
    opened = PageClient()
    opened.client.connect(
        dashboard.url, headers or AS_VIEWER, transports=["websocket"], socketio_path=path, wait_timeout=WAIT_SECONDS
    )
    try:
        yield opened
    finally:
        opened.client.disconnect()


def get(url: str, **headers: str) -> tuple[int, bytes]:
    try:
        with urlopen(Request(url, headers=headers), timeout=WAIT_SECONDS) as answer:  # noqa: S310
            return answer.status, answer.read()
    except HTTPError as error:
        with error:
            return error.code, error.read()


def upgrade(dashboard: DashboardProcess, query: str = "EIO=4&transport=websocket", **headers: str) -> str:
    """Return the status line of a WebSocket handshake."""
    lines = {
        "Host": f"127.0.0.1:{dashboard.port}",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        **headers,
    }
    request = f"GET /socket.io/?{query} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items()) + "\r\n"
    with socket.create_connection(("127.0.0.1", dashboard.port), WAIT_SECONDS) as connection:
        connection.sendall(request.encode())
        return connection.recv(4096).split(b"\r\n")[0].decode()


def signed_in(dashboard: DashboardProcess, **headers: str) -> str:
    """The Set-Cookie of a login."""
    body = orjson.dumps({"token": VIEWER})
    request = Request(f"{dashboard.url}/login", body, {"Content-Type": "application/json", **headers})  # noqa: S310
    with urlopen(request, timeout=WAIT_SECONDS) as answer:  # noqa: S310
        return str(answer.headers["Set-Cookie"])


def session_cookie(dashboard: DashboardProcess) -> str:
    return signed_in(dashboard).partition(";")[0]


def session_that_ends(config: DashboardConfig, seconds: int) -> str:
    """A session's cookie, as the dashboard with this configuration signs it."""
    app = create_app(config)
    client = app.test_client()
    client.post("/login", json={"token": VIEWER})
    with client.session_transaction() as session:
        session["until"] = int(time.time()) + seconds
    cookie = client.get_cookie(name := app.config["SESSION_COOKIE_NAME"])
    assert cookie
    return f"{name}={cookie.value}"


def test_snapshot_and_patches_lead_to_the_state_of_the_api(dashboard: DashboardProcess) -> None:
    with page(dashboard) as opened:
        opened.wait(lambda: len(opened.of("patch")) >= 3 and opened.of("tick"))
        names = [name for name, _ in opened.messages]
        assert names[0] == "snapshot" and names.count("snapshot") == 1
        first = opened.of("snapshot")[0]
        assert first["state"]["epoch"] == first["epoch"] and first["state"]["seq"] == first["seq"]
        assert all(message["changes"] and message["epoch"] == first["epoch"] for message in opened.of("patch"))
        status, body = get(f"{dashboard.url}/api/state", **AS_VIEWER)
        state = orjson.loads(body)
        opened.wait(lambda: opened.seq >= state["seq"])
        assert status == 200 and state["epoch"] == first["epoch"]
        assert state.keys() == first["state"].keys()
        ticks = opened.of("tick")
        assert {"epoch", "seq", "as_of"} <= ticks[0].keys() <= {"epoch", "seq", "as_of", "points"}


def test_page_is_counted_as_a_viewer(dashboard: DashboardProcess) -> None:
    with page(dashboard) as one, page(dashboard) as other:
        one.wait(lambda: one.state["about"]["viewers"] == 2)
        other.wait(lambda: other.state["about"]["viewers"] == 2)
    with page(dashboard) as again:
        again.wait(lambda: again.state["about"]["viewers"] == 1)


def test_requested_snapshot_is_sent(dashboard: DashboardProcess) -> None:
    with page(dashboard) as opened:
        opened.wait(lambda: opened.of("snapshot"))
        time.sleep(0.3)
        opened.client.emit("snapshot")
        opened.wait(lambda: len(opened.of("snapshot")) == 2)
        opened.client.emit("seen", {"seq": opened.seq})


def test_invalid_messages_of_a_page_are_ignored(dashboard: DashboardProcess) -> None:
    with page(dashboard) as opened:
        for message in (None, 7, "x", [], {}, {"seq": "1"}, {"seq": None}, {"seq": -(2**62)}):
            opened.client.emit("seen", message)
            opened.client.emit("snapshot", message)
        before = len(opened.of("tick"))
        opened.wait(lambda: len(opened.of("tick")) > before)


@pytest.mark.parametrize("message", [b'42["connect",{}]', b'42["disconnect"]', b"41", b"x", b""])
def test_client_that_sends_an_unexpected_message_is_disconnected(dashboard: DashboardProcess, message: bytes) -> None:
    with page(dashboard) as staying, connect(dashboard.port, VIEWER) as other:
        other.sendall(frame(b"40"))
        staying.wait(lambda: staying.state["about"]["viewers"] == 2)
        other.sendall(frame(message))
        wait_until_closed(other)
        staying.wait(lambda: staying.state["about"]["viewers"] == 1)


def test_stranger_is_refused_before_the_upgrade(dashboard: DashboardProcess) -> None:
    origin = {"Origin": dashboard.url}
    cookie = {"Cookie": session_cookie(dashboard)}
    assert upgrade(dashboard, **origin) == "HTTP/1.1 401 UNAUTHORIZED"
    forged = cookie["Cookie"].partition("=")[0] + "=forged"
    assert upgrade(dashboard, **origin, Cookie=forged) == "HTTP/1.1 401 UNAUTHORIZED"
    assert upgrade(dashboard, Authorization="Bearer wrong") == "HTTP/1.1 401 UNAUTHORIZED"
    assert upgrade(dashboard, **cookie, Origin="http://evil.example") == "HTTP/1.1 403 FORBIDDEN"
    spoofed = {"Origin": "http://evil.example", "X-Forwarded-Host": "evil.example"}
    assert upgrade(dashboard, **cookie, **spoofed) == "HTTP/1.1 403 FORBIDDEN"
    assert upgrade(dashboard, **cookie) == "HTTP/1.1 403 FORBIDDEN", "a browser always names its origin"
    assert upgrade(dashboard, **cookie, **origin).startswith("HTTP/1.1 101 ")


def test_sockets_that_do_not_join_are_closed_and_block_no_page(dashboard: DashboardProcess) -> None:
    cookies = [session_cookie(dashboard) for _ in range(3)]
    seconds = JOIN_SECONDS + 5
    silent = [connect(dashboard.port, VIEWER, seconds) for _ in range(share(MOST_JOINING))]
    assert upgrade(dashboard, **AS_VIEWER) == "HTTP/1.1 503 SERVICE UNAVAILABLE"
    with page(dashboard, {"Cookie": cookies[0]}) as opened:
        opened.wait(lambda: opened.of("snapshot"))
    silent += [connect(dashboard.port, "", seconds, cookies[1]) for _ in range(MOST_JOINING - len(silent))]
    own = {"Cookie": cookies[2], "Origin": dashboard.url}
    assert upgrade(dashboard, **own) == "HTTP/1.1 503 SERVICE UNAVAILABLE", "the places of all are taken"
    for connection in silent:
        wait_until_closed(connection)
        connection.close()
    wait_until(lambda: "503" not in upgrade(dashboard, **AS_VIEWER))  # the server's threads have ended
    with page(dashboard) as opened:
        opened.wait(lambda: opened.of("snapshot"))


def test_logout_ends_the_sockets_of_its_session(dashboard: DashboardProcess) -> None:
    cookie, other = session_cookie(dashboard), session_cookie(dashboard)
    with page(dashboard, {"Cookie": cookie}) as ending, page(dashboard, {"Cookie": other}) as staying:
        staying.wait(lambda: staying.of("snapshot"))
        status, body = get(dashboard.url, Cookie=cookie)
        token = re.search(rb'name="csrf-token" content="([^"]*)"', body)
        assert status == 200 and token
        own = {"Cookie": cookie, "Origin": dashboard.url, "X-CSRF-Token": token[1].decode()}
        headers = own | {"Content-Type": "application/json"}
        with urlopen(Request(f"{dashboard.url}/logout", b"{}", headers, method="POST"), timeout=WAIT_SECONDS) as answer:  # noqa: S310
            assert answer.status == 204
        ending.wait(lambda: not ending.client.connected)
        assert staying.client.connected


def test_session_that_expires_ends_its_sockets(dashboard: DashboardProcess, config: DashboardConfig) -> None:
    with page(dashboard, {"Cookie": session_that_ends(config, 10)}) as ending, page(dashboard) as staying:
        staying.wait(lambda: staying.of("snapshot"))
        ending.wait(lambda: ending.of("disconnect"))
        assert ending.of("snapshot") and staying.client.connected


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_request_without_upgrade_is_told_that_a_proxy_may_have_removed_it(
    dashboard: DashboardProcess, transport: str
) -> None:
    status, body = get(f"{dashboard.url}/socket.io/?EIO=4&transport={transport}", **AS_VIEWER)
    assert status == 426 and "Upgrade" in orjson.loads(body)["detail"]
    assert upgrade(dashboard, f"EIO=4&transport={transport}", **AS_VIEWER, Upgrade="h2c").startswith("HTTP/1.1 426 ")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Connection": "keep-alive"}, 426),
        ({"Sec-WebSocket-Version": "12"}, 426),
        ({"Sec-WebSocket-Version": "13, 8"}, 426),
        ({"Sec-WebSocket-Key": ""}, 400),
        ({"Sec-WebSocket-Key": "x"}, 400),
        ({"Sec-WebSocket-Key": "é" * 22 + "=="}, 400),
        ({"Sec-WebSocket-Protocol": "é"}, 400),
        ({"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits=x"}, 400),
        ({"Connection": "Upgrade, é"}, 400),
        ({"Host": "xn--a.svc"}, 400),
        ({"Connection": "keep-alive, UPGRADE", "Upgrade": "WebSocket"}, 101),
    ],
)
def test_handshake_is_answered_with_a_status_of_its_own(
    dashboard: DashboardProcess, headers: dict[str, str], status: int
) -> None:
    assert upgrade(dashboard, **AS_VIEWER, **headers).startswith(f"HTTP/1.1 {status} ")


def test_socket_opens_without_its_query(dashboard: DashboardProcess) -> None:
    """So it does behind `kubectl proxy`: the API server passes an upgrade on without it."""
    assert upgrade(dashboard, "", **AS_VIEWER).startswith("HTTP/1.1 101 ")


def test_only_own_names_are_answered(dashboard: DashboardProcess) -> None:
    own = (f"localhost:{dashboard.port}", "192.168.49.2:30800", "dashboard:8080", "dashboard.flask-mongodb.svc:8080")
    assert [get(f"{dashboard.url}/api/state", **AS_VIEWER, Host=host)[0] for host in own] == [200] * len(own)
    for host in ("evil.example", f"127.0.0.1.evil.example:{dashboard.port}"):
        status, body = get(f"{dashboard.url}/api/state", Host=host)
        assert (status, orjson.loads(body)["status"]) == (421, 421)
        assert upgrade(dashboard, Host=host) == "HTTP/1.1 421 MISDIRECTED REQUEST"
        assert upgrade(dashboard, **AS_VIEWER, Host=host).startswith("HTTP/1.1 101 ")
    assert get(f"http://127.0.0.1:{dashboard.probe_port}/healthz", Host="any.example")[0] == 200


def test_nobody_s_forwarded_headers_are_believed_by_default(dashboard: DashboardProcess) -> None:
    """Nor by gunicorn, which would believe those of 127.0.0.1."""
    told = {"X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/dash", "X-Forwarded-Host": "evil.example"}
    cookie = signed_in(dashboard, **told, Script_Name="/dash")
    assert "Secure" not in cookie and get(dashboard.url, **told, Cookie=cookie.partition(";")[0])[0] == 200


def test_page_and_socket_under_the_prefix_of_a_named_proxy() -> None:
    options = {"TRUSTED_PROXIES": "127.0.0.1", "PATH_PREFIX": "/dash", "ALLOWED_HOSTS": "dash.example"}
    with DashboardProcess(viewers=2, **options) as dashboard:
        told = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "dash.example", "X-Forwarded-For": "203.0.113.5"}
        cookie = signed_in(dashboard, **told)
        assert cookie.startswith("__Secure-dashboard-") and "; Secure" in cookie and "Path" not in cookie
        own = told | {"Cookie": cookie.partition(";")[0], "Origin": "https://dash.example"}
        status, body = get(f"{dashboard.url}/dash/", **own)
        assert status == 200 and re.search(rb'src="/dash/static-[0-9a-f]+/js/main.js"', body)
        assert upgrade(dashboard, **own).startswith("HTTP/1.1 101 ")
        assert upgrade(dashboard, **(own | {"Origin": dashboard.url})) == "HTTP/1.1 403 FORBIDDEN"
        with page(dashboard, told | AS_VIEWER, "dash/socket.io") as opened:
            opened.wait(lambda: opened.of("snapshot"))


def test_signed_in_browser_follows_by_its_cookie(dashboard: DashboardProcess) -> None:
    # The client names this origin by itself, as a browser does.
    with page(dashboard, {"Cookie": session_cookie(dashboard)}) as opened:
        opened.wait(lambda: opened.of("snapshot"))


def test_page_over_the_cap_is_503_and_does_not_block_the_probes(dashboard: DashboardProcess) -> None:
    wait_until(lambda: b'"viewers":0' in get(f"{dashboard.url}/api/state", **AS_VIEWER)[1])  # other tests' pages
    one, other = ({"Cookie": session_cookie(dashboard)} for _ in range(2))
    origin = {"Origin": dashboard.url}
    with ExitStack() as pages:
        for owner in (AS_VIEWER, one):
            assert upgrade(dashboard, **other, **origin).startswith("HTTP/1.1 101 "), "half is left to others"
            for _ in range(4):
                opened = pages.enter_context(page(dashboard, owner))
                opened.wait(lambda: opened.of("snapshot"))  # noqa: B023 - it is called here
            assert upgrade(dashboard, **owner, **origin) == "HTTP/1.1 503 SERVICE UNAVAILABLE"
            assert get(f"{dashboard.url}/socket.io/", **owner, **origin)[0] == 503, "so the page asks for the reason"
        assert upgrade(dashboard, **other, **origin) == "HTTP/1.1 503 SERVICE UNAVAILABLE"
        assert get(f"{dashboard.url}/api/state", **AS_VIEWER)[0] == 200
        assert get(f"http://127.0.0.1:{dashboard.probe_port}/healthz") == (200, b"ok\n")


def test_metrics_have_sources_viewers_and_patches(dashboard: DashboardProcess) -> None:
    with page(dashboard) as opened:
        opened.wait(lambda: opened.of("patch") and opened.state["pods"] and opened.state["mongo"])
        status, body = get(f"http://127.0.0.1:{dashboard.probe_port}/metrics")
    lines = dict(line.rsplit(" ", 1) for line in body.decode().splitlines() if not line.startswith("#"))
    assert status == 200
    assert float(lines["dashboard_viewers"]) == 1
    assert float(lines["dashboard_patches_total"]) > 0
    assert float(lines['dashboard_source_last_event_age_seconds{source="mongo"}']) < WAIT_SECONDS
    assert float(lines['dashboard_source_live{source="pods"}']) == 1
    assert float(lines["process_resident_memory_bytes"]) < 200 * 2**20
    assert get(f"http://127.0.0.1:{dashboard.probe_port}/nothing")[0] == 404


def test_sigterm_disconnects_pages_and_ends_the_process() -> None:
    disconnected = threading.Event()
    with DashboardProcess(viewers=2) as dashboard, page(dashboard) as opened:
        opened.client.on("disconnect", lambda *_: disconnected.set())
        opened.wait(lambda: opened.of("snapshot"))
        dashboard.process.terminate()
        assert disconnected.wait(WAIT_SECONDS)
        assert dashboard.process.wait(WAIT_SECONDS) == 0


def test_invalid_environment_ends_the_process_with_one_sentence() -> None:
    command = [sys.executable, "-m", "gunicorn", "--config", "dashboard/gunicorn.conf.py", "dashboard.app:create_app()"]
    ended = subprocess.run(
        command, cwd=ROOT, env={"DASHBOARD_SOURCE": "mock", "OPERATOR_TOKEN": OPERATOR}, capture_output=True, text=True
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("VIEWER_TOKEN is empty") and ended.stderr.count("\n") == 1
