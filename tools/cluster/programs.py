"""Command lines and configuration of a node's programs. Pure."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.cluster.instance import (
    API_PORT,
    DNS_ADDRESS,
    NODE_ADDRESS,
    NODE_NAME,
    NODE_STATE,
    SERVICE_NETWORK,
    NodeSpec,
)

PKI = NODE_STATE / "pki"
CONFIG = NODE_STATE / "config"
BIN = NODE_STATE / "bin"
CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
PAUSE_IMAGE = "localhost/pause:1"
KUBELET_HEALTH_PORT = 10248
KUBE_ROUTER_HEALTH_PORT = 20244
# A node without a sign of life for this long is lost: a kubelet gives one each 5 s. Upstream's 50 s allow for a network
# between the nodes.
MONITOR_GRACE_PERIOD = "20s"
FIRST = NodeSpec()


@dataclass(frozen=True)
class Program:
    """A program of the node. Its output goes to <logs>/<name>.log."""

    name: str
    arguments: tuple[str, ...]


def control_plane() -> list[Program]:
    """Return the first node's programs that must be ready before the others start."""
    return [containerd(), _etcd(), _apiserver()]


def workers(nodes: int = 1) -> list[Program]:
    """Return the first node's programs that need only the API server. They start together."""
    patience = {"node-monitor-grace-period": MONITOR_GRACE_PERIOD} if nodes > 1 else {}
    return [
        _program("kube-controller-manager", {
            "kubeconfig": PKI / "kube-controller-manager.kubeconfig",
            "authentication-kubeconfig": PKI / "kube-controller-manager.kubeconfig",
            "authorization-kubeconfig": PKI / "kube-controller-manager.kubeconfig",
            "bind-address": "127.0.0.1",
            "leader-elect": "false",
            "use-service-account-credentials": "true",
            "service-account-private-key-file": PKI / "service-account.key",
            "root-ca-file": PKI / "ca.crt",
            "profiling": "false",
        } | patience),
        _program("kube-scheduler", {
            "kubeconfig": PKI / "kube-scheduler.kubeconfig",
            "authentication-kubeconfig": PKI / "kube-scheduler.kubeconfig",
            "authorization-kubeconfig": PKI / "kube-scheduler.kubeconfig",
            "bind-address": "127.0.0.1",
            "leader-elect": "false",
            "profiling": "false",
        }),
        *agents(FIRST),
        Program("coredns", (str(BIN / "kube"), "coredns", "-conf", str(CONFIG / "Corefile"))),
        _program("metrics-server", {
            "kubeconfig": PKI / "metrics-server.kubeconfig",
            "authentication-kubeconfig": PKI / "metrics-server.kubeconfig",
            "authorization-kubeconfig": PKI / "metrics-server.kubeconfig",
            "bind-address": NODE_ADDRESS,
            "secure-port": "10251",
            "tls-cert-file": PKI / "metrics-server-serving.crt",
            "tls-private-key-file": PKI / "metrics-server-serving.key",
            "kubelet-certificate-authority": PKI / "ca.crt",
            "kubelet-preferred-address-types": "InternalIP",
            "metric-resolution": "15s",  # as in upstream's manifest
        }),
    ]  # fmt: skip


def agents(node: NodeSpec) -> list[Program]:
    """Return the programs that each node has, beside containerd and kube-router. They need the API server."""
    return [
        _program("kubelet", {
            "kubeconfig": PKI / "kubelet.kubeconfig",
            "config": CONFIG / "kubelet.json",
            "root-dir": NODE_STATE / "kubelet",
            "hostname-override": node.name,
            "node-ip": node.address,
        }),
        _program("kube-proxy", {
            "kubeconfig": PKI / "kube-proxy.kubeconfig",
            "hostname-override": node.name,
            "proxy-mode": "nftables",
            "conntrack-max-per-core": "0",  # 0 leaves the host's limit as it is
            "healthz-bind-address": "127.0.0.1",
            "metrics-bind-address": "127.0.0.1",
        }),
        _program("provisioner", {
            "kubeconfig": PKI / "provisioner.kubeconfig",
            "root": NODE_STATE / "volumes",
            "node": node.name,
        }),
    ]  # fmt: skip


def kube_router(node: NodeSpec = FIRST) -> Program:
    """Return the program that enforces NetworkPolicies, and only that. It starts once it has been built."""
    flags = {
        "kubeconfig": PKI / "kube-router.kubeconfig",
        "hostname-override": node.name,
        "run-firewall": "true",
        "run-router": "false",
        "run-service-proxy": "false",
        "service-cluster-ip-range": SERVICE_NETWORK,
        "health-port": KUBE_ROUTER_HEALTH_PORT,
    }
    return Program("kube-router", (str(BIN / "kube-router"), *(f"--{key}={value}" for key, value in flags.items())))


def binding_mode(nodes: int) -> str:
    """Return when a claim gets its volume: with several nodes, once its first pod's node is known."""
    return "Immediate" if nodes == 1 else "WaitForFirstConsumer"


def configuration(cgroup: str, cni: Path, node: NodeSpec = FIRST) -> dict[str, str]:
    """Return a node's configuration files as {name: text}."""
    return {
        "kubelet.json": json.dumps(_kubelet(cgroup, node), indent=1),
        "containerd.toml": _containerd_toml(cni),
        "cni/10-bridge.conflist": json.dumps(_bridge(node), indent=1),
        "Corefile": _corefile(),
        "resolv.conf": "",  # the node resolves no names outside the cluster
    }


def _program(name: str, flags: dict[str, Any]) -> Program:
    return Program(name, (str(BIN / "kube"), name, *(f"--{key}={value}" for key, value in flags.items())))


def containerd() -> Program:
    return Program("containerd", (str(BIN / "containerd"), "--config", str(CONFIG / "containerd.toml")))


def _etcd() -> Program:
    tls = {"cert-file": PKI / "etcd.crt", "key-file": PKI / "etcd.key", "client-cert-auth": "true",
           "trusted-ca-file": PKI / "etcd-ca.crt"}  # fmt: skip
    return _program("etcd", {
        "name": NODE_NAME,
        "data-dir": NODE_STATE / "etcd",
        "listen-client-urls": "https://127.0.0.1:2379",
        "advertise-client-urls": "https://127.0.0.1:2379",
        "listen-peer-urls": "https://127.0.0.1:2380",
        "initial-advertise-peer-urls": "https://127.0.0.1:2380",
        "initial-cluster": f"{NODE_NAME}=https://127.0.0.1:2380",
        "log-level": "warn",
    } | tls | {f"peer-{key}": value for key, value in tls.items()})  # fmt: skip


def _apiserver() -> Program:
    return _program("kube-apiserver", {
        "advertise-address": NODE_ADDRESS,
        "secure-port": API_PORT,
        "tls-cert-file": PKI / "apiserver.crt",
        "tls-private-key-file": PKI / "apiserver.key",
        "client-ca-file": PKI / "ca.crt",
        "anonymous-auth": "false",
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction",
        "service-cluster-ip-range": SERVICE_NETWORK,
        "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
        "service-account-key-file": PKI / "service-account.pub",
        "service-account-signing-key-file": PKI / "service-account.key",
        "etcd-servers": "https://127.0.0.1:2379",
        "etcd-cafile": PKI / "etcd-ca.crt",
        "etcd-certfile": PKI / "apiserver-etcd-client.crt",
        "etcd-keyfile": PKI / "apiserver-etcd-client.key",
        "kubelet-certificate-authority": PKI / "ca.crt",
        "kubelet-client-certificate": PKI / "apiserver-kubelet-client.crt",
        "kubelet-client-key": PKI / "apiserver-kubelet-client.key",
        "kubelet-preferred-address-types": "InternalIP",
        "requestheader-client-ca-file": PKI / "front-proxy-ca.crt",
        "requestheader-allowed-names": "front-proxy-client",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-username-headers": "X-Remote-User",
        "proxy-client-cert-file": PKI / "front-proxy-client.crt",
        "proxy-client-key-file": PKI / "front-proxy-client.key",
        "enable-aggregator-routing": "true",
        "event-ttl": "1h",
        "profiling": "false",
    })  # fmt: skip


def _kubelet(cgroup: str, node: NodeSpec) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": node.address,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(PKI / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "readOnlyPort": 0,
        "tlsCertFile": str(PKI / "kubelet-serving.crt"),
        "tlsPrivateKeyFile": str(PKI / "kubelet-serving.key"),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{cgroup}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDNS": [DNS_ADDRESS],
        "clusterDomain": "cluster.local",
        "resolvConf": str(CONFIG / "resolv.conf"),
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "podLogsDir": str(NODE_STATE / "pod-logs"),
        "volumePluginDir": str(NODE_STATE / "kubelet" / "volume-plugins"),
        # The node shares the host's disk: evict pods and delete images only when it is almost full.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "makeIPTablesUtilChains": False,
        # Demos and tests kill containers repeatedly: without this, restarts wait for a backoff of 10, 20, 40 s.
        "crashLoopBackOff": {"maxContainerRestartPeriod": "1s"},
        "featureGates": {"KubeletCrashLoopBackOffMax": True},
        "nodeStatusUpdateFrequency": "5s",
    }


def _containerd_toml(cni: Path) -> str:
    return f"""\
version = 2
root = "{NODE_STATE}/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs", "io.containerd.internal.v1.tracing"]

[grpc]
address = "{CONTAINERD_SOCKET}"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE_IMAGE}"
# Without CAP_SYS_RESOURCE the kernel refuses a lower OOM score, and every sandbox would fail.
restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
BinaryName = "{BIN}/runc"
SystemdCgroup = false

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{cni}"
conf_dir = "{CONFIG}/cni"
"""


def _bridge(node: NodeSpec) -> dict[str, Any]:
    return {
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "cni0",
                "isGateway": True,
                "hairpinMode": True,
                # IP leases are on a tmpfs, so that they end with the pods when the node stops.
                "ipam": {
                    "type": "host-local",
                    "dataDir": "/run/cni",
                    "ranges": [[{"subnet": node.pod_network}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            }
        ],
    }


def _corefile() -> str:
    # Answers live for 30 s, as kubeadm configures it and most clusters have it.
    return f"""\
cluster.local:53 in-addr.arpa:53 {{
  bind {NODE_ADDRESS}
  errors
  ready 127.0.0.1:8181
  cache 30
  kubernetes cluster.local in-addr.arpa {{
    kubeconfig {PKI}/coredns.kubeconfig
    ttl 30
  }}
}}
"""
