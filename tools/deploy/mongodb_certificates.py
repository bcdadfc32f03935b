"""The certificate by which MongoDB's members are known, and the deployment's own authority that signs it.

Three files, in PEM. Only the certificate with its key, and the authority's certificate, go into the cluster, and only
with the component `tls`. The authority's key signs the next certificate: it stays where the secrets are made.
"""

import datetime as dt
from pathlib import Path

from cryptography import x509

from tools.cluster import certificates
from tools.cluster.certificates import CLIENT, SERVER, Issued
from tools.cluster.pki import write_private

PLACE = Path("components/tls/secrets")  # kustomize reads only files below the kustomization
AUTHORITY = PLACE / "ca.crt"
AUTHORITY_KEY = PLACE / "ca.key"
CERTIFICATE = PLACE / "certificate.pem"  # with its key, as mongod reads them

# Each member's Service, and its name by the governing one, of as many members as there are Services in k8s/.
MEMBERS = tuple(f"mongodb-{ordinal}" for ordinal in range(3))
SERVICES = ("mongodb", *MEMBERS, *(f"{member}.mongodb-members" for member in MEMBERS))
LOOPBACK = ("localhost", "127.0.0.1")  # the sidecar's, and the probes'


def ensure(manifests: Path, namespace: str, domain: str, now: dt.datetime) -> None:
    """Make what is missing, and a new certificate where it ends within a month, or is for other names.

    `domain` is the cluster's own.
    """
    authority = _authority(manifests, now)
    wanted = names(namespace, domain)
    path = manifests / CERTIFICATE
    if path.exists() and _serves(x509.load_pem_x509_certificate(path.read_bytes()), authority[1], wanted, now):
        return
    # A member is its peers' client, too, and shows them the same certificate.
    key, certificate = certificates.signed(authority, "mongodb", [SERVER, CLIENT], now, wanted)
    write_private(path, certificates.pem(certificate) + certificates.key_pem(key))


def discard(manifests: Path) -> None:
    """Let the next `ensure` make a new certificate, by the same authority."""
    (manifests / CERTIFICATE).unlink(missing_ok=True)


def names(namespace: str, domain: str) -> list[str]:
    """Return all names by which clients and other members reach a member. Pure."""
    suffixes = ("", f".{namespace}", f".{namespace}.svc", f".{namespace}.svc.{domain}")
    return [*(service + suffix for service in SERVICES for suffix in suffixes), *LOOPBACK]


def _authority(manifests: Path, now: dt.datetime) -> Issued:
    certificate, key = manifests / AUTHORITY, manifests / AUTHORITY_KEY
    if certificate.exists() and key.exists():
        return certificates.load(certificate.read_bytes(), key.read_bytes())
    made = certificates.authority("flask-mongodb", now)
    key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(key, certificates.key_pem(made[0]))
    write_private(certificate, certificates.pem(made[1]))
    return made


def _serves(certificate: x509.Certificate, authority: x509.Certificate, wanted: list[str], now: dt.datetime) -> bool:
    return (
        certificates.stays_valid(certificate, now)
        and certificates.names(certificate) == {*wanted}
        and certificates.is_signed(certificate, authority)
    )
