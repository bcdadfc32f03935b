"""The cluster's certificate authorities, and a certificate with its own key for each program."""

import base64
import datetime as dt
import json
import os
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tools.cluster import certificates
from tools.cluster.certificates import CLIENT, SERVER, Issued
from tools.cluster.instance import API_ADDRESS, API_PORT, NODE_ADDRESS, NODE_STATE, NodeSpec

AUTHORITIES = ("ca", "etcd-ca", "front-proxy-ca")

# (authority, common name, organization, names and addresses it serves under; none: a client certificate)
Certificate = tuple[str, str, str, tuple[str, ...]]


def node_certificates(node: NodeSpec) -> dict[str, Certificate]:
    """Return {name: certificate} of the programs that each node has."""
    kubelet = f"system:node:{node.name}"
    return {
        "kubelet-serving": ("ca", kubelet, "system:nodes", (node.name, node.address)),
        "kubelet": ("ca", kubelet, "system:nodes", ()),
        "kube-proxy": ("ca", "system:kube-proxy", "", ()),
        "provisioner": ("ca", "system:provisioner", "", ()),
        "kube-router": ("ca", "system:kube-router", "", ()),
    }


# Those of the first node.
CERTIFICATES: dict[str, Certificate] = {
    "apiserver": (
        "ca",
        "kube-apiserver",
        "",
        (
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
            "localhost",
            "127.0.0.1",
            API_ADDRESS,
            NODE_ADDRESS,
        ),
    ),
    "apiserver-kubelet-client": ("ca", "kube-apiserver-kubelet-client", "", ()),
    "apiserver-etcd-client": ("etcd-ca", "kube-apiserver-etcd-client", "", ()),
    "front-proxy-client": ("front-proxy-ca", "front-proxy-client", "", ()),
    "etcd": ("etcd-ca", "etcd", "", ("localhost", "127.0.0.1")),
    "metrics-server-serving": ("ca", "metrics-server", "", ("metrics-server.kube-system.svc", NODE_ADDRESS)),
    "admin": ("ca", "admin", "system:masters", ()),
    "kube-controller-manager": ("ca", "system:kube-controller-manager", "", ()),
    "kube-scheduler": ("ca", "system:kube-scheduler", "", ()),
    "coredns": ("ca", "system:coredns", "", ()),
    "metrics-server": ("ca", "system:metrics-server", "", ()),
    **node_certificates(NodeSpec()),
}

# The clients of the API server: those of each node, and those of the first one.
NODE_KUBECONFIGS = ("kubelet", "kube-proxy", "provisioner", "kube-router")
KUBECONFIGS = (
    "admin",
    "kube-controller-manager",
    "kube-scheduler",
    "coredns",
    "metrics-server",
    *NODE_KUBECONFIGS,
)


def issue(directory: Path, now: dt.datetime) -> None:
    """Issue what is missing or expires soon: authorities, certificates, kubeconfigs, the service account key.

    These are the first node's. A renewed authority renews all certificates that it signed.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for authority in AUTHORITIES:
        if not _stays_valid(directory / f"{authority}.crt", now):
            _issue_authority(directory, authority, now)
            for name, (signer, *_rest) in CERTIFICATES.items():
                if signer == authority:
                    (directory / f"{name}.crt").unlink(missing_ok=True)
    for name, certificate in CERTIFICATES.items():
        if not _stays_valid(directory / f"{name}.crt", now):
            _issue_certificate(directory, name, certificate, directory, now)
    if not (directory / "service-account.key").exists():
        _issue_service_account_key(directory)
    _write_kubeconfigs(directory, KUBECONFIGS)


def issue_node(directory: Path, authorities: Path, node: NodeSpec, now: dt.datetime) -> None:
    """Issue what is missing or expires soon for a further node. It gets no authority's key, and no administrator's."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority, copy = (authorities / "ca.crt").read_bytes(), directory / "ca.crt"
    renewed = not copy.exists() or copy.read_bytes() != authority
    for name, certificate in node_certificates(node).items():
        if renewed or not _stays_valid(directory / f"{name}.crt", now):
            _issue_certificate(directory, name, certificate, authorities, now)
    write_private(copy, authority)  # last: an interrupted issue is repeated
    _write_kubeconfigs(directory, NODE_KUBECONFIGS)


def _write_kubeconfigs(directory: Path, names: Iterable[str]) -> None:
    for name in names:
        # On the node the API server has this port, whichever port of the host is forwarded.
        text = kubeconfig(directory, name, f"https://{NODE_ADDRESS}:{API_PORT}", NODE_STATE / "pki")
        write_private(directory / f"{name}.kubeconfig", text.encode())


def kubeconfig(directory: Path, name: str, server: str, seen_at: Path | None = None) -> str:
    """Return the kubeconfig, in JSON, of one identity. With `seen_at` it names files there, else it embeds them."""

    def part(key: str, path: str) -> dict[str, str]:
        if seen_at:
            return {key: str(seen_at / path)}
        return {f"{key}-data": base64.b64encode((directory / path).read_bytes()).decode()}

    context = {"cluster": "embedded", "user": name, "namespace": "flask-mongodb"}
    user = part("client-certificate", f"{name}.crt") | part("client-key", f"{name}.key")
    return json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "embedded",
        "clusters": [{"name": "embedded", "cluster": {"server": server} | part("certificate-authority", "ca.crt")}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": "embedded", "context": context}],
    }, indent=1)  # fmt: skip


def write_private(path: Path, content: bytes) -> None:
    """Write a file atomically, with mode 0600 from the start."""
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    partial.replace(path)


def _stays_valid(path: Path, now: dt.datetime) -> bool:
    if not path.exists() or not path.with_suffix(".key").exists():
        return False
    return certificates.stays_valid(x509.load_pem_x509_certificate(path.read_bytes()), now)


def _issue_authority(directory: Path, name: str, now: dt.datetime) -> None:
    _save(directory, name, certificates.authority(f"embedded {name}", now))


def _issue_certificate(
    directory: Path, name: str, certificate: Certificate, authorities: Path, now: dt.datetime
) -> None:
    authority, common_name, organization, serves = certificate
    signer = certificates.load(*((authorities / f"{authority}.{kind}").read_bytes() for kind in ("crt", "key")))
    # etcd uses its certificate as a server, and as a client of its peers.
    usages = [SERVER, CLIENT] if name == "etcd" else [SERVER] if serves else [CLIENT]
    _save(directory, name, certificates.signed(signer, common_name, usages, now, serves, organization))


def _save(directory: Path, name: str, issued: Issued) -> None:
    key, certificate = issued
    write_private(directory / f"{name}.key", certificates.key_pem(key))
    write_private(directory / f"{name}.crt", certificates.pem(certificate))


def _issue_service_account_key(directory: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (directory / "service-account.pub").write_bytes(public)
    write_private(directory / "service-account.key", certificates.key_pem(key))
