"""The images: each has a list of its Python packages, and holds those and no others."""

import json

import pytest

from tests.e2e.deployment import Deployment
from tests.tools.deploy.pins import components, needed

pytestmark = pytest.mark.cluster

INSTALLED = """
import importlib.metadata, json, sys
packages = [[each.name, each.version] for each in importlib.metadata.distributions()]
print(json.dumps(["%d.%d" % sys.version_info[:2], [{"name": name, "version": version} for name, version in packages]]))
"""


@pytest.mark.parametrize(("workload", "group"), [("flask", "service"), ("dashboard", "dashboard")])
def test_sbom_lists_exactly_the_pinned_packages_that_are_installed(
    workload: str, group: str, deployment: Deployment
) -> None:
    def run(*command: str) -> str:
        return deployment.kubectl("exec", f"deploy/{workload}", "--", *command)

    sbom = json.loads(run("cat", "/app/sbom.cdx.json"))
    version, installed = json.loads(run("python", "-c", INSTALLED))
    assert components(sbom) == components({"components": installed}) == needed(group, version)
