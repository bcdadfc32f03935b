"""The rules that the rendered manifests keep.

An exception for the gates covers a whole object. These rules still hold for each of its containers.
"""

import kubernetes_validate
import pytest

from dashboard.prove import ABORT_SECONDS
from dashboard.runs.demos.registry import DEMOS
from tests.k8s.manifests import Json, containers, pods
from tools.cluster.binary import KUBERNETES

pytestmark = pytest.mark.kubectl

WITHOUT_CPU_LIMIT = {"Deployment/dashboard/dashboard"}
OPERATOR = "monitoring.coreos.com/"  # kinds that the cluster knows only from the Prometheus operator
SERVERS = {"Deployment/flask/flask", "Deployment/dashboard/dashboard", "StatefulSet/mongodb/mongod"}


def of_kind(objects: list[Json], kind: str) -> list[Json]:
    return [each for each in objects if each["kind"] == kind]


def test_objects_meet_the_schemas_of_the_embedded_clusters_version(objects: list[Json]) -> None:
    version = ".".join(KUBERNETES.version.removeprefix("v").split(".")[:2])
    assert len(objects) > 20
    for each in objects:
        if not each["apiVersion"].startswith(OPERATOR):  # test_alerts.py has those
            kubernetes_validate.validate(each, version, strict=True)


def test_containers_have_requests_and_limits_of_cpu_memory_and_disk(objects: list[Json]) -> None:
    lacking = set()
    for name, container in containers(objects):
        resources = container["resources"]
        for resource in ("cpu", "memory", "ephemeral-storage"):
            lacking |= {(name, kind, resource) for kind in ("requests", "limits") if resource not in resources[kind]}
    assert lacking == {(name, "limits", "cpu") for name in WITHOUT_CPU_LIMIT}


def test_empty_dirs_have_a_size_limit(objects: list[Json]) -> None:
    volumes = [volume["emptyDir"] for _, pod in pods(objects) for volume in pod["volumes"] if "emptyDir" in volume]
    assert volumes and all("sizeLimit" in each for each in volumes)


def test_images_have_a_fixed_tag_and_are_pulled_only_if_missing(objects: list[Json]) -> None:
    for _, container in containers(objects):
        tag = container["image"].rpartition("/")[2].partition(":")[2]
        assert tag[:1].isdigit(), container["image"]
        assert container["imagePullPolicy"] == "IfNotPresent"


def test_service_is_spread_over_nodes_and_the_only_node_takes_all_pods(objects: list[Json]) -> None:
    constraints = {name: pod.get("topologySpreadConstraints", []) for name, pod in pods(objects)}
    (spread,) = constraints["Deployment/flask"]
    (flask,) = (each for each in of_kind(objects, "Deployment") if each["metadata"]["name"] == "flask")
    assert spread["topologyKey"] == "kubernetes.io/hostname"
    labels = flask["spec"]["template"]["metadata"]["labels"]
    assert spread["labelSelector"]["matchLabels"].items() <= labels.items()
    assert {each["whenUnsatisfiable"] for some in constraints.values() for each in some} == {"ScheduleAnyway"}


def test_pods_that_are_not_ready_never_hold_up_a_drain(objects: list[Json]) -> None:
    budgets = of_kind(objects, "PodDisruptionBudget")
    assert budgets
    assert {each["spec"].get("unhealthyPodEvictionPolicy") for each in budgets} == {"AlwaysAllow"}


def test_only_pods_whose_account_has_a_role_get_a_token(objects: list[Json]) -> None:
    with_role = {subject["name"] for binding in of_kind(objects, "RoleBinding") for subject in binding["subjects"]}
    assert with_role == {"dashboard"}
    for name, pod in pods(objects):
        used = pod.get("serviceAccountName") in with_role
        assert pod.get("automountServiceAccountToken", True) is used, name


def test_programs_of_a_cronjob_are_bounded_and_never_repeated(objects: list[Json]) -> None:
    for each in of_kind(objects, "CronJob"):
        spec, job = each["spec"], each["spec"]["jobTemplate"]["spec"]
        assert (spec["concurrencyPolicy"], job["backoffLimit"]) == ("Forbid", 0)
        assert job["template"]["spec"]["restartPolicy"] == "Never"
        assert spec["startingDeadlineSeconds"] < 86_400
        assert job["activeDeadlineSeconds"] > sum(demo.limits["deadline"] for demo in DEMOS.values()) + ABORT_SECONDS
        assert job["template"]["spec"]["terminationGracePeriodSeconds"] > ABORT_SECONDS
        assert {spec["successfulJobsHistoryLimit"], spec["failedJobsHistoryLimit"]} <= {1, 2, 3}


def test_every_pod_has_a_policy_and_the_nightly_one_reaches_the_dashboard_only(objects: list[Json]) -> None:
    policies = {each["metadata"]["name"]: each["spec"] for each in of_kind(objects, "NetworkPolicy")}
    assert {name.partition("/")[2] for name, _ in pods(objects)} <= policies.keys()
    if of_kind(objects, "CronJob"):
        (arrow,) = policies["prove"]["egress"]
        assert arrow["to"] == [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "dashboard"}}}]
        assert policies["prove"].get("ingress") is None and "Ingress" in policies["prove"]["policyTypes"]


def test_servers_have_all_probes(objects: list[Json]) -> None:
    probes = {"startupProbe", "readinessProbe", "livenessProbe"}
    assert {name for name, container in containers(objects) if probes <= container.keys()} == SERVERS
