"""The generated docs/configuration.md."""

from __future__ import annotations

import pytest

from tools.docs.configuration import PROGRAMS, TARGET, ConfiguredProgram, render, settings


def test_document_is_up_to_date() -> None:
    assert TARGET.read_text() == render(), "Run `python -m tools.docs.configuration`."


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.command)
def test_every_setting_has_a_meaning(program: ConfiguredProgram) -> None:
    assert [each.variable for each in settings(program) if not each.meaning] == []


def test_setting_gives_default_and_bounds() -> None:
    found = {each.variable: each for each in settings(PROGRAMS[0])}
    assert (found["PORT"].type, found["PORT"].default, found["PORT"].bounds) == ("integer", "`5000`", "1 to 65535")
    assert found["REQUEST_DEADLINE_SECONDS"].bounds == "above 0, up to 300"


def test_secret_has_no_default() -> None:
    secrets = [each for program in PROGRAMS for each in settings(program) if each.type == "secret"]
    assert len(secrets) > 5
    assert {each.default for each in secrets} <= {"", "required"}
