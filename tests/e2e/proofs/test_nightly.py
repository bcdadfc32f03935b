"""The nightly component: a Job of its CronJob proves both claims, and the dashboard exports the verdicts."""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dashboard.runs.demos.registry import offered
from tests.e2e.deployment import Deployment, wait_until
from tests.k8s.manifests import parse, render

pytestmark = pytest.mark.cluster

JOB_SECONDS = 1_500.0  # all demos take ten minutes
METRICS = "from urllib.request import urlopen; print(urlopen('http://127.0.0.1:9090/metrics').read().decode())"
IN_NAMESPACE = ("--namespace", "flask-mongodb")


@pytest.fixture(params=["persistence", pytest.param("all", marks=pytest.mark.soak)])
def demos(request: pytest.FixtureRequest, deployment: Deployment, tmp_path: Path) -> Iterator[list[str]]:
    """The component's objects, applied with the image that the dashboard has. Yield the demos that its CronJob runs."""
    rendered = parse(render("components/nightly", tmp_path / "k8s"))
    objects = [each for each in rendered if each["metadata"]["name"] == "prove"]
    (cronjob,) = (each for each in objects if each["kind"] == "CronJob")
    deployed = deployment.get(*IN_NAMESPACE, "deployment", "dashboard")["spec"]["template"]["spec"]["containers"][0]
    container = cronjob["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    container["image"] = deployed["image"]
    container["command"][3] = request.param
    manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    deployment.kubectl("apply", "--filename", "-", input=manifest)
    yield [*offered(1)] if request.param == "all" else [request.param]
    deployment.kubectl(*IN_NAMESPACE, "delete", "--filename", "-", input=manifest, check=False)


def verdicts(deployment: Deployment) -> dict[tuple[str, str], float]:
    """Return the exported verdicts by demo and verdict, and the times under "at"."""
    text = deployment.kubectl(*IN_NAMESPACE, "exec", "deploy/dashboard", "--", "python", "-c", METRICS)
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {
        (sample.labels["demo"], sample.labels.get("verdict", "at")): sample.value
        for sample in samples
        if sample.name.startswith("dashboard_verdict")
    }


def test_nightly_job_proves_its_claims_and_its_verdicts_outlive_the_dashboard(
    deployment: Deployment, demos: list[str]
) -> None:
    began = time.time()
    deployment.kubectl(*IN_NAMESPACE, "create", "job", "prove-now", "--from=cronjob/prove")
    try:
        wait_until(lambda: conditions(deployment) & {"Complete", "Failed"}, JOB_SECONDS, 2)
        log = deployment.kubectl(*IN_NAMESPACE, "logs", "job/prove-now")
        assert "Complete" in conditions(deployment), log
        assert all(f"{demo} PASS " in log for demo in demos)
        found = verdicts(deployment)
        assert all(found[demo, "pass"] == 1 and found[demo, "at"] > began for demo in demos)
        deployment.kubectl(*IN_NAMESPACE, "rollout", "restart", "deployment/dashboard")
        deployment.kubectl(*IN_NAMESPACE, "rollout", "status", "deployment/dashboard", "--timeout=120s")

        def are_found() -> bool:
            with suppress(AssertionError):  # `exec` may choose the former pod, which ends
                return verdicts(deployment) == found
            return False

        wait_until(are_found, 60)
    finally:
        deployment.kubectl(*IN_NAMESPACE, "delete", "job", "prove-now", check=False)


def conditions(deployment: Deployment) -> set[str]:
    job: Any = deployment.get(*IN_NAMESPACE, "job", "prove-now")
    return {each["type"] for each in job["status"].get("conditions", []) if each["status"] == "True"}
