"""The deployment's secrets: random, made once, in files that git ignores and kustomize reads."""

import base64
import secrets
import shutil
from pathlib import Path

from tools.cluster.errors import ClusterError
from tools.cluster.instance import CHECKOUT
from tools.cluster.pki import write_private

MANIFESTS = CHECKOUT / "k8s"
BASE = Path("base/secrets")
EMBEDDED = Path("overlays/embedded/secrets")  # kustomize reads only files below the kustomization
PLACES = (BASE, EMBEDDED)


def ensure(manifests: Path = MANIFESTS) -> None:
    """Make the missing files. Existing files never change: a database keeps its first passwords."""
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
    """Delete all secrets. The database that has these passwords must be deleted, too."""
    for directory in PLACES:
        shutil.rmtree(manifests / directory, ignore_errors=True)


def operator_token(manifests: Path = MANIFESTS) -> str:
    """Return the operator's token. Raise ClusterError if there are no secrets."""
    try:
        lines = (manifests / BASE / "dashboard-auth.env").read_text().splitlines()
    except FileNotFoundError:
        raise ClusterError("There are no secrets yet: `make up` or `make secrets` makes them.") from None
    return dict(line.split("=", 1) for line in lines)["operator-token"]


def _env(*names: str) -> str:
    # Hexadecimal needs no escaping in a URI.
    return "".join(f"{name}={secrets.token_hex(24)}\n" for name in names)
