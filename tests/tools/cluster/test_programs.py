"""The programs' command lines and configuration, as far as safety hangs on them."""

import json
from pathlib import Path

from tools.cluster import programs
from tools.cluster.pki import KUBECONFIGS


def test_no_program_uses_anothers_identity() -> None:
    named = {}
    for program in programs.workers():
        for argument in program.arguments:
            if argument.endswith(".kubeconfig"):
                named.setdefault(program.name, set()).add(Path(argument.split("=")[1]).stem)
    assert named == {name: {name} for name in KUBECONFIGS if name not in ("admin", "coredns")}
    assert "coredns.kubeconfig" in programs.configuration("group", Path("/cni"))["Corefile"]


def test_nobody_is_anonymous() -> None:
    apiserver = next(program for program in programs.control_plane() if program.name == "kube-apiserver")
    assert "--anonymous-auth=false" in apiserver.arguments
    assert "--authorization-mode=Node,RBAC" in apiserver.arguments
    kubelet = json.loads(programs.configuration("group", Path("/cni"))["kubelet.json"])
    assert kubelet["authentication"]["anonymous"] == {"enabled": False}
    assert kubelet["authorization"] == {"mode": "Webhook"}
    assert kubelet["readOnlyPort"] == 0


def test_pods_live_in_the_instances_own_cgroup() -> None:
    kubelet = json.loads(programs.configuration("flask-mongodb-test-1234", Path("/cni"))["kubelet.json"])
    assert kubelet["cgroupRoot"] == "/flask-mongodb-test-1234"
