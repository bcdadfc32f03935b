"""Control of the Deployment, the autoscaler and pods, against a stub of the Kubernetes API."""

from collections.abc import Callable
from typing import Any

import pytest

from dashboard.core.errors import Denied, ExternalError, InvalidOption, NotFound, UidMismatch
from dashboard.kube.client import KubeClient
from dashboard.kube.objects.control import ObjectControl, VersionConflict, autoscaler, deployment
from dashboard.sources.rights import RightsSource, needs
from tests.dashboard.kube.manifests import POD, manifest
from tests.dashboard.kube.stubs import NAMESPACE, ObjectApi
from tests.dashboard.stubs import Emitted

FLASK = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/flask"
SETS = f"/apis/apps/v1/namespaces/{NAMESPACE}/replicasets"
TARGET = deployment("flask")
PAUSE = [{"op": "add", "path": "/spec/paused", "value": True}]


@pytest.fixture
def control(object_api: ObjectApi, clients: Callable[[float], KubeClient]) -> ObjectControl:
    object_api.put(FLASK, manifest("flask-deployment"))
    return ObjectControl(clients, NAMESPACE)


def test_patch_changes_the_object_that_was_seen(control: ObjectControl, object_api: ObjectApi) -> None:
    seen = control.read(TARGET)
    changed = control.patch(TARGET, seen, PAUSE, dry_run=False)
    assert changed["spec"]["paused"] is True
    assert object_api.objects[FLASK]["spec"]["paused"] is True


def test_patch_of_an_object_that_changed_is_a_conflict(control: ObjectControl, object_api: ObjectApi) -> None:
    seen = control.read(TARGET)
    object_api.meanwhile = lambda: object_api.put(FLASK, manifest("flask-deployment")) and None
    with pytest.raises(VersionConflict):
        control.patch(TARGET, seen, PAUSE, dry_run=False)
    assert "paused" not in object_api.objects[FLASK]["spec"]


def test_dry_run_answers_the_new_object_and_changes_nothing(control: ObjectControl, object_api: ObjectApi) -> None:
    seen = control.read(TARGET)
    assert control.patch(TARGET, seen, PAUSE, dry_run=True)["spec"]["paused"] is True
    control.delete_pod("mongodb-0", "uid-1", dry_run=True)
    assert control.read(TARGET) == seen
    assert object_api.deleted == [] and POD in object_api.objects


def test_only_the_pod_with_the_uid_is_deleted(control: ObjectControl, object_api: ObjectApi) -> None:
    with pytest.raises(UidMismatch):
        control.delete_pod("mongodb-0", "another", dry_run=False)
    assert object_api.deleted == []
    control.delete_pod("mongodb-0", "uid-1", dry_run=False)
    assert [path for path, _ in object_api.deleted] == [POD]
    with pytest.raises(NotFound):
        control.delete_pod("mongodb-0", "uid-1", dry_run=False)


@pytest.mark.parametrize(
    ("status", "error"), [(403, Denied), (422, InvalidOption), (400, InvalidOption), (500, ExternalError)]
)
def test_refusals_are_told_apart(
    control: ObjectControl, object_api: ObjectApi, status: int, error: type[Exception]
) -> None:
    seen = control.read(TARGET)
    object_api.error = (status, {})
    with pytest.raises(error):
        control.patch(TARGET, seen, PAUSE, dry_run=True)


def test_only_the_deployments_own_replica_sets_are_returned(control: ObjectControl, object_api: ObjectApi) -> None:
    def owned(uid: str, controller: bool) -> Any:
        return {"metadata": {"name": uid, "ownerReferences": [{"uid": uid, "controller": controller}]}}

    items = [owned("d", True), owned("d", False), owned("other", True), {"metadata": {"name": "x"}}]
    object_api.put(SETS, {"metadata": {}, "items": items})
    assert control.replica_sets("d") == [items[0]]


def test_an_action_is_allowed_only_with_all_of_its_rights(control: ObjectControl, object_api: ObjectApi) -> None:
    source = RightsSource(control.allowed, needs("flask", "flask"), Emitted())
    assert source.allowed() == []
    object_api.allowed = {("patch", "deployments", "flask"), ("delete", "pods", "mongodb-0")}
    assert source.allowed() == [], "neither the revisions nor any pod but the database's"
    object_api.allowed |= {("list", "replicasets", ""), ("delete", "pods", "flask-any")}
    assert source.allowed() == ["rollout", "pods"]
    object_api.allowed |= {("patch", "horizontalpodautoscalers", "flask")}
    assert source.allowed() == ["rollout", "autoscaler", "pods"]


def test_missing_objects_are_named(control: ObjectControl) -> None:
    with pytest.raises(NotFound, match="HorizontalPodAutoscaler nothing"):
        control.read(autoscaler("nothing"))
