"""The dashboard's settings. Only this module reads the environment. An invalid setting raises ConfigError.

An empty, short or easily guessed secret is invalid, and so are equal tokens: a dashboard that anybody can enter must
not start.
"""

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from webserver import forwarded, hosts
from webserver.environment import ConfigError, authority, integer, parsed, with_credentials, with_tls

SHORTEST_SECRET = 16  # characters
FEWEST_CHARACTERS = 6  # different ones in a secret: "aaaaaaaaaaaaaaaa" is long, too
_KNOWN = re.compile(  # what secrets in examples are made of
    "admin|change|dashboard|default|example|key|me|operator|password|placeholder|replace|secret|session|token|viewer",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class DashboardConfig:
    """Settings of the dashboard."""

    operator_token: str = field(repr=False)  # lets its holder read, and start demos, loads and deletions
    viewer_token: str = field(repr=False)  # lets its holder read
    session_key: str = field(repr=False)  # signs the session cookie
    source: str = "cluster"  # cluster or mock: where the state comes from
    namespace: str = "flask-mongodb"  # namespace of everything that the page shows
    deployment: str = "flask"  # name of the service's Deployment
    statefulset: str = "mongodb"  # name of MongoDB's StatefulSet
    autoscaler: str = "flask"  # name of the HorizontalPodAutoscaler
    service_address: str = "http://localhost:5000"  # address of the data service for users, in the page's commands
    service_url: str = "http://flask:5000"  # address of the data service; the host's first label names the Service
    metrics_port: int = 9090  # port of /metrics on the service's pods
    target_file: str = ""  # path of a file that names another application to prove (docs/contract.md); empty: our own
    target_secrets: str = ""  # directory with a file for each secret of that file
    target_url: str = ""  # address by which the service is reached, where that is another than the file's
    target_database: tuple[str, int] | None = None  # host:port by which its database is reached, likewise
    run_store: str = "cluster"  # cluster or memory: where runs are kept
    object_prefix: str = "dashboard"  # what the names of its Lease and ConfigMaps begin with
    prometheus_url: str = ""  # address of a Prometheus whose alerts the page shows (a NetworkPolicy must let it out)
    mongodb_uri: str = field(default="", repr=False)  # connection string; required unless the source is mock
    mongodb_database: str = "flask_db"  # database of the data service
    mongodb_collection: str = "data"  # collection whose changes the page shows
    mongodb_members: int = 1  # members of its replica set, by the manifests: the demos are those for so many
    peers: int = 0  # 1 where several dashboards may ask each other about the run that one of them has
    may_roll_out: int = 1  # 0 where the manifests withhold the right to: then there is no such demo
    may_delete_pods: int = 1  # 0 where they withhold the right to delete the service's: likewise
    proof_hours: int = 0  # hours within which something proves each claim anew, for the alert rules; 0: nothing does
    crash_port: int = 0  # port of the container that kills mongod, on the database's pod; 0 where there is none
    crash_token: str = field(default="", repr=False)  # that container's token; required where CRASH_PORT is set
    cluster_name: str = "embedded"  # name of the cluster, as the page shows it
    name: str = "dashboard"  # identity of this dashboard as the Lease's holder
    kubeconfig: str | None = None  # path of a kubeconfig; empty: the pod's ServiceAccount
    host: str = "127.0.0.1"  # address to listen on
    port: int = 8080  # port of the page and the API
    probe_port: int = 9090  # port of the probes, on the same address
    allowed_hosts: frozenset[str] = frozenset()  # more host names to answer to (docs/api.md): a.example,b.example
    trusted_proxies: forwarded.Networks = ()  # proxies whose X-Forwarded-… headers count: 10.0.0.0/8,192.0.2.7
    path_prefix: str = ""  # path under which a proxy serves the page, if it does not say so in X-Forwarded-Prefix
    viewers: int = 40  # maximum of concurrently connected pages, half of them one session's; each costs four threads
    mock_seed: int = 7  # seed of the mock's simulation
    mock_speed: int = 1  # time factor of the mock; at 1, a cycle of its simulation lasts four minutes
    mock_pods: int = 2  # pods of the mock's service at rest
    mock_churn: int = 0  # of these pods, how many change each second
    mock_quiet: int = 0  # 1: the mock stays in its first state
    mock_autoscaler: str = ""  # settings of the mock's autoscaler: several, missing, average, container, memory, broken
    mock_actions: str = "rollout,autoscaler,pods"  # actions that the mock's cluster allows
    mock_outcome: str = ""  # verdict of every run in the mock; empty: drawn from the seed

    @property
    def withheld(self) -> frozenset[str]:
        """The operator's actions that the manifests leave out, and with them the demos that take them."""
        allowed = {"rollout": self.may_roll_out, "pods": self.may_delete_pods}
        return frozenset(action for action, may in allowed.items() if not may)

    @property
    def service(self) -> str:
        """The Service's name: the first label of the host in its URL."""
        return (urlsplit(self.service_url).hostname or "").split(".")[0]


def read(environ: Mapping[str, str] = os.environ) -> DashboardConfig:
    """The configuration, or ConfigError."""
    source = environ.get("DASHBOARD_SOURCE", "cluster")
    if source not in ("cluster", "mock"):
        raise ConfigError(f"DASHBOARD_SOURCE is {source!r}: it must be 'cluster' or 'mock'.")
    target_file = environ.get("TARGET_FILE", DashboardConfig.target_file)
    if source == "cluster" and not target_file and not environ.get("MONGODB_URI"):
        raise ConfigError("MONGODB_URI is empty: set it to the database's address, mongodb://….")
    operator = _secret(environ, "OPERATOR_TOKEN")
    viewer = _secret(environ, "VIEWER_TOKEN")
    if operator == viewer:
        raise ConfigError("OPERATOR_TOKEN and VIEWER_TOKEN are the same: each role needs a token of its own.")
    crash_port = integer(environ, "CRASH_PORT", 0, 0, 65535)
    return DashboardConfig(
        operator_token=operator,
        viewer_token=viewer,
        session_key=_secret(environ, "SESSION_KEY"),
        source=source,
        namespace=environ.get("NAMESPACE", DashboardConfig.namespace),
        deployment=environ.get("DEPLOYMENT", DashboardConfig.deployment),
        statefulset=environ.get("STATEFULSET", DashboardConfig.statefulset),
        autoscaler=environ.get("HPA", DashboardConfig.autoscaler),
        service_address=environ.get("SERVICE_ADDRESS", DashboardConfig.service_address).rstrip("/"),
        service_url=environ.get("SERVICE_URL", DashboardConfig.service_url),
        metrics_port=integer(environ, "METRICS_PORT", DashboardConfig.metrics_port, 1, 65535),
        target_file=target_file,
        target_secrets=environ.get("TARGET_SECRETS", DashboardConfig.target_secrets),
        target_url=parsed(environ, "TARGET_URL", _http_url),
        target_database=parsed(environ, "TARGET_DATABASE", _host_and_port),
        run_store=_word(environ, "RUN_STORE", ("cluster", "memory")),
        object_prefix=environ.get("OBJECT_PREFIX") or DashboardConfig.object_prefix,
        prometheus_url=parsed(environ, "PROMETHEUS_URL", _http_url),
        mongodb_uri=_mongodb_uri(environ),
        mongodb_database=environ.get("MONGODB_DATABASE", DashboardConfig.mongodb_database),
        mongodb_collection=environ.get("MONGODB_COLLECTION", DashboardConfig.mongodb_collection),
        mongodb_members=integer(environ, "MONGODB_MEMBERS", DashboardConfig.mongodb_members, 1, 50),
        peers=integer(environ, "DASHBOARD_PEERS", DashboardConfig.peers, 0, 1),
        may_roll_out=integer(environ, "MAY_ROLL_OUT", DashboardConfig.may_roll_out, 0, 1),
        may_delete_pods=integer(environ, "MAY_DELETE_PODS", DashboardConfig.may_delete_pods, 0, 1),
        proof_hours=integer(environ, "PROOF_HOURS", DashboardConfig.proof_hours, 0, 10_000),
        crash_port=crash_port,
        crash_token=_secret(environ, "CRASH_TOKEN") if crash_port else "",
        cluster_name=environ.get("CLUSTER_NAME", DashboardConfig.cluster_name),
        name=environ.get("POD_NAME") or environ.get("HOSTNAME") or DashboardConfig.name,
        kubeconfig=environ.get("KUBECONFIG") or None,
        host=environ.get("HOST", DashboardConfig.host),
        port=integer(environ, "PORT", DashboardConfig.port, 1, 65535),
        probe_port=integer(environ, "PROBE_PORT", DashboardConfig.probe_port, 1, 65535),
        allowed_hosts=parsed(environ, "ALLOWED_HOSTS", hosts.names),
        trusted_proxies=parsed(environ, "TRUSTED_PROXIES", forwarded.networks),
        path_prefix=parsed(environ, "PATH_PREFIX", forwarded.prefix),
        viewers=integer(environ, "MAX_VIEWERS", DashboardConfig.viewers, 1, 500),
        mock_seed=integer(environ, "MOCK_SEED", DashboardConfig.mock_seed, 0, 2**32),
        mock_speed=integer(environ, "MOCK_SPEED", DashboardConfig.mock_speed, 1, 60),
        mock_pods=integer(environ, "MOCK_PODS", DashboardConfig.mock_pods, 2, 5000),
        mock_churn=integer(environ, "MOCK_CHURN", DashboardConfig.mock_churn, 0, 5000),
        mock_quiet=integer(environ, "MOCK_QUIET", DashboardConfig.mock_quiet, 0, 1),
        mock_autoscaler=_word(
            environ, "MOCK_AUTOSCALER", ("", "several", "missing", "average", "container", "memory", "broken")
        ),
        mock_actions=environ.get("MOCK_ACTIONS", DashboardConfig.mock_actions),
        mock_outcome=_word(environ, "MOCK_OUTCOME", ("", "pass", "fail", "inconclusive")),
    )


def _mongodb_uri(environ: Mapping[str, str]) -> str:
    uri = environ.get("MONGODB_URI") or ""
    user = environ.get("MONGODB_USER") or ""  # user to sign in as, if the connection string names none
    password = environ.get("MONGODB_PASSWORD") or ""  # that user's password, any characters
    ca_file = authority(environ, "MONGODB_CA_FILE")  # file of MongoDB's certificate authority, for TLS
    return with_tls(with_credentials(uri, user, password), ca_file)


def mock(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment for work on the page: with the mock source, what secrets are missing are made up.

    DASHBOARD_PORT counts here and not in `read`: in a cluster, the kubelet sets a variable of that name to the
    `dashboard` Service's address.
    """
    filled = dict(environ)
    if filled.get("DASHBOARD_SOURCE") == "mock":
        for name in ("OPERATOR_TOKEN", "VIEWER_TOKEN", "SESSION_KEY"):
            filled[name] = filled.get(name) or secrets.token_urlsafe(24)
    if filled.get("DASHBOARD_PORT", "").isdecimal():
        filled.setdefault("PORT", filled["DASHBOARD_PORT"])
    return filled


def _http_url(text: str) -> str:
    """Return an http or https URL, or "". Raise ValueError."""
    parts = urlsplit(text)
    if text and (parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0):  # raises for others
        raise ValueError("it must be an address as http://prometheus:9090.")
    return text


def _host_and_port(text: str) -> tuple[str, int] | None:
    """Return what host:port says, None for "". Raise ValueError."""
    parts = urlsplit(f"//{text}")
    if not text:
        return None
    if not parts.hostname or not parts.port or parts.netloc != text or "@" in text:  # raises for others
        raise ValueError("it must be an address as 127.0.0.1:5432.")
    return parts.hostname, parts.port


def _secret(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "")
    if not value:
        raise ConfigError(f"{name} is empty: set it to at least {SHORTEST_SECRET} random characters.")
    if len(value) < SHORTEST_SECRET:
        raise ConfigError(f"{name} is too short: it needs at least {SHORTEST_SECRET} random characters.")
    unguessed = _KNOWN.sub("", value)
    if len(set(unguessed)) < FEWEST_CHARACTERS or len(unguessed) < SHORTEST_SECRET // 2:
        raise ConfigError(f"{name} is one that can be guessed: set it to random characters.")
    return value


def _word(environ: Mapping[str, str], name: str, words: tuple[str, ...]) -> str:
    """One of the words, of which the first is the default."""
    text = environ.get(name) or words[0]
    if text not in words:
        raise ConfigError(f"{name} is {text!r}: it must be {', '.join(filter(None, words[:-1]))} or {words[-1]}.")
    return text
