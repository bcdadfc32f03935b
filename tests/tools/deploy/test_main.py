"""Invalid settings of the command, and the images' names."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.cluster.errors import ClusterError
from tools.cluster.instance import CHECKOUT
from tools.deploy import __main__, images, target


def deploy(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-m", "tools.deploy", *arguments), cwd=CHECKOUT, env=os.environ | environment,
        capture_output=True, text=True, timeout=20,
    )  # fmt: skip


def test_unknown_cluster_is_an_error() -> None:
    done = deploy("up", CLUSTER="openshift")
    assert done.returncode == 1
    assert done.stderr.startswith("CLUSTER=openshift ") and done.stderr.count("\n") == 1


def test_unknown_component_is_an_error() -> None:
    done = deploy("up", COMPONENTS="ha,highway")
    assert done.returncode == 1
    assert done.stderr.startswith("COMPONENTS=highway ") and done.stderr.count("\n") == 1


def test_components_are_named_with_commas_or_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPONENTS", "ha, nightly")
    assert target.components() == ["components/ha", "components/nightly"]
    monkeypatch.delenv("COMPONENTS")
    assert target.components() == []


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1"])
def test_invalid_port_is_an_error(port: str) -> None:
    done = deploy("up", SERVICE_PORT=port)
    assert done.returncode == 1
    assert done.stderr.startswith(f"SERVICE_PORT={port} ") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["My-Space", "-x", "a.b", "x" * 64])
def test_invalid_namespace_is_an_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAMESPACE", name)
    with pytest.raises(ClusterError, match=f"NAMESPACE={name}"):
        target.named("embedded").check()


def test_embedded_cluster_has_one_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAMESPACE", "another")
    with pytest.raises(ClusterError, match="unset NAMESPACE"):
        target.named("embedded").check()


def test_missing_program_of_a_cluster_is_an_error(tmp_path: Path) -> None:
    done = deploy("up", CLUSTER="kind", PATH=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("CLUSTER=kind needs the command kubectl") and done.stderr.count("\n") == 1


def test_current_context_needs_a_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REGISTRY", raising=False)
    monkeypatch.setattr("shutil.which", lambda command: f"/usr/bin/{command}")
    with pytest.raises(ClusterError, match="REGISTRY="):
        target.named("current").check()


def test_image_reference_is_stable_and_distinct() -> None:
    service, dashboard = images.own()
    assert service.reference.startswith("flask-mongodb-service:")
    assert service.reference != dashboard.reference
    assert images.own() == [service, dashboard]


@pytest.mark.parametrize(("no_proxy", "expected"), [
    ("", "http://proxy:3128"), ("localhost", "http://proxy:3128"), ("localhost,127.0.0.1", None), ("*", None),
])  # fmt: skip
def test_proxy_that_would_get_requests_to_this_machine_is_named(
    no_proxy: str, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", no_proxy)
    assert __main__.loopback_proxy() == expected


def test_without_a_proxy_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert __main__.loopback_proxy() is None
