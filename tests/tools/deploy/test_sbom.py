"""The SBOM that each image's build writes: the Dockerfile's own steps, without a container."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.tools.deploy.pins import components, needed
from tools.cluster.instance import CHECKOUT

pytestmark = pytest.mark.soak  # it installs packages, twice


@pytest.mark.parametrize("group", ["service", "dashboard"])
def test_sbom_lists_exactly_the_pinned_packages_that_are_installed(group: str, tmp_path: Path) -> None:
    for name in ("pyproject.toml", "requirements.txt"):
        shutil.copy(CHECKOUT / name, tmp_path)
    for step in steps(CHECKOUT / f"Dockerfile.{group}"):
        # The build's directories are at the root of its file system.
        moved = re.sub(r"(?<![\w/])/(tools|venv|app)\b", rf"{tmp_path}/\1", step)
        subprocess.run(("sh", "-ec", moved), cwd=tmp_path, check=True, capture_output=True)
    sbom = json.loads((tmp_path / "app" / "sbom.cdx.json").read_text())
    python = f"{tmp_path}/venv/bin/python"
    version = subprocess.run(
        (python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"), check=True, capture_output=True, text=True
    ).stdout.strip()
    assert sbom["bomFormat"] == "CycloneDX"
    assert components(sbom) == needed(group, version)
    installed = (tmp_path / "venv").glob("lib/*/site-packages/*.dist-info")
    assert len(list(installed)) == len(sbom["components"])


def steps(dockerfile: Path) -> list[str]:
    """Return the commands up to the SBOM, which need nothing but the two files."""
    lines = dockerfile.read_text().replace("\\\n", "").splitlines()
    commands = [line.removeprefix("RUN ") for line in lines if line.startswith("RUN ")]
    return commands[: 1 + next(place for place, command in enumerate(commands) if "cyclonedx-py" in command)]
