"""The deployment's secrets: made once, at random, into files that git never sees and kustomize reads."""

import base64
import secrets
from pathlib import Path

from cluster.errors import ClusterError
from cluster.instance import CHECKOUT
from cluster.pki import write_private

DIRECTORY = CHECKOUT / "k8s" / "base" / "secrets"


def ensure(directory: Path = DIRECTORY) -> None:
    """Makes the files that are missing; what exists is never changed, for a database remembers its passwords."""
    directory.mkdir(mode=0o700, exist_ok=True)
    for name, text in (
        ("mongodb-users.env", _env("admin-password", "service-password", "dashboard-password")),
        ("mongodb-key-file", base64.b64encode(secrets.token_bytes(48)).decode()),
        ("dashboard-auth.env", _env("operator-token", "viewer-token", "session-key")),
    ):
        if not (directory / name).exists():
            write_private(directory / name, text.encode())


def operator_token(directory: Path = DIRECTORY) -> str:
    """The token that the login link carries."""
    try:
        lines = (directory / "dashboard-auth.env").read_text().splitlines()
    except FileNotFoundError:
        raise ClusterError("There are no secrets yet: `make demo` or `make secrets` makes them.") from None
    return dict(line.split("=", 1) for line in lines)["operator-token"]


def _env(*names: str) -> str:
    # Hexadecimal, so that each goes into a URI as it is.
    return "".join(f"{name}={secrets.token_hex(24)}\n" for name in names)
