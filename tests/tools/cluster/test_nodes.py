"""Nodes beyond the first, and their volumes when there are fewer or more of them."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tools.cluster import holder, lifecycle, nodes
from tools.cluster.errors import ClusterError
from tools.cluster.instance import Instance

BOUND = {"required": {"nodeSelectorTerms": []}}


class Kubectl:
    """Answers and notes commands of kubectl."""

    def __init__(self, output: Any = None, status: int = 0) -> None:
        self.output, self.status = output, status
        self.commands: list[tuple[str, ...]] = []

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        self.commands.append(arguments)
        return subprocess.CompletedProcess(arguments, self.status, json.dumps(self.output), "refused")


def instance(directory: Path, wanted: int) -> Instance:
    return Instance("test", directory, 6443, nodes=wanted)


def volume(name: str, source: str = "hostPath", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {source: {}, **spec}}


@pytest.mark.parametrize(("wanted", "refused"), [(1, True), (2, True), (3, False), (5, False)])
def test_fewer_nodes_are_refused_while_a_surplus_one_has_a_volume(tmp_path: Path, wanted: int, refused: bool) -> None:
    (instance(tmp_path, 3).place(3).volumes / "pvc-1").mkdir(parents=True)
    fewer = instance(tmp_path, wanted)
    if refused:
        with pytest.raises(ClusterError, match=r"embedded-3.*pvc-1.*NODES=3"):
            lifecycle.check(fewer)
    else:
        nodes.require_no_lost_volumes(fewer)


def test_surplus_node_without_a_volume_is_forgotten_with_its_pods(tmp_path: Path) -> None:
    place = instance(tmp_path, 2).place(2)
    place.volumes.mkdir(parents=True)
    kubectl = Kubectl()
    nodes.require_no_lost_volumes(instance(tmp_path, 1))
    nodes.forget(instance(tmp_path, 1), kubectl)
    assert [command[:3] for command in kubectl.commands] == [
        ("delete", "node", "embedded-2"), ("delete", "pods", "--all-namespaces")
    ]  # fmt: skip
    assert not place.directory.exists()


def test_surplus_node_stays_if_the_api_server_refuses(tmp_path: Path) -> None:
    place = instance(tmp_path, 2).place(2)
    place.volumes.mkdir(parents=True)
    with pytest.raises(ClusterError, match="refused"):
        nodes.forget(instance(tmp_path, 1), Kubectl(status=1))
    assert place.directory.exists()


def test_volumes_of_the_time_with_one_node_are_bound_to_it() -> None:
    volumes = [volume("old"), volume("new", nodeAffinity=BOUND), volume("network", source="nfs")]
    assert nodes.unpinned(volumes) == ["old"]
    kubectl = Kubectl({"items": volumes})
    nodes.pin_volumes(kubectl)
    patch = json.loads(kubectl.commands[-1][-1])
    assert kubectl.commands[-1][:3] == ("patch", "pv", "old")
    (term,) = patch["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert term["matchExpressions"] == [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["embedded"]}]


def test_volume_that_cannot_be_bound_is_an_error() -> None:
    with pytest.raises(ClusterError, match="refused"):
        nodes.pin_volumes(Kubectl({"items": []}, status=1))


@pytest.mark.parametrize("number", [1, 0, 4])
def test_only_a_further_node_of_the_running_cluster_is_stopped(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(holder, "node_pid", lambda _: 1)
    holder.write_record(instance(tmp_path, 1).place(), {"nodes": 3})
    with pytest.raises(ClusterError, match=f"^Node {number} .*2 to 3"):
        lifecycle.stop_node(instance(tmp_path, 1), number)


def test_node_of_a_stopped_cluster_is_not_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with pytest.raises(ClusterError, match="make up"):
        lifecycle.start_node(instance(tmp_path, 1), 2, print)
