"""A pod in detail and its logs: the same for the mock inspector and for the real one before an API that is scripted."""

import contextlib
import functools
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from http.client import IncompleteRead
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import yaml
from flask import Flask
from flask.testing import FlaskClient
from kubernetes.client import Configuration
from werkzeug.test import TestResponse

from dashboard.core.snapshot import Targets
from dashboard.kube import logs as tails
from dashboard.kube.client import KubeClient
from dashboard.kube.logs import LogReader, LogStreams, whole_lines
from dashboard.kube.pod_details import LogRequest, PodReadUnavailable, details, names, newest
from dashboard.kube.pod_reader import PodReader
from dashboard.mock.cluster.pod_reader import MockPodReader
from dashboard.web.routes.pods import PodLookups, as_yaml
from tests.dashboard.kube.stubs import StubApi
from tests.dashboard.process import DashboardProcess
from tests.dashboard.stubs import VIEWER

NAMESPACE = "flask-mongodb"
TARGETS = Targets(NAMESPACE, "stub", "flask", "mongodb", "flask", "flask")
CREATED = 1_780_000_000.0  # seconds since 1970
CREATED_AT = "2026-05-28T20:26:40Z"
NOW = CREATED + 3_600

Json = dict[str, Any]


def view(**change: Any) -> Json:
    """A pod as the hub's state has it."""
    return {
        "name": "mongodb-0", "uid": "uid-1", "app": "mongodb", "phase": "Running", "ready": True, "restarts": 1,
        "created": CREATED_AT, "node": "node", "ip": "10.0.0.7", "reason": None,
    } | change  # fmt: skip


class Pods:
    """What an inspector is asked about; `real` where it is one before a scripted API."""

    def __init__(self, app: Flask, api: StubApi | None) -> None:
        self.app = app
        self.views = [view()]
        app.extensions["hub"].pods = lambda: self.views
        if api is None:
            app.extensions["pod_reader"] = MockPodReader(TARGETS, lambda: NOW)
        else:
            api.scripts.update(scripts())
            app.extensions["pod_reader"] = PodReader(partial(KubeClient, Configuration(host=api.url)), NAMESPACE)


@functools.cache
def scripts() -> dict[str, list[Json]]:
    """The API knows what the mock does, but for the words of its refusals."""
    mock = MockPodReader(TARGETS, lambda: NOW)
    events = {"items": mock.events(view())}
    made: dict[str, list[Json]] = {
        f"/api/v1/namespaces/{NAMESPACE}/events": [
            {"query": {"fieldSelector": "involvedObject.uid=uid-1"}, "status": 200, "body": events, "repeat": True}
        ]
    }
    for known in (view(), view(name="flask-1", uid="uid-2", app="flask", restarts=0)):
        path = f"/api/v1/namespaces/{NAMESPACE}/pods/{known['name']}"
        made[path] = [{"query": {}, "status": 200, "body": mock.pod(known), "repeat": True}]
        refused = {"kind": "Status", "code": 400, "message": 'previous terminated container "flask" not found'}
        made[f"{path}/log"] = [
            {"query": {"previous": "true"}, "status": 400, "body": refused, "repeat": True}
            if query["previous"] == "true" and not (known["restarts"] and query["container"] == "mongod")
            else {
                "query": query,
                "lines": lines(mock, known, query),
                "then": "hold" if query["follow"] == "true" else "end",
                "repeat": True,
            }
            for query in (
                {"container": container, "previous": previous, "follow": follow, "tailLines": tail}
                for container in names(mock.pod(known))
                for previous in ("false", "true")
                for follow in ("false", "true")
                for tail in ("3", "500")
            )
        ]
    return made


def lines(mock: MockPodReader, known: Json, query: dict[str, str]) -> list[str]:
    asked = LogRequest(query["container"], query["previous"] == "true", int(query["tailLines"]), timestamps=True)
    return b"".join(mock.log(known, asked).pieces()).decode().splitlines()


@pytest.fixture(params=["mock", "real"])
def pods(request: pytest.FixtureRequest, app: Flask) -> Pods:
    return Pods(app, request.getfixturevalue("api") if request.param == "real" else None)


@pytest.fixture
def real(app: Flask, api: StubApi) -> Pods:
    return Pods(app, api)


def get(client: FlaskClient, path: str) -> TestResponse:
    return client.get(f"/api/pods/{path}", headers={"Authorization": f"Bearer {VIEWER}"})


def refusal(answer: TestResponse) -> tuple[int, str]:
    assert answer.content_type == "application/problem+json"
    return answer.status_code, answer.get_json()["detail"]


def until(condition: Callable[[], Any], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)


class TestDetails:
    def test_pod_is_told_with_its_containers_conditions_and_events(self, pods: Pods, client: FlaskClient) -> None:
        told = get(client, "uid-1").get_json()
        assert (told["name"], told["uid"], told["node"], told["ip"]) == ("mongodb-0", "uid-1", "node", "10.0.0.7")
        assert (told["app"], told["qos"], told["service_account"]) == ("mongodb", "Burstable", "default")
        assert [(one["name"], one["kind"]) for one in told["containers"]] == [
            ("prepare", "init"), ("mongod", "main"), ("sidecar", "main"), ("crash", "main"),
        ]  # fmt: skip
        prepare, mongod, *_ = told["containers"]
        assert (prepare["state"]["word"], prepare["state"]["exit_code"]) == ("terminated", 0)
        assert (mongod["state"]["word"], mongod["restarts"]) == ("running", 1)
        assert (mongod["last_state"]["reason"], mongod["last_state"]["exit_code"]) == ("OOMKilled", 137)
        assert mongod["ports"] == ["mongodb 27017/TCP"]
        assert mongod["probes"] == ["readiness: connects to mongodb every 2 s"]
        assert mongod["limits"] == {"cpu": "1", "memory": "512Mi", "ephemeral-storage": "256Mi"}
        assert {one["type"]: one["status"] for one in told["conditions"]}["Ready"] == "True"
        assert [one["reason"] for one in told["events"]][:2] == ["BackOff", "Started"]
        assert (told["events"][0]["count"], told["events"][0]["container"]) == (3, "mongod")

    def test_yaml_is_the_object_without_managed_fields(self, pods: Pods, client: FlaskClient) -> None:
        text = get(client, "uid-1").get_json()["yaml"]
        assert text.startswith("apiVersion: v1\nkind: Pod\nmetadata:\n  name: mongodb-0\n")
        read = yaml.safe_load(text)
        assert "managedFields" not in read["metadata"]
        assert read["spec"]["containers"][0]["name"] == "mongod"
        assert "    - |\n      install -m" in text

    def test_pods_without_a_session_are_401(self, pods: Pods, client: FlaskClient) -> None:
        assert refusal(client.get("/api/pods/uid-1"))[0] == 401
        assert refusal(client.get("/api/pods/uid-1/log"))[0] == 401

    @pytest.mark.parametrize("path", ["uid-9", "mongodb-0", "uid-9/log", "..%2Fsecrets"])
    def test_pod_is_found_by_its_uid_alone(self, pods: Pods, client: FlaskClient, path: str) -> None:
        assert refusal(get(client, path))[0] == 404

    def test_parameter_that_is_not_known_is_refused(self, pods: Pods, client: FlaskClient) -> None:
        assert refusal(get(client, "uid-1?name=x")) == (400, "Unknown parameter 'name'.")

    def test_pod_that_was_replaced_under_its_name_is_gone(self, real: Pods, client: FlaskClient) -> None:
        real.views = [view(uid="uid-0")]
        assert refusal(get(client, "uid-0")) == (404, "The pod mongodb-0 was replaced.")

    def test_missing_permission_is_named(self, real: Pods, client: FlaskClient, api: StubApi) -> None:
        api.scripts[f"/api/v1/namespaces/{NAMESPACE}/events"] = [
            {"query": {}, "status": 403, "body": {"kind": "Status", "code": 403, "message": "no"}}
        ]
        assert refusal(get(client, "uid-1")) == (403, "The dashboard's Role does not let it read events.")

    def test_api_server_that_is_gone_is_told(self, app: Flask, client: FlaskClient) -> None:
        Pods(app, None)
        app.extensions["pod_reader"] = PodReader(
            partial(KubeClient, Configuration(host="http://127.0.0.1:1")), NAMESPACE
        )
        status, words = refusal(get(client, "uid-1"))
        assert status == 502
        assert words.startswith("The API server does not answer")

    def test_no_more_requests_wait_for_the_api_server_than_may(self, pods: Pods, client: FlaskClient) -> None:
        lookups = pods.app.extensions["pod_lookups"] = PodLookups(1)
        with lookups.one():
            answer = get(client, "uid-1")
        assert refusal(answer)[0] == 503
        assert answer.headers["Retry-After"] == "2"
        assert get(client, "uid-1").status_code == 200


class TestLog:
    def test_last_lines_are_told_as_text(self, pods: Pods, client: FlaskClient) -> None:
        answer = get(client, "uid-1/log?container=sidecar&tail=3&timestamps=true")
        assert answer.content_type == "text/plain; charset=utf-8"
        lines = answer.get_data(as_text=True).splitlines()
        assert len(lines) == 3
        assert all(re.match(r"2026-05-28T21:26:\d\d\.\d{9}Z ", line) for line in lines)

    def test_without_a_container_it_is_the_first(self, pods: Pods, client: FlaskClient) -> None:
        first = get(client, "uid-1/log?tail=3&timestamps=true").data
        assert first == get(client, "uid-1/log?container=mongod&tail=3&timestamps=true").data

    def test_container_before_this_one_has_a_log_of_its_own(self, pods: Pods, client: FlaskClient) -> None:
        assert get(client, "uid-1/log?previous=true&tail=3").data != get(client, "uid-1/log?tail=3").data

    def test_where_nothing_was_restarted_there_is_no_container_before(self, pods: Pods, client: FlaskClient) -> None:
        pods.views = [view(name="flask-1", uid="uid-2", app="flask", restarts=0)]
        status, words = refusal(get(client, "uid-2/log?previous=true"))
        assert status == 404
        assert words.startswith("There is no log of a flask before this one")

    @pytest.mark.parametrize(
        ("query", "status", "words"),
        [
            ("container=nginx", 404, "The pod has no such container. It has mongod, sidecar, crash, prepare."),
            ("tail=0", 400, "tail must be a whole number from 1 to 2000."),
            ("tail=2001", 400, "tail must be a whole number from 1 to 2000."),
            ("tail=%D9%A1", 400, "tail must be a whole number from 1 to 2000."),
            ("follow=1", 400, "follow must be true or false."),
            ("tail=5&tail=6", 400, "tail must be given once."),
            ("n=5", 400, "Unknown parameter 'n'. Known: container, previous, tail, follow, timestamps."),
        ],
    )
    def test_invalid_parameters_are_refused_with_a_sentence(
        self, pods: Pods, client: FlaskClient, query: str, status: int, words: str
    ) -> None:
        assert refusal(get(client, f"uid-1/log?{query}")) == (status, words)

    def test_log_parameters_are_passed_to_the_api(
        self, real: Pods, client: FlaskClient, api: StubApi
    ) -> None:
        get(client, "uid-1/log?container=sidecar&tail=3&timestamps=true")
        assert api.queries(f"/api/v1/namespaces/{NAMESPACE}/pods/mongodb-0/log") == [
            {"container": "sidecar", "previous": "false", "tailLines": "3", "follow": "false", "timestamps": "true"}
        ]

    @pytest.mark.parametrize(
        ("code", "said", "status", "words"),
        [
            (400, 'container "mongod" in pod "mongodb-0" is waiting to start: ContainerCreating', 409,
             "The container mongod has not started: ContainerCreating."),
            (403, "forbidden", 403, "The dashboard's Role does not let it read pods/log."),
            (404, 'pods "mongodb-0" not found', 404, "The pod is gone."),
            (500, "dial tcp 10.0.0.1:10250: connect: connection refused", 502,
             "The log can't be had from the pod's node: 500: dial tcp 10.0.0.1:10250: connect: connection refused"),
        ],
    )  # fmt: skip
    def test_api_servers_refusals_are_told_plainly(
        self, real: Pods, client: FlaskClient, api: StubApi, code: int, said: str, status: int, words: str
    ) -> None:
        refused = {"query": {}, "status": code, "body": {"kind": "Status", "code": code, "message": said}}
        api.scripts[f"/api/v1/namespaces/{NAMESPACE}/pods/mongodb-0/log"] = [refused]
        assert refusal(get(client, "uid-1/log?follow=true")) == (status, words)
        assert len(real.app.extensions["log_streams"]) == 0

    def test_log_that_breaks_off_says_so_in_its_last_line(
        self, real: Pods, client: FlaskClient, api: StubApi
    ) -> None:
        broken = {"query": {}, "lines": ["one"], "then": "drop"}
        api.scripts[f"/api/v1/namespaces/{NAMESPACE}/pods/mongodb-0/log"] = [broken]
        lines = get(client, "uid-1/log?follow=true").get_data(as_text=True).splitlines()
        assert lines[:2] == ["", "one"]
        assert lines[-1].startswith("The log broke off. The API server does not answer")

    def test_follower_gets_the_log_and_stays_connected(self, pods: Pods, client: FlaskClient) -> None:
        answer = get(client, "uid-1/log?follow=true&tail=3&timestamps=true")
        assert next(answer.response) == b"\n"  # type: ignore[call-overload]
        assert len(pods.app.extensions["log_streams"]) == 1
        answer.close()
        assert len(pods.app.extensions["log_streams"]) == 0

    def test_api_connection_is_closed_with_its_reader(self, real: Pods, client: FlaskClient, api: StubApi) -> None:
        answer = get(client, "uid-1/log?follow=true&tail=3")
        read = threading.active_count()
        api.wait_for_watch(f"/api/v1/namespaces/{NAMESPACE}/pods/mongodb-0/log")
        answer.close()
        until(lambda: threading.active_count() < read)

    def test_so_many_read_at_once_and_no_more(self, pods: Pods, client: FlaskClient) -> None:
        pods.app.extensions["log_streams"] = LogStreams(1)
        first = get(client, "uid-1/log?follow=true&tail=3")
        answer = get(client, "uid-1/log?tail=3")
        assert refusal(answer)[0] == 503
        assert answer.headers["Retry-After"] == "10"
        first.close()
        assert get(client, "uid-1/log?tail=3").status_code == 200

    def test_all_readers_end_when_the_dashboard_stops(self, pods: Pods, client: FlaskClient) -> None:
        answer = get(client, "uid-1/log?follow=true&tail=3")
        reading = threading.Thread(target=lambda: list(answer.response))
        reading.start()
        pods.app.extensions["log_streams"].stop()
        reading.join(30)
        assert not reading.is_alive()
        assert refusal(get(client, "uid-1/log"))[0] == 503


class Silent:
    """A log in which nothing happens until it is closed, or which breaks off."""

    def __init__(self, pieces: Iterable[bytes] = ()) -> None:
        self.closed = threading.Event()
        self._pieces = pieces

    def pieces(self) -> Iterator[bytes]:
        yield from self._pieces
        self.closed.wait(60)

    def close(self) -> None:
        self.closed.set()


class TestTails:
    def test_silent_log_has_a_heartbeat(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tails, "HEARTBEAT_SECONDS", 0.01)
        monkeypatch.setattr(tails, "LOOK_SECONDS", 0.01)
        lines = LogStreams().open(Silent, LogReader(None), follow=True).lines()
        assert [next(lines), next(lines), next(lines)] == [b"\n"] * 3
        lines.close()  # type: ignore[attr-defined]

    def test_one_that_is_not_followed_has_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tails, "LOOK_SECONDS", 0.01)
        monkeypatch.setattr(tails, "LONGEST_SECONDS", 0.1)
        lines = list(LogStreams().open(lambda: Silent([b"a\n"]), LogReader(None), follow=False).lines())
        assert lines[0] == b"a\n" and b"\n" not in lines

    def test_none_lasts_longer_than_it_may(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tails, "LOOK_SECONDS", 0.01)
        monkeypatch.setattr(tails, "LONGEST_SECONDS", 0.05)
        log = Silent()
        *_, last = LogStreams().open(lambda: log, LogReader(None), follow=True).lines()
        assert log.closed.is_set()
        assert b"the limit" in last

    def test_reader_that_left_is_noticed_though_nothing_is_written(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tails, "LOOK_SECONDS", 0.01)
        ours, theirs = socket.socketpair()
        log = Silent()
        lines = LogStreams().open(lambda: log, LogReader(ours), follow=True).lines()
        assert next(lines) == b"\n"
        theirs.close()
        assert list(lines) == []
        assert log.closed.is_set()
        ours.close()

    def test_reader_that_does_not_read_is_cut_off_at_the_end(self) -> None:
        ours, theirs = socket.socketpair()
        kept = LogStreams()
        kept.open(Silent, LogReader(ours), follow=True)
        kept.stop()
        assert theirs.recv(1) == b""
        theirs.close()
        ours.close()

    def test_slow_reader_has_the_log_wait(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tails, "LOOK_SECONDS", 0.01)
        taken: list[int] = []

        def endless() -> Iterator[bytes]:
            while True:
                taken.append(1)
                yield b"line\n"

        tail = LogStreams().open(lambda: Silent(endless()), LogReader(None), follow=True)
        until(lambda: len(taken) >= tails.PIECES)
        time.sleep(0.05)
        assert len(taken) <= tails.PIECES + 2
        tail.close()

    def test_log_that_is_refused_leaves_its_place_to_others(self) -> None:
        def refused() -> Silent:
            raise PodReadUnavailable("no")

        kept = LogStreams(1)
        for _ in range(2):
            with pytest.raises(PodReadUnavailable):
                kept.open(refused, LogReader(None), follow=True)


class TestWholeLines:
    def test_pieces_become_lines_wherever_they_break(self) -> None:
        assert b"".join(whole_lines([b"on", b"e\ntw", b"o\n\nthr", b"ee"])) == b"one\ntwo\n\nthree\n"

    def test_lines_completed_by_a_piece_are_sent_at_once(self) -> None:
        assert list(whole_lines([b"a\nb\nc", b"d\n"])) == [b"a\nb\n", b"cd\n"]

    @pytest.mark.parametrize("size", [1, 7, 4_096, 100_000])
    def test_long_line_is_cut_and_says_so(self, size: int) -> None:
        text = b"x" * 50_000 + b"\nnext\n"
        long, after = b"".join(whole_lines(text[at : at + size] for at in range(0, len(text), size))).splitlines()
        assert long == b"x" * tails.LONGEST_LINE + f" … and {50_000 - tails.LONGEST_LINE} bytes more".encode()
        assert after == b"next"

    def test_invalid_utf_8_is_marked(self) -> None:
        assert b"".join(whole_lines([b"\xff caf\xc3", b"\xa9\n"])).decode() == "\ufffd café\n"

    def test_character_is_not_cut_in_two(self) -> None:
        text = "é" * tails.LONGEST_LINE
        (line,) = b"".join(whole_lines([b"a", text.encode()])).decode().splitlines()
        assert "\ufffd" not in line


class TestInspection:
    def test_object_with_nothing_in_it_is_told_as_far_as_it_goes(self) -> None:
        told = details({"metadata": {"name": "p", "labels": None}, "spec": {"containers": None}, "status": {}}, [])
        assert (told["name"], told["containers"], told["conditions"], told["node"]) == ("p", [], [], None)

    def test_container_that_waits_without_a_reason_waits(self) -> None:
        status = {"containerStatuses": [{"name": "main", "state": {"waiting": {}}}]}
        (told,) = details({"spec": {"containers": [{"name": "main"}]}, "status": status}, [])["containers"]
        assert told["state"]["word"] == "waiting"

    def test_sidecar_and_a_debugger_are_called_so(self) -> None:
        spec = {
            "initContainers": [{"name": "proxy", "restartPolicy": "Always"}],
            "ephemeralContainers": [{"name": "shell"}],
        }
        kinds = [one["kind"] for one in details({"spec": spec}, [])["containers"]]
        assert kinds == ["sidecar", "debug"]

    def test_container_that_the_pod_means_comes_first(self) -> None:
        annotations = {"kubectl.kubernetes.io/default-container": "b"}
        spec = {"containers": [{"name": "a"}, {"name": "b"}]}
        assert names({"metadata": {"annotations": annotations}, "spec": spec}) == ["b", "a"]

    @pytest.mark.parametrize(
        ("probe", "words"),
        [
            ({"httpGet": {"port": 8080}, "periodSeconds": 5}, "liveness: GET / on 8080 every 5 s"),
            ({"exec": {"command": ["sh", "-c", "true"]}}, "liveness: runs sh -c true every 10 s"),
            ({"grpc": {"port": 9}}, "liveness: gRPC on 9 every 10 s"),
        ],
    )
    def test_probe_is_told_in_a_few_words(self, probe: Json, words: str) -> None:
        (told,) = details({"spec": {"containers": [{"name": "a", "livenessProbe": probe}]}}, [])["containers"]
        assert told["probes"] == [words]

    def test_events_are_told_newest_first_however_they_were_written(self) -> None:
        old = {"reason": "old", "lastTimestamp": "2026-01-01T00:00:01Z", "count": 2}
        new = {"reason": "new", "eventTime": "2026-01-01T00:00:01.500000Z", "lastTimestamp": None}
        series = {"reason": "series", "series": {"count": 9, "lastObservedTime": "2026-01-01T00:00:02.000000Z"}}
        assert [(one["reason"], one["count"]) for one in newest([old, series, new])] == [
            ("series", 9), ("new", 1), ("old", 2),
        ]  # fmt: skip

    def test_events_of_one_second_go_by_their_names(self) -> None:
        at = {"lastTimestamp": "2026-01-01T00:00:01Z"}
        told = [at | {"reason": reason, "metadata": {"name": f"p.{n}"}} for n, reason in enumerate(["made", "started"])]
        first = {"reason": "scheduled", "eventTime": "2026-01-01T00:00:01.9Z", "metadata": {"name": "p."}}
        assert [one["reason"] for one in newest([first, *told])] == ["started", "made", "scheduled"]

    def test_no_more_events_are_told_than_fit(self) -> None:
        many = [{"lastTimestamp": f"2026-01-01T00:{n // 60:02}:{n % 60:02}Z", "reason": str(n)} for n in range(200)]
        assert [one["reason"] for one in newest(many)] == [str(n) for n in range(199, 149, -1)]

    def test_yaml_is_written_as_kubectl_writes_it(self) -> None:
        pod = {"metadata": {"labels": {"index": "0", "on": "yes"}}, "args": ["a\nb\n", "- x", "1m", ""], "tty": True}
        assert as_yaml(pod) == (
            'metadata:\n  labels:\n    index: "0"\n    "on": "yes"\n'
            "args:\n- |\n  a\n  b\n- '- x'\n- 1m\n- \"\"\ntty: true\n"
        )

    def test_yaml_has_no_references_and_escapes_control_characters(self) -> None:
        twice = {"a": "\x1b[31mred"}
        text = as_yaml({"kind": "Pod", "x": twice, "y": twice})
        assert "&" not in text
        assert "\x1b" not in text
        assert yaml.safe_load(text)["y"] == twice


@pytest.mark.slow
class TestServed:
    """As the container runs it."""

    def test_log_comes_as_it_is_written(self, dashboard: DashboardProcess) -> None:
        with stream(dashboard) as answer:
            assert answer.headers["Transfer-Encoding"] == "chunked"
            lines = [answer.readline() for _ in range(10)]
        assert all(line.endswith(b"\n") for line in lines)

    def test_place_is_free_again_once_its_reader_left(self, dashboard: DashboardProcess) -> None:
        for _ in range(3 * tails.MOST):
            until(lambda: opened(dashboard))

    def test_it_ends_though_logs_are_followed(self) -> None:
        with DashboardProcess(viewers=4) as own:
            answers = [stream(own) for _ in range(tails.MOST)]
            own.process.terminate()
            assert own.process.wait(60) == 0
        for answer in answers:
            with answer, contextlib.suppress(OSError, IncompleteRead):
                while answer.readline():
                    pass


def ask(dashboard: DashboardProcess, path: str) -> Any:
    asked = Request(f"{dashboard.url}/api/{path}", headers={"Authorization": f"Bearer {VIEWER}"})  # noqa: S310 - http
    return urlopen(asked, timeout=30)  # noqa: S310 - http


def stream(dashboard: DashboardProcess) -> Any:
    """A log of the first pod, once there is one, followed."""

    def running() -> list[str]:
        with ask(dashboard, "state") as answer:
            return [pod["uid"] for pod in json.load(answer)["pods"] if pod["phase"] == "Running"]

    until(running)
    return ask(dashboard, f"pods/{running()[0]}/log?follow=true&tail=5")


def opened(dashboard: DashboardProcess) -> bool:
    """Whether there was a place for one more reader, who leaves at once."""
    try:
        with stream(dashboard) as answer:
            return bool(answer.readline())
    except HTTPError as error:
        assert error.code == 503
        error.close()
        return False
