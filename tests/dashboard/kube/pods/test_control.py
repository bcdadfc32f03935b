"""Control of the database's pod, against an API server that compares uids and a stub of the crash container."""

import json
from collections.abc import Callable
from functools import partial

import pytest

from dashboard.core.errors import ExternalError, NotFound, UidMismatch
from dashboard.kube.client import Configuration, KubeClient
from dashboard.kube.event_recorder import EventRecorder
from dashboard.kube.lease import KubeLease
from dashboard.kube.pods.control import CRASH, GRACEFUL, PodControl, PodIdentity, VolumeClaimIdentity
from dashboard.kube.pods.crash import CrashClient
from dashboard.runs import ports
from dashboard.runs.records.history import ConfigMapHistory
from tests.dashboard.kube.manifests import CLAIM, POD, claim, pod
from tests.dashboard.kube.stubs import NAMESPACE, Json, ManualClock, ObjectApi
from tests.dashboard.stubs import StubHandler, StubServer
from tools.local.mongod import free_port

TOKEN = "c7f1-93ab-55de-08b4"


@pytest.fixture
def pods(clients: Callable[[float], KubeClient]) -> ports.Pods:
    return PodControl(clients, NAMESPACE)


class StubCrashContainer(StubServer):
    """A crash container that sends a fixed response, none if its status is 0, and records its requests."""

    def __init__(self, status: int, body: bytes = b"{}") -> None:
        super().__init__(StubCrashHandler)
        self.response = (status, body)
        self.requests: list[tuple[str, str | None, Json]] = []


class StubCrashHandler(StubHandler):
    server: StubCrashContainer

    def do_POST(self) -> None:
        self.server.requests.append((self.path, self.headers["Authorization"], json.loads(self.body())))
        status, body = self.server.response
        if status:
            self.respond(status, body)
        else:
            self.close_connection = True


def test_identity_of_a_pod(pods: PodControl) -> None:
    assert pods.pod("mongodb-0") == PodIdentity(
        "mongodb-0", "uid-1", "a1b2", "node", ready=True, volume_claim="data-mongodb-0"
    )


def test_times_of_mongods_last_restart(object_api: ObjectApi, pods: PodControl) -> None:
    restarted = pod()
    (status,) = (each for each in restarted["status"]["containerStatuses"] if each["name"] == "mongod")
    status["state"] = {"running": {"startedAt": "2026-11-25T04:01:20Z"}}
    status["lastState"] = {"terminated": {"exitCode": 137, "finishedAt": "2026-11-25T04:00:00Z"}}
    object_api.put(POD, restarted)
    found = pods.pod("mongodb-0")
    assert (found.ended, found.started) == ("2026-11-25T04:00:00Z", "2026-11-25T04:01:20Z")


def test_volume_without_a_claim(object_api: ObjectApi, pods: PodControl) -> None:
    object_api.put(POD, pod(volumes=[{"name": "data", "emptyDir": {}}]))
    assert pods.pod("mongodb-0").volume_claim is None


@pytest.mark.parametrize(
    ("command", "mounts", "expected"),
    [
        (["mongod"], {"a": "/data/db"}, "claim-a"),
        (["mongod"], {"a": "/data", "b": "/data/db/journal"}, "claim-a"),
        (["mongod"], {"a": "/data", "b": "/data/db/"}, "claim-b"),
        (["mongod"], {"a": "/data/dba"}, None),
        (["mongod", "--dbpath=/srv/mongo"], {"a": "/data/db", "b": "/srv"}, "claim-b"),
        (["mongod", "--dbpath", "/srv/mongo/"], {"a": "/data/db", "b": "/srv/mongo"}, "claim-b"),
        (["mongod", "--dbpath"], {"a": "/"}, "claim-a"),
        (["mongod"], {}, None),
        ([], {"a": "/data/db"}, "claim-a"),  # the image's own command
    ],
)
def test_claim_of_mongods_data_directory(
    command: list[str], mounts: dict[str, str], expected: str | None, object_api: ObjectApi, pods: PodControl
) -> None:
    mongod = {
        "name": "mongod",
        "command": command,
        "volumeMounts": [{"name": name, "mountPath": path} for name, path in mounts.items()],
    }
    volumes = [{"name": name, "persistentVolumeClaim": {"claimName": f"claim-{name}"}} for name in mounts]
    object_api.put(POD, pod(containers=[{"name": "other"}, mongod], volumes=volumes))
    assert pods.pod("mongodb-0").volume_claim == expected


def test_another_database_has_its_own_container_and_directory(
    object_api: ObjectApi, clients: Callable[[float], KubeClient]
) -> None:
    container = {"name": "postgres", "volumeMounts": [{"name": "data", "mountPath": "/var/lib/postgresql"}]}
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "claim"}}]
    statuses = [{"name": "mongod", "containerID": "x://1"}, {"name": "postgres", "containerID": "x://2"}]
    made = pod(containers=[{"name": "mongod"}, container], volumes=volumes)
    made["status"]["containerStatuses"] = statuses
    object_api.put(POD, made)
    control = PodControl(clients, NAMESPACE, container="postgres", data="/var/lib/postgresql/data")
    found = control.pod("mongodb-0")
    assert (found.container, found.volume_claim) == ("2", "claim")


def test_new_pod_has_no_container_and_no_node(object_api: ObjectApi, pods: PodControl) -> None:
    object_api.put(POD, pod(nodeName=None) | {"status": {"phase": "Pending", "conditions": None}})
    identity = pods.pod("mongodb-0")
    assert (identity.container, identity.node, identity.ready) == (None, None, False)


def test_terminating_pod_is_not_ready(object_api: ObjectApi, pods: PodControl) -> None:
    terminating = pod()
    terminating["metadata"]["deletionTimestamp"] = "2026-11-25T00:00:00Z"
    object_api.put(POD, terminating)
    assert not pods.pod("mongodb-0").ready


def test_identity_of_a_claim(object_api: ObjectApi, pods: PodControl) -> None:
    assert pods.volume_claim("data-mongodb-0") == VolumeClaimIdentity("claim-1", "pv-1", "Bound")
    object_api.put(CLAIM, claim() | {"spec": {}, "status": {}})
    assert pods.volume_claim("data-mongodb-0") == VolumeClaimIdentity("claim-1", None, "Pending")


def test_missing_objects_raise_not_found(pods: PodControl) -> None:
    with pytest.raises(NotFound, match=f"mongodb-1 .* {NAMESPACE}"):
        pods.pod("mongodb-1")
    with pytest.raises(NotFound, match="no volume claim data-mongodb-1"):
        pods.volume_claim("data-mongodb-1")


def test_pod_is_deleted_with_its_uid_and_its_own_grace_period(object_api: ObjectApi, pods: PodControl) -> None:
    pods.kill("mongodb-0", "uid-1", GRACEFUL)
    ((path, options),) = object_api.deleted
    assert path == POD
    assert options == {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": "uid-1"}}


def test_replacement_is_never_deleted(object_api: ObjectApi, pods: PodControl) -> None:
    with pytest.raises(UidMismatch, match="uid-0"):
        pods.kill("mongodb-0", "uid-0", GRACEFUL)
    assert not object_api.deleted


def test_deletion_of_a_missing_pod_raises_not_found(object_api: ObjectApi, pods: PodControl) -> None:
    del object_api.objects[POD]
    with pytest.raises(NotFound):
        pods.kill("mongodb-0", "uid-1", GRACEFUL)


def test_missing_permission_raises(object_api: ObjectApi, pods: PodControl) -> None:
    object_api.error = (403, {})
    with pytest.raises(ExternalError, match=r"may not delete the pod mongodb-0: .* 403"):
        pods.kill("mongodb-0", "uid-1", GRACEFUL)


def test_lost_response_raises_without_a_retry(object_api: ObjectApi, pods: PodControl) -> None:
    object_api.drops_responses = True
    with pytest.raises(ExternalError, match="could not delete the pod mongodb-0"):
        pods.kill("mongodb-0", "uid-1", GRACEFUL)
    assert len(object_api.deleted) == 1


def test_unreachable_api_server_raises(clock: ManualClock) -> None:
    clients = partial(KubeClient, Configuration(host=f"http://127.0.0.1:{free_port()}"))
    pods, lease = PodControl(clients, NAMESPACE), KubeLease(clients, NAMESPACE, "dashboard-a", clock, clock)
    recorder = EventRecorder(clients, NAMESPACE, "dashboard-a")
    for call in (
        lambda: pods.pod("mongodb-0"),
        lambda: pods.kill("mongodb-0", "uid-1", GRACEFUL),
        lambda: lease.acquire("run", 15),
        lease.holder,
        ConfigMapHistory(clients, NAMESPACE).load,
        lambda: recorder.record("Killed", "…", {"kind": "Pod", "name": "mongodb-0", "uid": "uid-1"}),
    ):
        with pytest.raises(ExternalError, match="can't be reached: Connection"):
            call()
    lease.release()


def test_crash_request_is_sent_once_with_the_token(clients: Callable[[float], KubeClient]) -> None:
    with StubCrashContainer(200) as container:
        PodControl(clients, NAMESPACE, CrashClient(container.port, TOKEN)).kill("mongodb-0", "uid-1", CRASH)
    assert container.requests == [("/crash", f"Bearer {TOKEN}", {"uid": "uid-1"})]


@pytest.mark.parametrize(
    ("status", "body", "error", "message"),
    [
        (412, b"{}", UidMismatch, "replaced"),
        (401, b"{}", ExternalError, "another token"),
        (409, b'{"detail":"No mongod runs here now."}', ExternalError, "it answered 409 .*No mongod runs here now"),
        (500, b"\xff<html>", ExternalError, "it answered 500"),
        (302, b"", ExternalError, "it answered 302"),
        (0, b"", ExternalError, "did not answer"),
    ],
)
def test_crash_errors_raise_without_a_retry(
    status: int, body: bytes, error: type[ExternalError], message: str, clients: Callable[[float], KubeClient]
) -> None:
    with StubCrashContainer(status, body) as container:
        with pytest.raises(error, match=message) as raised:
            PodControl(clients, NAMESPACE, CrashClient(container.port, TOKEN)).kill("mongodb-0", "uid-1", CRASH)
        assert type(raised.value) is error
    assert len(container.requests) == 1


def test_mongod_of_another_pod_is_not_killed(clients: Callable[[float], KubeClient]) -> None:
    with StubCrashContainer(200) as container, pytest.raises(UidMismatch):
        PodControl(clients, NAMESPACE, CrashClient(container.port, TOKEN)).kill("mongodb-0", "uid-0", CRASH)
    assert not container.requests


def test_crash_mode_without_a_crash_container_raises(clients: Callable[[float], KubeClient]) -> None:
    with pytest.raises(ExternalError, match="not installed"):
        PodControl(clients, NAMESPACE).kill("mongodb-0", "uid-1", CRASH)
    port = free_port()
    with pytest.raises(ExternalError, match=f"no crash container at port {port}"):
        PodControl(clients, NAMESPACE, CrashClient(port, TOKEN)).kill("mongodb-0", "uid-1", CRASH)


def test_pod_without_an_ip_address_raises(object_api: ObjectApi, clients: Callable[[float], KubeClient]) -> None:
    object_api.put(POD, pod() | {"status": {}})
    with pytest.raises(ExternalError, match="no IP address"):
        PodControl(clients, NAMESPACE, CrashClient(1, TOKEN)).kill("mongodb-0", "uid-1", CRASH)
