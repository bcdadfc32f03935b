"""Each fault under steady traffic: failed requests, time to recovery, and no lost document."""

import contextlib
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Self

import pytest
import urllib3

from tests.e2e.deployment import Deployment, wait_until
from tests.e2e.faults.fault_table import Row, failures, record
from tests.e2e.faults.injection import POLL_SECONDS, Faults
from tests.e2e.proofs.test_persistence import stored_proofs
from tools.cluster.instance import CHECKOUT

pytestmark = [pytest.mark.cluster, pytest.mark.soak]

CLIENTS = 20  # of each kind, each at one request a second
TIMEOUT = 60.0  # seconds a client waits for a response
LIMIT = 180.0  # seconds until recovery
SAMPLE = 0.25  # seconds between two reads of the page's state
MIB = 1 << 20

Fault = Callable[[Faults, Deployment], AbstractContextManager[Any]]


class SteadyTraffic:
    """Clients that write and read at a fixed rate, without retries."""

    def __init__(self, service: str) -> None:
        self.statuses: list[str] = []
        self.acknowledged: list[str] = []
        self.slowest = 0.0
        self._service = service
        self._stop = threading.Event()
        jobs = ((request, number) for request in (self._write, self._read) for number in range(CLIENTS))
        self._threads = [threading.Thread(target=self._work, args=job) for job in jobs]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _work(self, request: Callable[[urllib3.PoolManager, str], None], number: int) -> None:
        http = urllib3.PoolManager(timeout=TIMEOUT, retries=False)
        due, count = time.monotonic() + number / CLIENTS, 0
        while not self._stop.wait(max(due - time.monotonic(), 0)):
            began = time.monotonic()
            try:
                request(http, f"{number}-{count}-{began}")
            except urllib3.exceptions.HTTPError as error:
                self.statuses.append(type(error).__name__)
            self.slowest = max(self.slowest, time.monotonic() - began)
            due, count = max(due + 1, time.monotonic() - 1), count + 1

    def _write(self, http: urllib3.PoolManager, payload: str) -> None:
        response = http.request("POST", f"{self._service}/proofs", json={"fault": payload})
        self.statuses.append(str(response.status))
        if response.status == 201:
            self.acknowledged.append(payload)

    def _read(self, http: urllib3.PoolManager, _: str) -> None:
        self.statuses.append(str(http.request("GET", f"{self._service}/data?limit=20").status))


class PageState:
    """Reads the page's state all the time."""

    def __init__(self, deployment: Deployment) -> None:
        self.stale: dict[str, None] = {}  # in the order of their first occurrence
        self.away = 0.0
        self.live = True
        self._deployment = deployment
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read_states)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _read_states(self) -> None:
        url, headers = f"{self._deployment.dashboard}/api/state", self._deployment.authorization
        http = urllib3.PoolManager(timeout=2, retries=False)
        answered = time.monotonic()
        while not self._stop.wait(SAMPLE):
            with contextlib.suppress(urllib3.exceptions.HTTPError, ValueError, KeyError):
                sources = http.request("GET", url, headers=headers).json()["sources"]
                stale = [name for name, source in sources.items() if source["state"] != "live"]
                self.stale |= dict.fromkeys(stale)
                answered, self.live = time.monotonic(), not stale
                continue
            self.away, self.live = max(self.away, time.monotonic() - answered), False


def etcd_paused(faults: Faults, _: Deployment) -> AbstractContextManager[None]:
    return faults.paused("etcd")


def kubelet_restarted(faults: Faults, _: Deployment) -> AbstractContextManager[None]:
    return faults.program_restarted("kubelet")


@contextlib.contextmanager
def pod_replaced(_: Faults, deployment: Deployment) -> Iterator[None]:
    deployment.kubectl("delete", "pod", "mongodb-0")
    yield


@contextlib.contextmanager
def mongod_stopped(_: Faults, deployment: Deployment) -> Iterator[None]:
    kill = "import os, signal, pathlib\n" + (
        "for each in pathlib.Path('/proc').glob('[0-9]*'):\n"
        "    if each.joinpath('comm').read_text().strip() == 'mongod': os.kill(int(each.name), signal.{})\n"
    )
    command = ("exec", "mongodb-0", "--container", "sidecar", "--", "python", "-c")
    deployment.kubectl(*command, kill.format("SIGSTOP"))
    try:
        yield
    finally:
        deployment.kubectl(*command, kill.format("SIGCONT"), check=False)


@contextlib.contextmanager
def service_out_of_memory(faults: Faults, deployment: Deployment) -> Iterator[None]:
    with out_of_memory(faults, deployment, "flask"):
        yield


@contextlib.contextmanager
def dashboard_out_of_memory(faults: Faults, deployment: Deployment) -> Iterator[None]:
    with out_of_memory(faults, deployment, "dashboard"):
        yield


@contextlib.contextmanager
def out_of_memory(faults: Faults, deployment: Deployment, name: str) -> Iterator[None]:
    pod = deployment.get("pods", "--selector", f"app.kubernetes.io/name={name}")["items"][0]["metadata"]["name"]
    with faults.out_of_memory(pod, name):
        yield

    def was_killed() -> bool:
        (status,) = deployment.get("pod", pod)["status"]["containerStatuses"]
        ended = status["lastState"].get("terminated") or status["state"].get("terminated") or {}
        return ended.get("reason") == "OOMKilled"

    wait_until(was_killed, 60)


# {name: (fault, seconds that it lasts, whether requests may fail)}
FAULTS: dict[str, tuple[Fault, float, bool]] = {
    "API server killed": (lambda faults, _: faults.api_server_killed(), 0, False),
    "etcd paused": (etcd_paused, 10, False),
    "kubelet killed": (kubelet_restarted, 0, False),
    "metrics-server gone": (lambda faults, _: faults.metrics_server_unreachable(), 120, False),
    "DNS gone": (lambda faults, _: faults.dns_unreachable(), 30, False),
    "MongoDB's pod replaced, names cached for 30 s": (pod_replaced, 10, False),
    "mongod stopped": (mongod_stopped, 30, True),
    "a service pod out of memory": (service_out_of_memory, 0, True),
    "the dashboard out of memory": (dashboard_out_of_memory, 0, False),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_loses_nothing_and_the_system_recovers(name: str, deployment: Deployment) -> None:
    fault, seconds, may_fail = FAULTS[name]
    row = measure(deployment, name, lambda: fault(Faults(deployment), deployment), seconds)
    assert row.lost == 0
    assert may_fail or not row.failed


def test_full_volume_loses_nothing_and_the_system_recovers(deployment: Deployment) -> None:
    with Faults(deployment).small_volume(spare=64 * MIB) as volume:
        row = measure(deployment, "MongoDB's volume full", volume.full, 30)
    assert row.lost == 0


def measure(deployment: Deployment, name: str, fault: Callable[[], AbstractContextManager[Any]], seconds: float) -> Row:
    """Apply a fault under traffic. Return its row, which is written into the table."""
    with PageState(deployment) as page:
        wait_until(lambda: page.live, LIMIT)
        page.stale.clear()
        with SteadyTraffic(deployment.service) as traffic:
            time.sleep(3)
            began = time.monotonic()
            with fault():
                time.sleep(seconds)
            ended = time.monotonic()
            stored = len(traffic.acknowledged)
            wait_until(lambda: page.live and len(traffic.acknowledged) > stored, LIMIT, POLL_SECONDS)
            recovered = time.monotonic() - ended
            time.sleep(3)
    found = {document.get("fault") for document in stored_proofs(deployment)}
    row = Row(
        fault=name,
        lasted=round(ended - began, 1),
        requests=len(traffic.statuses),
        failed=failures(traffic.statuses, {"200", "201"}),
        slowest=round(traffic.slowest, 2),
        stale=list(page.stale),
        page_away=round(page.away, 1),
        recovered=round(recovered, 1),
        lost=len(set(traffic.acknowledged) - found),
        commit=subprocess.check_output(("git", "rev-parse", "--short", "HEAD"), cwd=CHECKOUT, text=True).strip(),
    )
    record(row)
    return row
