"""`make up CLUSTER=minikube` and `kind`, whole: stand-ins for the two commands lead to the foreign cluster."""

import os
import sys
from pathlib import Path

import pytest
import yaml

from tests.clusters.foreign import NAME, ForeignCluster
from tests.clusters.stand_ins import calls, install
from tests.clusters.test_current import curl
from tools.cluster.instance import CHECKOUT

pytestmark = pytest.mark.clusters


@pytest.mark.parametrize(("name", "context"), [("minikube", "minikube"), ("kind", "kind-flask-mongodb")])
def test_whole_way(name: str, context: str, cluster: ForeignCluster, tmp_path: Path) -> None:
    kubeconfig = yaml.safe_load(cluster.instance.kubeconfig.read_text())
    here = cluster.environment["KUBECONFIG"]
    own = tmp_path / "kubeconfig"
    load = f"{sys.executable} -m tools.cluster --name {NAME} --api-port {cluster.instance.api_port} load"
    kubeconfig["contexts"][0]["name"] = context
    (tmp_path / "made").write_text(yaml.safe_dump(kubeconfig))
    install(tmp_path / "bin", load, f"cp {tmp_path}/made {own} #")
    environment = {"CLUSTER": name, "KUBECONFIG": str(own), "PATH": f"{tmp_path}/bin:{cluster.environment['PATH']}"}
    try:
        done = cluster.deploy("up", **environment)
        assert done.returncode == 0, done.stdout
        assert done.stdout.splitlines()[-2] == f"service http://127.0.0.1:{cluster.service_port}"
        assert curl(f"http://127.0.0.1:{cluster.service_port}/data").startswith("[")
        types = {each["metadata"]["name"]: each["spec"]["type"] for each in cluster.get("services")["items"]}
        assert types["flask"] == ("NodePort" if name == "minikube" else "ClusterIP")
        assert len([each for each in calls(tmp_path / "bin") if " load " in each]) == 2
    finally:
        down = cluster.deploy("down", **environment)
        cluster.environment["KUBECONFIG"] = here
    assert down.returncode == 0
    assert not (CHECKOUT / f".cluster-{name}" / "forwards.json").exists()
    assert os.path.exists(own)
