"""The manifests as kubectl renders them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from tools.cluster import binary
from tools.cluster.instance import CHECKOUT
from tools.deploy import secrets

Json = dict[str, Any]

OVERLAYS, COMPONENTS = (
    sorted(f"{kind}/{each.name}" for each in (CHECKOUT / "k8s" / kind).iterdir()) for kind in ("overlays", "components")
)
KUSTOMIZATIONS = ("base", *OVERLAYS, *COMPONENTS)


def kubectl() -> tuple[str, ...] | None:
    """Return the command: the embedded cluster's program if it is built, else the machine's, else None."""
    if built := binary.cached(binary.KUBERNETES):
        return (str(built / "kube"), "kubectl")
    return (found,) if (found := shutil.which("kubectl")) else None


def render(kustomization: str, directory: Path, components: Sequence[str] = ()) -> str:
    """Return the objects of a kustomization with components as YAML; a component's with the base's.

    The secrets are made in `directory`, not in the checkout.
    """
    shutil.copytree(CHECKOUT / "k8s", directory, ignore=shutil.ignore_patterns("secrets"))
    secrets.ensure(directory)
    if kustomization in COMPONENTS:
        kustomization, components = "base", [kustomization, *components]
    if components:
        kustomization = _composed(directory, kustomization, components)
    command = (*(kubectl() or ()), "kustomize", str(directory / kustomization))
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _composed(directory: Path, kustomization: str, components: Sequence[str]) -> str:
    """Write an overlay that adds components to a kustomization, all below `directory`. Return its name."""
    name = "composed"
    (directory / name).mkdir()
    parts = {"resources": [f"../{kustomization}"], "components": [f"../{each}" for each in components]}
    (directory / name / "kustomization.yaml").write_text(yaml.safe_dump(parts))
    return name


def parse(rendered: str) -> list[Json]:
    return list(yaml.safe_load_all(rendered))


def pods(objects: list[Json]) -> Iterator[tuple[str, Json]]:
    """Yield (workload, spec of its pods)."""
    for name, template in _templates(objects):
        yield name, template["spec"]


def pod_labels(objects: list[Json]) -> Iterator[Json]:
    """Yield the labels of each workload's pods."""
    for _, template in _templates(objects):
        yield template["metadata"]["labels"]


def _templates(objects: list[Json]) -> Iterator[tuple[str, Json]]:
    for each in objects:
        spec = each.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)  # a CronJob's
        if "template" in spec:
            yield f"{each['kind']}/{each['metadata']['name']}", spec["template"]


def containers(objects: list[Json]) -> Iterator[tuple[str, Json]]:
    """Yield (workload/container, container), init containers too."""
    for workload, pod in pods(objects):
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            yield f"{workload}/{container['name']}", container
