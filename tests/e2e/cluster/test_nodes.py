"""Three nodes with three members of MongoDB: volumes, the network between the nodes, and the loss of a node."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.cluster.test_network import CONNECT, pod
from tests.e2e.cluster.test_rolling import FixedRateWriters
from tests.e2e.deployment import Deployment, wait_until
from tests.e2e.members import primary, ready_members, roles
from tests.e2e.proofs.test_persistence import stored_proofs
from tools.cluster import cgroups, holder
from tools.cluster.instance import CHECKOUT, Instance

pytestmark = [pytest.mark.cluster, pytest.mark.soak]

NODES = ("embedded", "embedded-2", "embedded-3")
SETTINGS = {"NODES": "3", "COMPONENTS": "ha node-ports"}
RATE = 50.0  # documents a second
MOVED_SECONDS = 60.0  # until what can run elsewhere does, after the node is NotReady
SPREAD_SECONDS = 5.0  # until each node sends nothing more to the lost one, after that
DEFAULT, FOREIGN = "flask-mongodb", "foreign"  # namespaces
RESOLVE = "import socket; print(socket.gethostbyname('flask.flask-mongodb.svc.cluster.local'))"


@pytest.fixture(scope="module")
def three() -> Iterator[Deployment]:
    """A deployment on three nodes. Nothing of it is left at the end."""
    made = Deployment("nodes")
    made.remove()
    try:
        done = made.deploy("up", **SETTINGS)
        assert done.returncode == 0, done.stdout
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="module")
def callers(three: Deployment) -> Iterator[dict[str, tuple[str, str]]]:
    """Pods to connect from, two on each node, as {namespace and node: (namespace, pod)}. Nothing admits the second."""
    image = three.get("deployment", "flask")["spec"]["template"]["spec"]["containers"][0]["image"]
    three.kubectl("create", "namespace", FOREIGN)
    made = {}
    try:
        for node in NODES:
            for namespace in (FOREIGN, DEFAULT):
                caller = pod(image)
                caller["metadata"]["name"] = name = f"from-{node}"
                caller["spec"]["nodeName"] = node
                three.kubectl("--namespace", namespace, "create", "--filename", "-", input=json.dumps(caller))
                three.kubectl("--namespace", namespace, "wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")
                made[f"{namespace} {node}"] = (namespace, name)
        yield made
    finally:
        three.kubectl("delete", "namespace", FOREIGN, check=False)
        three.kubectl("delete", "pod", *(f"from-{node}" for node in NODES), "--now", check=False)


def test_members_and_their_volumes_are_on_three_nodes(three: Deployment) -> None:
    assert ready_nodes(three) == set(NODES)
    members = pods(three, "mongodb")
    assert {member["spec"]["nodeName"] for member in members} == set(NODES)
    for member in members:
        claim = three.get("pvc", f"data-{member['metadata']['name']}")
        volume = three.get("pv", claim["spec"]["volumeName"])
        (term,) = volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
        assert term["matchExpressions"][0]["values"] == [member["spec"]["nodeName"]]
        holding = [place.node.name for place in places(three) if (place.volumes / volume["metadata"]["name"]).exists()]
        assert holding == [member["spec"]["nodeName"]]
    assert len({each["spec"]["nodeName"] for each in pods(three, "flask")}) > 1


@pytest.mark.parametrize("node", NODES)
def test_foreign_pod_reaches_what_is_open_on_all_nodes(
    node: str, three: Deployment, callers: dict[str, tuple[str, str]]
) -> None:
    flask = [f"{each['status']['podIP']}:5000" for each in pods(three, "flask")]
    (port,) = three.get("service", "flask")["spec"]["ports"]
    node_ports = [f"{place.node.address}:{port['nodePort']}" for place in places(three)]
    opened = ["flask.flask-mongodb:5000", *flask, *node_ports]
    closed = [f"{each['status']['podIP']}:27017" for each in pods(three, "mongodb")]
    reaches(three, callers[f"{FOREIGN} {node}"], opened, closed)
    address = three.get("service", "flask")["spec"]["clusterIP"]
    assert run_in(three, callers[f"{FOREIGN} {node}"], RESOLVE).split() == [address]


@pytest.mark.parametrize("node", NODES)
def test_pod_without_a_policy_of_its_own_reaches_nothing_on_any_node(
    node: str, three: Deployment, callers: dict[str, tuple[str, str]]
) -> None:
    closed = [f"{each['status']['podIP']}:5000" for each in pods(three, "flask")]
    closed += [f"{each['status']['podIP']}:27017" for each in pods(three, "mongodb")]
    reaches(three, callers[f"{DEFAULT} {node}"], [], closed)


def test_each_kubelet_answers_for_its_own_node(three: Deployment) -> None:
    figures = json.loads(three.kubectl("get", "--raw", "/apis/metrics.k8s.io/v1beta1/nodes"))["items"]
    assert {each["metadata"]["name"] for each in figures} == set(NODES)
    for member in pods(three, "mongodb"):
        assert three.kubectl("logs", member["metadata"]["name"], "--container", "mongod", "--tail=1")


def test_fewer_nodes_are_refused_and_nothing_is_changed(three: Deployment) -> None:
    before = {each["metadata"]["uid"] for each in pods(three, "mongodb")}
    done = three.deploy("up", **SETTINGS | {"NODES": "1"})
    assert done.returncode == 1
    assert "NODES=1 would lose them" in done.stdout
    assert ready_nodes(three) == set(NODES)
    assert {each["metadata"]["uid"] for each in pods(three, "mongodb")} == before


def test_lost_node_loses_no_document_and_its_pods_move(three: Deployment) -> None:
    lost = next(each["spec"]["nodeName"] for each in pods(three, "flask") if each["spec"]["nodeName"] != "embedded")
    (member,) = (each["metadata"]["name"] for each in pods(three, "mongodb") if each["spec"]["nodeName"] == lost)
    print(f"{lost} has {member}; the primary is {primary(three)}")
    with FixedRateWriters(f"{three.service}/proofs", RATE) as writers:
        writers.wait_for(200)
        began = time.monotonic()
        assert node(three, "stop", lost) == "stopped\n"
        wait_until(lambda: ready_nodes(three) == set(NODES) - {lost}, 60)
        withdrawn = time.monotonic()
        wait_until(lambda: all_moved(three, lost), MOVED_SECONDS)
        moved = time.monotonic()
        writers.wait_for(500)
        # The member stays, since its volume is there: two of three are a majority.
        assert member in {each["metadata"]["name"] for each in pods(three, "mongodb")}
        assert node(three, "start", lost).endswith("Ready\n")
        back = time.monotonic()
        wait_until(lambda: ready_members(three) == 3, 120)
        wait_until(lambda: roles(three) == ["PRIMARY", "SECONDARY", "SECONDARY"], 120)
        whole = time.monotonic()
        writers.wait_for(200)
    late = max(writers.failed_at, default=began) - began
    print(f"NotReady after {withdrawn - began:.0f} s, moved after {moved - began:.0f} s")
    print(f"the member is back {whole - back:.0f} s after its node")
    print(f"{len(writers.responses)} answered, {len(writers.failures)} failed, the last sent after {late:.1f} s")
    print(statuses(writers), f"longest {writers.longest:.1f} s")
    assert ready_nodes(three) == set(NODES)
    assert late < withdrawn - began + SPREAD_SECONDS
    assert statuses(writers).keys() <= {503, 504}  # each says whether it was stored
    stored = {document["rolling"] for document in stored_proofs(three) if "rolling" in document}
    assert {payload for status, payload in writers.responses if status == 201} <= stored


def test_next_up_starts_a_lost_node_again_and_leaves_the_others(three: Deployment) -> None:
    processes = [holder.running_pid(place) for place in places(three)]
    assert node(three, "stop", "embedded-3") == "stopped\n"
    done = three.deploy("up", **SETTINGS)
    assert done.returncode == 0, done.stdout
    after = [holder.running_pid(place) for place in places(three)]
    assert after[:2] == processes[:2] and after[2] not in (None, processes[2])


def test_down_ends_all_nodes_and_leaves_nothing_behind(three: Deployment) -> None:
    instance = Instance("nodes", three.directory, three.api_port, nodes=3)
    groups = [path for path in cgroups.ROOT.glob(f"**/{instance.cgroup}") if path.is_dir()]
    processes = {pid for group in groups for file in group.rglob("cgroup.procs") for pid in file.read_text().split()}
    assert len(processes) > 30
    assert three.deploy("down").returncode == 0
    assert not [pid for pid in processes if holder.start_time(int(pid))]
    assert not [path for path in cgroups.ROOT.glob(f"**/{instance.cgroup}") if path.is_dir()]
    assert "embedded" not in subprocess.check_output(["ip", "link"], text=True)
    assert str(three.directory) not in Path("/proc/mounts").read_text()


def test_volume_of_one_node_stays_there_when_there_are_two_and_one_again() -> None:
    one = Deployment("one")
    one.remove()
    try:
        assert one.deploy("up").returncode == 0
        identity = one.http.request("POST", f"{one.service}/data", json={"kept": True}).json()["id"]
        assert one.get("storageclass", "standard")["volumeBindingMode"] == "Immediate"
        for wanted in (2, 1):
            done = one.deploy("up", NODES=str(wanted))
            assert done.returncode == 0, done.stdout
            assert len(ready_nodes(one)) == len(one.get("nodes")["items"]) == wanted
            (member,) = pods(one, "mongodb")
            assert member["spec"]["nodeName"] == "embedded"
            assert one.http.request("GET", f"{one.service}/data/{identity}").json()["kept"] is True
    finally:
        one.remove()


def places(three: Deployment) -> list[Any]:
    return Instance("nodes", three.directory, three.api_port, nodes=len(NODES)).places


def pods(three: Deployment, name: str) -> list[Any]:
    return list(three.get("pods", "--selector", f"app.kubernetes.io/name={name}")["items"])


def ready_nodes(three: Deployment) -> set[str]:
    return {each["metadata"]["name"] for each in three.get("nodes")["items"] if condition(each) == "True"}


def condition(item: Any) -> str:
    return next((str(each["status"]) for each in item["status"].get("conditions", []) if each["type"] == "Ready"), "")


def all_moved(three: Deployment, lost: str) -> bool:
    """Return whether all pods that the Deployments ask for are Ready on other nodes."""
    for name in ("flask", "dashboard"):
        elsewhere = [each for each in pods(three, name) if each["spec"].get("nodeName") != lost]
        if sum(condition(each) == "True" for each in elsewhere) < three.get("deployment", name)["spec"]["replicas"]:
            return False
    return True


def statuses(writers: FixedRateWriters) -> Counter[int]:
    return Counter(status for status, _ in writers.responses if status != 201)


def node(three: Deployment, action: str, name: str) -> str:
    """Run `python -m tools.cluster node …` for this deployment. Return its output."""
    instance = ("--name", three.name, "--api-port", str(three.api_port))
    command = (sys.executable, "-m", "tools.cluster", *instance, "node", action, name.rpartition("-")[2])
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def reaches(three: Deployment, caller: tuple[str, str], opened: list[str], closed: list[str]) -> None:
    """Wait until a pod can connect to all that is open, then assert that it cannot to what is closed."""
    wait_until(lambda: set(run_in(three, caller, CONNECT, *opened).split()) == set(opened), 30)
    assert run_in(three, caller, CONNECT, *closed).split() == []


def run_in(three: Deployment, caller: tuple[str, str], program: str, *arguments: str) -> str:
    namespace, name = caller
    return three.kubectl("--namespace", namespace, "exec", name, "--", "python", "-c", program, *arguments)
