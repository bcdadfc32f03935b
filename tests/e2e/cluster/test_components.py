"""The components as the API server sees them: any two of them, and all on each overlay."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import pytest

from tests.e2e.deployment import Deployment
from tests.k8s.manifests import COMPONENTS, OVERLAYS, render

pytestmark = [pytest.mark.cluster, pytest.mark.kubectl]

# Their kinds are the Prometheus operator's and a Gateway controller's, which the cluster does not have.
FOREIGN = {"components/alerts", "components/gateway"}
KNOWN = [each for each in COMPONENTS if each not in FOREIGN]


@pytest.mark.parametrize(
    ("overlay", "components"),
    [("base", each) for each in combinations(KNOWN, 2)] + [(each, KNOWN) for each in OVERLAYS],
)
def test_api_server_accepts_components(
    overlay: str, components: Sequence[str], deployment: Deployment, tmp_path: Path
) -> None:
    rendered = render(overlay, tmp_path / "k8s", components)
    output = deployment.kubectl("apply", "--dry-run=server", "--filename", "-", input=rendered)
    assert "statefulset.apps/mongodb" in output
    assert "Warning" not in output
