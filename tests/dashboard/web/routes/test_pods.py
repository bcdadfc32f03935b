"""A pod's details and logs over HTTP. The mock pod reader and the real one, on a stub API, pass the same tests."""

import contextlib
import functools
import re
import threading
from functools import partial
from http.client import IncompleteRead
from typing import Any
from urllib.error import HTTPError

import pytest
import yaml
from flask import Flask
from flask.testing import FlaskClient
from kubernetes.client import Configuration
from werkzeug.test import TestResponse

from dashboard.kube.client import KubeClient
from dashboard.kube.pods import logs
from dashboard.kube.pods.details import LogRequest, details, names, newest
from dashboard.kube.pods.logs import whole_lines
from dashboard.kube.pods.reader import KubePodReader
from dashboard.mock.cluster.pod_reader import MockPodReader
from dashboard.web import log_streams
from dashboard.web.log_streams import LogStreams
from dashboard.web.lookups import Lookups
from dashboard.web.routes.pods import as_yaml
from tests.dashboard.kube.stubs import NAMESPACE, Json, StubApi
from tests.dashboard.process import DashboardProcess
from tests.dashboard.stubs import AS_VIEWER, TARGETS, VIEWER, wait_until

CREATED = "2026-05-28T20:26:40Z"
NOW = 1_780_000_000.0 + 3_600  # an hour later
EVENTS = f"/api/v1/namespaces/{NAMESPACE}/events"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
LOG = f"{PODS}/mongodb-0/log"


def view(**fields: Any) -> Json:
    """Return a pod of the hub's state."""
    return {
        "name": "mongodb-0", "uid": "uid-1", "app": "mongodb", "phase": "Running", "ready": True, "restarts": 1,
        "created": CREATED, "node": "node", "ip": "10.0.0.7", "reason": None,
    } | fields  # fmt: skip


class PodSetup:
    """The pods of the hub's state, and the app's pod reader: the real one on `api`, or the mock if that is None."""

    def __init__(self, app: Flask, api: StubApi | None) -> None:
        self.app = app
        self.views = [view()]
        app.extensions["hub"].pods = lambda: self.views
        if api is None:
            app.extensions["pod_reader"] = MockPodReader(TARGETS, lambda: NOW)
        else:
            api.scripts.update(exchanges())
            app.extensions["pod_reader"] = KubePodReader(partial(KubeClient, Configuration(host=api.url)), NAMESPACE)


@functools.cache
def exchanges() -> dict[str, list[Json]]:
    """Return exchanges for the stub API, made of the mock's pods, Events and logs."""
    mock = MockPodReader(TARGETS, lambda: NOW)
    events = {"items": mock.events(view())}
    selector = {"fieldSelector": "involvedObject.uid=uid-1"}
    scripts: dict[str, list[Json]] = {EVENTS: [{"query": selector, "status": 200, "body": events, "repeat": True}]}
    for pod in (view(), view(name="flask-1", uid="uid-2", app="flask", restarts=0)):
        path = f"{PODS}/{pod['name']}"
        scripts[path] = [{"query": {}, "status": 200, "body": mock.pod(pod), "repeat": True}]
        not_found = {"kind": "Status", "code": 400, "message": 'previous terminated container "flask" not found'}
        scripts[f"{path}/log"] = [
            {"query": {"previous": "true"}, "status": 400, "body": not_found, "repeat": True}
            if query["previous"] == "true" and not (pod["restarts"] and query["container"] == "mongod")
            else {
                "query": query,
                "lines": log_lines(mock, pod, query),
                "then": "hold" if query["follow"] == "true" else "end",
                "repeat": True,
            }
            for query in (
                {"container": container, "previous": previous, "follow": follow, "tailLines": tail}
                for container in names(mock.pod(pod))
                for previous in ("false", "true")
                for follow in ("false", "true")
                for tail in ("3", "500")
            )
        ]
    return scripts


def log_lines(mock: MockPodReader, pod: Json, query: dict[str, str]) -> list[str]:
    request = LogRequest(query["container"], query["previous"] == "true", int(query["tailLines"]), timestamps=True)
    return b"".join(mock.log(pod, request).pieces()).decode().splitlines()


@pytest.fixture(params=["mock", "real"])
def pods(request: pytest.FixtureRequest, app: Flask) -> PodSetup:
    return PodSetup(app, request.getfixturevalue("api") if request.param == "real" else None)


@pytest.fixture
def real_pods(app: Flask, api: StubApi) -> PodSetup:
    return PodSetup(app, api)


def get(client: FlaskClient, path: str) -> TestResponse:
    return client.get(f"/api/pods/{path}", headers=AS_VIEWER)


def problem(answer: TestResponse) -> tuple[int, str]:
    """Return a problem's status and detail."""
    assert answer.content_type == "application/problem+json"
    return answer.status_code, answer.get_json()["detail"]


class TestDetails:
    def test_details_have_containers_conditions_and_events(self, pods: PodSetup, client: FlaskClient) -> None:
        pod = get(client, "uid-1").get_json()
        assert (pod["name"], pod["uid"], pod["node"], pod["ip"]) == ("mongodb-0", "uid-1", "node", "10.0.0.7")
        assert (pod["app"], pod["qos"], pod["service_account"]) == ("mongodb", "Burstable", "default")
        assert [(each["name"], each["kind"]) for each in pod["containers"]] == [
            ("prepare", "init"), ("mongod", "main"), ("sidecar", "main"), ("crash", "main"),
        ]  # fmt: skip
        prepare, mongod, *_ = pod["containers"]
        assert (prepare["state"]["word"], prepare["state"]["exit_code"]) == ("terminated", 0)
        assert (mongod["state"]["word"], mongod["restarts"]) == ("running", 1)
        assert (mongod["last_state"]["reason"], mongod["last_state"]["exit_code"]) == ("OOMKilled", 137)
        assert mongod["ports"] == ["mongodb 27017/TCP"]
        assert mongod["probes"] == ["readiness: connects to mongodb every 2 s"]
        assert mongod["limits"] == {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "256Mi"}
        assert {each["type"]: each["status"] for each in pod["conditions"]}["Ready"] == "True"
        assert [each["reason"] for each in pod["events"]][:2] == ["BackOff", "Started"]
        assert (pod["events"][0]["count"], pod["events"][0]["container"]) == (3, "mongod")

    def test_yaml_is_the_object_without_managed_fields(self, pods: PodSetup, client: FlaskClient) -> None:
        text = get(client, "uid-1").get_json()["yaml"]
        assert text.startswith("apiVersion: v1\nkind: Pod\nmetadata:\n  name: mongodb-0\n")
        read = yaml.safe_load(text)
        assert "managedFields" not in read["metadata"]
        assert read["spec"]["containers"][0]["name"] == "mongod"
        assert "    - |\n      install -m" in text

    def test_request_without_a_session_is_401(self, pods: PodSetup, client: FlaskClient) -> None:
        assert problem(client.get("/api/pods/uid-1"))[0] == 401
        assert problem(client.get("/api/pods/uid-1/log"))[0] == 401

    @pytest.mark.parametrize("path", ["uid-9", "mongodb-0", "uid-9/log", "..%2Fsecrets"])
    def test_unknown_uid_is_404(self, pods: PodSetup, client: FlaskClient, path: str) -> None:
        assert problem(get(client, path))[0] == 404

    def test_unknown_parameter_is_400(self, pods: PodSetup, client: FlaskClient) -> None:
        status, detail = problem(get(client, "uid-1?name=x"))
        assert status == 400 and "'name'" in detail

    def test_replaced_pod_is_404(self, real_pods: PodSetup, client: FlaskClient) -> None:
        real_pods.views = [view(uid="uid-0")]
        status, detail = problem(get(client, "uid-0"))
        assert status == 404 and "replaced" in detail

    def test_missing_permission_is_403_with_the_resource(
        self, real_pods: PodSetup, client: FlaskClient, api: StubApi
    ) -> None:
        forbidden = {"kind": "Status", "code": 403, "message": "no"}
        api.scripts[EVENTS] = [{"query": {}, "status": 403, "body": forbidden}]
        status, detail = problem(get(client, "uid-1"))
        assert status == 403 and "events" in detail

    def test_unreachable_api_server_is_502(self, app: Flask, client: FlaskClient) -> None:
        PodSetup(app, None)
        clients = partial(KubeClient, Configuration(host="http://127.0.0.1:1"))
        app.extensions["pod_reader"] = KubePodReader(clients, NAMESPACE)
        assert problem(get(client, "uid-1"))[0] == 502

    def test_too_many_concurrent_lookups_are_503(self, pods: PodSetup, client: FlaskClient) -> None:
        lookups = pods.app.extensions["lookups"] = Lookups(1)
        with lookups.one():
            answer = get(client, "uid-1")
        assert problem(answer)[0] == 503
        assert answer.headers["Retry-After"] == "2"
        assert get(client, "uid-1").status_code == 200


class TestLog:
    def test_log_has_the_last_lines_as_text(self, pods: PodSetup, client: FlaskClient) -> None:
        answer = get(client, "uid-1/log?container=sidecar&tail=3&timestamps=true")
        assert answer.content_type == "text/plain; charset=utf-8"
        lines = answer.get_data(as_text=True).splitlines()
        assert len(lines) == 3
        assert all(re.match(r"2026-05-28T21:26:\d\d\.\d{9}Z ", line) for line in lines)

    def test_default_container_is_the_first(self, pods: PodSetup, client: FlaskClient) -> None:
        first = get(client, "uid-1/log?tail=3&timestamps=true").data
        assert first == get(client, "uid-1/log?container=mongod&tail=3&timestamps=true").data

    def test_previous_container_has_a_log_of_its_own(self, pods: PodSetup, client: FlaskClient) -> None:
        assert get(client, "uid-1/log?previous=true&tail=3").data != get(client, "uid-1/log?tail=3").data

    def test_previous_log_without_restarts_is_404(self, pods: PodSetup, client: FlaskClient) -> None:
        pods.views = [view(name="flask-1", uid="uid-2", app="flask", restarts=0)]
        status, detail = problem(get(client, "uid-2/log?previous=true"))
        assert status == 404 and "flask" in detail

    @pytest.mark.parametrize(
        ("query", "status", "allowed"),
        [
            ("container=nginx", 404, "mongod, sidecar, crash, prepare"),
            ("tail=0", 400, "from 1 to 2000"),
            ("tail=2001", 400, "from 1 to 2000"),
            ("tail=%D9%A1", 400, "from 1 to 2000"),
            ("follow=1", 400, "true or false"),
            ("tail=5&tail=6", 400, "once"),
            ("n=5", 400, "container, previous, tail, follow, timestamps"),
        ],
    )
    def test_invalid_parameter_is_refused_with_the_allowed_values(
        self, pods: PodSetup, client: FlaskClient, query: str, status: int, allowed: str
    ) -> None:
        found, detail = problem(get(client, f"uid-1/log?{query}"))
        assert found == status and allowed in detail

    def test_parameters_are_passed_to_the_api(self, real_pods: PodSetup, client: FlaskClient, api: StubApi) -> None:
        get(client, "uid-1/log?container=sidecar&tail=3&timestamps=true")
        assert api.queries(LOG) == [
            {"container": "sidecar", "previous": "false", "tailLines": "3", "follow": "false", "timestamps": "true"}
        ]

    @pytest.mark.parametrize(
        ("code", "message", "status", "cause"),
        [
            (400, 'container "mongod" in pod "mongodb-0" is waiting to start: ContainerCreating', 409,
             "ContainerCreating"),
            (400, f'container "{"m" * 63}" in pod "{"p" * 253}" is waiting to start: ErrImagePull', 409,
             "ErrImagePull"),
            (204, "", 409, "no node"),
            (403, "forbidden", 403, "pods/log"),
            (404, 'pods "mongodb-0" not found', 404, "pod"),
            (500, "dial tcp 10.0.0.1:10250: connect: connection refused", 502, "500: dial tcp 10.0.0.1:10250"),
        ],
    )  # fmt: skip
    def test_error_of_the_api_server_has_a_status_and_the_cause(
        self, real_pods: PodSetup, client: FlaskClient, api: StubApi, code: int, message: str, status: int, cause: str
    ) -> None:
        api.scripts[LOG] = [{"query": {}, "status": code, "body": {"kind": "Status", "code": code, "message": message}}]
        found, detail = problem(get(client, "uid-1/log?follow=true"))
        assert found == status and cause in detail
        assert len(real_pods.app.extensions["log_streams"]) == 0

    def test_last_line_of_a_dropped_log_has_the_error(
        self, real_pods: PodSetup, client: FlaskClient, api: StubApi
    ) -> None:
        api.scripts[LOG] = [{"query": {}, "lines": ["one"], "then": "drop"}]
        lines = get(client, "uid-1/log?follow=true").get_data(as_text=True).splitlines()
        assert lines[:2] == ["", "one"]
        assert len(lines) == 3 and "API server" in lines[-1]

    def test_followed_log_begins_with_a_heartbeat_and_stays_open(self, pods: PodSetup, client: FlaskClient) -> None:
        answer = get(client, "uid-1/log?follow=true&tail=3&timestamps=true")
        assert next(answer.response) == b"\n"  # type: ignore[call-overload]
        assert len(pods.app.extensions["log_streams"]) == 1
        answer.close()
        assert len(pods.app.extensions["log_streams"]) == 0

    def test_api_connection_is_closed_after_its_reader_has_left(
        self, real_pods: PodSetup, client: FlaskClient, api: StubApi
    ) -> None:
        answer = get(client, "uid-1/log?follow=true&tail=3")
        threads = threading.active_count()
        api.wait_for_watch(LOG)
        answer.close()
        wait_until(lambda: threading.active_count() < threads)

    def test_too_many_log_streams_are_503(self, pods: PodSetup, client: FlaskClient) -> None:
        pods.app.extensions["log_streams"] = LogStreams(1)
        first = get(client, "uid-1/log?follow=true&tail=3")
        answer = get(client, "uid-1/log?tail=3")
        assert problem(answer)[0] == 503
        assert answer.headers["Retry-After"] == "10"
        first.close()
        assert get(client, "uid-1/log?tail=3").status_code == 200

    def test_shutdown_ends_all_log_streams(self, pods: PodSetup, client: FlaskClient) -> None:
        answer = get(client, "uid-1/log?follow=true&tail=3")
        reader = threading.Thread(target=lambda: list(answer.response))
        reader.start()
        pods.app.extensions["log_streams"].stop()
        reader.join(30)
        assert not reader.is_alive()
        assert problem(get(client, "uid-1/log"))[0] == 503


class TestWholeLines:
    def test_pieces_are_joined_to_lines(self) -> None:
        assert b"".join(whole_lines([b"on", b"e\ntw", b"o\n\nthr", b"ee"])) == b"one\ntwo\n\nthree\n"

    def test_lines_completed_by_a_piece_are_sent_at_once(self) -> None:
        assert list(whole_lines([b"a\nb\nc", b"d\n"])) == [b"a\nb\n", b"cd\n"]

    @pytest.mark.parametrize("size", [1, 7, 4_096, 100_000])
    def test_long_line_is_cut_with_the_number_of_missing_bytes(self, size: int) -> None:
        text = b"x" * 50_000 + b"\nnext\n"
        long, after = b"".join(whole_lines(text[at : at + size] for at in range(0, len(text), size))).splitlines()
        assert long == b"x" * logs.LONGEST_LINE + f" … and {50_000 - logs.LONGEST_LINE} bytes more".encode()
        assert after == b"next"

    def test_invalid_utf_8_is_replaced(self) -> None:
        assert b"".join(whole_lines([b"\xff caf\xc3", b"\xa9\n"])).decode() == "\ufffd café\n"

    def test_character_is_not_cut_in_two(self) -> None:
        text = "é" * logs.LONGEST_LINE
        (line,) = b"".join(whole_lines([b"a", text.encode()])).decode().splitlines()
        assert "\ufffd" not in line


class TestPodDetails:
    def test_empty_object_has_empty_details(self) -> None:
        pod = details({"metadata": {"name": "p", "labels": None}, "spec": {"containers": None}, "status": {}}, [])
        assert (pod["name"], pod["containers"], pod["conditions"], pod["node"]) == ("p", [], [], None)

    def test_container_without_a_reason_can_be_waiting(self) -> None:
        status = {"containerStatuses": [{"name": "main", "state": {"waiting": {}}}]}
        (container,) = details({"spec": {"containers": [{"name": "main"}]}, "status": status}, [])["containers"]
        assert container["state"]["word"] == "waiting"

    def test_sidecar_and_debug_containers_have_their_kind(self) -> None:
        spec = {
            "initContainers": [{"name": "proxy", "restartPolicy": "Always"}],
            "ephemeralContainers": [{"name": "shell"}],
        }
        kinds = [each["kind"] for each in details({"spec": spec}, [])["containers"]]
        assert kinds == ["sidecar", "debug"]

    def test_default_container_of_the_pods_annotation_is_first(self) -> None:
        annotations = {"kubectl.kubernetes.io/default-container": "b"}
        spec = {"containers": [{"name": "a"}, {"name": "b"}]}
        assert names({"metadata": {"annotations": annotations}, "spec": spec}) == ["b", "a"]

    @pytest.mark.parametrize(
        ("probe", "text"),
        [
            ({"httpGet": {"port": 8080}, "periodSeconds": 5}, "liveness: GET / on 8080 every 5 s"),
            ({"exec": {"command": ["sh", "-c", "true"]}}, "liveness: runs sh -c true every 10 s"),
            ({"grpc": {"port": 9}}, "liveness: gRPC on 9 every 10 s"),
        ],
    )
    def test_probe_has_a_short_text(self, probe: Json, text: str) -> None:
        (container,) = details({"spec": {"containers": [{"name": "a", "livenessProbe": probe}]}}, [])["containers"]
        assert container["probes"] == [text]

    def test_events_are_sorted_newest_first_by_any_time_field(self) -> None:
        old = {"reason": "old", "lastTimestamp": "2026-01-01T00:00:01Z", "count": 2}
        new = {"reason": "new", "eventTime": "2026-01-01T00:00:01.500000Z", "lastTimestamp": None}
        series = {"reason": "series", "series": {"count": 9, "lastObservedTime": "2026-01-01T00:00:02.000000Z"}}
        assert [(each["reason"], each["count"]) for each in newest([old, series, new])] == [
            ("series", 9), ("new", 1), ("old", 2),
        ]  # fmt: skip

    def test_events_of_the_same_second_are_sorted_by_name(self) -> None:
        at = {"lastTimestamp": "2026-01-01T00:00:01Z"}
        reasons = ("made", "started")
        later = [at | {"reason": reason, "metadata": {"name": f"p.{n}"}} for n, reason in enumerate(reasons)]
        first = {"reason": "scheduled", "eventTime": "2026-01-01T00:00:01.9Z", "metadata": {"name": "p."}}
        assert [each["reason"] for each in newest([first, *later])] == ["started", "made", "scheduled"]

    def test_number_of_events_is_limited(self) -> None:
        many = [{"lastTimestamp": f"2026-01-01T00:{n // 60:02}:{n % 60:02}Z", "reason": str(n)} for n in range(200)]
        assert [each["reason"] for each in newest(many)] == [str(n) for n in range(199, 149, -1)]

    def test_yaml_is_formatted_like_kubectls(self) -> None:
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


def follow_log(dashboard: DashboardProcess) -> Any:
    """Return the open response of a followed log, of the first Running pod."""

    def running_pods() -> list[str]:
        return [pod["uid"] for pod in dashboard.request("GET", "/api/state")["pods"] if pod["phase"] == "Running"]

    uid = wait_until(running_pods)[0]
    return dashboard.open("GET", f"/api/pods/{uid}/log?follow=true&tail=5", token=VIEWER)


def can_follow_log(dashboard: DashboardProcess) -> bool:
    """Return whether there is a free log stream. It is released at once."""
    try:
        with follow_log(dashboard) as response:
            return bool(response.readline())
    except HTTPError as error:
        assert error.code == 503
        error.close()
        return False


@pytest.mark.slow
class TestLogOfTheProcess:
    def test_lines_are_sent_as_they_are_written(self, dashboard: DashboardProcess) -> None:
        with follow_log(dashboard) as response:
            assert response.headers["Transfer-Encoding"] == "chunked"
            lines = [response.readline() for _ in range(10)]
        assert all(line.endswith(b"\n") for line in lines)

    def test_stream_is_released_after_its_reader_has_left(self, dashboard: DashboardProcess) -> None:
        for _ in range(3 * log_streams.MOST):
            wait_until(lambda: can_follow_log(dashboard))

    def test_process_exits_while_logs_are_followed(self) -> None:
        with DashboardProcess(viewers=4) as own:
            responses = [follow_log(own) for _ in range(log_streams.MOST_OF_A_VIEWER)]
            own.process.terminate()
            assert own.process.wait(60) == 0
        for response in responses:
            with response, contextlib.suppress(OSError, IncompleteRead):
                while response.readline():
                    pass
