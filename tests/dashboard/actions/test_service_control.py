"""What the demos do to the service, against a stub of the Kubernetes API."""

from collections.abc import Callable

import pytest

from dashboard.actions.rollout import RESTARTED
from dashboard.actions.service_control import ServiceControl
from dashboard.core.errors import ExternalError, NotFound, UidMismatch
from dashboard.kube.client import KubeClient
from dashboard.kube.objects.control import ObjectControl
from dashboard.runs.ports import ServiceDeployment
from tests.dashboard.kube.manifests import POD, manifest
from tests.dashboard.kube.stubs import NAMESPACE, ObjectApi

FLASK = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/flask"
AT = "2026-11-25T04:00:00.000Z"


@pytest.fixture
def service(object_api: ObjectApi, clients: Callable[[float], KubeClient]) -> ServiceDeployment:
    flask = manifest("flask-deployment")
    flask["metadata"]["uid"] = "uid-flask"
    object_api.put(FLASK, flask)
    return ServiceControl(ObjectControl(clients, NAMESPACE), "flask")


def test_manifest_has_what_a_roll_out_rests_on(service: ServiceDeployment) -> None:
    found = service.read()
    assert (found.name, found.uid, found.pre_stop, found.readiness) == ("flask", "uid-flask", True, True)


@pytest.mark.parametrize(("field", "key"), [("pre_stop", "lifecycle"), ("readiness", "readinessProbe")])
def test_missing_hook_or_probe_is_seen(service: ServiceDeployment, object_api: ObjectApi, field: str, key: str) -> None:
    del object_api.objects[FLASK]["spec"]["template"]["spec"]["containers"][0][key]
    assert not getattr(service.read(), field)


@pytest.mark.parametrize("seconds", [450, None])
def test_progress_deadline_is_read(service: ServiceDeployment, object_api: ObjectApi, seconds: int | None) -> None:
    object_api.objects[FLASK]["spec"]["progressDeadlineSeconds"] = seconds
    assert service.read().progress_deadline == seconds


def test_restart_changes_the_template_and_undo_brings_it_back(
    service: ServiceDeployment, object_api: ObjectApi
) -> None:
    template = service.read().template
    before, after = service.restart(AT)
    assert before.template == template and after.template["metadata"]["annotations"][RESTARTED] == AT
    ours, former = service.undo(before, after)
    assert ours.digest == after.digest != before.digest
    assert former.digest == before.digest
    assert object_api.objects[FLASK]["spec"]["template"] == template


def test_restart_is_made_again_after_a_conflict(service: ServiceDeployment, object_api: ObjectApi) -> None:
    object_api.meanwhile = lambda: object_api.put(FLASK, object_api.objects[FLASK]) and None
    assert service.restart(AT)[1].template["metadata"]["annotations"][RESTARTED] == AT


def test_undo_of_a_template_that_somebody_changed_is_refused(service: ServiceDeployment, object_api: ObjectApi) -> None:
    before, after = service.restart(AT)
    changed = object_api.objects[FLASK]
    changed["spec"]["template"]["spec"]["hostname"] = "other"
    object_api.put(FLASK, changed)
    with pytest.raises(ExternalError, match="changed meanwhile"):
        service.undo(before, after)
    assert object_api.objects[FLASK]["spec"]["template"]["spec"]["hostname"] == "other"


@pytest.mark.parametrize("grace", [None, 0])
def test_pod_is_deleted_by_uid_with_the_grace_period(
    service: ServiceDeployment, object_api: ObjectApi, grace: int | None
) -> None:
    with pytest.raises(UidMismatch):
        service.delete("mongodb-0", "another", grace)
    service.delete("mongodb-0", "uid-1", grace)
    ((path, options),) = object_api.deleted
    assert path == POD and options.get("gracePeriodSeconds") == grace


def test_deployment_that_is_gone_is_named(service: ServiceDeployment, object_api: ObjectApi) -> None:
    del object_api.objects[FLASK]
    with pytest.raises(NotFound, match="flask"):
        service.restart(AT)
