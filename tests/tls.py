"""Certificates for tests, made as `make secrets` makes them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from tools.cluster import certificates
from tools.cluster.certificates import CLIENT, SERVER
from tools.deploy import mongodb_certificates


@dataclass(frozen=True)
class Certificates:
    """The files of an authority and of a certificate that it has signed, with its key."""

    authority: Path
    certificate: Path

    @property
    def pair(self) -> tuple[Path, Path]:
        """What `Mongod` takes."""
        return self.certificate, self.authority


def made(directory: Path) -> Certificates:
    """Make the deployment's, which are for localhost and 127.0.0.1, too."""
    mongodb_certificates.ensure(directory, "flask-mongodb", "cluster.local", dt.datetime.now(dt.UTC))
    return Certificates(directory / mongodb_certificates.AUTHORITY, directory / mongodb_certificates.CERTIFICATE)


def of_another_name(directory: Path) -> Certificates:
    """Make a certificate by the same authority for a name that is not this machine's."""
    known = made(directory)
    key = (directory / mongodb_certificates.AUTHORITY_KEY).read_bytes()
    by = certificates.load(known.authority.read_bytes(), key)
    issued_key, issued = certificates.signed(by, "other", [SERVER, CLIENT], dt.datetime.now(dt.UTC), ["other.example"])
    path = directory / "other.pem"
    path.write_bytes(certificates.pem(issued) + certificates.key_pem(issued_key))
    return Certificates(known.authority, path)
