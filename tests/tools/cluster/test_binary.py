"""The cache of the builds from Go modules."""

import dataclasses
import shutil
from pathlib import Path

import pytest

from tools.cluster import binary
from tools.cluster.binary import KUBE_ROUTER, KUBERNETES, GoBuild


@pytest.fixture(params=[KUBERNETES, KUBE_ROUTER], ids=lambda build: build.module)
def build(request: pytest.FixtureRequest) -> GoBuild:
    chosen: GoBuild = request.param
    return chosen


def test_changed_source_changes_the_hash(build: GoBuild, tmp_path: Path) -> None:
    copied = dataclasses.replace(build, sources=tmp_path / build.module)
    shutil.copytree(build.sources, copied.sources)
    assert binary.sources_hash(copied) == binary.sources_hash(build)
    with (copied.sources / "go.mod").open("a") as source:
        source.write("// changed\n")
    assert binary.sources_hash(copied) != binary.sources_hash(build)


def test_build_is_cached_once_it_is_complete(build: GoBuild, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert binary.cached(build) is None
    directory = tmp_path / "flask-mongodb" / f"{build.module}-{binary.sources_hash(build)}"
    directory.mkdir(parents=True)
    *others, last = build.packages
    for program in others:
        (directory / program).touch()
    assert binary.cached(build) is None
    (directory / last).touch()
    assert binary.cached(build) == directory


def test_gos_caches_go_once_all_programs_are_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def make(build: GoBuild, *_: object) -> Path:
        directory = binary._directory(build)
        directory.mkdir(parents=True)
        (directory / list(build.packages)[-1]).touch()
        return directory

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(binary, "_make", make)
    caches = [tmp_path / "flask-mongodb" / name for name in binary.GO_CACHES.values()]
    for cache in caches:
        cache.mkdir(parents=True)
    binary.ensure(KUBERNETES, tmp_path / "log", print)
    assert all(map(Path.exists, caches))  # kube-router's build needs the same modules
    assert binary.ensure(KUBE_ROUTER, tmp_path / "log", print) == binary.cached(KUBE_ROUTER)
    assert not any(map(Path.exists, caches))


def test_built_programs_need_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another checkout may build others for minutes."""
    monkeypatch.setattr(binary, "cached", lambda _: tmp_path)
    monkeypatch.setattr(binary, "exclusively", None)
    assert binary.ensure(KUBERNETES, tmp_path / "log", print) == tmp_path
