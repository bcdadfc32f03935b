"""examples/notes on a test's cluster, in a namespace of its own, with images made of Debian's packages."""

import shutil
import subprocess
from pathlib import Path

from tests.e2e.deployment import Deployment
from tools.cluster import host, lifecycle
from tools.cluster.instance import CHECKOUT, Instance, cache_directory, exclusively
from tools.deploy.images import BOOTSTRAP, UNSHIPPED, Buildah, Image

EXAMPLE = CHECKOUT / "examples" / "notes"
NAMESPACE = "notes"
RECIPES = Path(__file__).parent / "images"
PACKAGES = "ca-certificates,tzdata,postgresql-17,python3-flask,gunicorn,python3-psycopg,python3-psycopg-pool"
BASE = "localhost/notes-base:1"
IMAGES = {"notes": "docker.io/library/notes:1", "postgres": "docker.io/library/postgres:17"}


def load_images(deployment: Deployment) -> None:
    """Build the images, once on a machine, and load them into the cluster."""
    instance = Instance(deployment.name, deployment.directory, deployment.api_port)
    archives = cache_directory() / "images"
    with exclusively(cache_directory() / "images.lock"):
        made = [Image(name, reference, archives / f"test-{name}.tar") for name, reference in IMAGES.items()]
        if not all(image.archive.exists() for image in made):
            _build(made)
    for image in made:
        lifecycle.load(instance, image.archive)


def _build(made: list[Image]) -> None:
    host.install(host.missing_tools(BOOTSTRAP), print)
    context = cache_directory() / "notes"
    shutil.rmtree(context, ignore_errors=True)
    shutil.copytree(RECIPES, context)
    shutil.copy(EXAMPLE / "app.py", context)
    excludes = [f"--dpkgopt=path-exclude={path}" for path in UNSHIPPED]
    command = ("mmdebstrap", "--quiet", "--variant=essential", f"--include={PACKAGES}", *excludes, "trixie")
    subprocess.run((*command, str(context / "root.tar")), check=True)
    builder = Buildah()
    builder.make(context / "Dockerfile.debian", context, BASE, {})
    for image in made:
        builder.build(context / f"Dockerfile.{image.name}", context, image, {"BASE": BASE})
    shutil.rmtree(context)
