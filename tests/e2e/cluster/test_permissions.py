"""The dashboard's permissions: each verb on each resource of the cluster, against the list ALLOWED; and what admission
refuses of the deletions among them.
"""

import itertools
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest
from kubernetes import client, config

from tests.e2e.deployment import Deployment

pytestmark = pytest.mark.cluster

NAMESPACE = "flask-mongodb"
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:dashboard"
GROUPS = ["system:serviceaccounts", f"system:serviceaccounts:{NAMESPACE}", "system:authenticated"]
VERBS = (
    "get", "list", "watch", "create", "update", "patch", "delete", "deletecollection",
    "impersonate", "bind", "escalate", "approve", "sign", "attest", "use", "proxy", "*",
)  # fmt: skip
READ = ("get", "list", "watch")


class Access(NamedTuple):
    """A request to the authorizer. An empty `name` means any object, an empty `namespace` the whole cluster."""

    verb: str
    group: str
    resource: str
    name: str = ""
    namespace: str = NAMESPACE


CONFIG_MAPS = ("dashboard-runs", "dashboard-history", *(f"dashboard-evidence-{number}" for number in range(20)))
ALLOWED = {
    *(Access(verb, "", resource) for verb in READ for resource in ("pods", "events", "persistentvolumeclaims")),
    *(Access(verb, "apps", resource) for verb in READ for resource in ("deployments", "statefulsets")),
    *(Access(verb, "autoscaling", "horizontalpodautoscalers") for verb in READ),
    *(Access(verb, "discovery.k8s.io", "endpointslices") for verb in READ),
    *(Access(verb, "metrics.k8s.io", "pods") for verb in ("get", "list")),
    Access("get", "", "pods/log"),
    Access("get", "", "services", "flask"),
    Access("create", "", "events"),
    Access("delete", "", "pods"),  # of these, admission refuses all but the service's and mongodb-0
    Access("list", "apps", "replicasets"),
    Access("patch", "apps", "deployments", "flask"),
    Access("patch", "autoscaling", "horizontalpodautoscalers", "flask"),
    *(Access(verb, "coordination.k8s.io", "leases", "dashboard-runs") for verb in ("get", "update")),
    *(Access(verb, "", "configmaps", name) for verb in ("get", "update") for name in CONFIG_MAPS),
}
# The reviews of oneself, which Kubernetes allows every authenticated user.
SELF = {
    ("create", "authorization.k8s.io", "selfsubjectaccessreviews"),
    ("create", "authorization.k8s.io", "selfsubjectrulesreviews"),
    ("create", "authentication.k8s.io", "selfsubjectreviews"),
}
NAMES = sorted({access.name for access in ALLOWED if access.name})
WITH_NAMES = {(access.group, access.resource) for access in ALLOWED if access.name}


@pytest.fixture
def api(deployment: Deployment) -> Iterator[client.ApiClient]:
    settings = client.Configuration()
    config.load_kube_config(str(deployment.directory / "kubeconfig"), client_configuration=settings)
    settings.connection_pool_maxsize = 8
    with client.ApiClient(settings) as opened:
        yield opened


def resources(deployment: Deployment) -> set[tuple[str, str, bool]]:
    """Return (group, resource or resource/subresource, namespaced) of all that the API server and its add-ons serve."""
    groups = get(deployment, "/apis")["groups"]
    versions = [each["groupVersion"] for group in groups for each in group["versions"]]
    found = set()
    for path, group in [("/api/v1", ""), *((f"/apis/{each}", each.split("/")[0]) for each in versions)]:
        for resource in get(deployment, path)["resources"]:
            found.add((group, resource["name"], resource["namespaced"]))
    return found


def get(deployment: Deployment, path: str) -> Any:
    return json.loads(deployment.kubectl("get", "--raw", path))


def test_account_has_exactly_the_listed_permissions(deployment: Deployment, api: client.ApiClient) -> None:
    served = resources(deployment)
    assert {(access.group, access.resource) for access in ALLOWED} <= {(group, name) for group, name, _ in served}
    tested = [
        Access(verb, group, resource, name, namespace)
        for (group, resource, namespaced), verb in itertools.product(sorted(served), VERBS)
        for namespace in ((NAMESPACE, "kube-system", "") if namespaced else ("",))
        for name in ("", *(("another", *NAMES) if (group, resource) in WITH_NAMES else ()))
    ]
    reviews = client.AuthorizationV1Api(api)

    def is_allowed(access: Access) -> bool:
        resource, _, subresource = access.resource.partition("/")
        attributes = client.V1ResourceAttributes(
            verb=access.verb, group=access.group, resource=resource, subresource=subresource, name=access.name,
            namespace=access.namespace,
        )  # fmt: skip
        spec = client.V1SubjectAccessReviewSpec(user=ACCOUNT, groups=GROUPS, resource_attributes=attributes)
        review = reviews.create_subject_access_review(client.V1SubjectAccessReview(spec=spec))
        return bool(review.status.allowed)

    with ThreadPoolExecutor(4) as threads:
        allowed = {access for access, yes in zip(tested, threads.map(is_allowed, tested), strict=True) if yes}
    print(f"{len(tested):,} requests tested, {len(allowed)} allowed")
    expected = {access for access in tested if access._replace(name="") in ALLOWED or access in ALLOWED}
    expected |= {access for access in tested if access[:3] in SELF}
    assert allowed == expected


def test_default_account_has_no_permissions(deployment: Deployment) -> None:
    subject = f"system:serviceaccount:{NAMESPACE}:default"
    listing = deployment.kubectl("auth", "can-i", "--list", "--no-headers", "--as", subject, "--namespace", NAMESPACE)
    first = [line.split()[0] for line in listing.splitlines()]
    named = {word for word in first if "." in word and not word.startswith("[")}  # brackets enclose paths
    assert named <= {f"{resource}.{group}" for _, group, resource in SELF}


def refusal(deployment: Deployment, pod: str, account: str = ACCOUNT) -> str:
    """Try to delete the pod as the account, as a dry run, which admission judges too. Return the refusal, or ""."""
    command = ("delete", "pod", pod, "--namespace", NAMESPACE, "--dry-run=server", "--wait=false")
    said = deployment.kubectl(*command, "--as", account, check=False)
    return "" if "(server dry run)" in said else said


@pytest.fixture
def strangers(deployment: Deployment) -> Iterator[list[str]]:
    """Pods that look like the service's: by label, by name, and by the hash of its template. None has its owner."""
    service = ("--namespace", NAMESPACE, "--selector", "app.kubernetes.io/name=flask")
    (first, *_) = deployment.get("pods", *service)["items"]
    other = f"0{first['metadata']['labels']['pod-template-hash']}"
    image = first["spec"]["containers"][0]["image"]
    limits = {"cpu": "10m", "memory": "16Mi", "ephemeral-storage": "1Mi"}
    container = {
        "name": "stranger", "image": image, "command": ["sleep", "600"], "resources": {"limits": limits},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }  # fmt: skip
    security = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
    made = {
        "stranger-labelled": {"app.kubernetes.io/name": "flask-stranger", "app": "flask"},
        "flask-stranger-by-name": {},
        # With the ReplicaSet's own hash, the ReplicaSet would adopt it.
        "stranger-with-hash": {"app.kubernetes.io/name": "flask", "pod-template-hash": other},
    }
    for name, given in made.items():
        pod = {
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": NAMESPACE, "labels": given},
            "spec": {
                "automountServiceAccountToken": False, "securityContext": security, "containers": [container],
                "nodeSelector": {"stranger": "never-scheduled"},
            },
        }  # fmt: skip
        deployment.kubectl("apply", "--filename", "-", input=json.dumps(pod))
    yield [*made]
    deployment.kubectl("delete", "pods", *made, "--namespace", NAMESPACE, "--wait=false")


def test_account_deletes_pods_of_the_service_and_the_database_and_no_other(
    deployment: Deployment, strangers: list[str]
) -> None:
    pods = deployment.get("pods", "--namespace", NAMESPACE)["items"]
    may = {
        pod["metadata"]["name"]: pod["metadata"]["name"] not in strangers
        and (pod["metadata"].get("labels") or {}).get("app.kubernetes.io/name") in ("flask", "mongodb")
        for pod in pods
    }
    assert {*strangers} < {*may} and "mongodb-0" in may and sum(may.values()) >= 3
    refused = {name: refusal(deployment, name) for name in may}
    assert {name: not reason for name, reason in refused.items()} == may
    assert all("only pods of the service and the members of MongoDB" in reason for reason in refused.values() if reason)


def test_policy_concerns_the_dashboards_account_only(deployment: Deployment, strangers: list[str]) -> None:
    command = ("delete", "pod", strangers[0], "--namespace", NAMESPACE, "--dry-run=server", "--wait=false")
    assert "(server dry run)" in deployment.kubectl(*command)


@pytest.fixture
def unrelated(deployment: Deployment) -> Iterator[str]:
    """Another project's namespace, whose account `dashboard` may delete pods, and that has one. Return its name."""
    name = "unrelated"
    deployment.kubectl("create", "namespace", name)
    deployment.kubectl("create", "serviceaccount", "default", "--namespace", name, check=False)  # the pod's
    deployment.kubectl("create", "role", "pods", "--verb=get,delete", "--resource=pods", "--namespace", name)
    subject = f"--serviceaccount={name}:dashboard"
    deployment.kubectl("create", "rolebinding", "pods", "--role=pods", subject, "--namespace", name)
    pod = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "its-own", "namespace": name},
        "spec": {"containers": [{"name": "its-own", "image": "none"}], "nodeSelector": {"unrelated": "none"}},
    }  # fmt: skip
    deployment.kubectl("create", "--filename", "-", input=json.dumps(pod))
    yield name
    deployment.kubectl("delete", "namespace", name, "--wait=false")


def test_account_of_the_same_name_in_another_namespace_deletes_its_own_pods(
    deployment: Deployment, unrelated: str
) -> None:
    command = ("delete", "pod", "its-own", "--namespace", unrelated, "--dry-run=server", "--wait=false")
    said = deployment.kubectl(*command, "--as", f"system:serviceaccount:{unrelated}:dashboard", check=False)
    assert "(server dry run)" in said


def test_account_deletes_no_collection_of_pods(deployment: Deployment) -> None:
    command = ("delete", "--raw", f"/api/v1/namespaces/{NAMESPACE}/pods?dryRun=All", "--as", ACCOUNT)
    assert "forbidden" in deployment.kubectl(*command, check=False).lower()
