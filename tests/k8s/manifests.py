"""The manifests as kubectl renders them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
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


def render(kustomization: str, directory: Path) -> str:
    """Return the kustomization's objects as YAML; a component's with the base's.

    The secrets are made in `directory`, not in the checkout.
    """
    shutil.copytree(CHECKOUT / "k8s", directory, ignore=shutil.ignore_patterns("secrets"))
    secrets.ensure(directory)
    if kustomization in COMPONENTS:
        parts = {"resources": ["../base"], "components": [f"../{kustomization}"]}
        kustomization = "with-component"
        (directory / kustomization).mkdir()
        (directory / kustomization / "kustomization.yaml").write_text(yaml.safe_dump(parts))
    command = (*(kubectl() or ()), "kustomize", str(directory / kustomization))
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def parse(rendered: str) -> list[Json]:
    return list(yaml.safe_load_all(rendered))


def pods(objects: list[Json]) -> Iterator[tuple[str, Json]]:
    """Yield (workload, spec of its pods)."""
    for each in objects:
        spec = each.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)  # a CronJob's
        if "template" in spec:
            yield f"{each['kind']}/{each['metadata']['name']}", spec["template"]["spec"]


def containers(objects: list[Json]) -> Iterator[tuple[str, Json]]:
    """Yield (workload/container, container), init containers too."""
    for workload, pod in pods(objects):
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            yield f"{workload}/{container['name']}", container
