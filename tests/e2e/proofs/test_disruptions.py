"""The demos that disrupt the service's pods: PASS on a healthy deployment, and never on one that lacks what they rest
on."""

import pytest

from dashboard.check import main as check
from tests.e2e.deployment import Deployment
from tests.e2e.proofs.controls import ENDS_AT_ONCE, Json, RunClient, one_replica, service_without

pytestmark = pytest.mark.cluster

TRIES = 3  # a request must be under way just as a pod ends


@pytest.fixture
def client(deployment: Deployment) -> RunClient:
    return RunClient(deployment)


def service_pods(deployment: Deployment) -> set[str]:
    found = deployment.get("pods", "--selector", "app.kubernetes.io/name=flask")["items"]
    return {pod["metadata"]["uid"] for pod in found if not pod["metadata"].get("deletionTimestamp")}


def pod_template(deployment: Deployment) -> Json:
    template: Json = deployment.get("deployment", "flask")["spec"]["template"]
    return template


def refuted(client: RunClient, demo: str) -> Json:
    """Run a demo until it fails. No run may pass."""
    runs: list[Json] = []
    while not (runs and runs[-1]["verdict"] == "fail") and len(runs) < TRIES:
        runs.append(client.run(demo))
        assert runs[-1]["verdict"] != "pass", runs[-1]["line"]
    return runs[-1]


@pytest.mark.soak  # `make test` has both in test_prove_runs_all_demos_to_pass
@pytest.mark.parametrize("demo", ["rollout", "self-healing"])
def test_disrupted_service_passes(
    client: RunClient, deployment: Deployment, demo: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    before, template = service_pods(deployment), pod_template(deployment)
    run = client.run(demo)
    assert run["verdict"] == "pass", run
    evidence = run["evidence"]
    assert (evidence["failed"], evidence["lost"], evidence["corrupt"]) == (0, 0, 0)
    assert not before & service_pods(deployment) if demo == "rollout" else before != service_pods(deployment)
    assert pod_template(deployment) == template, "a roll-out is rolled back"
    file = tmp_path_factory.mktemp("evidence") / "run.gz"
    file.write_bytes(client.request("GET", f"/runs/{run['id']}/evidence").data)
    assert check([str(file)]) == 0


def test_pods_without_a_pre_stop_hook_are_refuted_with_that_cause(client: RunClient, deployment: Deployment) -> None:
    with service_without(deployment, "lifecycle", program=ENDS_AT_ONCE):  # the service itself serves late clients
        run = refuted(client, "rollout")
    assert run["verdict"] == "fail" and run["evidence"]["failed"] > 0, run["line"]
    assert "no preStop hook" in run["reason"]


@pytest.mark.soak
def test_pods_without_readiness_are_refuted_with_that_cause(client: RunClient, deployment: Deployment) -> None:
    with service_without(deployment, "readinessProbe", "startupProbe"):
        run = refuted(client, "rollout")
    assert run["verdict"] == "fail" and run["evidence"]["failed"] > 0, run["line"]
    assert "no readiness probe" in run["reason"]


@pytest.mark.soak
@pytest.mark.parametrize("demo", ["rollout", "self-healing"])
def test_one_replica_never_passes(client: RunClient, deployment: Deployment, demo: str) -> None:
    with one_replica(deployment):
        run = client.run(demo)
    assert run["verdict"] != "pass", run["line"]
    assert "one pod only" in run["reason"] or "pods Ready before" in run["reason"]


@pytest.mark.soak
@pytest.mark.parametrize("demo", ["rollout", "self-healing"])
def test_five_disrupted_runs_pass_in_a_row(client: RunClient, demo: str) -> None:
    runs = [client.run(demo) for _ in range(5)]
    assert [run["verdict"] for run in runs] == ["pass"] * 5, "\n".join(str(run["line"]) for run in runs)
