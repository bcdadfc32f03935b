"""The documents' shell commands run on a stock Debian, which has python3 and make but no `python`."""

from pathlib import Path

import pytest

from tests.hosts.readme import blocks
from tools.cluster.instance import CHECKOUT

DOCUMENTS = sorted([*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").glob("*.md")])
OF_AN_ENVIRONMENT = {"python", "pip", "pytest"}  # commands that only a virtual environment has


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.name))
def test_commands_of_an_environment_come_after_its_activation(document: Path) -> None:
    active = False
    for block in blocks(document.read_text()):
        for command in block.commands:
            active = active or ".venv/bin" in command
            assert active or not OF_AN_ENVIRONMENT & {*command.split()}, command
