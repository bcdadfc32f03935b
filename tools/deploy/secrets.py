"""The deployment's secrets: made once, at random, into files that git never sees and kustomize reads."""

import base64
import secrets
import shutil
from pathlib import Path

from tools.cluster.errors import ClusterError
from tools.cluster.instance import CHECKOUT
from tools.cluster.pki import write_private

MANIFESTS = CHECKOUT / "k8s"
BASE = Path("base/secrets")
EMBEDDED = Path("overlays/embedded/secrets")  # kustomize reads only what lies below a kustomization
PLACES = (BASE, EMBEDDED)


def ensure(manifests: Path = MANIFESTS) -> None:
    """Makes the files that are missing; what exists is never changed, for a database remembers its passwords."""
    for path, text in (
        (BASE / "mongodb-users.env", _env("admin-password", "service-password", "dashboard-password")),
        (BASE / "mongodb-key-file", base64.b64encode(secrets.token_bytes(48)).decode()),
        (BASE / "dashboard-auth.env", _env("operator-token", "viewer-token", "session-key")),
        (EMBEDDED / "mongodb-crash.env", _env("token")),
    ):
        (manifests / path).parent.mkdir(mode=0o700, exist_ok=True)
        if not (manifests / path).exists():
            write_private(manifests / path, text.encode())


def remove(manifests: Path = MANIFESTS) -> None:
    """Deletes them all: what they open must be gone, too."""
    for directory in PLACES:
        shutil.rmtree(manifests / directory, ignore_errors=True)


def operator_token(manifests: Path = MANIFESTS) -> str:
    """The token that the login link carries."""
    try:
        lines = (manifests / BASE / "dashboard-auth.env").read_text().splitlines()
    except FileNotFoundError:
        raise ClusterError("There are no secrets yet: `make up` or `make secrets` makes them.") from None
    return dict(line.split("=", 1) for line in lines)["operator-token"]


def _env(*names: str) -> str:
    # Hexadecimal, so that each goes into a URI as it is.
    return "".join(f"{name}={secrets.token_hex(24)}\n" for name in names)
