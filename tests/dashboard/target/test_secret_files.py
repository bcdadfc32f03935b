"""The files with a target's secrets."""

from pathlib import Path

import pytest

from dashboard.target import secret_files, template
from dashboard.target.contract import ContractError


def test_secrets_are_files_of_their_names_and_those_of_other_secrets_in_directories(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t1\n")
    (tmp_path / "notes-db").mkdir()
    (tmp_path / "notes-db" / "password").write_text("p1")
    names = template.secrets("{secret:token} {secret:notes-db/password}")
    assert names == ["token", "notes-db/password"]
    assert secret_files.read(str(tmp_path), names) == {"token": "t1", "notes-db/password": "p1"}


@pytest.mark.parametrize("name", ["..", ".", "../token", "notes-db/..", "notes-db", "absent", "absent/key"])
def test_what_is_no_file_of_the_directory_is_missing(name: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t1")
    (tmp_path / "secrets" / "notes-db").mkdir(parents=True)
    with pytest.raises(ContractError, match="is missing"):
        secret_files.read(str(tmp_path / "secrets"), [name])


@pytest.mark.parametrize("text", ["{secret:a/b/c}", "{secret:/a}", "{secret:a/}", "{secret:}"])
def test_other_names_are_no_secrets(text: str) -> None:
    assert template.secrets(text) == []
