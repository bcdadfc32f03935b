"""What is wrong with the request is said at once, in one sentence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.cluster.errors import ClusterError
from tools.cluster.instance import CHECKOUT
from tools.deploy import images, target


def deploy(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-m", "tools.deploy", *arguments), cwd=CHECKOUT, env=os.environ | environment,
        capture_output=True, text=True, timeout=20,
    )  # fmt: skip


def test_an_unknown_cluster_is_told_with_those_that_are_known() -> None:
    done = deploy("up", CLUSTER="openshift")
    assert done.returncode == 1
    assert done.stderr == "CLUSTER=openshift is not known: use embedded, minikube, kind or current.\n"


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1"])
def test_a_port_that_is_none_is_told(port: str) -> None:
    done = deploy("up", SERVICE_PORT=port)
    assert done.returncode == 1
    assert done.stderr == f"SERVICE_PORT={port} is no port: give a number from 1 to 65535.\n"


def test_a_cluster_whose_program_is_missing_says_which(tmp_path: Path) -> None:
    done = deploy("up", CLUSTER="kind", PATH=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == ("CLUSTER=kind needs the command kubectl: install it, or leave CLUSTER away (embedded).\n")


def test_the_current_context_is_never_touched_without_a_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REGISTRY", raising=False)
    monkeypatch.setattr("shutil.which", lambda command: f"/usr/bin/{command}")
    with pytest.raises(ClusterError, match="give REGISTRY=host/path"):
        target.named("current").check()


def test_an_image_is_named_by_its_sources() -> None:
    service, dashboard = images.own()
    assert service.reference.startswith("flask-mongodb-service:")
    assert service.reference != dashboard.reference
    assert images.own() == [service, dashboard]
