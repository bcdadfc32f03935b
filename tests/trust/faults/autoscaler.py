"""Faults of autoscaling: of the autoscaler itself, and of the pods that it adds.

A MutatingAdmissionPolicy changes new pods only. The running pods and the Deployment's template stay unchanged.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

from tests.e2e.deployment import wait_until
from tests.trust.case import State
from tests.trust.faults import service
from tests.trust.site import Json, Site, label
from tools.deploy.rollout import NAMESPACE

POLICY = "trust-new-pods"
EFFECT_SECONDS = 60.0  # until a policy is in effect
SERVED_BY_OLD = {"trust-fault": "old"}  # a label of the present pods only


def scaling_disabled(direction: str) -> State:
    """The autoscaler's spec disables `scaleUp` or `scaleDown`."""

    @contextlib.contextmanager
    def state(site: Site) -> Iterator[None]:
        def edit(hpa: Json) -> None:
            hpa["spec"]["behavior"][direction]["selectPolicy"] = "Disabled"

        with site.changed("horizontalpodautoscaler", "flask", edit):
            yield
        site.deployment.kubectl("scale", "deployment", "flask", "--replicas=2")

    return state


@contextlib.contextmanager
def quota_forbids_pods(site: Site) -> Iterator[None]:
    """A quota allows only as many pods as there are."""
    count = len(site.deployment.get("pods")["items"])
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": label("trust-pods"),
             "spec": {"hard": {"pods": str(count)}}}  # fmt: skip

    def is_counted() -> bool:
        found = site.deployment.get("resourcequota", "trust-pods")
        return str(found.get("status", {}).get("used", {}).get("pods")) == str(count)

    with site.added(quota):
        wait_until(is_counted, EFFECT_SECONDS)
        yield


def new_pods_have(path: str, value: object) -> State:
    """New pods have another value at a path below their first container."""

    @contextlib.contextmanager
    def state(site: Site) -> Iterator[None]:
        with site.added(*_policy(f"/spec/containers/0/{path}", value)):
            wait_until(lambda: _first_container(site, path) == value, EFFECT_SECONDS)
            yield

    return state


new_pods_without_image = new_pods_have("image", "localhost/flask-mongodb-service:missing")
new_pods_never_ready = new_pods_have("readinessProbe/httpGet/path", "/never")
new_pods_answer_500 = new_pods_have("command", ["python", "-c", service.ANSWERS_500])


@contextlib.contextmanager
def service_misses_new_pods(site: Site) -> Iterator[None]:
    """The Service selects by a label that only the present pods have."""
    names = [f"pod/{pod['metadata']['name']}" for pod in site.pods("flask")]
    site.deployment.kubectl("label", *names, *(f"{name}={value}" for name, value in SERVED_BY_OLD.items()))
    with site.changed("service", "flask", lambda service: service["spec"]["selector"].update(SERVED_BY_OLD)):
        yield


@contextlib.contextmanager
def metrics_server_stops(site: Site, _run: str) -> Iterator[None]:
    with site.faults.metrics_server_unreachable():
        yield


@contextlib.contextmanager
def autoscaler_is_deleted(site: Site, _run: str) -> Iterator[None]:
    site.deployment.kubectl("delete", "hpa", "flask")
    try:
        yield
    finally:
        site.apply(site.manifest("horizontalpodautoscaler", "flask"))


@contextlib.contextmanager
def target_is_renamed(site: Site, _run: str) -> Iterator[None]:
    site.apply(
        site.manifest(
            "horizontalpodautoscaler", "flask", lambda hpa: hpa["spec"]["scaleTargetRef"].update(name="flask-renamed")
        )
    )
    try:
        yield
    finally:
        site.apply(site.manifest("horizontalpodautoscaler", "flask"))


def _policy(path: str, value: object) -> tuple[Json, Json]:
    api = "admissionregistration.k8s.io/v1"
    # A JSON text is a CEL literal, too.
    patch = f'[JSONPatch{{op: "add", path: {json.dumps(path)}, value: {json.dumps(value)}}}]'
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]
    return (
        {
            "apiVersion": api, "kind": "MutatingAdmissionPolicy", "metadata": {"name": POLICY},
            "spec": {
                "matchConstraints": {
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}},
                    "objectSelector": {"matchLabels": {"app.kubernetes.io/name": "flask"}},
                    "resourceRules": rules,
                },
                "failurePolicy": "Fail", "reinvocationPolicy": "Never",
                "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": patch}}],
            },
        },
        {
            "apiVersion": api, "kind": "MutatingAdmissionPolicyBinding", "metadata": {"name": POLICY},
            "spec": {"policyName": POLICY},
        },
    )  # fmt: skip


def _first_container(site: Site, path: str) -> object:
    """Return the value at a path of a new pod's first container, from a dry run."""
    template = site.deployment.get("deployment", "flask")["spec"]["template"]
    labels = template["metadata"]["labels"]
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": template["spec"],
           "metadata": {**label("trust-probe"), "labels": labels}}  # fmt: skip
    command = ("create", "--dry-run=server", "--output", "json", "--filename", "-")
    found = json.loads(site.deployment.kubectl(*command, input=json.dumps(pod)))["spec"]["containers"][0]
    for name in path.split("/"):
        found = found.get(name, {})
    return found
