"""The examples' manifests and targets: what a target names is there, and Kubernetes takes what a manifest says."""

import subprocess
import sys
from typing import Any

import kubernetes_validate
import pytest
import requests
import yaml

from dashboard.target.postgresql import address
from dashboard.target.target import ProofTarget, parse
from tests.dashboard.stubs import wait_until
from tests.e2e.example_images import REFERENCES
from tests.e2e.examples import GUESTBOOK, NOTES, STATELESS, Example
from tests.k8s.manifests import Json, containers, pods
from tools.cluster.binary import KUBERNETES
from tools.local.mongod import dies_with_parent, free_port, listens

ALL = [NOTES, GUESTBOOK, STATELESS]
CONFINED = [GUESTBOOK, STATELESS]


def objects(example: Example) -> list[Json]:
    return [*yaml.safe_load_all(example.manifest.read_text())]


def named(example: Example, kind: str, name: str) -> Json:
    (found,) = (each for each in objects(example) if (each["kind"], each["metadata"]["name"]) == (kind, name))
    return found


def target(example: Example) -> ProofTarget:
    return parse(example.target.read_text())


def by_name(example: Example) -> str:
    return example.name


@pytest.mark.parametrize("example", ALL, ids=by_name)
def test_objects_meet_the_schemas(example: Example) -> None:
    version = ".".join(KUBERNETES.version.removeprefix("v").split(".")[:2])
    for each in objects(example):
        kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.parametrize("example", ALL, ids=by_name)
def test_service_and_autoscaler_are_those_of_the_target(example: Example) -> None:
    service = target(example).service
    assert service.url == f"http://{example.name}:8000"
    workload = {"apiVersion": "apps/v1", "kind": "Deployment", "name": service.deployment}
    autoscaler = named(example, "HorizontalPodAutoscaler", service.autoscaler)["spec"]
    assert autoscaler["scaleTargetRef"] == workload
    (metric,) = autoscaler["metrics"]
    assert metric["resource"] == {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}
    assert (autoscaler["minReplicas"], autoscaler["maxReplicas"]) == (2, 5)
    selector = named(example, "Service", example.name)["spec"]["selector"]
    labels = named(example, "Deployment", service.deployment)["spec"]["template"]["metadata"]["labels"]
    assert selector == labels


@pytest.mark.parametrize("example", [NOTES, GUESTBOOK], ids=by_name)
def test_database_is_one_pod_whose_data_are_on_a_volume_of_its_own(example: Example) -> None:
    database = target(example).database
    assert database and target(example).contract and database.statefulset == example.database
    spec = named(example, "StatefulSet", database.statefulset)["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    assert (spec["replicas"], container["name"]) == (1, database.container)
    (claim,) = spec["volumeClaimTemplates"]
    assert container["volumeMounts"] == [{"name": claim["metadata"]["name"], "mountPath": database.data}]


def test_stateless_has_neither_a_database_nor_a_contract() -> None:
    assert (target(STATELESS).database, target(STATELESS).contract) == (None, None)
    assert {each["kind"] for each in objects(STATELESS)} == {"Deployment", "Service", "HorizontalPodAutoscaler"}


@pytest.mark.parametrize("example", ALL, ids=by_name)
def test_tests_have_a_stand_in_for_each_image_and_passwords_are_in_a_secret(example: Example) -> None:
    stand_ins = {REFERENCES[name].removeprefix("docker.io/library/") for name in example.images}
    assert {container["image"] for _, container in containers(objects(example))} <= stand_ins
    variables = [each for _, container in containers(objects(example)) for each in container.get("env", [])]
    secrets = [each["valueFrom"]["secretKeyRef"]["name"] for each in variables if "valueFrom" in each]
    assert {*secrets} == ({example.database} if example.database else set())


@pytest.mark.parametrize("example", CONFINED, ids=by_name)
def test_pods_are_restricted_and_have_probes_requests_and_limits(example: Example) -> None:
    for _, pod in pods(objects(example)):
        assert pod["securityContext"]["runAsNonRoot"] is True and pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
    for name, container in containers(objects(example)):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        }  # fmt: skip
        assert {"readinessProbe", "livenessProbe"} <= container.keys(), name
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]


def test_notes_are_read_where_the_application_writes_them() -> None:
    database = target(NOTES).database
    assert database and database.postgresql
    place = database.postgresql
    at = address(place.url)
    assert [each["port"] for each in named(NOTES, "Service", at.host)["spec"]["ports"]] == [at.port]
    (container,) = named(NOTES, "StatefulSet", database.statefulset)["spec"]["template"]["spec"]["containers"]
    assert {"name": "POSTGRES_DB", "value": at.database} in container["env"]
    program = (NOTES.manifest.parent / "app.py").read_text()
    assert f"TABLE IF NOT EXISTS {place.table} ({place.id} uuid PRIMARY KEY, {place.payload} text" in program
    assert target(NOTES).secrets() == {f"{NOTES.database}/password"}


def test_redis_writes_each_change_to_the_disk_before_it_answers() -> None:
    assert redis_options() == {
        "dir": "/data", "requirepass": "$(REDIS_PASSWORD)", "save": "", "appendonly": "$(APPENDONLY)",
        "appendfsync": "always",
    }  # fmt: skip
    variables = {each["name"]: each.get("value") for each in redis()["env"]}
    assert variables["APPENDONLY"] == "yes"


def redis() -> Json:
    (container,) = named(GUESTBOOK, "StatefulSet", "guestbook-redis")["spec"]["template"]["spec"]["containers"]
    return dict(container)


def redis_options() -> dict[str, Any]:
    program, *options = redis()["args"]
    assert program == "redis-server"
    return {name.removeprefix("--"): value for name, value in zip(options[::2], options[1::2], strict=True)}


@pytest.mark.slow
def test_program_of_stateless_answers_and_ends_when_it_is_told_to() -> None:
    (container,) = named(STATELESS, "Deployment", "stateless")["spec"]["template"]["spec"]["containers"]
    program, _ = container["args"]
    assert container["command"] == ["python3", "-c"]
    port = free_port()
    command = (*dies_with_parent(), sys.executable, "-c", program.replace("8000", str(port)), "127.0.0.1")
    process = subprocess.Popen(command)
    try:
        wait_until(lambda: listens(port))
        answers = [requests.get(f"http://127.0.0.1:{port}{path}", timeout=30) for path in ("/", "/healthz")]
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
    assert [each.text for each in answers] == ["430 primes below 3000\n", "4 primes below 10\n"]
