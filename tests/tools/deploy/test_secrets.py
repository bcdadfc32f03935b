"""The secrets' files."""

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


def files(manifests: Path) -> dict[str, Path]:
    return {path.name: path for path in manifests.rglob("*") if path.is_file()}


def test_existing_secrets_never_change(manifests: Path) -> None:
    secrets.ensure(manifests)
    before = {name: path.read_text() for name, path in files(manifests).items()}
    secrets.ensure(manifests)
    assert {name: path.read_text() for name, path in files(manifests).items()} == before
    assert set(before) == FILES


def test_missing_secret_is_added_to_existing_ones(manifests: Path) -> None:
    secrets.ensure(manifests)
    before = {name: path.read_text() for name, path in files(manifests).items()}
    files(manifests)["mongodb-crash.env"].unlink()
    secrets.ensure(manifests)
    after = {name: path.read_text() for name, path in files(manifests).items()}
    assert {name for name in FILES if after[name] != before[name]} == {"mongodb-crash.env"}


def test_secrets_are_distinct_and_private(tmp_path: Path) -> None:
    for name in ("one", "two"):
        secrets.ensure(checkout(tmp_path / name))
    values = [line.split("=")[1] for file in tmp_path.rglob("*.env") for line in file.read_text().splitlines()]
    assert len(set(values)) == len(values) == 14
    assert all(len(value) == 48 for value in values)
    assert {stat.S_IMODE(path.stat().st_mode) for path in files(tmp_path / "one").values()} == {0o600}
    assert {stat.S_IMODE(path.parent.stat().st_mode) for path in files(tmp_path / "one").values()} == {0o700}


def test_operator_token_is_read_from_the_secrets(manifests: Path) -> None:
    secrets.ensure(manifests)
    assert f"operator-token={secrets.operator_token(manifests)}\n" in files(manifests)["dashboard-auth.env"].read_text()


def test_removal_deletes_all_and_can_be_repeated(manifests: Path) -> None:
    secrets.ensure(manifests)
    secrets.remove(manifests)
    secrets.remove(manifests)
    assert not files(manifests)
