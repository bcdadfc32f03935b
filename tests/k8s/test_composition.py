"""Components compose: any two of them, and all of them on each overlay, render, and neither undoes the other's part.

tests/e2e/cluster/test_components.py shows them to an API server.
"""

from itertools import combinations
from pathlib import Path

import kubernetes_validate
import pytest

from tests.k8s.manifests import COMPONENTS, OVERLAYS, Json, parse, render
from tests.k8s.test_manifests import OPERATOR
from tools.cluster.binary import KUBERNETES

pytestmark = [pytest.mark.kubectl, pytest.mark.slow]

Key = tuple[str, str]


def objects(directory: Path, kustomization: str, *components: str) -> dict[Key, Json]:
    found = parse(render(kustomization, directory / "k8s", components))
    assert len({(each["kind"], each["metadata"]["name"]) for each in found}) == len(found)
    return {(each["kind"], each["metadata"]["name"]): each for each in found if each["kind"] != "Secret"}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> dict[Key, Json]:
    return objects(tmp_path_factory.mktemp("base"), "base")


@pytest.mark.parametrize(("one", "other"), [*combinations(COMPONENTS, 2)])
def test_two_components_change_what_each_changes_alone(
    one: str, other: str, base: dict[Key, Json], tmp_path: Path
) -> None:
    alone = [objects(tmp_path / name, "base", name) for name in (one, other)]
    both = objects(tmp_path / "both", "base", one, other)
    reverse = objects(tmp_path / "reverse", "base", other, one)
    assert both == reverse
    assert both.keys() == alone[0].keys() | alone[1].keys()
    for key, found in both.items():
        assert found in [each.get(key) for each in (*alone, base)], key


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_all_components_meet_the_schemas_on_each_overlay(overlay: str, tmp_path: Path) -> None:
    version = ".".join(KUBERNETES.version.removeprefix("v").split(".")[:2])
    found = objects(tmp_path, overlay, *COMPONENTS)
    assert found[("StatefulSet", "mongodb")]["spec"]["replicas"] == 3
    for each in found.values():
        if not each["apiVersion"].startswith(OPERATOR):
            kubernetes_validate.validate(each, version, strict=True)


def test_base_has_one_member_and_no_right_for_it(base: dict[Key, Json]) -> None:
    spec = base[("StatefulSet", "mongodb")]["spec"]
    assert spec["replicas"] == 1
    assert "serviceAccountName" not in spec["template"]["spec"]
    assert ("Role", "mongodb") not in base
