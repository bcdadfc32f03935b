"""The rules that the rendered manifests keep.

An exception for the gates covers a whole object. These rules still hold for each of its containers.
"""

import kubernetes_validate
import pytest

from tests.k8s.manifests import Json, containers, pods
from tools.cluster.binary import KUBERNETES

pytestmark = pytest.mark.kubectl

WITHOUT_CPU_LIMIT = {"Deployment/dashboard/dashboard"}
SERVERS = {"Deployment/flask/flask", "Deployment/dashboard/dashboard", "StatefulSet/mongodb/mongod"}


def of_kind(objects: list[Json], kind: str) -> list[Json]:
    return [each for each in objects if each["kind"] == kind]


def test_objects_meet_the_schemas_of_the_embedded_clusters_version(objects: list[Json]) -> None:
    version = ".".join(KUBERNETES.version.removeprefix("v").split(".")[:2])
    assert len(objects) > 20
    for each in objects:
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


def test_servers_have_all_probes(objects: list[Json]) -> None:
    probes = {"startupProbe", "readinessProbe", "livenessProbe"}
    assert {name for name, container in containers(objects) if probes <= container.keys()} == SERVERS
