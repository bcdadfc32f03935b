"""The operator's actions by the API, on the real cluster. Each test puts back what it changed."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.deployment import Deployment, wait_until

pytestmark = pytest.mark.cluster

ROLLED_SECONDS = 240.0
SAMPLED_SECONDS = 90.0
NAMESPACE = ("--namespace", "flask-mongodb")

Json = dict[str, Any]


@pytest.fixture
def api(deployment: Deployment) -> Iterator[Deployment]:
    """The deployment with nothing under way, before and after."""
    wait_until(lambda: rollout(deployment)["state"] == "complete" and not deployment.state()["lease"], ROLLED_SECONDS)
    yield deployment
    wait_until(lambda: rollout(deployment)["state"] == "complete", ROLLED_SECONDS)


def call(deployment: Deployment, method: str, path: str, body: Any = None) -> tuple[int, Json]:
    url, headers = f"{deployment.dashboard}/api/{path}", deployment.authorization
    response = deployment.http.request(method, url, json=body, headers=headers)
    return response.status, response.json()


def dry_run(deployment: Deployment, method: str, path: str, **body: Any) -> Json:
    status, answer = call(deployment, method, path, body | {"dry_run": True})
    assert status == 200, answer
    return answer


def act(deployment: Deployment, method: str, path: str, **body: Any) -> Json:
    """Make the change, guarded by what its dry run has seen."""
    seen = dry_run(deployment, method, path, **body)["resource_version"]
    status, answer = call(deployment, method, path, body | {"resource_version": seen})
    assert status == 202, answer
    return answer


def rollout(deployment: Deployment) -> Json:
    found: Json = deployment.state()["deployment"]["rollout"]
    return found


def pods(deployment: Deployment) -> set[str]:
    return {pod["uid"] for pod in deployment.state()["pods"] if pod["app"] == "flask" and pod["phase"] == "Running"}


def events(deployment: Deployment, kind: str) -> list[str]:
    """Return the messages of the dashboard's Events on objects of a kind."""
    selector = f"reason=DashboardAction,involvedObject.kind={kind}"
    found = deployment.get("events", *NAMESPACE, "--field-selector", selector)
    return [event["message"] for event in found["items"]]


def wait_until_complete(deployment: Deployment, revision: str) -> None:
    wait_until(lambda: rollout(deployment) | {"text": ""} == {"state": "complete", "text": "", "revision": revision},
               ROLLED_SECONDS)  # fmt: skip


def test_page_may_offer_every_action(api: Deployment) -> None:
    wait_until(lambda: api.state()["about"]["actions"] == ["rollout", "autoscaler", "pods"], 30)


def test_dry_run_changes_nothing(api: Deployment) -> None:
    before = api.get("deployment", "flask", *NAMESPACE)
    answer = dry_run(api, "POST", "deployment/restart")
    assert any("restartedAt" in change for change in answer["changes"])
    assert api.get("deployment", "flask", *NAMESPACE)["spec"] == before["spec"]


def test_restart_is_paused_resumed_and_undone(api: Deployment) -> None:
    before, first = pods(api), int(rollout(api)["revision"])
    template = api.get("deployment", "flask", *NAMESPACE)["spec"]["template"]
    act(api, "POST", "deployment/restart")
    wait_until(lambda: rollout(api)["state"] == "progressing", 30)
    act(api, "POST", "deployment/pause")
    wait_until(lambda: rollout(api)["state"] == "paused", 30)
    assert call(api, "POST", "deployment/restart", {"dry_run": True})[0] == 409
    act(api, "POST", "deployment/resume")
    wait_until_complete(api, str(first + 1))
    wait_until(lambda: len(pods(api)) == len(before) and not before & pods(api), ROLLED_SECONDS)
    assert act(api, "POST", "deployment/undo")["revision"] == first
    wait_until_complete(api, str(first + 2))
    assert api.get("deployment", "flask", *NAMESPACE)["spec"]["template"] == template
    wait_until(lambda: len(events(api, "Deployment")) >= 4, 30)


def test_paused_roll_out_is_undone_at_once(api: Deployment) -> None:
    first = int(rollout(api)["revision"])
    act(api, "POST", "deployment/restart")
    wait_until(lambda: rollout(api)["revision"] == str(first + 1), 30)  # a paused Deployment gets no ReplicaSet
    act(api, "POST", "deployment/pause")
    assert act(api, "POST", "deployment/undo", revision=first)["command"].count("kubectl") == 2
    wait_until_complete(api, str(first + 2))
    assert not api.get("deployment", "flask", *NAMESPACE)["spec"].get("paused")


def test_late_change_of_the_autoscaler_is_told_what_changed(api: Deployment) -> None:
    spec = api.get("hpa", "flask", *NAMESPACE)["spec"]
    try:
        seen = dry_run(api, "PATCH", "autoscaler", max=7)["resource_version"]
        patch = json.dumps({"spec": {"maxReplicas": 6}})
        api.kubectl("patch", "hpa", "flask", *NAMESPACE, "--type=merge", "--patch", patch)
        status, answer = call(api, "PATCH", "autoscaler", {"max": 7, "resource_version": seen})
        assert (status, answer["changes"]) == (409, [f"maxReplicas: {spec['maxReplicas']} → 6"])
        assert "kubectl" in answer["detail"]
        assert api.get("hpa", "flask", *NAMESPACE)["spec"]["maxReplicas"] == 6
    finally:
        act(api, "PATCH", "autoscaler", max=spec["maxReplicas"])
    assert api.get("hpa", "flask", *NAMESPACE)["spec"] == spec


def test_autoscaler_is_changed_and_says_what_it_would_do(api: Deployment) -> None:
    spec = api.get("hpa", "flask", *NAMESPACE)["spec"]
    settings = call(api, "GET", "autoscaler")[1]["settings"]
    least = spec["minReplicas"] + 1

    def recommended() -> int | None:
        number: int | None = dry_run(api, "PATCH", "autoscaler", min=least)["evaluation"]["recommended"]
        return number

    # None while pods of an earlier test's roll-out have no sample.
    wait_until(lambda: (recommended() or 0) >= least, SAMPLED_SECONDS)
    behavior = settings["behavior"] | {"scaleUp": settings["behavior"]["scaleUp"] | {"selectPolicy": "Min"}}
    try:
        act(api, "PATCH", "autoscaler", min=least, target=settings["target"] + 5, behavior=behavior)
        changed = api.get("hpa", "flask", *NAMESPACE)["spec"]
        assert changed["minReplicas"] == least
        assert changed["metrics"][0]["resource"]["target"]["averageUtilization"] == settings["target"] + 5
        assert changed["behavior"]["scaleUp"]["selectPolicy"] == "Min"
        wait_until(lambda: len(pods(api)) >= least, ROLLED_SECONDS)
    finally:
        back = {name: settings[name] for name in ("min", "target", "behavior")}
        act(api, "PATCH", "autoscaler", **back)
    assert api.get("hpa", "flask", *NAMESPACE)["spec"] == spec
    wait_until(lambda: len(events(api, "HorizontalPodAutoscaler")) >= 2, 30)


@pytest.mark.parametrize(
    "body", [{"min": 99}, {"behavior": {"scaleUp": {"policies": [{"type": "Pods", "value": 0, "periodSeconds": 15}]}}},
             {"behavior": {"scaleSideways": {}}}],
)  # fmt: skip
def test_settings_that_the_api_server_refuses_are_422(api: Deployment, body: Json) -> None:
    status, answer = call(api, "PATCH", "autoscaler", body | {"dry_run": True})
    assert status == 422, answer


def test_service_pod_is_deleted_and_replaced(api: Deployment) -> None:
    def is_replaced() -> bool:
        """The autoscaler may still be on its way back to the minimum, so the number of pods is the Deployment's."""
        asked = api.get("deployment", "flask", *NAMESPACE)["spec"]["replicas"]
        return uid not in pods(api) and len(pods(api)) >= asked

    uid = min(pods(api))
    assert call(api, "DELETE", f"pods/{uid}?dry_run=true")[0] == 200
    assert uid in pods(api)
    status, answer = call(api, "DELETE", f"pods/{uid}")
    assert status == 202, answer
    wait_until(is_replaced, ROLLED_SECONDS)
    assert call(api, "DELETE", f"pods/{uid}")[0] in (404, 409)
    wait_until(lambda: any("delete pod" in message for message in events(api, "Pod")), 30)


def test_database_pod_is_not_deleted_as_one_of_the_service(api: Deployment) -> None:
    database = next(pod for pod in api.state()["pods"] if pod["name"] == "mongodb-0")
    assert call(api, "DELETE", f"pods/{database['uid']}")[0] == 422


def test_action_without_its_role_is_refused_and_not_offered(api: Deployment) -> None:
    """What k8s/components/without-autoscaler does."""
    binding = api.get("rolebinding", "dashboard-autoscaler", *NAMESPACE)
    for field in ("creationTimestamp", "resourceVersion", "uid", "managedFields"):
        binding["metadata"].pop(field, None)
    api.kubectl("delete", "rolebinding", "dashboard-autoscaler", *NAMESPACE)
    try:
        wait_until(lambda: "autoscaler" not in api.state()["about"]["actions"], 90)
        assert call(api, "PATCH", "autoscaler", {"max": 6, "dry_run": True})[0] == 403
    finally:
        api.kubectl("apply", "--filename", "-", input=json.dumps(binding))
    wait_until(lambda: "autoscaler" in api.state()["about"]["actions"], 90)
