"""Components compose: any two of them, and all of them on each overlay, render, and neither undoes the other's part.

tests/e2e/cluster/test_components.py shows them to an API server.
"""

import functools
import json
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from dashboard.config import read
from dashboard.runs.demos.registry import offered
from tests.dashboard.test_config import VALID
from tests.k8s.manifests import COMPONENTS, OVERLAYS, Json, containers, parse, render
from tests.k8s.test_manifests import FOREIGN
from tools.cluster.binary import KUBERNETES
from tools.deploy.target import Embedded

pytestmark = [pytest.mark.kubectl, pytest.mark.slow]

CERTIFICATE = ("ConfigMap", "mongodb-ca")  # made anew in each rendering, as Secrets are

Key = tuple[str, str]
Leaf = tuple[str, ...]


class Kustomizer:
    """Renders kustomizations with components, each once."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._rendered = 0

    @functools.cache  # noqa: B019 - the session has one
    def objects(self, kustomization: str, *components: str) -> dict[Key, Json]:
        self._rendered += 1
        found = parse(render(kustomization, self._directory / str(self._rendered), components))
        assert len({(each["kind"], each["metadata"]["name"]) for each in found}) == len(found)
        named = {(each["kind"], each["metadata"]["name"]): each for each in found}
        return {key: each for key, each in named.items() if key[0] != "Secret" and key != CERTIFICATE}


@pytest.fixture(scope="module")
def kustomizer(tmp_path_factory: pytest.TempPathFactory) -> Kustomizer:
    return Kustomizer(tmp_path_factory.mktemp("composed"))


@pytest.mark.parametrize(("one", "other"), [*combinations(COMPONENTS, 2)])
def test_two_components_undo_nothing_of_each_other(one: str, other: str, kustomizer: Kustomizer) -> None:
    base = kustomizer.objects("base")
    both = kustomizer.objects("base", one, other)
    alone = [kustomizer.objects("base", name) for name in (one, other)]
    left_out = {key for each in alone for key in base.keys() - each.keys()}
    assert both.keys() == (alone[0].keys() | alone[1].keys()) - left_out
    for key, found in both.items():
        before = {*leaves(base.get(key, {}))}
        changes = [{*leaves(each.get(key, {}))} for each in alone]
        added = {leaf for each in changes for leaf in each - before}
        removed = {leaf for each in changes if each for leaf in before - each}
        assert added <= {*leaves(found)}, key
        assert {*leaves(found)} <= (before | added) - (removed - added), key


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_all_components_meet_the_schemas_on_each_overlay(overlay: str, kustomizer: Kustomizer) -> None:
    version = ".".join(KUBERNETES.version.removeprefix("v").split(".")[:2])
    found = kustomizer.objects(overlay, *COMPONENTS)
    assert found[("StatefulSet", "mongodb")]["spec"]["replicas"] == 3
    for each in found.values():
        if not each["apiVersion"].startswith(FOREIGN):
            kubernetes_validate.validate(each, version, strict=True)


def leaves(value: Any, path: Leaf = ()) -> Iterator[Leaf]:
    """Yield each value with its path. An item of a list is known by its name, since its place may change."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from leaves(each, (*path, key))
    elif isinstance(value, list):
        for each in value:
            name = each.get("name", each) if isinstance(each, dict) else each
            yield from leaves(each, (*path, json.dumps(name)))
    else:
        yield (*path, json.dumps(value))


def test_base_has_one_member_and_no_right_for_it(kustomizer: Kustomizer) -> None:
    base = kustomizer.objects("base")
    spec = base[("StatefulSet", "mongodb")]["spec"]
    assert spec["replicas"] == 1
    assert "serviceAccountName" not in spec["template"]["spec"]
    assert ("Role", "mongodb") not in base


@pytest.mark.parametrize(("role", "demo"), [("rollout", "rollout"), ("pods", "self-healing"), ("autoscaler", None)])
def test_demo_goes_with_the_right_that_it_takes(role: str, demo: str | None, kustomizer: Kustomizer) -> None:
    objects = kustomizer.objects("base", f"components/without-{role}")
    assert ("Role", f"dashboard-{role}") not in objects
    (container,) = objects[("Deployment", "dashboard")]["spec"]["template"]["spec"]["containers"]
    given = {each["name"]: each["value"] for each in container["env"] if each["name"].startswith("MAY_")}
    left = offered(1, read(VALID | given).withheld)
    assert offered(1, ()).keys() - left.keys() == ({demo} if demo else set())


def test_embedded_cluster_is_given_every_image(kustomizer: Kustomizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPONENTS", " ".join(each.removeprefix("components/") for each in COMPONENTS))
    given = {image.name for image in Embedded("test").images()}
    objects = kustomizer.objects("overlays/embedded", *COMPONENTS)
    assert {container["image"].rpartition(":")[0] for _, container in containers([*objects.values()])} == given
