"""Certificate authorities and the certificates that they sign, each with an ECDSA key on P-256. In memory only."""

import datetime as dt
import ipaddress
from collections.abc import Iterable

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = dt.timedelta(days=1)
LIFETIME = 365 * DAY
RENEW_BEFORE = 30 * DAY
CLOCK_SKEW = DAY

SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH

Key = ec.EllipticCurvePrivateKey
Issued = tuple[Key, x509.Certificate]


def authority(name: str, now: dt.datetime) -> Issued:
    """Return an authority that signs for ten years, and no further authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(name, "")
    certificate = (
        _builder(subject, subject, key.public_key(), now, 10 * LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return key, certificate


def signed(
    by: Issued,
    name: str,
    usages: Iterable[x509.ObjectIdentifier],
    now: dt.datetime,
    serves: Iterable[str] = (),
    organization: str = "",
) -> Issued:
    """Return a certificate for a year. `serves` are the DNS names and addresses of a server."""
    ca_key, ca = by
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        _builder(_name(name, organization), ca.subject, key.public_key(), now, LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        # Python 3.13 and newer reject a chain without this, and without the subject's own.
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
    )
    if served := [_general_name(each) for each in serves]:
        builder = builder.add_extension(x509.SubjectAlternativeName(served), critical=False)
    return key, builder.sign(ca_key, hashes.SHA256())


def load(certificate: bytes, key: bytes) -> Issued:
    """Return what PEM texts have."""
    loaded = serialization.load_pem_private_key(key, None)
    assert isinstance(loaded, ec.EllipticCurvePrivateKey)  # noqa: S101 - `authority` makes no other
    return loaded, x509.load_pem_x509_certificate(certificate)


def stays_valid(certificate: x509.Certificate, now: dt.datetime) -> bool:
    """Return whether it is valid, and for a month more."""
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc - RENEW_BEFORE


def is_signed(certificate: x509.Certificate, by: x509.Certificate) -> bool:
    """Return whether an authority has signed it."""
    try:
        certificate.verify_directly_issued_by(by)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def names(certificate: x509.Certificate) -> set[str]:
    """Return the DNS names and addresses of a server's certificate."""
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(each.value) for each in found}


def key_pem(key: Key | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _name(common_name: str, organization: str) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(attributes)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: dt.datetime, lifetime: dt.timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _key_usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, key_cert_sign=signs_certificates, crl_sign=signs_certificates, content_commitment=False,
        key_encipherment=not signs_certificates, data_encipherment=False, key_agreement=False, encipher_only=False,
        decipher_only=False,
    )  # fmt: skip


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
