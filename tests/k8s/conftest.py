"""Each kustomization's objects, rendered once."""

from pathlib import Path

import pytest

from tests.k8s.manifests import KUSTOMIZATIONS, Json, parse, render


@pytest.fixture(scope="session", params=KUSTOMIZATIONS)
def rendered(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The objects as YAML."""
    directory: Path = tmp_path_factory.mktemp("rendered")
    return render(request.param, directory / "k8s")


@pytest.fixture(scope="session")
def objects(rendered: str) -> list[Json]:
    return parse(rendered)
