"""The by-hand steps of docs/kubernetes.md: they make what `make up` makes. `make clusters` runs them on a cluster."""

import itertools
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.hosts.readme import Block, blocks
from tools.cluster.instance import CHECKOUT
from tools.deploy import secrets


def steps() -> list[Block]:
    found = blocks((CHECKOUT / "docs" / "kubernetes.md").read_text())
    return [block for block in found if block.heading == "By hand, on minikube"]


def test_every_manifest_of_the_base_is_applied() -> None:
    resources = set(yaml.safe_load((CHECKOUT / "k8s/base/kustomization.yaml").read_text())["resources"])
    words = [word for block in steps() for command in block.commands for word in command.split()]
    applied = {word for before, word in itertools.pairwise(words) if before == "-f"}
    assert applied == resources


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_secrets_made_without_make_have_the_same_files_and_keys(tmp_path: Path) -> None:
    (by_hand,) = (block.script for block in steps() if "openssl" in block.script)
    subprocess.run(("bash", "-ec", by_hand), cwd=tmp_path, check=True)
    made = tmp_path / "k8s" / "base" / "secrets"
    (tmp_path / "made" / "overlays" / "embedded").mkdir(parents=True)
    (tmp_path / "made" / "base").mkdir()
    secrets.ensure(tmp_path / "made")
    expected = tmp_path / "made" / "base" / "secrets"
    assert {each.name: keys(each) for each in made.iterdir()} == {each.name: keys(each) for each in expected.iterdir()}
    assert {path.stat().st_mode & 0o777 for path in made.iterdir()} == {0o600}


def keys(file: Path) -> set[str]:
    return {line.partition("=")[0] for line in file.read_text().splitlines()} if file.suffix == ".env" else set()
