"""Two dashboards, as k8s/components/ha makes them: the page outlives the loss of one, and both show the same runs."""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3
import websocket

from tests.e2e.deployment import Deployment, wait_until
from tests.e2e.members import roles
from tests.e2e.proofs.controls import RunClient
from tests.viewer import Viewer

pytestmark = [pytest.mark.cluster, pytest.mark.soak]

VIEWERS = 100
BACK_SECONDS = 3.0  # from a viewer's loss of its dashboard to the other one's snapshot
BACKOFF = (0.25, 2.0, 0.4)  # the page's: first and longest delay, and how far it varies (static/js/feed/socket.js)
WHOLE_SECONDS = 180.0

ASK = """
import json, os, sys, urllib.request
method, path, body = sys.argv[1:]
headers = {"Authorization": "Bearer " + os.environ["OPERATOR_TOKEN"], "Content-Type": "application/json"}
request = urllib.request.Request("http://127.0.0.1:8080/api" + path, body.encode() or None, headers, method=method)
print(urllib.request.urlopen(request, timeout=10).read().decode())
"""


class Loss(Exception):
    """A viewer did not come back."""


class ReturningViewer(Viewer):
    """A viewer that notes which dashboard it follows."""

    epoch = ""

    def apply(self, name: str, message: Any) -> None:
        if name == "snapshot":
            self.epoch = message["epoch"]


class Seat(threading.Thread):
    """One page: it connects again, as the page does, when its dashboard is gone. `lost` and `back` are when."""

    def __init__(self, dashboard: str, cookie: str) -> None:
        super().__init__(daemon=True)
        self._where = dashboard, cookie
        self.viewer = self._connect()
        self.lost: float | None = None
        self.back: float | None = None
        self.was = self.viewer.epoch

    def run(self) -> None:
        self.viewer.join()
        self.lost = time.monotonic()
        delay, longest, varies = BACKOFF
        while self.back is None and time.monotonic() < self.lost + 10 * BACK_SECONDS:
            time.sleep(delay * random.uniform(1 - varies, 1 + varies))  # noqa: S311
            delay = min(2 * delay, longest)
            try:
                self.viewer = self._connect()
                self.back = time.monotonic()
            except (OSError, websocket.WebSocketException, Loss):
                pass

    def _connect(self) -> ReturningViewer:
        """Return a viewer that has its snapshot."""
        viewer = ReturningViewer(*self._where)
        viewer.start()
        until = time.monotonic() + 10
        while not viewer.epoch:
            if time.monotonic() > until or not viewer.is_connected:
                raise Loss("no snapshot came")
            time.sleep(0.01)
        return viewer


@pytest.fixture
def two(ha: Deployment) -> Iterator[Deployment]:
    wait_until(lambda: len(dashboards(ha)) == 2, WHOLE_SECONDS)
    wait_until(lambda: roles(ha) == ["PRIMARY", "SECONDARY", "SECONDARY"], WHOLE_SECONDS)
    yield ha
    wait_until(lambda: len(dashboards(ha)) == 2, WHOLE_SECONDS)


def test_hundred_viewers_of_a_killed_dashboard_are_live_again_on_the_other(two: Deployment) -> None:
    first, second = dashboards(two)
    cookies = [login(two) for _ in range(2)]  # a session may have half of a dashboard's pages
    seats = [Seat(two.dashboard, cookies[number % 2]) for number in range(VIEWERS)]
    for seat in seats:
        seat.start()
    before = Counter(seat.was for seat in seats)
    print("viewers of each dashboard:", *before.values())
    assert len(before) == 2
    epochs = {ask(two, pod, "/state")["epoch"]: pod for pod in (first, second)}
    two.kubectl("delete", "pod", first, "--grace-period=0", "--force")
    moved = [seat for seat in seats if epochs[seat.was] == first]
    wait_until(lambda: all(seat.back for seat in moved), 60, 0.05)
    took = sorted(seat.back - seat.lost for seat in moved if seat.back and seat.lost)
    print(f"{len(took)} viewers back after {took[len(took) // 2]:.2f} s (median), {took[-1]:.2f} s (longest)")
    stayed = [seat for seat in seats if epochs[seat.was] == second]
    assert all(seat.viewer.is_connected and seat.lost is None for seat in stayed)
    assert len(took) + len(stayed) == VIEWERS and took[-1] <= BACK_SECONDS
    for seat in seats:
        seat.viewer.close()
    wait_until(lambda: len(dashboards(two)) == 2, WHOLE_SECONDS)
    wait_until(lambda: len({json.dumps(ask(two, pod, "/runs")) for pod in dashboards(two)}) == 1, 30)


def test_run_of_one_is_shown_and_aborted_on_the_other(two: Deployment) -> None:
    one, other = dashboards(two)
    run_id = ask(two, one, "/runs", "POST", {"demo": "failover", "options": {}})["id"]
    assert ask(two, other, f"/runs/{run_id}")["verdict"] == "running", "known at once"
    wait_until(lambda: (ask(two, other, "/state")["run"] or {}).get("id") == run_id, 15)
    wait_until(lambda: step(ask(two, other, "/state")["run"]) != "preflight", 60)
    ask(two, other, f"/runs/{run_id}", "DELETE")
    wait_until(lambda: ask(two, one, f"/runs/{run_id}")["verdict"] != "running", 30)
    ends = [ask(two, pod, f"/runs/{run_id}") for pod in (one, other)]
    assert ends[0] == ends[1] and ends[0]["verdict"] == "inconclusive" and "Aborted" in ends[0]["reason"]
    wait_until(lambda: ask(two, other, "/state")["run"]["verdict"] == "inconclusive", 15)
    wait_until(lambda: ask(two, one, "/runs") == ask(two, other, "/runs"), 15)


def test_verdict_comes_whichever_dashboard_answers(two: Deployment, tmp_path: Path) -> None:
    wait_until(lambda: not two.state()["lease"], 60)
    done = RunClient(two).prove(tmp_path, "failover")
    print(done.stdout, done.stderr[-600:])
    assert done.returncode == 0
    assert len([*tmp_path.glob("*failover*")]) == 3, "both reports and the evidence file"


def dashboards(two: Deployment) -> list[str]:
    """Return the names of the Ready dashboards' pods."""
    pods = two.get("pods", "--selector", "app.kubernetes.io/name=dashboard")["items"]
    return sorted(
        pod["metadata"]["name"]
        for pod in pods
        if not pod["metadata"].get("deletionTimestamp")
        and any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", []))
    )


def ask(two: Deployment, pod: str, path: str, method: str = "GET", body: Any = None) -> Any:
    """Return what one of the dashboards answers, from within its own pod."""
    arguments = (method, path, "" if body is None else json.dumps(body))
    return json.loads(two.kubectl("exec", pod, "--", "python", "-c", ASK, *arguments))


def step(run: Any) -> str | None:
    return next((each["id"] for each in run["steps"] if each["state"] == "running"), None)


def login(two: Deployment) -> str:
    answer = urllib3.request("POST", f"{two.dashboard}/login", json={"token": two.operator_token})
    return answer.headers["Set-Cookie"].partition(";")[0]
