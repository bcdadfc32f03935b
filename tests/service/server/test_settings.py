"""The service as a process, as a pod runs it: gunicorn, the probe port, draining, and outages of MongoDB."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from bson.objectid import ObjectId
from pymongo import MongoClient

from tests.service.interceptor import Interceptor
from tests.service.process import ROOT, ServiceProcess, wait_until
from tools.local.mongod import Mongod, free_port
from webserver.framing import MOST_CHUNKS

# Longer than mongod's start on a busy machine.
PATIENT = {"REQUEST_DEADLINE_SECONDS": "60"}

MEBIBYTE = 1024 * 1024


@pytest.fixture
def paused(own_mongod: Mongod) -> Iterator[Mongod]:
    """A mongod that the test may stop with SIGSTOP. It gets SIGCONT at the end."""
    yield own_mongod
    if own_mongod.pid:
        os.kill(own_mongod.pid, signal.SIGCONT)


def suspend(pid: int) -> None:
    """Send SIGSTOP, and wait until all threads have stopped: on a busy machine some still work for a moment."""
    os.kill(pid, signal.SIGSTOP)
    states = [thread / "stat" for thread in Path(f"/proc/{pid}/task").iterdir()]
    wait_until(lambda: all(state.read_text().rpartition(")")[2].split()[0] == "T" for state in states), 10)


@pytest.fixture
def undrained(served: ServiceProcess) -> Iterator[None]:
    """Removes the drain file at the end."""
    yield
    served.drain_file.unlink()


def test_requests_in_flight_are_answered_after_sigterm(paused: Mongod, tmp_path: Path) -> None:
    assert paused.pid
    abandoned = str(ObjectId())
    body = b'{"_id":"%b"}' % abandoned.encode()
    head = b"POST /data HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    with ServiceProcess(tmp_path, paused.uri) as served, ThreadPoolExecutor() as pool:
        served.wait_ready()
        suspend(paused.pid)
        first = pool.submit(requests.post, f"{served.url}/data", json={"a": 1}, timeout=90)
        wait_until(lambda: served.metric("http_requests_in_flight") == 1, 30)
        with socket.create_connection(("127.0.0.1", served.port)) as client:  # and does not wait for its answer
            client.sendall(head % len(body) + body)
            wait_until(lambda: served.metric("http_requests_in_flight") == 2, 30)
        others = [pool.submit(requests.post, f"{served.url}/data", json={"a": 1}, timeout=90) for _ in range(4)]
        wait_until(lambda: served.metric("http_requests_in_flight") == 6, 30)
        served.process.send_signal(signal.SIGTERM)
        wait_until(lambda: requests.get(f"{served.probes}/readyz", timeout=10).status_code == 503, 30)
        os.kill(paused.pid, signal.SIGCONT)
        identities = {each.result().json()["id"] for each in (first, *others) if each.result().status_code == 201}
        assert len(identities) == 5
        assert served.process.wait(60) == 0
    with MongoClient[dict[str, Any]](paused.uri) as mongo:
        assert {str(each["_id"]) for each in mongo.flask_db.data.find()} == identities | {abandoned}


def test_drain_file_ends_readiness_and_keep_alive(served: ServiceProcess, undrained: None) -> None:
    with requests.Session() as session:
        assert session.get(f"{served.url}/").headers["Connection"] == "keep-alive"
        served.drain_file.touch()
        response = session.get(f"{served.url}/data")
        assert (response.status_code, response.headers["Connection"]) == (200, "close")
    for address in (served.url, served.probes):
        assert requests.get(f"{address}/healthz", timeout=10).status_code == 200
        response = requests.get(f"{address}/readyz", timeout=10)
        assert (response.status_code, response.headers["Content-Type"]) == (503, "application/problem+json")


def test_start_removes_an_old_drain_file(mongod: Mongod, tmp_path: Path) -> None:
    (tmp_path / "draining").touch()
    with ServiceProcess(tmp_path, mongod.uri) as served:
        served.wait_ready()


@pytest.mark.parametrize("chunked", [False, True])
def test_too_large_body_is_read_and_refused_with_413(served: ServiceProcess, chunked: bool) -> None:
    pieces = [b"x" * MEBIBYTE] * 8
    with requests.Session() as session:
        for _ in range(2):
            response = session.post(
                f"{served.url}/data",
                data=iter(pieces) if chunked else b"".join(pieces),
                headers={"Content-Type": "application/json"},
                timeout=10,
            )
            assert (response.status_code, response.headers["Content-Type"]) == (413, "application/problem+json")
        assert session.get(f"{served.url}/data?limit=1", timeout=30).status_code == 200


def test_body_of_too_many_chunks_is_refused_with_413(served: ServiceProcess) -> None:
    head = b"POST /data HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    head += b"Transfer-Encoding: chunked\r\n\r\n"
    document = b'{"a":"' + b"x" * (MOST_CHUNKS - 8) + b'"}'
    for length, status in ((MOST_CHUNKS, b" 201 "), (MOST_CHUNKS + 1, b" 413 ")):
        sent = document.replace(b"x", b"xx", length - MOST_CHUNKS)
        with socket.create_connection(("127.0.0.1", served.port), 10) as client:
            client.sendall(head + b"".join(b"1\r\n%c\r\n" % byte for byte in sent) + b"0\r\n\r\n")
            assert status in client.recv(100)


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /data?before=" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x", 414),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 9000, 431),
        (b"GET / HTTP/1.1\r\nHost: x" + b"\r\nX-Many: 1" * 64, 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\nno header", 400),
        (b"nonsense", 400),
    ],
)
def test_malformed_http_is_a_problem(served: ServiceProcess, request_line: bytes, status: int) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as connection:
        connection.sendall(request_line + b"\r\n\r\n")
        response = b""
        while piece := connection.recv(65536):
            response += piece
    head, _, body = response.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"Content-Type: application/problem+json" in head
    assert json.loads(body)["status"] == status


def test_foreign_host_is_421(served: ServiceProcess) -> None:
    def get(path: str, **headers: str) -> requests.Response:
        return requests.get(served.url + path, headers=headers, timeout=30)

    for host in (f"localhost:{served.port}", "192.168.49.2:30500", "flask:5000", "flask.flask-mongodb.svc:5000"):
        assert get("/data?limit=1", Host=host).status_code == 200
    for host in ("evil.example", f"127.0.0.1.evil.example:{served.port}"):
        refused = get("/data?limit=1", Host=host)
        assert (refused.status_code, refused.headers["Content-Type"]) == (421, "application/problem+json")
    assert requests.get(f"{served.probes}/healthz", headers={"Host": "any.example"}, timeout=30).status_code == 200


def test_forwarded_address_of_a_trusted_proxy_is_logged(mongod: Mongod, tmp_path: Path) -> None:
    forwarded = {"X-Forwarded-For": "198.51.100.1, 203.0.113.5", "X-Forwarded-Host": "data.example"}
    settings = {"TRUSTED_PROXIES": "127.0.0.0/8", "ALLOWED_HOSTS": "data.example"}
    with ServiceProcess(tmp_path, mongod.uri, **settings) as served:
        served.wait_ready()
        assert requests.get(served.url, headers=forwarded, timeout=30).status_code == 200
        foreign = forwarded | {"X-Forwarded-Host": "evil.example"}
        assert requests.get(served.url, headers=foreign, timeout=30).status_code == 421
        lines = [json.loads(line) for line in served.log.read_text().splitlines() if '"request"' in line]
    assert {line["address"] for line in lines} == {"203.0.113.5"}


def test_stalled_clients_occupy_no_thread(mongod: Mongod, tmp_path: Path) -> None:
    with ServiceProcess(tmp_path, mongod.uri, THREADS="1", REQUEST_DEADLINE_SECONDS="0.5") as served:
        served.wait_ready()
        for start in (b"GET / HTT", b"POST /data HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"):
            with socket.create_connection(("127.0.0.1", served.port), timeout=30) as stalled:
                stalled.sendall(start)
                assert requests.get(served.url, timeout=10).status_code == 200
                response = stalled.recv(65536)
        assert response.startswith(b"HTTP/1.1 408 ")


def test_chunked_body_is_accepted(served: ServiceProcess) -> None:
    response = requests.post(
        f"{served.url}/data", data=iter([b'{"a":', b"1}"]), headers={"Content-Type": "application/json"}, timeout=5
    )
    assert response.status_code == 201


def test_probes_are_answered_while_every_thread_waits_for_mongodb(own_mongod: Mongod, tmp_path: Path) -> None:
    with ServiceProcess(tmp_path, own_mongod.uri, THREADS="2", **PATIENT) as served, ThreadPoolExecutor() as pool:
        served.wait_ready()
        own_mongod.kill()
        responses = [pool.submit(requests.post, f"{served.url}/data", json={"number": n}, timeout=90) for n in range(4)]
        wait_until(lambda: served.metric("http_requests_in_flight") == 2, 30)
        for path in ("/healthz", "/readyz", "/metrics"):
            assert requests.get(f"{served.probes}{path}", timeout=10).status_code == 200
        own_mongod.start()
        assert [response.result().status_code for response in responses] == [201] * 4
        assert len(requests.get(f"{served.url}/data", timeout=30).json()) == 4


def test_no_post_fails_or_is_lost_during_restarts_of_mongod(own_mongod: Mongod, tmp_path: Path) -> None:
    acknowledged: list[str] = []
    statuses: set[int] = set()
    stop = threading.Event()

    def post_documents() -> None:
        with requests.Session() as session:
            while not stop.is_set():
                response = session.post(f"{served.url}/data", json={"text": "kept"}, timeout=90)
                statuses.add(response.status_code)
                acknowledged.append(response.json()["id"])
                time.sleep(0.005)

    with ServiceProcess(tmp_path, own_mongod.uri, **PATIENT) as served, ThreadPoolExecutor() as pool:
        served.wait_ready()
        writers = [pool.submit(post_documents) for _ in range(4)]
        for end in (own_mongod.kill, own_mongod.terminate):
            before = len(acknowledged)
            wait_until(lambda: len(acknowledged) > before + 50, 30)  # noqa: B023 - called within the iteration
            end()
            own_mongod.start()
        before = len(acknowledged)
        wait_until(lambda: len(acknowledged) > before + 50, 30)
        stop.set()
        for writer in writers:
            writer.result()
        assert statuses == {201}
        with MongoClient[dict[str, Any]](own_mongod.uri) as client:
            stored = {str(each["_id"]) for each in client.flask_db.data.find({}, {"_id": 1})}
        assert stored == set(acknowledged)


def test_outage_beyond_the_deadline_is_503_and_the_pod_stays_ready(own_mongod: Mongod, tmp_path: Path) -> None:
    with ServiceProcess(tmp_path, own_mongod.uri, REQUEST_DEADLINE_SECONDS="0.6") as served:
        served.wait_ready()
        wait_until(lambda: served.metric("mongodb_up") == 1, 30)
        own_mongod.kill()
        # Until the driver has noticed, it may send a write on a connection that has just ended: then it is 504.
        wait_until(lambda: served.metric("mongodb_up") == 0, 30)
        for ask in (
            lambda: requests.post(f"{served.url}/data", json={"a": 1}, timeout=30),
            lambda: requests.put(f"{served.url}/data/{ObjectId()}", json={"a": 1}, timeout=30),
            lambda: requests.delete(f"{served.url}/data/{ObjectId()}", timeout=30),
            lambda: requests.get(f"{served.url}/data", timeout=30),
        ):
            began = time.monotonic()
            response = ask()
            assert 0.5 < time.monotonic() - began < 20
            assert (response.status_code, response.headers["Content-Type"]) == (503, "application/problem+json")
            assert response.headers["Retry-After"].isdigit()
            assert response.json()["outcome"] == "not-applied"
        for address in (served.url, served.probes):
            for path in ("/healthz", "/readyz"):
                assert requests.get(address + path, timeout=10).status_code == 200
        own_mongod.start()
        wait_until(lambda: requests.get(f"{served.url}/data", timeout=30).json() == [], 30)


def test_unanswered_write_is_504_with_an_unknown_outcome(paused: Mongod, tmp_path: Path) -> None:
    assert paused.pid
    with ServiceProcess(tmp_path, paused.uri, REQUEST_DEADLINE_SECONDS="4") as served:
        served.wait_ready()
        wait_until(lambda: requests.post(f"{served.url}/data", json={}, timeout=30).status_code == 201, 60)
        suspend(paused.pid)
        response = requests.post(f"{served.url}/data", json={"a": 1}, timeout=30)
        assert (response.status_code, response.headers["Content-Type"]) == (504, "application/problem+json")
        assert response.json()["outcome"] == "unknown"
        os.kill(paused.pid, signal.SIGCONT)
        identity = response.json()["id"]  # a retry under this id cannot store the document twice
        wait_until(lambda: requests.post(f"{served.url}/data", json={"_id": identity, "a": 1}, timeout=30).ok, 60)
        found = requests.get(f"{served.url}/data", timeout=30).json()
        assert [each for each in found if each["_id"] == identity] == [{"_id": identity, "a": 1}]


def test_wait_for_a_thread_is_part_of_the_deadline(paused: Mongod, tmp_path: Path) -> None:
    assert paused.pid
    settings = {"THREADS": "1", "REQUEST_DEADLINE_SECONDS": "3"}
    with ServiceProcess(tmp_path, paused.uri, **settings) as served, ThreadPoolExecutor() as pool:
        served.wait_ready()
        wait_until(lambda: requests.post(f"{served.url}/data", json={}, timeout=30).status_code == 201, 60)
        suspend(paused.pid)
        began = time.monotonic()
        posts = [pool.submit(requests.post, f"{served.url}/data", json={}, timeout=60) for _ in range(4)]
        statuses = sorted(post.result().status_code for post in posts)
        lasted = time.monotonic() - began
        os.kill(paused.pid, signal.SIGCONT)
    assert statuses == [503, 503, 503, 504]
    assert lasted < 11  # and four times the deadline if each one's began with its thread


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_unanswered_change_is_504_and_can_be_retried(paused: Mongod, tmp_path: Path, method: str) -> None:
    assert paused.pid
    with ServiceProcess(tmp_path, paused.uri, REQUEST_DEADLINE_SECONDS="4") as served:
        served.wait_ready()
        identity = requests.post(f"{served.url}/data", json={"a": 1}, timeout=30).json()["id"]
        suspend(paused.pid)
        url, sent = f"{served.url}/data/{identity}", {"a": 2} if method == "PUT" else None
        response = requests.request(method, url, json=sent, timeout=30)
        assert (response.status_code, response.headers["Content-Type"]) == (504, "application/problem+json")
        assert (response.json()["outcome"], response.json()["id"]) == ("unknown", identity)
        os.kill(paused.pid, signal.SIGCONT)
        done = {200} if method == "PUT" else {204, 404}
        wait_until(lambda: requests.request(method, url, json=sent, timeout=30).status_code in done, 60)
        found = requests.get(f"{served.url}/data", timeout=30).json()
        assert found == ([{"_id": identity, "a": 2}] if method == "PUT" else [])


@pytest.mark.parametrize(
    "path", ["/", "/data", "/data?limit=1", "/data/{id}", "/proofs", "/proofs/{id}", "/healthz", "/readyz", "/metrics"]
)
def test_head_is_a_get_without_its_body(served: ServiceProcess, path: str) -> None:
    for _ in range(2):  # so that /data?limit=1 has a next page
        identity = requests.post(f"{served.url}/data", json={}, timeout=30).json()["id"]
    url = served.url + path.format(id=identity)
    get, head = (requests.request(method, url, timeout=30) for method in ("GET", "HEAD"))
    differing = {"Date", "X-Request-Id"} | ({"Content-Length"} if path == "/metrics" else set())
    assert {name: value for name, value in head.headers.items() if name not in differing} == {
        name: value for name, value in get.headers.items() if name not in differing
    }
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert get.content


def test_other_methods_are_405_over_http(served: ServiceProcess) -> None:
    with requests.Session() as session:
        response = session.options(f"{served.url}/data", timeout=30)
        assert (response.status_code, response.content) == (200, b"")
        assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}
        for method in ("PATCH", "TRACE", "BREW"):
            response = session.request(method, f"{served.url}/data/{ObjectId()}", data=b"x" * 100, timeout=30)
            assert (response.status_code, response.headers["Content-Type"]) == (405, "application/problem+json")
            assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"}


def test_insert_that_the_driver_retries_is_201_and_stored_once(mongod: Mongod, tmp_path: Path) -> None:
    database = f"retried_{ObjectId()}"
    with (
        Interceptor(mongod.port) as interceptor,
        ServiceProcess(
            tmp_path, f"mongodb://127.0.0.1:{interceptor.port}/?directConnection=true", MONGODB_DATABASE=database
        ) as served,
    ):
        served.wait_ready()
        requests.post(f"{served.url}/data", json={}, timeout=30)
        for sent in ({"a": 1}, {"_id": str(ObjectId()), "a": 1}):
            interceptor.armed.set()
            assert requests.post(f"{served.url}/data", json=sent, timeout=10).status_code == 201
            assert not interceptor.armed.is_set()
        assert len(requests.get(f"{served.url}/data", timeout=30).json()) == 3


@pytest.mark.parametrize("command", [b"update", b"delete"])
def test_change_that_the_driver_retries_is_not_404(mongod: Mongod, tmp_path: Path, command: bytes) -> None:
    database = f"retried_{ObjectId()}"

    def change(identity: str) -> int:
        url = f"{served.url}/data/{identity}"
        if command == b"delete":
            return requests.delete(url, timeout=10).status_code
        return requests.put(url, json={"a": 2}, timeout=10).status_code

    with (
        Interceptor(mongod.port, command) as interceptor,
        ServiceProcess(
            tmp_path, f"mongodb://127.0.0.1:{interceptor.port}/?directConnection=true", MONGODB_DATABASE=database
        ) as served,
    ):
        served.wait_ready()
        done = {b"update": 200, b"delete": 204}[command]
        stored = requests.post(f"{served.url}/data", json={"a": 1}, timeout=30).json()["id"]
        interceptor.armed.set()
        assert change(stored) == done
        assert not interceptor.armed.is_set()
        left = [{"_id": stored, "a": 2}] if command == b"update" else []
        assert requests.get(f"{served.url}/data", timeout=30).json() == left
        # MongoDB does not remember a first try that matched no document.
        unknown = str(ObjectId())
        assert change(unknown) == 404
        interceptor.armed.set()
        assert change(unknown) == (204 if command == b"delete" else 404)
        assert not interceptor.armed.is_set()


@pytest.mark.slow
def test_service_starts_without_mongodb_and_becomes_ready_with_it(tmp_path: Path) -> None:
    mongod = Mongod(tmp_path / "mongod", free_port())
    try:
        with ServiceProcess(tmp_path, mongod.uri) as served:
            served.wait_alive()
            assert requests.get(f"{served.probes}/readyz", timeout=10).status_code == 503
            assert requests.get(f"{served.url}/", timeout=10).status_code == 200
            mongod.start()
            served.wait_ready()
            with MongoClient[dict[str, Any]](mongod.uri) as client:
                wait_until(lambda: len(client.flask_db.proofs.index_information()) == 2, 30)
    finally:
        mongod.terminate()


def test_metrics_add_up_over_two_workers(mongod: Mongod, tmp_path: Path) -> None:
    with ServiceProcess(tmp_path, mongod.uri, WEB_CONCURRENCY="2", MONGODB_DATABASE=f"two_{ObjectId()}") as served:
        served.wait_ready()
        directory = next(tmp_path.glob("metrics-*"))
        sent = 0
        while len(list(directory.glob("counter_*.db"))) < 2:  # which worker gets a request is random
            assert sent < 2_000, "only one worker answers"
            assert requests.get(f"{served.url}/data?limit=1", timeout=30).status_code == 200
            sent += 1
        series = 'http_requests_total{method="GET",route="/data",status="200"}'
        for _ in range(6):
            for address in (served.probes, served.url):
                assert served.metric(series, address) == sent
        wait_until(lambda: served.metric("mongodb_up") == 1, 30)
        served.process.terminate()
        served.process.wait(60)
    assert not directory.exists()


def test_nothing_is_written_outside_the_temporary_directory(served: ServiceProcess) -> None:
    requests.post(f"{served.url}/data", json={}, timeout=30)
    opened = set()
    for process in [served.process.pid, *served.workers()]:
        for link in Path(f"/proc/{process}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed in the meantime
                target = os.readlink(link)
                information = Path(f"/proc/{process}/fdinfo/{link.name}").read_text()
                flags = int(information.split("flags:")[1].split()[0], 8)
                if target.startswith("/") and flags & (os.O_WRONLY | os.O_RDWR):
                    opened.add("/dev" if target.startswith("/dev/") else target)
    assert opened <= {"/dev", str(served.log)}


def test_missing_uri_exits_with_one_line() -> None:
    command = [sys.executable, "-m", "gunicorn", "--config", "python:service.server.settings"]
    ended = subprocess.run(
        command, cwd=ROOT, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=20
    )
    assert ended.returncode == 1
    assert ended.stderr == "service: MONGODB_URI is not set. It is required.\n"
