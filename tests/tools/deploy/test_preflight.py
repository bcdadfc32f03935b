"""What is refused before anything is installed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.cluster.instance import CHECKOUT


def preflight(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, *arguments, "-m", "tools.deploy.preflight")
    return subprocess.run(command, cwd=CHECKOUT, env=os.environ | environment, capture_output=True, text=True)


def test_it_needs_the_standard_library_only() -> None:
    """-I and -S leave out every installed package, and so the checkout, too."""
    script = f"import sys; sys.path.insert(0, {str(CHECKOUT)!r}); import tools.deploy.preflight"
    assert subprocess.run((sys.executable, "-I", "-S", "-c", script)).returncode == 0


@pytest.mark.parametrize("cluster", ["minikube", "kind", "current"])
def test_another_cluster_is_not_checked(cluster: str) -> None:
    assert preflight(CLUSTER=cluster, XDG_CACHE_HOME="/proc/none").returncode == 0


def copied(path: Path) -> Path:
    """Return a checkout at `path` with what `make up` begins with, and a python3 that a check refuses."""
    ignored = shutil.ignore_patterns("__pycache__", "kube_router", "kubernetes")
    shutil.copytree(CHECKOUT / "tools", path / "tools", ignore=ignored)
    for name in ("Makefile", "pyproject.toml", "requirements.txt"):
        shutil.copy(CHECKOUT / name, path)
    preflight_module = path / "tools" / "deploy" / "preflight.py"
    preflight_module.write_text("raise SystemExit('This machine lacks something.')")
    return path


def test_obstacle_ends_make_up_before_anything_is_installed_also_where_the_path_has_spaces(tmp_path: Path) -> None:
    checkout = copied(tmp_path / "a directory with spaces")
    done = subprocess.run(("make", "up"), cwd=checkout, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == "This machine lacks something."
    assert not (checkout / ".venv").exists()


def test_make_lists_its_targets_where_the_path_has_spaces(tmp_path: Path) -> None:
    done = subprocess.run(("make",), cwd=copied(tmp_path / "a b"), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "make up " in done.stdout and "make hosts " in done.stdout
