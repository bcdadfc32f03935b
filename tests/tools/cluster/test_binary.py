"""The cache of the Kubernetes build."""

import shutil
from pathlib import Path

import pytest

from tools.cluster import binary


def test_changed_source_changes_the_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = binary.sources_hash()
    shutil.copytree(binary.SOURCES, tmp_path / "kubernetes")
    monkeypatch.setattr(binary, "SOURCES", tmp_path / "kubernetes")
    assert binary.sources_hash() == before
    with (tmp_path / "kubernetes" / "main.go").open("a") as source:
        source.write("// changed\n")
    assert binary.sources_hash() != before


def test_build_is_cached_once_it_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert binary.cached() is None
    directory = tmp_path / "flask-mongodb" / f"kubernetes-{binary.sources_hash()}"
    directory.mkdir(parents=True)
    (directory / "pause").touch()
    assert binary.cached() is None
    (directory / "kube").touch()
    assert binary.cached() == directory
