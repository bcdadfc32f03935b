"""The simulated objects agree with the manifests in k8s."""

import yaml

from dashboard.mock.cluster.manifests import BEHAVIOR
from dashboard.mock.cluster.pods import DATABASE, SERVICE
from tests.dashboard.stubs import ROOT

K8S = ROOT / "k8s"


def test_autoscaler_behavior_is_that_of_the_manifest() -> None:
    behavior = yaml.safe_load((K8S / "base" / "flask-hpa.yaml").read_text())["spec"]["behavior"]
    assert BEHAVIOR["scaleUp"] == behavior["scaleUp"]
    assert BEHAVIOR["scaleDown"] == behavior["scaleDown"] | {"selectPolicy": "Max"}, "the API server's own default"


def test_container_resources_are_those_of_the_manifests() -> None:
    deployment, statefulset = (
        yaml.safe_load((K8S / "base" / f"{name}.yaml").read_text())
        for name in ("flask-deployment", "mongodb-statefulset")
    )
    patch = yaml.safe_load((K8S / "overlays" / "embedded" / "mongodb-crash.yaml").read_text())
    crash = [each["value"] for each in patch if each["path"].endswith("/containers/-")]
    for manifest, added, kind in ((deployment, [], SERVICE), (statefulset, crash, DATABASE)):
        containers = [*manifest["spec"]["template"]["spec"]["containers"], *added]
        assert {each["name"]: each["resources"] for each in containers} == kind.containers
