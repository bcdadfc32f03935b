"""Invalid settings of the command, and the images' names."""

import argparse
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from tools.cluster.errors import ClusterError
from tools.cluster.instance import CHECKOUT
from tools.deploy import __main__, images, rollout, secrets, target
from tools.deploy.mongodb_tls import MODES


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


@pytest.mark.parametrize("number", ["0", "6", "three"])
def test_invalid_number_of_nodes_is_an_error(number: str) -> None:
    done = deploy("up", NODES=number)
    assert done.returncode == 1
    assert done.stderr.startswith(f"NODES={number} ") and done.stderr.count("\n") == 1


def test_another_cluster_has_its_own_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda command: f"/usr/bin/{command}")
    monkeypatch.setenv("NODES", "1")
    target.named("minikube").check()
    monkeypatch.setenv("NODES", "3")
    with pytest.raises(ClusterError, match=r"^NODES .*CLUSTER=minikube"):
        target.named("minikube").check()


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


class Running:
    """A target on which MongoDB has these replicas. It notes what would change something."""

    def __init__(self, directory: Path, wanted: int, existing: int, tls: str = "") -> None:
        self.directory = directory
        pod = {"containers": [{"name": "mongod", "env": [{"name": "TLS_MODE", "value": tls}] if tls else []}]}
        spec = {"replicas": wanted, "template": {"spec": pod}}
        sets = [{"metadata": {"name": "mongodb"}, "spec": spec, "status": {"replicas": existing}}]
        (directory / "statefulsets").write_text(json.dumps({"items": sets}))
        program = directory / "kubectl"
        program.write_text(f'#!/bin/sh\n[ "$4" = hpa ] || cat {directory}/statefulsets\n')
        program.chmod(0o755)
        self.began: list[bool] = []

    def kubectl(self) -> tuple[str, ...]:
        return (str(self.directory / "kubectl"),)

    def check(self) -> None:
        pass

    def install(self, *_: object) -> None:
        pass

    def images(self) -> list[images.Image]:
        return []

    def up(self, _: target.Say) -> None:
        pass


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Running]:
    """Make the target, and let the commands end where they begin to change something."""

    def run(wanted: int, existing: int, components: str = "", tls: str = "") -> Running:
        made = Running(tmp_path, wanted, existing, tls)

        def begins(*_: object, key_file: bool = False) -> None:
            made.began.append(key_file)
            raise Began

        monkeypatch.setenv("COMPONENTS", components)
        monkeypatch.setattr(target, "named", lambda *_: made)
        monkeypatch.setattr(secrets, "ensure", lambda **_: None)
        monkeypatch.setattr(secrets, "is_rotating", lambda: False)
        monkeypatch.setattr(secrets, "begin_rotation", begins)
        monkeypatch.setattr(__main__, "_apply", begins)
        monkeypatch.setattr(__main__, "_ParallelCommand", Built)
        return made

    return run


class Began(Exception):
    pass


class Built(contextlib.nullcontext[Any]):
    """The images are there."""

    def __init__(self, *_: object) -> None:
        super().__init__(self)

    def wait(self) -> None:
        pass


OPTIONS = argparse.Namespace(since=0.0, cluster="current", name="main")


@pytest.mark.parametrize("command", [__main__.up, __main__.rotate])
@pytest.mark.parametrize(("wanted", "existing"), [(3, 3), (3, 1), (1, 3)])  # the last one is still scaled down
def test_several_members_are_not_scaled_down_unasked(
    command: Callable[[argparse.Namespace], None], wanted: int, existing: int, running: Callable[..., Running]
) -> None:
    made = running(wanted, existing, "backup")
    with pytest.raises(ClusterError, match=r"^MongoDB has 3 members[^\n]* COMPONENTS=.backup ha.[^\n]*--replicas=1.*$"):
        command(OPTIONS)
    assert not made.began


@pytest.mark.parametrize("command", [__main__.up, __main__.rotate])
@pytest.mark.parametrize(("members", "components"), [(1, ""), (0, ""), (1, "ha"), (3, "ha backup")])
def test_one_member_or_the_component_is_no_obstacle(
    command: Callable[[argparse.Namespace], None], members: int, components: str, running: Callable[..., Running]
) -> None:
    made = running(members, members, components)
    with pytest.raises(Began):
        command(OPTIONS)
    assert made.began


@pytest.mark.parametrize(("members", "components", "new"), [(1, "", True), (1, "ha", False), (3, "ha", False)])
def test_rotation_keeps_the_key_of_members_that_share_it(
    members: int, components: str, new: bool, running: Callable[..., Running]
) -> None:
    made = running(members, members, components)
    with pytest.raises(Began):
        __main__.rotate(OPTIONS)
    assert made.began == [new]


@pytest.mark.parametrize(("tls", "components"), [("requireTLS", "ha"), ("preferTLS", "tls"), ("", "tls ha")])
def test_rotation_neither_begins_nor_ends_the_use_of_tls(
    tls: str, components: str, running: Callable[..., Running]
) -> None:
    made = running(1, 1, components, tls)
    with pytest.raises(ClusterError, match=r"^MongoDB's TLS would change: [^\n]*COMPONENTS[^\n]*$"):
        __main__.rotate(OPTIONS)
    assert not made.began


@pytest.mark.parametrize(
    ("members", "components", "tls", "steps"),
    [
        (1, "tls", "", ["preferTLS"]),
        (1, "", "requireTLS", ["allowTLS"]),
        (3, "ha tls", "", ["allowTLS", "preferTLS"]),
        (1, "tls", "requireTLS", []),
        (1, "", "", []),
    ],
)
def test_tls_comes_and_goes_in_steps_which_all_have_the_component(
    members: int, components: str, tls: str, steps: list[str], running: Callable[..., Running],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    applied: list[tuple[list[str], str]] = []

    def apply(_: object, say: object, parts: list[str], more: list[dict[str, str]]) -> None:
        assert parts.count("components/tls") == 1
        applied.append((parts, more[0]["patch"]))

    made = running(members, members, components, tls)
    monkeypatch.setattr(__main__, "_apply", apply)
    monkeypatch.setattr(rollout, "wait", lambda *_: None)
    __main__._change_tls(cast(target.Target, made), lambda _: None)
    assert [next(mode for mode in MODES if mode in patch) for _, patch in applied] == steps


def test_members_of_a_cluster_without_mongodb_are_none(tmp_path: Path) -> None:
    made = Running(tmp_path, 3, 3)
    assert rollout.members(made.kubectl()) == 3
    (tmp_path / "statefulsets").write_text('{"items": []}')
    assert rollout.members(made.kubectl()) == 0
