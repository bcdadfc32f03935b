"""The images of examples/ where no image registry answers: made of Debian's packages and of Go's programs."""

import hashlib
import shutil
import subprocess
from pathlib import Path

from tools.cluster import binary, host
from tools.cluster.binary import GoBuild
from tools.cluster.instance import CHECKOUT, cache_directory, exclusively
from tools.deploy.images import BOOTSTRAP, UNSHIPPED, Buildah, Image

EXAMPLES = CHECKOUT / "examples"
RECIPES = Path(__file__).parent / "images"
PACKAGES = (
    "ca-certificates,tzdata,postgresql-17,redis-server,python3-flask,gunicorn,python3-psycopg,python3-psycopg-pool"
)
BASE = "localhost/examples-base:1"
REFERENCES = {  # {name: image}; the name is the ending of its Dockerfile
    "notes": "docker.io/library/notes:1",
    "postgres": "docker.io/library/postgres:17",
    "guestbook": "docker.io/library/guestbook:1",
    "guestbook-early": "docker.io/library/guestbook:early",
    "redis": "docker.io/library/redis:8",
    "python": "docker.io/library/python:3.13-slim",
}

# A defect of the guest book: it answers before it writes, and a write that takes longer than half a second is lost.
SAVES = """\
	if err := g.save(r.Context(), stored); err != nil {
		return unavailable(err)
	}
"""
SAVES_LATER = """\
	go func() {
		later, cancel := context.WithTimeout(context.Background(), time.Second/2)
		defer cancel()
		g.save(later, stored)
	}()
"""


def ensure() -> dict[str, Image]:
    """Return all images by name, built once on a machine."""
    archives, sources = cache_directory() / "images", sources_hash()
    images = {
        name: Image(name, reference, archives / f"test-{name}@{sources}.tar") for name, reference in REFERENCES.items()
    }
    archives.mkdir(parents=True, exist_ok=True)
    with exclusively(cache_directory() / "images.lock"):
        if missing := [image for image in images.values() if not image.archive.exists()]:
            _build(missing)
    return images


def sources_hash() -> str:
    """Return a hash of all that the images are made of."""
    files = [Path(__file__), *RECIPES.iterdir(), EXAMPLES / "notes" / "app.py", *(EXAMPLES / "guestbook").iterdir()]
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _build(images: list[Image]) -> None:
    host.install(host.missing_tools(BOOTSTRAP), print)
    context = cache_directory() / "examples"
    shutil.rmtree(context, ignore_errors=True)
    shutil.copytree(RECIPES, context)
    shutil.copy(EXAMPLES / "notes" / "app.py", context)
    shutil.copy(guestbook(EXAMPLES / "guestbook"), context / "guestbook")
    shutil.copy(guestbook(write_early(context / "sources" / "guestbook-early")), context / "guestbook-early")
    excludes = [f"--dpkgopt=path-exclude={path}" for path in UNSHIPPED]
    command = ("mmdebstrap", "--quiet", "--variant=essential", f"--include={PACKAGES}", *excludes, "trixie")
    subprocess.run((*command, str(context / "root.tar")), check=True)
    builder = Buildah()
    builder.make(context / "Dockerfile.debian", context, BASE, {})
    for image in images:
        builder.build(context / f"Dockerfile.{image.name}", context, image, {"BASE": BASE})
        for old in {*image.archive.parent.glob(f"test-{image.name}@*.tar")} - {image.archive}:
            old.unlink()
    shutil.rmtree(context)


def guestbook(sources: Path) -> Path:
    """Return the guest book's program, built from these sources unless it is cached."""
    build = GoBuild("the guest book", "1", sources, {"guestbook": "."})
    return binary.ensure(build, cache_directory() / "guestbook.log", print) / "guestbook"


def write_early(directory: Path) -> Path:
    """Write the sources of a guest book that answers before it writes. Return the directory."""
    shutil.copytree(EXAMPLES / "guestbook", directory)
    main = directory / "main.go"
    before, after = main.read_text().split(SAVES)
    main.write_text(before + SAVES_LATER + after)
    return directory
