"""The cluster's certificates: identities, extensions, renewal."""

import base64
import datetime as dt
import json
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store

from tools.cluster import pki
from tools.cluster.instance import NodeSpec

NOW = dt.datetime(2026, 11, 25, 12, 0, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("pki") / "pki"
    pki.issue(directory, NOW)
    return directory


def certificate(directory: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((directory / f"{name}.crt").read_bytes())


def test_keys_are_distinct_and_private(directory: Path) -> None:
    keys = list(directory.glob("*.key"))
    assert len({key.read_bytes() for key in keys}) == len(keys) == len(pki.CERTIFICATES) + len(pki.AUTHORITIES) + 1
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_only_admin_is_in_system_masters(directory: Path) -> None:
    masters = [
        name
        for name in pki.CERTIFICATES
        for attribute in certificate(directory, name).subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        if attribute.value == "system:masters"
    ]
    assert masters == ["admin"]


@pytest.mark.parametrize("name", pki.CERTIFICATES)
def test_certificate_is_for_a_server_or_a_client(directory: Path, name: str) -> None:
    usage = certificate(directory, name).extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    serves = bool(pki.CERTIFICATES[name][3])
    assert (ExtendedKeyUsageOID.SERVER_AUTH in usage) == serves
    assert (ExtendedKeyUsageOID.CLIENT_AUTH in usage) == (not serves or name == "etcd")


def test_api_server_certificate_passes_a_strict_verifier(directory: Path) -> None:
    store = Store([certificate(directory, "ca")])
    verifier = PolicyBuilder().store(store).time(NOW).build_server_verifier(x509.DNSName("localhost"))
    assert verifier.verify(certificate(directory, "apiserver"), [])


def test_second_issue_changes_nothing(directory: Path) -> None:
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    pki.issue(directory, NOW + dt.timedelta(days=100))
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before


def test_expiring_certificate_is_renewed_and_its_authority_kept(tmp_path: Path) -> None:
    pki.issue(tmp_path / "pki", NOW)
    authority, kubelet = certificate(tmp_path / "pki", "ca"), certificate(tmp_path / "pki", "kubelet")
    later = NOW + dt.timedelta(days=340)
    pki.issue(tmp_path / "pki", later)
    assert certificate(tmp_path / "pki", "ca") == authority
    assert certificate(tmp_path / "pki", "kubelet") != kubelet
    assert certificate(tmp_path / "pki", "kubelet").not_valid_after_utc > later + dt.timedelta(days=300)


def test_new_authority_reissues_its_certificates(tmp_path: Path) -> None:
    pki.issue(tmp_path / "pki", NOW)
    before = certificate(tmp_path / "pki", "admin")
    (tmp_path / "pki" / "ca.crt").unlink()
    pki.issue(tmp_path / "pki", NOW)
    after = certificate(tmp_path / "pki", "admin")
    assert after != before
    after.verify_directly_issued_by(certificate(tmp_path / "pki", "ca"))


def test_admin_kubeconfig_embeds_its_certificates(directory: Path) -> None:
    config = json.loads(pki.kubeconfig(directory, "admin", "https://127.0.0.1:6443"))
    assert config["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:6443"
    user = config["users"][0]["user"]
    assert base64.b64decode(user["client-certificate-data"]) == (directory / "admin.crt").read_bytes()
    assert not [key for key in user if not key.endswith("-data")]


@pytest.fixture
def further(directory: Path, tmp_path: Path) -> Path:
    """The directory of a further node, whose authorities are in `directory`."""
    pki.issue_node(tmp_path / "further", directory, NodeSpec(2), NOW)
    return tmp_path / "further"


def test_further_node_has_its_own_identity_and_address(directory: Path, further: Path) -> None:
    client, server = certificate(further, "kubelet"), certificate(further, "kubelet-serving")
    (name,) = client.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert name.value == "system:node:embedded-2"  # NodeRestriction keeps it to its own Node and pods
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["embedded-2"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["172.31.0.3"]
    for each in (client, server):
        each.verify_directly_issued_by(certificate(directory, "ca"))


def test_further_node_has_no_key_of_an_authority_or_an_administrator(directory: Path, further: Path) -> None:
    assert {path.stem for path in further.glob("*.key")} == set(pki.node_certificates(NodeSpec(2)))
    assert {path.stem for path in further.glob("*.kubeconfig")} == set(pki.NODE_KUBECONFIGS)
    shared = {path.read_bytes() for path in directory.glob("*.key")} & {
        path.read_bytes() for path in further.glob("*.key")
    }
    assert not shared


def test_further_node_gets_new_certificates_from_a_new_authority_only(tmp_path: Path) -> None:
    first, further = tmp_path / "first", tmp_path / "further"
    pki.issue(first, NOW)
    pki.issue_node(further, first, NodeSpec(2), NOW)
    before = certificate(further, "kubelet")
    pki.issue_node(further, first, NodeSpec(2), NOW)
    assert certificate(further, "kubelet") == before
    (first / "ca.crt").unlink()
    pki.issue(first, NOW)
    pki.issue_node(further, first, NodeSpec(2), NOW)
    certificate(further, "kubelet").verify_directly_issued_by(certificate(first, "ca"))
