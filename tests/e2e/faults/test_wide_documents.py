"""Large documents of many small values, which take the programs forty times their size, from 64 clients at once."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import urllib3

from tests.e2e.deployment import Deployment

pytestmark = pytest.mark.cluster

CLIENTS = 64
WIDE = b'{"a":[' + b",".join([b"{}"] * 349_000) + b"]}"  # 1 MiB; 4.4 MB of BSON, 27 MB of Python's objects
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def restarts(deployment: Deployment) -> Iterator[Counter[str]]:
    """The restarts of each pod. None may end and none may be replaced meanwhile."""
    before = count_restarts(deployment)
    yield before
    after = count_restarts(deployment)
    assert {pod: after.get(pod) for pod in before} == before


def test_wide_documents_are_stored_replaced_and_read_or_refused(deployment: Deployment, restarts: Counter[str]) -> None:
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
            assert set(statuses) <= {200, 201, 503}
            assert statuses[200] + statuses[201] >= CLIENTS / 4


def count_restarts(deployment: Deployment) -> Counter[str]:
    return Counter({
        pod["metadata"]["name"]: sum(each["restartCount"] for each in pod["status"]["containerStatuses"])
        for pod in deployment.get("pods")["items"]
        if "deletionTimestamp" not in pod["metadata"]
    })  # fmt: skip
