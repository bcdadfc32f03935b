"""The service is rolled, scaled down and robbed of its database while 200 documents a second are written to it."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Self

import pytest
import urllib3

from tests.e2e.controls import until
from tests.e2e.deployment import Deployment
from tests.e2e.test_persistence import proofs_kept

pytestmark = pytest.mark.cluster

RATE = 200.0  # documents a second
WRITERS = 24  # of which each waits for its answer: so many can be on their way during an outage
LEAST_RATE = RATE / 2  # on a machine that is busy with other things, and still no trickle


class FixedRateWriters:
    """They write at a fixed rate, and make up for what an outage has kept them from. Nothing is sent twice."""

    def __init__(self, url: str) -> None:
        self.answers: list[tuple[int, str]] = []  # status and payload
        self.failures: list[str] = []
        self._url = url
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
        self.rate = len(self.answers) / (time.monotonic() - self._began)

    def go_on(self, more: int = 200) -> None:
        """Waits until so many more were answered."""
        enough = len(self.answers) + more
        until(lambda: len(self.answers) >= enough, 60)

    def _write(self, number: int) -> None:
        http = urllib3.PoolManager(timeout=60, retries=False)
        due = self._began + number / RATE
        count = 0
        while not self._stop.wait(max(due - time.monotonic(), 0)):
            payload = f"{number}-{count}"
            try:
                answer = http.request("POST", self._url, json={"rolling": payload})
                self.answers.append((answer.status, payload))
            except urllib3.exceptions.HTTPError as error:
                self.failures.append(f"{payload}: {error}")
            count += 1
            due += WRITERS / RATE


@pytest.fixture
def limits(deployment: Deployment) -> Iterator[Callable[[int, int], None]]:
    """Sets the autoscaler's min and max; they are put back at the end."""

    def patch(least: int, most: int) -> None:
        spec = json.dumps({"spec": {"minReplicas": least, "maxReplicas": most}})
        deployment.kubectl("patch", "hpa", "flask", "--type=merge", "--patch", spec)

    kept = deployment.get("hpa", "flask")["spec"]
    yield patch
    patch(kept["minReplicas"], kept["maxReplicas"])


def test_every_write_is_answered_and_stored_once_whatever_is_restarted_meanwhile(
    deployment: Deployment, limits: Callable[[int, int], None]
) -> None:
    def pods(count: int) -> Callable[[], bool]:
        def so_many() -> bool:
            found = deployment.get("pods", "--selector", "app.kubernetes.io/name=flask")["items"]
            return len(found) == count and all(_is_ready(pod) for pod in found)

        return so_many

    with FixedRateWriters(f"{deployment.service}/proofs") as writers:
        writers.go_on()
        deployment.kubectl("rollout", "restart", "deployment/flask")
        deployment.kubectl("rollout", "status", "deployment/flask", "--timeout=180s")
        writers.go_on()
        limits(5, 5)
        until(pods(5), 120)
        writers.go_on()
        limits(2, 2)
        until(pods(2), 120)
        for _ in range(2):
            deployment.kubectl("delete", "pod", "mongodb-0")
            deployment.kubectl("wait", "--for=create", "pod/mongodb-0", "--timeout=60s")
            deployment.kubectl("wait", "--for=condition=Ready", "pod/mongodb-0", "--timeout=120s")
            writers.go_on(1000)

    print(f"{len(writers.answers):,} writes, {writers.rate:.0f} a second")
    assert not writers.failures
    assert Counter(status for status, _ in writers.answers) == {201: len(writers.answers)}
    assert writers.rate > LEAST_RATE
    kept = Counter(document["rolling"] for document in proofs_kept(deployment) if "rolling" in document)
    assert kept == Counter(payload for _, payload in writers.answers)


def _is_ready(pod: Any) -> bool:
    conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True"
