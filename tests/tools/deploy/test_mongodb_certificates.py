"""The certificate of MongoDB's members."""

import datetime as dt
import ipaddress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from tools.deploy import mongodb_certificates
from tools.deploy.mongodb_certificates import AUTHORITY, AUTHORITY_KEY, CERTIFICATE

NOW = dt.datetime(2026, 11, 30, 12, 0, tzinfo=dt.UTC)


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    ensure(tmp_path)
    return tmp_path


def ensure(manifests: Path, namespace: str = "flask-mongodb", now: dt.datetime = NOW) -> None:
    mongodb_certificates.ensure(manifests, namespace, "cluster.local", now)


def loaded(manifests: Path, name: Path = CERTIFICATE) -> x509.Certificate:
    return x509.load_pem_x509_certificate((manifests / name).read_bytes())


def verifies(manifests: Path, name: str) -> bool:
    """Return whether a client that connects to this name takes the certificate."""
    try:
        subject: x509.verification.Subject = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        subject = x509.DNSName(name)
    builder = PolicyBuilder().store(Store([loaded(manifests, AUTHORITY)])).time(NOW)
    try:
        builder.build_server_verifier(subject).verify(loaded(manifests), [])
    except VerificationError:
        return False
    return True


@pytest.mark.parametrize(
    "name",
    [
        "mongodb",  # the service's and the dashboard's seed
        "mongodb-2",  # with three members
        "mongodb-0.flask-mongodb.svc.cluster.local",  # in the set's configuration
        "mongodb-1.mongodb-members.flask-mongodb.svc.cluster.local",  # the StatefulSet's own
        "127.0.0.1",  # the sidecar's
    ],
)
def test_certificate_is_for_every_name_that_leads_to_a_member(manifests: Path, name: str) -> None:
    assert verifies(manifests, name)


@pytest.mark.parametrize("name", ["flask", "mongodb-3", "mongodb-0.another.svc.cluster.local", "127.0.0.2"])
def test_certificate_is_for_no_other_name(manifests: Path, name: str) -> None:
    assert not verifies(manifests, name)


def test_member_shows_its_certificate_as_a_client_too(manifests: Path) -> None:
    usage = loaded(manifests).extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert {*usage} == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}


def test_keys_are_on_p256_and_the_authority_outlives_its_certificates(manifests: Path) -> None:
    for name, years in ((AUTHORITY, 10), (CERTIFICATE, 1)):
        key = loaded(manifests, name).public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
        assert loaded(manifests, name).not_valid_after_utc == NOW + years * dt.timedelta(days=365)


def test_only_the_certificates_own_key_is_beside_it(manifests: Path) -> None:
    assert (manifests / CERTIFICATE).read_bytes().count(b"PRIVATE KEY") == 2  # one begins and ends
    assert b"PRIVATE" not in (manifests / AUTHORITY).read_bytes()
    assert (manifests / AUTHORITY_KEY).read_bytes() not in (manifests / CERTIFICATE).read_bytes()


@pytest.mark.parametrize(("days", "namespace", "kept"), [(300, "flask-mongodb", True), (340, "flask-mongodb", False),
                                                         (0, "another", False)])  # fmt: skip
def test_certificate_is_renewed_before_it_ends_and_for_other_names(
    manifests: Path, days: int, namespace: str, kept: bool
) -> None:
    before, authority = loaded(manifests), loaded(manifests, AUTHORITY)
    ensure(manifests, namespace, NOW + dt.timedelta(days=days))
    assert (loaded(manifests) == before) is kept
    assert loaded(manifests, AUTHORITY) == authority


def test_rotation_makes_a_new_certificate_by_the_same_authority(manifests: Path) -> None:
    before = loaded(manifests)
    mongodb_certificates.discard(manifests)
    ensure(manifests)
    assert loaded(manifests) != before
    loaded(manifests).verify_directly_issued_by(loaded(manifests, AUTHORITY))


def test_new_authority_signs_a_new_certificate(manifests: Path) -> None:
    before = loaded(manifests)
    (manifests / AUTHORITY_KEY).unlink()
    ensure(manifests)
    assert loaded(manifests) != before
    assert verifies(manifests, "mongodb")
