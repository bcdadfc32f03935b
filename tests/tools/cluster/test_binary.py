"""The built binary's name follows what it is made from."""

import shutil
from pathlib import Path

import pytest

from tools.cluster import binary


def test_a_changed_source_is_another_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = binary.sources_hash()
    shutil.copytree(binary.SOURCES, tmp_path / "kubernetes")
    monkeypatch.setattr(binary, "SOURCES", tmp_path / "kubernetes")
    assert binary.sources_hash() == before
    with (tmp_path / "kubernetes" / "main.go").open("a") as source:
        source.write("// changed\n")
    assert binary.sources_hash() != before


def test_it_is_cached_outside_the_checkout_and_found_only_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert binary.cached() is None
    directory = tmp_path / "flask-mongodb" / f"kubernetes-{binary.sources_hash()}"
    directory.mkdir(parents=True)
    (directory / "pause").touch()
    assert binary.cached() is None
    (directory / "kube").touch()
    assert binary.cached() == directory
