"""Secrets are random, private, and made once."""

import stat
from pathlib import Path

from deploy import secrets


def test_what_exists_is_never_changed(tmp_path: Path) -> None:
    secrets.ensure(tmp_path / "secrets")
    before = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    secrets.ensure(tmp_path / "secrets")
    assert {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()} == before
    assert set(before) == {"mongodb-users.env", "mongodb-key-file", "dashboard-auth.env"}


def test_each_is_another_and_only_its_owner_reads_them(tmp_path: Path) -> None:
    secrets.ensure(tmp_path / "one")
    secrets.ensure(tmp_path / "two")
    values = [
        line.split("=")[1]
        for file in (*(tmp_path / "one").glob("*.env"), *(tmp_path / "two").glob("*.env"))
        for line in file.read_text().splitlines()
    ]
    assert len(set(values)) == len(values) == 12
    assert all(len(value) == 48 for value in values)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "one").iterdir()} == {0o600}


def test_the_login_link_carries_the_operators_token(tmp_path: Path) -> None:
    secrets.ensure(tmp_path / "secrets")
    assert (
        f"operator-token={secrets.operator_token(tmp_path / 'secrets')}\n"
        in (tmp_path / "secrets" / "dashboard-auth.env").read_text()
    )
