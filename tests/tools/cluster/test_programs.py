"""The security settings in the programs' command lines and configuration."""

import json
from pathlib import Path

from tools.cluster import programs
from tools.cluster.pki import KUBECONFIGS


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
