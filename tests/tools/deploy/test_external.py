"""Clusters that are not ours: what minikube, kind and kubectl are asked, and what their failures become."""

from pathlib import Path

import pytest

from tests.clusters.stand_ins import calls, install
from tools.cluster.errors import ClusterError
from tools.cluster.images import pause_image
from tools.deploy.images import Image
from tools.deploy.target import External, reason


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory with the stand-ins, and with a kubectl that says yes unless there is a file `no-metrics`."""
    directory = tmp_path / "bin"
    install(directory)
    (directory / "kubectl").write_text(
        f'#!/bin/sh\necho "kubectl $*" >> {directory}/log; [ ! -e {directory}/no-metrics ]\n'
    )
    (directory / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")
    return directory


@pytest.fixture
def image(tmp_path: Path) -> Image:
    (tmp_path / "program").touch()
    pause_image(tmp_path / "program", tmp_path / "service.tar", "flask-mongodb-service:1")
    return Image("flask-mongodb-service", "flask-mongodb-service:1", tmp_path / "service.tar")


def test_minikube_is_started_with_metrics_and_given_the_image(programs: Path, image: Image) -> None:
    minikube = External("minikube")
    minikube.check()
    minikube.up(print)
    assert minikube.load([image], print) == {image.name: image.reference}
    assert calls(programs) == [
        "minikube start", "minikube addons enable metrics-server", f"minikube image load {image.archive}",
        "minikube image ls",
    ]  # fmt: skip


def test_kind_cluster_is_created_once_and_given_the_image(programs: Path, image: Image) -> None:
    kind = External("kind")
    for _ in range(2):
        kind.up(print)
    assert kind.load([image], print) == {image.name: image.reference}
    made = [each for each in calls(programs) if each.startswith("kind create")]
    assert made == ["kind create cluster --name flask-mongodb"]
    assert calls(programs)[-1] == f"kind load image-archive {image.archive} --name flask-mongodb"


@pytest.mark.parametrize(
    ("state", "step", "message"),
    [
        ("as-root", "up", "DRV_AS_ROOT"),
        ("load-fails", "load", "no space"),
        ("load-says-nothing", "load", "did not load flask-mongodb-service:1"),
    ],
)
def test_failure_of_minikube_is_one_sentence_with_its_cause(
    state: str, step: str, message: str, programs: Path, image: Image
) -> None:
    (programs / state).touch()
    with pytest.raises(ClusterError, match=message) as raised:
        minikube = External("minikube")
        minikube.up(print)
        minikube.load([image], print)
    assert "\n" not in str(raised.value)
    assert (step == "load") == ("minikube image load" in "".join(calls(programs)))


def test_failure_of_kind_is_one_sentence_with_its_cause(programs: Path, image: Image) -> None:
    with pytest.raises(ClusterError, match="no nodes found"):
        External("kind").load([image], print)


@pytest.mark.parametrize("name", ["kind", "current"])
def test_cluster_without_metrics_is_refused(name: str, programs: Path) -> None:
    (programs / "no-metrics").touch()
    with pytest.raises(ClusterError, match="metrics-server"):
        External(name).up(print)


def test_cause_is_the_programs_own_line_and_else_the_last_one() -> None:
    assert reason("* tip\nX Exiting due to A: b\n* more\n") == "X Exiting due to A: b"
    assert reason("ERROR: no nodes\n\nUsage: …\n") == "ERROR: no nodes"
    assert reason("one\ntwo\n") == "two"
    assert reason("") == "no error message"
