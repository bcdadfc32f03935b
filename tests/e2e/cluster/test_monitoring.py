"""The component `monitoring` on a real cluster: what it scrapes, what Grafana shows, and alerts by their causes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import pytest

from tests.e2e.deployment import Deployment, wait_until
from tools.cluster.instance import CHECKOUT

pytestmark = [pytest.mark.cluster, pytest.mark.soak]

PROXY = "/api/v1/namespaces/flask-mongodb/services/prometheus:http/proxy/api/v1"
GRAFANA = CHECKOUT / "k8s" / "components" / "grafana" / "flask-mongodb.json"
SCRAPED = ["dashboard", "flask", "flask", "mongodb", "prometheus"]
CLIENTS = 16


@pytest.fixture(scope="module")
def monitored() -> Iterator[Deployment]:
    made = Deployment("monitored")
    made.remove()
    try:
        done = made.deploy("up", COMPONENTS="monitoring")
        assert done.returncode == 0, done.stdout
        yield made
    finally:
        made.remove()


def query(deployment: Deployment, expression: str) -> list[dict[str, Any]]:
    """Return the series of an instant query."""
    answer = json.loads(deployment.kubectl("get", "--raw", f"{PROXY}/query?query={quote(expression, safe='')}"))
    assert answer["status"] == "success"
    found: list[dict[str, Any]] = answer["data"]["result"]
    return found


def firing(deployment: Deployment) -> set[str]:
    return {each["metric"]["alertname"] for each in query(deployment, 'ALERTS{alertstate="firing"}')}


def test_every_pod_is_scraped(monitored: Deployment) -> None:
    wait_until(lambda: sorted(each["metric"]["job"] for each in query(monitored, "up == 1")) == SCRAPED, 120)
    targets = json.loads(monitored.kubectl("get", "--raw", f"{PROXY}/targets"))["data"]["activeTargets"]
    assert [each["lastError"] for each in targets] == [""] * len(SCRAPED)


def test_every_expression_of_grafanas_dashboard_has_data(monitored: Deployment) -> None:
    monitored.http.request("GET", f"{monitored.service}/data")
    panels = json.loads(GRAFANA.read_text())["panels"]
    written = [target["expr"] for each in panels for target in each["targets"]]
    expressions = [each.replace("$namespace", "flask-mongodb").replace("$__rate_interval", "1m") for each in written]
    assert len(expressions) > 12
    # No demo has run yet, so that no verdict is 1.
    for expression in (each for each in expressions if "dashboard_verdict" not in each):
        wait_until(lambda expression=expression: query(monitored, expression), 90)


def test_alerts_fire_by_their_causes_and_end_after_them(monitored: Deployment) -> None:
    assert firing(monitored) == set()
    with requests(monitored), scaled_to_zero(monitored, "statefulset/mongodb", 1):
        expected = {"MongoDown", "ServiceFailsFast", "ServiceFailsSlowly", "ServiceSlowFast", "ServiceSlowSlowly"}
        wait_until(lambda: expected <= firing(monitored), 300)
    with scaled_to_zero(monitored, "deployment/flask", 2):
        wait_until(lambda: {"ServiceGone", "AutoscalerBlind"} <= firing(monitored), 480)
    with requests(monitored, clients=2):  # good ones: the short windows forget the others
        wait_until(lambda: not firing(monitored) - {"ServiceFailsSlowly", "ServiceSlowSlowly"}, 900)
        wait_until(lambda: firing(monitored) == set(), 2700)


@contextmanager
def scaled_to_zero(deployment: Deployment, name: str, replicas: int) -> Iterator[None]:
    deployment.kubectl("scale", name, "--replicas=0")
    try:
        yield
    finally:
        deployment.kubectl("scale", name, f"--replicas={replicas}")
        deployment.kubectl("rollout", "status", name, "--timeout=180s")


@contextmanager
def requests(deployment: Deployment, clients: int = CLIENTS) -> Iterator[None]:
    """Send GETs from some clients, one after another each. What comes of them is not looked at."""
    ended = threading.Event()

    def send() -> None:
        while not ended.wait(0.1):
            deployment.http.request("GET", f"{deployment.service}/data?limit=1", retries=2)

    threads = [threading.Thread(target=send, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join(60)
