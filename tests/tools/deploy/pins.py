"""The pinned versions, and which of them a dependency group needs."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.cluster.instance import CHECKOUT

# A name, a version, perhaps a marker, and hashes on lines of their own.
ENTRY = re.compile(r"^([\w.-]+)==([^\s;]+)(?: ;[^\\\n]*)?((?: \\\n +--hash=sha256:[0-9a-f]{64})*)$", re.MULTILINE)


def entries(file: Path) -> list[tuple[str, str, int]]:
    """Return (name, version, number of hashes) of each entry."""
    found = ENTRY.findall(file.read_text())
    return [(canonicalize_name(name), version, hashes.count("--hash=")) for name, version, hashes in found]


def needed(group: str, python: str) -> dict[str, str]:
    """Return {name: pinned version} of what the group installs on Linux. `python` is like "3.13".

    The dependencies are those that the installed packages name.
    """
    pins = {name: version for name, version, _ in entries(CHECKOUT / "requirements.txt")}
    groups = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["dependency-groups"]
    waiting = [Requirement(each) for each in groups[group]]
    names: set[str] = set()
    while waiting:
        requirement = waiting.pop()
        names.add(canonicalize_name(requirement.name))
        environments = [
            {"python_version": python, "python_full_version": f"{python}.0", "extra": extra}
            for extra in ("", *requirement.extras)
        ]
        for each in map(Requirement, metadata.requires(requirement.name) or ()):
            wanted = each.marker is None or any(each.marker.evaluate(one) for one in environments)
            if wanted and canonicalize_name(each.name) not in names:
                waiting.append(each)
    return {name: pins[name] for name in sorted(names)}


def components(sbom: dict[str, object]) -> dict[str, str]:
    """Return {name: version} of an SBOM's components."""
    listed = sbom["components"]
    assert isinstance(listed, list)
    return {canonicalize_name(each["name"]): each["version"] for each in listed}
