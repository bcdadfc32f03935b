"""The secrets' files."""

import stat
from pathlib import Path

import pytest

from tools.deploy import secrets

FILES = {"mongodb-users.env", "mongodb-key-file", "dashboard-auth.env", "mongodb-crash.env",
         "ca.key", "ca.crt", "certificate.pem"}  # fmt: skip


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


def test_missing_key_is_added_to_a_file(manifests: Path) -> None:
    secrets.ensure(manifests)
    path = files(manifests)["mongodb-users.env"]
    whole = path.read_text()
    path.write_text("".join(line for line in whole.splitlines(keepends=True) if "-user=" not in line))
    secrets.ensure(manifests)
    assert sorted(path.read_text().splitlines()) == sorted(whole.splitlines())


def values(manifests: Path) -> dict[str, str]:
    lines = [line for file in manifests.rglob("*.env") for line in file.read_text().splitlines()]
    key_file = files(manifests)["mongodb-key-file"].read_text()
    return dict(line.split("=", 1) for line in lines) | {"key-file": key_file}


def test_rotation_replaces_every_value(manifests: Path) -> None:
    secrets.ensure(manifests)
    before = values(manifests)
    secrets.begin_rotation(manifests)
    secrets.end_rotation(manifests)
    after = values(manifests)
    assert after.keys() == before.keys()
    assert not [key for key in after if after[key] == before[key]]


def test_rotation_may_keep_the_key_that_several_members_share(manifests: Path) -> None:
    secrets.ensure(manifests)
    before = values(manifests)
    secrets.begin_rotation(manifests, key_file=False)
    secrets.end_rotation(manifests)
    after = values(manifests)
    assert [key for key in after if after[key] == before[key]] == ["key-file"]


def test_previous_users_are_known_until_the_rotation_ends(manifests: Path) -> None:
    secrets.ensure(manifests)
    assert not secrets.is_rotating(manifests)
    secrets.begin_rotation(manifests)
    assert secrets.is_rotating(manifests)
    rotating = values(manifests)
    assert (rotating["service-user"], rotating["previous-service-user"]) == ("service-b", "service")
    secrets.end_rotation(manifests)
    assert not secrets.is_rotating(manifests)
    assert secrets.retired_users(manifests) == {"service", "dashboard"}


def test_interrupted_start_of_a_rotation_can_be_repeated(manifests: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets.ensure(manifests)
    with monkeypatch.context() as patched:
        patched.setattr(secrets, "USERS", "none")  # as if interrupted before the last file
        patched.setattr(secrets, "RANDOM", dict(list(secrets.RANDOM.items())[:-1]))
        secrets.begin_rotation(manifests)
    assert not secrets.is_rotating(manifests)
    secrets.begin_rotation(manifests)
    assert secrets.is_rotating(manifests)


def test_checksum_changes_only_when_pods_must_restart(manifests: Path) -> None:
    secrets.ensure(manifests)
    before = secrets.checksums(manifests)
    assert secrets.checksums(manifests) == before
    secrets.begin_rotation(manifests)
    during = secrets.checksums(manifests)
    assert not [name for name in before if during[name] == before[name]]
    secrets.end_rotation(manifests)
    assert secrets.checksums(manifests) == during  # the end of the rotation restarts no pod


def test_only_where_tls_is_used_pods_restart_for_its_certificates(manifests: Path) -> None:
    secrets.ensure(manifests)
    before = {tls: secrets.checksums(manifests, tls=tls) for tls in (False, True)}
    assert not [name for name in before[True] if before[True][name] == before[False][name]]
    files(manifests)["certificate.pem"].unlink()
    secrets.ensure(manifests)
    assert secrets.checksums(manifests) == before[False]
    after = secrets.checksums(manifests, tls=True)
    assert {name for name in after if after[name] != before[True][name]} == {"mongodb"}


def test_rotation_replaces_mongodbs_certificate_and_keeps_its_authority(manifests: Path) -> None:
    secrets.ensure(manifests)
    before = {name: path.read_bytes() for name, path in files(manifests).items()}
    secrets.begin_rotation(manifests)
    secrets.ensure(manifests)
    after = {name: path.read_bytes() for name, path in files(manifests).items()}
    assert {name for name in ("ca.key", "ca.crt", "certificate.pem") if after[name] != before[name]} == {
        "certificate.pem"
    }


def test_secrets_are_distinct_and_private(tmp_path: Path) -> None:
    for name in ("one", "two"):
        secrets.ensure(checkout(tmp_path / name))
    lines = [line for file in tmp_path.rglob("*.env") for line in file.read_text().splitlines()]
    values = [line.split("=")[1] for line in lines if "-user=" not in line]
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
