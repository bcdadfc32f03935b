"""The generated JSON Schema and the page's types."""

from pathlib import Path

import pytest

from tools.docs.schemas import files


@pytest.mark.parametrize("path", files(), ids=lambda path: path.name)
def test_file_is_up_to_date(path: Path) -> None:
    assert path.read_text() == files()[path], "run `python -m tools.docs.schemas`"
