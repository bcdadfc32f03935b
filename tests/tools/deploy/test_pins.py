"""What is installed from outside has a fixed version and a hash."""

import json
import re
import subprocess
import tomllib

import pytest

from tests.tools.deploy.pins import entries
from tools.cluster import binary
from tools.cluster.instance import CHECKOUT

FILES = ("requirements.txt", "tests/k8s/requirements-checkov.txt", "bench/requirements-peers.txt")


@pytest.mark.parametrize("file", FILES)
def test_every_python_package_has_a_version_and_hashes(file: str) -> None:
    found = entries(CHECKOUT / file)
    assert len(found) == len(re.findall(r"^[^#\s]", (CHECKOUT / file).read_text(), re.MULTILINE)) > 0
    assert [name for name, _, hashes in found if hashes == 0] == []


def test_every_dependency_is_pinned() -> None:
    groups = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["dependency-groups"]
    pinned = {name for file in FILES for name, _, _ in entries(CHECKOUT / file)}
    named = {
        re.split(r"[\[=]", each)[0].lower() for group in groups.values() for each in group if isinstance(each, str)
    }
    assert named <= pinned


def test_every_installation_requires_hashes() -> None:
    command = r'pip.*install"?,? "?--'  # the word with an option, not a sentence
    done = subprocess.run(
        ("git", "grep", "-hE", command, "--", "Dockerfile.*", "Makefile", "tools", "bench"),
        cwd=CHECKOUT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert len(lines) >= 10
    assert [line for line in lines if "--require-hashes" not in line] == []


@pytest.mark.parametrize("directory", ["tests/js", "bench/peers/express"])
def test_every_npm_package_has_a_checksum(directory: str) -> None:
    packages = json.loads((CHECKOUT / directory / "package-lock.json").read_text())["packages"]
    del packages[""]
    assert packages
    assert [name for name, package in packages.items() if not package["integrity"].startswith("sha512-")] == []


def test_go_builds_go_by_checksums() -> None:
    modules = [*CHECKOUT.glob("tools/**/go.mod"), *CHECKOUT.glob("bench/**/go.mod")]
    assert len(modules) >= 4
    assert all(module.with_name("go.sum").stat().st_size > 0 for module in modules)
    assert "-mod=readonly" in binary.environment()["GOFLAGS"]  # a module without a checksum ends the build
