"""The JSON Schema and the page's types are those of the code."""

from pathlib import Path

import pytest

from tools.docs.contract import files


@pytest.mark.parametrize("path", files(), ids=lambda path: path.name)
def test_it_is_up_to_date(path: Path) -> None:
    assert path.read_text() == files()[path], "run `python -m tools.docs.contract`"
