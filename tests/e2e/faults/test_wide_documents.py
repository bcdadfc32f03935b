"""Large documents of many small values, which take the programs forty times their size, from 64 clients at once."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import urllib3

from tests.e2e.deployment import Deployment

pytestmark = [pytest.mark.cluster, pytest.mark.soak]

Json = dict[str, Any]

CLIENTS = 64
WIDE = b'{"a":[' + b",".join([b"{}"] * 349_000) + b"]}"  # 1 MiB; 4.4 MB of BSON, 27 MB of Python's objects
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def no_restart(deployment: Deployment) -> Iterator[None]:
    """No container ends meanwhile, and no pod is replaced but the service's, whose number the autoscaler changes."""
    before, kept = count_restarts(deployment), pods(deployment, "app.kubernetes.io/name!=flask").keys()
    yield
    assert not count_restarts(deployment) - before
    assert kept <= pods(deployment).keys()


@pytest.mark.usefixtures("no_restart")
def test_wide_documents_are_stored_replaced_and_read_or_refused(deployment: Deployment) -> None:
    http = urllib3.PoolManager(num_pools=1, maxsize=CLIENTS, timeout=90, retries=False)
    url = f"{deployment.service}/proofs"
    first = http.request("POST", url, body=WIDE, headers=JSON)
    one, tag = f"{url}/{first.json()['id']}", first.headers["ETag"]
    requests = [
        ("POST", url, WIDE, {}),
        ("GET", one, None, {}),
        ("PUT", one, WIDE, {}),
        ("PUT", one, WIDE, {"If-Match": tag}),
    ]
    with ThreadPoolExecutor(CLIENTS) as clients:
        for method, address, body, headers in requests:
            answers = [
                clients.submit(http.request, method, address, body=body, headers=JSON | headers) for _ in range(CLIENTS)
            ]
            statuses = Counter(answer.result().status for answer in answers)
            print(method, headers, dict(statuses))
            # On a slow machine, a write may reach its deadline before MongoDB has answered: 504 says so.
            assert set(statuses) <= {200, 201, 503} | ({504} if method != "GET" else set())
            assert statuses[200] + statuses[201] >= CLIENTS / 4


def count_restarts(deployment: Deployment) -> Counter[str]:
    """Return {uid of the pod: restarts of its containers}."""
    return Counter({
        uid: sum(each["restartCount"] for each in pod["status"].get("containerStatuses", []))
        for uid, pod in pods(deployment).items()
    })  # fmt: skip


def pods(deployment: Deployment, selector: str = "") -> dict[str, Json]:
    """Return {uid: pod}."""
    found = deployment.get("pods", "--selector", selector)["items"]
    return {pod["metadata"]["uid"]: pod for pod in found}
