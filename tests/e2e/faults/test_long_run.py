"""Ten minutes with a hundred viewers, two hundred writes a second and a restart of MongoDB."""

import time
from collections import Counter

import pytest

from tests.e2e.cluster.test_rolling import FixedRateWriters
from tests.e2e.cluster.test_rotation import sign_in
from tests.e2e.deployment import Deployment
from tests.e2e.faults.test_slow_clients import MOST_GROWTH, memory_by_app, restarted_pods, restarts
from tests.e2e.proofs.test_persistence import stored_proofs
from tests.viewer import Viewer

pytestmark = [pytest.mark.cluster, pytest.mark.soak]

MINUTES = 10
VIEWERS = 100
SAMPLE_SECONDS = 10.0  # between two samples of the memory


class CountingViewer(Viewer):
    """Counts the patches."""

    patches = 0

    def apply(self, name: str, message: object) -> None:
        self.patches += name == "patch"


def test_long_run_has_no_failed_write_no_loss_and_no_memory_growth(deployment: Deployment) -> None:
    before = restarts(deployment)
    cookies = [sign_in(deployment)["Cookie"] for _ in range(2)]
    viewers = CountingViewer.several(VIEWERS, deployment.dashboard, *cookies)
    memory: list[dict[str, int]] = []
    with FixedRateWriters(f"{deployment.service}/proofs") as writers:
        end = time.monotonic() + MINUTES * 60
        half = end - MINUTES * 30
        restarted = False
        while time.monotonic() < end:
            if not restarted and time.monotonic() > half:
                deployment.kubectl("delete", "pod", "mongodb-0", "--wait=false")
                restarted = True
            time.sleep(SAMPLE_SECONDS)
            memory.append(memory_by_app(deployment))
    connected = sum(viewer.is_connected for viewer in viewers)
    fewest = min(viewer.patches for viewer in viewers)
    for viewer in viewers:
        viewer.close()
    quarter = len(memory) // 4
    first, last = (
        {app: sum(each.get(app, 0) for each in some) / len(some) for app in memory[0]}
        for some in (memory[quarter : 2 * quarter], memory[-quarter:])
    )
    print(f"{len(writers.responses):,} writes, {writers.rate:.0f} a second; {connected} viewers, {fewest}+ patches")
    for app in first:
        print(f"{app}: {first[app] / 2**20:.0f} MiB in the second quarter, {last[app] / 2**20:.0f} MiB in the last")
    assert not writers.failures
    assert Counter(status for status, _ in writers.responses) == {201: len(writers.responses)}
    stored = Counter(document["rolling"] for document in stored_proofs(deployment) if "rolling" in document)
    assert not {payload for _, payload in writers.responses} - stored.keys()
    assert connected == VIEWERS
    assert not restarted_pods(deployment, before)
    assert not [app for app in first if last[app] > first[app] * MOST_GROWTH and app != "mongodb"]
