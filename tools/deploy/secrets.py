"""The deployment's secrets: random, in files that git ignores and kustomize reads. They change only by a rotation."""

import base64
import datetime as dt
import hashlib
import os
import secrets
import shutil
from pathlib import Path

from service.sidecar import users
from tools.cluster.errors import ClusterError
from tools.cluster.instance import CHECKOUT
from tools.cluster.pki import write_private
from tools.deploy import mongodb_certificates

MANIFESTS = Path(os.environ.get("MANIFESTS") or CHECKOUT / "k8s")  # a copy has secrets of its own
BASE = Path("base/secrets")
EMBEDDED = Path("overlays/embedded/secrets")  # kustomize reads only files below the kustomization
PLACES = (BASE, EMBEDDED, mongodb_certificates.PLACE)

USERS = BASE / "mongodb-users.env"
KEY_FILE = BASE / "mongodb-key-file"
AUTH = BASE / "dashboard-auth.env"
CRASH = EMBEDDED / "mongodb-crash.env"
RANDOM = {  # file: keys with random values
    AUTH: ("operator-token", "viewer-token", "session-key"),
    CRASH: ("token",),
    USERS: ("admin-password", "service-password", "dashboard-password"),
}
PAIRS = {f"{role}-user": names for role, names in users.PAIRS.items()}
PREVIOUS = users.PREVIOUS


def ensure(manifests: Path = MANIFESTS, namespace: str = "flask-mongodb") -> None:
    """Make what is missing. Existing values never change: a database keeps its first passwords.

    MongoDB's certificate is the exception: it is for the names in this namespace, and ends after a year.
    """
    for place, keys in RANDOM.items():
        values = {key: secrets.token_hex(24) for key in keys}  # hexadecimal needs no escaping in a URI
        if place == USERS:
            values |= {key: names[0] for key, names in PAIRS.items()}
        known = _read(manifests / place)
        _write(manifests / place, values | known)
    if not (manifests / KEY_FILE).exists():
        write_private(manifests / KEY_FILE, _new_key_file())
    domain = os.environ.get("CLUSTER_DOMAIN") or "cluster.local"
    mongodb_certificates.ensure(manifests, namespace, domain, dt.datetime.now(dt.UTC))


def is_rotating(manifests: Path = MANIFESTS) -> bool:
    """Return whether a rotation was begun and not ended."""
    return any(key.startswith(PREVIOUS) for key in _read(manifests / USERS))


def begin_rotation(manifests: Path = MANIFESTS, *, key_file: bool = True) -> None:
    """Replace every value, and remember the previous MongoDB users, which stay valid until `end_rotation`.

    `ensure` makes MongoDB's new certificate. Its authority stays, so that those of before and after are both valid.
    Without `key_file` the MongoDB members' key stays: members that are replaced one after another must share it.

    An interrupted call can be repeated: the file of the users, which shows that it was completed, comes last.
    """
    mongodb_certificates.discard(manifests)
    if key_file:
        write_private(manifests / KEY_FILE, _new_key_file())
    for place, keys in RANDOM.items():
        values = _read(manifests / place) | {key: secrets.token_hex(24) for key in keys}
        if place == USERS:
            for key, names in PAIRS.items():
                values[PREVIOUS + key] = values[key]
                values[key] = names[1 - names.index(values[key])]
        _write(manifests / place, values)


def end_rotation(manifests: Path = MANIFESTS) -> None:
    """Forget the previous MongoDB users."""
    values = _read(manifests / USERS)
    _write(manifests / USERS, {key: value for key, value in values.items() if not key.startswith(PREVIOUS)})


def retired_users(manifests: Path = MANIFESTS) -> set[str]:
    """Return the names of MongoDB users that are not in use now."""
    values = _read(manifests / USERS)
    return {name for key, names in PAIRS.items() for name in names if name != values[key]}


def checksums(manifests: Path = MANIFESTS, *, tls: bool = False) -> dict[str, str]:
    """Return {workload: checksum of the secrets that its pods read only when they start}."""
    users = _read(manifests / USERS)
    authority = [(manifests / mongodb_certificates.AUTHORITY).read_text()] if tls else []
    certificate = [(manifests / mongodb_certificates.CERTIFICATE).read_text()] if tls else []
    read = {
        "flask": [users["service-user"], users["service-password"], *authority],
        "dashboard": [
            users["dashboard-user"],
            users["dashboard-password"],
            *_read(manifests / AUTH).values(),
            *_read(manifests / CRASH).values(),
            *authority,
        ],
        # The sidecar reads the users again and again.
        "mongodb": [
            (manifests / KEY_FILE).read_text(),
            *_read(manifests / CRASH).values(),
            *authority,
            *certificate,
        ],
    }
    return {name: hashlib.sha256("\0".join(values).encode()).hexdigest()[:16] for name, values in read.items()}


def remove(manifests: Path = MANIFESTS) -> None:
    """Delete all secrets. The database that has these passwords must be deleted, too."""
    for directory in PLACES:
        shutil.rmtree(manifests / directory, ignore_errors=True)


def operator_token(manifests: Path = MANIFESTS) -> str:
    """Return the operator's token. Raise ClusterError if there are no secrets."""
    if not (token := _read(manifests / AUTH).get("operator-token")):
        raise ClusterError("There are no secrets yet: `make up` or `make secrets` makes them.")
    return token


def _read(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    return dict(line.split("=", 1) for line in path.read_text().splitlines())


def _write(path: Path, values: dict[str, str]) -> None:
    if values != _read(path):
        path.parent.mkdir(mode=0o700, exist_ok=True)
        write_private(path, "".join(f"{key}={value}\n" for key, value in values.items()).encode())


def _new_key_file() -> bytes:
    return base64.b64encode(secrets.token_bytes(48))
