"""Roll-outs, scaling and database restarts while 200 documents a second are written."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Self

import pytest
import urllib3

from tests.e2e.deployment import Deployment, wait_until
from tests.e2e.proofs.test_persistence import stored_proofs

pytestmark = pytest.mark.cluster

RATE = 200.0  # documents a second
WRITERS = 24  # each has one request in flight
LEAST_RATE = RATE / 2  # the minimum on a busy machine


class FixedRateWriters:
    """Threads that post documents at a fixed rate, and catch up after an outage. No request is repeated."""

    def __init__(self, url: str, rate: float = RATE) -> None:
        self.responses: list[tuple[int, str]] = []  # status and payload
        self.failures: list[str] = []
        self.failed_at: list[float] = []  # when these were sent, on the monotonic clock
        self.longest = 0.0  # seconds, of a write
        self._url = url
        self._period = WRITERS / rate
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=[number]) for number in range(WRITERS)]
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for each in self._threads:
            each.join()
        self.rate = len(self.responses) / (time.monotonic() - self._began)

    def wait_for(self, count: int = 200) -> None:
        """Wait for `count` more responses."""
        expected = len(self.responses) + count
        wait_until(lambda: len(self.responses) >= expected, 60)

    def _write(self, number: int) -> None:
        http = urllib3.PoolManager(timeout=60, retries=False)
        due = self._began + number * self._period / WRITERS
        count = 0
        while not self._stop.wait(max(due - time.monotonic(), 0)):
            payload, sent = f"{number}-{count}", time.monotonic()
            try:
                response = http.request("POST", self._url, json={"rolling": payload})
                self.responses.append((response.status, payload))
            except urllib3.exceptions.HTTPError as error:
                self.failures.append(f"{payload}: {error}")
                self.failed_at.append(sent)
            self.longest = max(self.longest, time.monotonic() - sent)
            count += 1
            due += self._period


@pytest.fixture
def limits(deployment: Deployment) -> Iterator[Callable[[int, int], None]]:
    """Sets the autoscaler's min and max, and restores them at the end."""

    def patch(least: int, most: int) -> None:
        spec = json.dumps({"spec": {"minReplicas": least, "maxReplicas": most}})
        deployment.kubectl("patch", "hpa", "flask", "--type=merge", "--patch", spec)

    before = deployment.get("hpa", "flask")["spec"]
    yield patch
    patch(before["minReplicas"], before["maxReplicas"])


def test_every_write_succeeds_and_is_stored_once_during_roll_outs_and_restarts(
    deployment: Deployment, limits: Callable[[int, int], None]
) -> None:
    def pods(count: int) -> Callable[[], bool]:
        def are_ready() -> bool:
            found = deployment.get("pods", "--selector", "app.kubernetes.io/name=flask")["items"]
            return len(found) == count and all(_is_ready(pod) for pod in found)

        return are_ready

    with FixedRateWriters(f"{deployment.service}/proofs") as writers:
        writers.wait_for()
        deployment.kubectl("rollout", "restart", "deployment/flask")
        deployment.kubectl("rollout", "status", "deployment/flask", "--timeout=180s")
        writers.wait_for()
        limits(5, 5)
        wait_until(pods(5), 120)
        writers.wait_for()
        limits(2, 2)
        wait_until(pods(2), 120)
        for _ in range(2):
            deployment.kubectl("delete", "pod", "mongodb-0")
            deployment.kubectl("wait", "--for=create", "pod/mongodb-0", "--timeout=60s")
            deployment.kubectl("wait", "--for=condition=Ready", "pod/mongodb-0", "--timeout=120s")
            writers.wait_for(1000)

    print(f"{len(writers.responses):,} writes, {writers.rate:.0f} a second")
    assert not writers.failures
    assert Counter(status for status, _ in writers.responses) == {201: len(writers.responses)}
    assert writers.rate > LEAST_RATE
    stored = Counter(document["rolling"] for document in stored_proofs(deployment) if "rolling" in document)
    assert stored == Counter(payload for _, payload in writers.responses)


def _is_ready(pod: Any) -> bool:
    conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True"
