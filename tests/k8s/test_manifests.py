"""The rules that the rendered manifests keep.

An exception for the gates covers a whole object. These rules still hold for each of its containers.
"""

import re
from pathlib import Path

import kubernetes_validate
import pytest

from dashboard.prove import ABORT_SECONDS
from dashboard.runs.demos.registry import DEMOS
from service.sidecar.probes import LEAVE_SECONDS
from tests.k8s.manifests import Json, containers, kubectl, parse, pod_labels, pods
from tools.cluster.binary import KUBERNETES
from tools.cluster.instance import CHECKOUT
from tools.deploy import rollout

pytestmark = pytest.mark.kubectl

WITHOUT_CPU_LIMIT = {"Deployment/dashboard/dashboard"}
MONGOD_ENDS_SECONDS = 25  # a primary lets a successor be elected for 15 s, and writes its journal
LEEWAY_SECONDS = 900  # over the demos' own deadlines
APP = "app.kubernetes.io/name"
# Kinds that a cluster knows only from the Prometheus operator and from a Gateway's controller.
FOREIGN = ("monitoring.coreos.com/", "gateway.networking.k8s.io/")
SERVERS = {"Deployment/flask/flask", "Deployment/dashboard/dashboard", "StatefulSet/mongodb/mongod"}
PROMETHEUS = {"StatefulSet/prometheus/prometheus"}  # only with its component


def of_kind(objects: list[Json], kind: str) -> list[Json]:
    return [each for each in objects if each["kind"] == kind]


def test_objects_meet_the_schemas_of_the_embedded_clusters_version(objects: list[Json]) -> None:
    version = ".".join(KUBERNETES.version.removeprefix("v").split(".")[:2])
    assert len(objects) > 20
    for each in objects:
        if not each["apiVersion"].startswith(FOREIGN):  # test_alerts.py has those
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
        assert tag.removeprefix("v")[:1].isdigit(), container["image"]
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
    assert {"dashboard"} <= with_role <= {"dashboard", "mongodb", "prometheus"}
    for name, pod in pods(objects):
        sources = [source for volume in pod["volumes"] for source in volume.get("projected", {}).get("sources", [])]
        has_token = pod.get("automountServiceAccountToken", True) or any("serviceAccountToken" in s for s in sources)
        assert has_token is (pod.get("serviceAccountName") in with_role), name


def test_dashboard_may_get_the_service_by_name_and_nothing_of_nodes_or_secrets(objects: list[Json]) -> None:
    assert not of_kind(objects, "ClusterRole")
    rules = [rule for role in of_kind(objects, "Role") for rule in role["rules"]]
    assert not any({"nodes", "secrets", "*"} & {*rule["resources"]} for rule in rules)
    assert [rule for rule in rules if "services" in rule["resources"]] == [
        {"apiGroups": [""], "resources": ["services"], "resourceNames": ["flask"], "verbs": ["get"]}
    ]


def test_sidecar_alone_has_the_token_that_reads_the_scale_and_nothing_else(objects: list[Json]) -> None:
    roles = [each for each in of_kind(objects, "Role") if each["metadata"]["name"] == "mongodb"]
    for role in roles:
        assert role["rules"] == [{
            "apiGroups": ["apps"], "resources": ["statefulsets/scale"], "resourceNames": ["mongodb"], "verbs": ["get"],
        }]  # fmt: skip
        mounts = {name: [each["name"] for each in found["volumeMounts"]] for name, found in containers(objects)}
        with_token = {name for name, volumes in mounts.items() if "token" in volumes}
        assert with_token == {"StatefulSet/mongodb/sidecar"}


def test_members_have_a_service_each_and_as_many_seeds_as_there_are(objects: list[Json]) -> None:
    (stateful_set,) = (each for each in of_kind(objects, "StatefulSet") if each["metadata"]["name"] == "mongodb")
    members = [f"mongodb-{ordinal}" for ordinal in range(stateful_set["spec"]["replicas"])]
    selected = {
        each["spec"]["selector"].get("statefulset.kubernetes.io/pod-name") for each in of_kind(objects, "Service")
    }
    assert selected - {None} == {*members}
    env = {name: container.get("env", []) for name, container in containers(objects)}
    assert {"name": "REPLICAS", "value": str(len(members))} in env["StatefulSet/mongodb/sidecar"]
    seeds = ",".join(f"{each}:27017" for each in members) if len(members) > 1 else "mongodb:27017"
    for name in ("Deployment/flask/flask", "Deployment/dashboard/dashboard"):
        (uri,) = (variable["value"] for variable in env[name] if variable["name"] == "MONGODB_URI")
        user = "$(MONGODB_USER):$(MONGODB_PASSWORD)"
        assert uri.startswith(f"mongodb://{user}@{seeds}/?replicaSet=rs0&authSource=admin"), uri
        wanted = ["MONGODB_USER", "MONGODB_PASSWORD", "MONGODB_URI"]  # $(…) knows what stands before it
        assert [variable["name"] for variable in env[name] if variable["name"] in wanted] == wanted


def test_clients_of_mongodb_verify_it_by_the_authority_that_they_mount(
    objects: list[Json], request: pytest.FixtureRequest
) -> None:
    """A pod with the certificate's key is MongoDB's own."""
    verify, hold = set(), set()
    for name, pod in pods(objects):
        sources = {volume["name"]: volume for volume in pod["volumes"]}
        hold |= {name for each in sources.values() if each.get("secret", {}).get("secretName") == "mongodb-certificate"}
        for container in pod["containers"]:
            file = next((each for each in container.get("env", []) if each["name"] == "MONGODB_CA_FILE"), {})
            if file.get("value") == "/ca/ca.crt":
                (mount,) = (each for each in container["volumeMounts"] if each["mountPath"] == "/ca")
                assert sources[mount["name"]]["configMap"] == {"name": "mongodb-ca"}
                verify.add(f"{name}/{container['name']}")
    used = request.node.callspec.params["rendered"] == "components/tls"
    assert hold == ({"StatefulSet/mongodb"} if used else set())
    clients = {"Deployment/flask/flask", "Deployment/dashboard/dashboard", "StatefulSet/mongodb/sidecar"}
    assert verify == (clients if used else set())
    text = str([each.get("data") for each in of_kind(objects, "Secret")])
    assert ("certificate.pem" in text) is used and "ca.key" not in text


def test_members_that_come_and_go_may_take_their_time_to_leave(objects: list[Json]) -> None:
    (pod,) = (pod for name, pod in pods(objects) if name == "StatefulSet/mongodb")
    hooks = [each["lifecycle"]["preStop"]["httpGet"]["path"] for each in pod["containers"] if "lifecycle" in each]
    if hooks:
        assert hooks == ["/leave", "/leave"]
        assert pod["terminationGracePeriodSeconds"] >= LEAVE_SECONDS + MONGOD_ENDS_SECONDS


def test_programs_of_a_cronjob_are_bounded_and_never_repeated(objects: list[Json]) -> None:
    for each in of_kind(objects, "CronJob"):
        spec, job = each["spec"], each["spec"]["jobTemplate"]["spec"]
        assert (spec["concurrencyPolicy"], job["backoffLimit"]) == ("Forbid", 0)
        assert job["template"]["spec"]["restartPolicy"] == "Never"
        assert spec["startingDeadlineSeconds"] < 86_400
        if each["metadata"]["name"] == "prove":
            deadlines = sum(demo.limits["deadline"] for demo in DEMOS.values())
            assert deadlines + ABORT_SECONDS < job["activeDeadlineSeconds"] <= deadlines + LEEWAY_SECONDS
            assert job["template"]["spec"]["terminationGracePeriodSeconds"] > ABORT_SECONDS
        else:
            assert job["activeDeadlineSeconds"] <= 7200
        assert {spec["successfulJobsHistoryLimit"], spec["failedJobsHistoryLimit"]} <= {1, 2, 3}


def test_every_pod_has_a_policy_and_those_of_a_cronjob_reach_one_program_only(objects: list[Json]) -> None:
    policies = {each["metadata"]["name"]: each["spec"] for each in of_kind(objects, "NetworkPolicy")}
    selected = {each["podSelector"].get("matchLabels", {}).get(APP) for each in policies.values()}
    assert {labels[APP] for labels in pod_labels(objects)} <= selected
    for name, program in (("prove", "dashboard"), ("backup", "mongodb")):
        if policy := policies.get(name):
            (arrow,) = policy["egress"]
            assert arrow["to"] == [{"podSelector": {"matchLabels": {APP: program}}}]
            assert policy.get("ingress") is None and "Ingress" in policy["policyTypes"]


def test_servers_have_all_probes(objects: list[Json]) -> None:
    probes = {"startupProbe", "readinessProbe", "livenessProbe"}
    assert {name for name, container in containers(objects) if probes <= container.keys()} - PROMETHEUS == SERVERS


def test_deletions_are_limited_in_this_deployments_namespace_and_in_no_other(objects: list[Json]) -> None:
    """The policy is of the whole cluster, where another project may have an account `dashboard`."""
    (policy,) = of_kind(objects, "ValidatingAdmissionPolicy")
    wanted = policy["spec"]["matchConstraints"]["namespaceSelector"]["matchLabels"]
    (made,) = (each["metadata"].get("labels", {}) for each in of_kind(objects, "Namespace"))
    (applied_alone,) = parse((CHECKOUT / "k8s/base/namespace.yaml").read_text())
    assert wanted
    for labels in (made, applied_alone["metadata"]["labels"]):
        assert wanted.items() <= labels.items()


def test_deployment_into_another_namespace_leaves_nothing_in_the_first(
    rendered: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the kustomization that `make up NAMESPACE=another` writes."""
    monkeypatch.setenv("NAMESPACE", "another")
    (tmp_path / "objects.yaml").write_text(rendered)
    kustomize = f'[ "$1" = apply ] && {" ".join(kubectl() or ())} kustomize "$3" > {tmp_path}/made'
    monkeypatch.setattr(rollout, "MANIFESTS", tmp_path / "k8s")
    (tmp_path / "k8s" / "rendered").mkdir(parents=True)
    (tmp_path / "objects.yaml").rename(tmp_path / "k8s" / "rendered" / "objects.yaml")
    (tmp_path / "k8s" / "rendered" / "kustomization.yaml").write_text('{"resources": ["objects.yaml"]}')
    patches = [rollout.secrets_patch(each, "0") for each in ("flask", "dashboard", "mongodb")]
    rollout.apply(("bash", "-c", kustomize, "kubectl"), "rendered", [], {}, patches, tmp_path / "manifests")
    made = parse((tmp_path / "made").read_text())
    assert {each["metadata"].get("namespace", each["metadata"]["name"]) for each in made} == {"another"}
    bound = [subject["namespace"] for each in of_kind(made, "RoleBinding") for subject in each["subjects"]]
    assert {*bound} == {"another"}
    (policy,) = of_kind(made, "ValidatingAdmissionPolicy")
    (namespace,) = of_kind(made, "Namespace")
    selected = policy["spec"]["matchConstraints"]["namespaceSelector"]["matchLabels"]
    assert selected.items() <= namespace["metadata"]["labels"].items()


def test_only_who_wants_node_ports_opens_them(objects: list[Json], request: pytest.FixtureRequest) -> None:
    wanted = request.node.callspec.params["rendered"] in ("overlays/minikube", "components/node-ports")
    types = {each["metadata"]["name"]: each["spec"].get("type", "ClusterIP") for each in of_kind(objects, "Service")}
    assert {types["flask"], types["dashboard"]} == {"NodePort" if wanted else "ClusterIP"}
    assert {types[name] for name in types.keys() - {"flask", "dashboard"}} == {"ClusterIP"}


def test_only_the_dashboard_is_led_outside_and_only_by_tls(objects: list[Json]) -> None:
    """The data service asks for no password."""
    for ingress in of_kind(objects, "Ingress"):
        (rule,) = ingress["spec"]["rules"]
        assert [path["backend"]["service"]["name"] for path in rule["http"]["paths"]] == ["dashboard"]
        assert [tls["hosts"] for tls in ingress["spec"]["tls"]] == [[rule["host"]]]
        assert rule["host"] in allowed_hosts(objects)
    for gateway in of_kind(objects, "Gateway"):
        (listener,) = gateway["spec"]["listeners"]
        (route,) = of_kind(objects, "HTTPRoute")
        assert (listener["protocol"], listener["tls"]["mode"]) == ("HTTPS", "Terminate")
        assert route["spec"]["parentRefs"] == [{"name": gateway["metadata"]["name"], "sectionName": listener["name"]}]
        assert [backend["name"] for rule in route["spec"]["rules"] for backend in rule["backendRefs"]] == ["dashboard"]
        assert listener["hostname"] in allowed_hosts(objects) and route["spec"]["hostnames"] == [listener["hostname"]]


def test_variables_refer_only_to_those_before_them(objects: list[Json]) -> None:
    """Kubernetes leaves other references as they are."""
    for name, container in containers(objects):
        known: set[str] = set()
        for variable in container.get("env", []):
            assert set(re.findall(r"\$\((\w+)\)", variable.get("value", ""))) <= known, (name, variable)
            known.add(variable["name"])


def allowed_hosts(objects: list[Json]) -> list[str]:
    (dashboard,) = (container for name, container in containers(objects) if name == "Deployment/dashboard/dashboard")
    (hosts,) = (each["value"] for each in dashboard["env"] if each["name"] == "ALLOWED_HOSTS")
    return str(hosts).split(",")


def test_failed_program_says_its_last_words_in_its_status(objects: list[Json]) -> None:
    """`make up` quotes them."""
    assert {each.get("terminationMessagePolicy") for _, each in containers(objects)} == {"FallbackToLogsOnError"}
