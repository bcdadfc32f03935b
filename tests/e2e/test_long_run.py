"""Ten minutes with a hundred viewers, two hundred writes a second and a restart of MongoDB."""

import contextlib
import threading
import time
from collections import Counter

import orjson
import pytest
import websocket

from tests.e2e.deployment import Deployment
from tests.e2e.test_persistence import stored_proofs
from tests.e2e.test_rolling import FixedRateWriters
from tests.e2e.test_rotation import sign_in
from tests.e2e.test_slow_clients import MOST_GROWTH, memory_by_app, restarts

pytestmark = [pytest.mark.cluster, pytest.mark.soak]

MINUTES = 10
VIEWERS = 100
SAMPLE_SECONDS = 10.0  # between two samples of the memory


class ViewerThread(threading.Thread):
    """A page that follows the state: it answers pings and acknowledges ticks."""

    def __init__(self, deployment: Deployment, cookie: str) -> None:
        super().__init__(daemon=True)
        self.patches = 0
        self.is_connected = True
        self._socket = websocket.create_connection(
            f"ws://127.0.0.1:{deployment.dashboard_port}/socket.io/?EIO=4&transport=websocket",
            origin=deployment.dashboard, cookie=cookie, timeout=30,
        )  # fmt: skip

    def run(self) -> None:
        with contextlib.suppress(OSError, websocket.WebSocketException):
            while text := self._socket.recv():
                self._handle(str(text))
        self.is_connected = False

    def close(self) -> None:
        self._socket.shutdown()

    def _handle(self, text: str) -> None:
        if text.startswith("0"):
            self._socket.send("40")
        elif text.startswith("2"):
            self._socket.send("3")
        elif text.startswith("42"):
            name, message = orjson.loads(text[2:])
            self.patches += name == "patch"
            if name == "tick":
                self._socket.send(f'42["seen",{{"seq":{message["seq"]}}}]')


def test_long_run_has_no_failed_write_no_loss_and_no_memory_growth(deployment: Deployment) -> None:
    before = restarts(deployment)
    cookie = sign_in(deployment)["Cookie"]
    viewers = [ViewerThread(deployment, cookie) for _ in range(VIEWERS)]
    for viewer in viewers:
        viewer.start()
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
    assert not [pod for pod, count in restarts(deployment).items() if count > before.get(pod, 0)]
    assert not [app for app in first if last[app] > first[app] * MOST_GROWTH and app != "mongodb"]
