"""Secrets are random, private, and made once."""

import stat
from pathlib import Path

import pytest

from tools.deploy import secrets

FILES = {"mongodb-users.env", "mongodb-key-file", "dashboard-auth.env", "mongodb-crash.env"}


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    return checkout(tmp_path / "k8s")


def checkout(manifests: Path) -> Path:
    (manifests / "base").mkdir(parents=True)
    (manifests / "overlays" / "embedded").mkdir(parents=True)
    return manifests


def made(manifests: Path) -> dict[str, Path]:
    return {path.name: path for path in manifests.rglob("*") if path.is_file()}


def test_what_exists_is_never_changed(manifests: Path) -> None:
    secrets.ensure(manifests)
    before = {name: path.read_text() for name, path in made(manifests).items()}
    secrets.ensure(manifests)
    assert {name: path.read_text() for name, path in made(manifests).items()} == before
    assert set(before) == FILES


def test_a_checkout_that_has_secrets_of_earlier_gets_those_that_came_later(manifests: Path) -> None:
    secrets.ensure(manifests)
    before = {name: path.read_text() for name, path in made(manifests).items()}
    made(manifests)["mongodb-crash.env"].unlink()
    secrets.ensure(manifests)
    after = {name: path.read_text() for name, path in made(manifests).items()}
    assert {name for name in FILES if after[name] != before[name]} == {"mongodb-crash.env"}


def test_each_is_another_and_only_its_owner_reads_them(tmp_path: Path) -> None:
    for name in ("one", "two"):
        secrets.ensure(checkout(tmp_path / name))
    values = [line.split("=")[1] for file in tmp_path.rglob("*.env") for line in file.read_text().splitlines()]
    assert len(set(values)) == len(values) == 14
    assert all(len(value) == 48 for value in values)
    assert {stat.S_IMODE(path.stat().st_mode) for path in made(tmp_path / "one").values()} == {0o600}
    assert {stat.S_IMODE(path.parent.stat().st_mode) for path in made(tmp_path / "one").values()} == {0o700}


def test_the_login_link_carries_the_operators_token(manifests: Path) -> None:
    secrets.ensure(manifests)
    assert f"operator-token={secrets.operator_token(manifests)}\n" in made(manifests)["dashboard-auth.env"].read_text()


def test_none_is_left_when_they_are_removed(manifests: Path) -> None:
    secrets.ensure(manifests)
    secrets.remove(manifests)
    secrets.remove(manifests)
    assert not made(manifests)
