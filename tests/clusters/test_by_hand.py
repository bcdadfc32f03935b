"""The steps of docs/kubernetes.md, taken from the document and run."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clusters.foreign import NAMESPACE, ForeignCluster
from tests.e2e.deployment import wait_until
from tests.hosts.readme import Block, blocks
from tools.cluster.instance import CHECKOUT

pytestmark = pytest.mark.clusters

DOCUMENT = CHECKOUT / "docs" / "kubernetes.md"


def section(heading: str) -> list[Block]:
    found = [block for block in blocks(DOCUMENT.read_text()) if block.heading == heading]
    assert found, heading
    return found


class Reader:
    """Someone who follows the document in a copy of the manifests, and so leaves the checkout's secrets alone."""

    def __init__(self, cluster: ForeignCluster, directory: Path) -> None:
        self.cluster = cluster
        self.directory = directory
        ignored = shutil.ignore_patterns("secrets")
        shutil.copytree(CHECKOUT / "k8s", directory / "k8s", ignore=ignored)

    def run(self, script: str, limit: float = 240.0) -> str:
        done = subprocess.run(
            ("bash", "-euo", "pipefail", "-c", script), cwd=self.directory, env=self.cluster.environment,
            capture_output=True, text=True, timeout=limit,
        )  # fmt: skip
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout

    @contextlib.contextmanager
    def forwards(self, commands: tuple[str, ...]) -> Iterator[None]:
        """Run each command in the background, as in a terminal of its own."""
        started = [
            subprocess.Popen(
                ("bash", "-c", command), cwd=self.directory, env=self.cluster.environment, start_new_session=True,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
            for command in commands
        ]  # fmt: skip
        try:
            yield
        finally:
            for process in started:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(10)


def at_free_ports(cluster: ForeignCluster, command: str) -> str:
    """Return a command of the document with this test's ports: 5000 and 8080 may be taken here."""
    return (
        command.replace("5000:5000", f"{cluster.service_port}:5000")
        .replace("8080:8080", f"{cluster.dashboard_port}:8080")
        .replace("localhost:5000", f"127.0.0.1:{cluster.service_port}")
    )


def test_steps_file_by_file_make_a_deployment_that_serves(cluster: ForeignCluster, tmp_path: Path) -> None:
    reader = Reader(cluster, tmp_path)
    cluster.kubectl("config", "set-context", "--current", "--namespace", NAMESPACE)
    steps = [block.script for block in section("By hand, on minikube")]
    (by_openssl,) = (each for each in steps if "openssl" in each)
    (by_file,) = (each for each in steps if "cd k8s/base" in each and "kubectl apply" in each)
    (look,) = (each for each in steps if each.startswith("kubectl rollout status statefulset"))
    (forwards,) = (each for each in steps if each.startswith("kubectl port-forward"))
    reader.run(by_openssl)
    reader.run(by_file)
    reader.run(look)
    with reader.forwards(tuple(at_free_ports(cluster, each) for each in forwards.splitlines())):
        url = f"http://127.0.0.1:{cluster.service_port}"
        wait_until(lambda: subprocess.run(("curl", "-sf", f"{url}/readyz"), capture_output=True).returncode == 0, 60)
        post, get, *_ = section("12. Test the database's persistence")[0].commands
        assert '"id"' in reader.run(at_free_ports(cluster, post))
        assert '"key":"value"' in reader.run(at_free_ports(cluster, get))
        token = (tmp_path / "k8s/base/secrets/dashboard-auth.env").read_text().split("operator-token=")[1].split()[0]
        prove = ("-m", "dashboard.prove", "persistence", "--url", f"http://127.0.0.1:{cluster.dashboard_port}")
        proved = subprocess.run(
            ("python3", *prove, "--reports", str(tmp_path / "reports")), cwd=CHECKOUT, capture_output=True, text=True,
            env=os.environ | {"PROVE_TOKEN": token},
        )  # fmt: skip
        assert proved.stdout.startswith("persistence PASS"), proved.stdout + proved.stderr


def test_overlay_is_applied_changed_and_removed(cluster: ForeignCluster, tmp_path: Path) -> None:
    reader = Reader(cluster, tmp_path)
    steps = [block.script for block in section("By hand, on minikube")]
    reader.run(next(each for each in steps if "openssl" in each))
    reader.run(next(each for each in steps if each == "kubectl apply -k k8s/overlays/minikube"))
    reader.run(next(each for each in steps if each.startswith("kubectl rollout status statefulset")))
    types = {each["metadata"]["name"]: each["spec"]["type"] for each in cluster.get("services")["items"]}
    assert (types["flask"], types["dashboard"], types["mongodb"]) == ("NodePort", "NodePort", "ClusterIP")
    users = tmp_path / "k8s/base/secrets/mongodb-users.env"
    lines = users.read_text().splitlines()
    users.write_text(
        "".join("service-password=n@w:/%41\n" if "service-pass" in each else f"{each}\n" for each in lines)
    )
    reader.run(next(each for each in steps if "rollout restart" in each))
    wait_until(lambda: cluster.get("deployment", "flask")["status"].get("readyReplicas") == 2, 120)
    assert "n@w" in reader.run("kubectl exec deploy/flask -- printenv MONGODB_PASSWORD")
    reader.run("kubectl delete -k k8s/overlays/minikube")
    assert "NotFound" in cluster.kubectl("get", "namespace", NAMESPACE, check=False)


def test_dashboard_is_led_outside_by_tls(cluster: ForeignCluster, tmp_path: Path) -> None:
    """No controller runs here: the API server accepts what the document makes, and the dashboard the new name."""
    reader = Reader(cluster, tmp_path)
    reader.run(next(block.script for block in section("By hand, on minikube") if "openssl" in block.script))
    cluster.kubectl("create", "namespace", NAMESPACE)
    for block in section("By TLS, under a name of your own"):
        reader.run(block.script)
    ingress = cluster.get("ingress", "dashboard")
    assert ingress["spec"]["rules"][0]["host"] == "dashboard.test"
    reader.run("kubectl rollout status deployment/dashboard --timeout=200s")
    ask = "import urllib.request as u; q=u.Request('http://127.0.0.1:8080/login',headers={'Host':'%s'}); u.urlopen(q)"
    reader.run(f'kubectl exec deploy/dashboard -- python -c "{ask % "dashboard.test"}"')
    with pytest.raises(AssertionError, match="421"):
        reader.run(f'kubectl exec deploy/dashboard -- python -c "{ask % "dashboard.example"}"')
