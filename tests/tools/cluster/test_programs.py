"""The security settings in the programs' command lines and configuration."""

import json
from pathlib import Path

import pytest

from tools.cluster import programs
from tools.cluster.instance import NodeSpec
from tools.cluster.pki import KUBECONFIGS, NODE_KUBECONFIGS


def test_each_program_uses_its_own_kubeconfig() -> None:
    used = {}
    for program in [*programs.workers(), programs.kube_router()]:
        for argument in program.arguments:
            if argument.endswith(".kubeconfig"):
                used.setdefault(program.name, set()).add(Path(argument.split("=")[1]).stem)
    assert used == {name: {name} for name in KUBECONFIGS if name not in ("admin", "coredns")}
    assert "coredns.kubeconfig" in programs.configuration("group", Path("/cni"))["Corefile"]


def test_anonymous_requests_are_disabled() -> None:
    apiserver = next(program for program in programs.control_plane() if program.name == "kube-apiserver")
    assert "--anonymous-auth=false" in apiserver.arguments
    assert "--authorization-mode=Node,RBAC" in apiserver.arguments
    kubelet = json.loads(programs.configuration("group", Path("/cni"))["kubelet.json"])
    assert kubelet["authentication"]["anonymous"] == {"enabled": False}
    assert kubelet["authorization"] == {"mode": "Webhook"}
    assert kubelet["readOnlyPort"] == 0


def test_pods_are_in_the_instances_cgroup() -> None:
    kubelet = json.loads(programs.configuration("flask-mongodb-test-1234", Path("/cni"))["kubelet.json"])
    assert kubelet["cgroupRoot"] == "/flask-mongodb-test-1234"


def test_further_node_has_its_own_name_address_and_pod_network() -> None:
    node = NodeSpec(3)
    arguments = [argument for program in programs.agents(node) for argument in program.arguments]
    named = {argument for argument in arguments if argument.startswith(("--hostname-override", "--node"))}
    assert named == {"--hostname-override=embedded-3", "--node-ip=172.31.0.4", "--node=embedded-3"}
    files = programs.configuration("group", Path("/cni"), node)
    assert json.loads(files["kubelet.json"])["address"] == "172.31.0.4"
    (plugin,) = json.loads(files["cni/10-bridge.conflist"])["plugins"]
    assert plugin["ipam"]["ranges"] == [[{"subnet": "10.244.2.0/24"}]]


def test_further_node_uses_the_kubeconfigs_that_it_gets() -> None:
    node = NodeSpec(2)
    arguments = [each for program in [*programs.agents(node), programs.kube_router(node)] for each in program.arguments]
    used = {Path(each.split("=")[1]).stem for each in arguments if each.endswith(".kubeconfig")}
    assert used == set(NODE_KUBECONFIGS)


@pytest.mark.parametrize(("nodes", "period", "mode"), [(1, [], "Immediate"), (2, ["20s"], "WaitForFirstConsumer")])
def test_settings_of_several_nodes_are_not_those_of_one(nodes: int, period: list[str], mode: str) -> None:
    manager = next(each for each in programs.workers(nodes) if each.name == "kube-controller-manager")
    flag = "--node-monitor-grace-period="
    assert [each.removeprefix(flag) for each in manager.arguments if each.startswith(flag)] == period
    assert programs.binding_mode(nodes) == mode
