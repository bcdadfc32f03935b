"""The dashboard's configuration. The environment is read here, once, into one typed value.

Secrets that are empty, short, well known or identical raise ConfigError: a dashboard that anybody can enter must not
start.
"""

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

SHORTEST_SECRET = 16  # characters
FEWEST_CHARACTERS = 6  # distinct characters in a secret: "aaaaaaaaaaaaaaaa" is long, too
_KNOWN = re.compile(  # words that secrets in examples consist of
    "admin|change|dashboard|default|example|key|me|operator|password|placeholder|replace|secret|session|token|viewer",
    re.IGNORECASE,
)


class ConfigError(Exception):
    """An invalid configuration. The message is one sentence that names the variable and the remedy."""


@dataclass(frozen=True)
class Config:
    """All settings of the dashboard."""

    operator_token: str = field(repr=False)
    viewer_token: str = field(repr=False)
    session_key: str = field(repr=False)
    source: str = "cluster"  # cluster | mock
    namespace: str = "flask-mongodb"
    deployment: str = "flask"
    statefulset: str = "mongodb"
    autoscaler: str = "flask"
    service_url: str = "http://flask:5000"
    metrics_port: int = 9090  # of the service's pods
    mongodb_uri: str = field(default="", repr=False)
    mongodb_database: str = "flask_db"
    mongodb_collection: str = "data"
    crash_port: int = 0  # of the database pod's crash container, which kills mongod; 0 if there is none
    crash_token: str = field(default="", repr=False)
    cluster_name: str = "embedded"
    name: str = "dashboard"  # the pod's name: this dashboard's identity in the Lease
    kubeconfig: str | None = None
    host: str = "127.0.0.1"
    port: int = 8080
    probe_port: int = 9090
    viewers: int = 40  # maximum of open pages; each costs four threads
    mock_seed: int = 7
    mock_speed: int = 1  # at speed 1 the simulation repeats every four minutes
    mock_pods: int = 2  # service pods when idle
    mock_churn: int = 0  # pods that change each second
    mock_quiet: int = 0  # 1: the simulated cluster stays idle
    mock_outcome: str = ""  # pass | fail | inconclusive: the verdict of every run; empty: the seed decides

    @property
    def service(self) -> str:
        """The Service's name: the first label of the host in `service_url`."""
        return (urlsplit(self.service_url).hostname or "").split(".")[0]


def read(environ: Mapping[str, str] = os.environ) -> Config:
    """Return the configuration in `environ`. Raise ConfigError if it is invalid."""
    source = environ.get("DASHBOARD_SOURCE", "cluster")
    if source not in ("cluster", "mock"):
        raise ConfigError(f"DASHBOARD_SOURCE is {source!r}: it must be 'cluster' or 'mock'.")
    if source == "cluster" and not environ.get("MONGODB_URI"):
        raise ConfigError("MONGODB_URI is empty: set it to the database's address, mongodb://….")
    operator, viewer = (_secret(environ, name) for name in ("OPERATOR_TOKEN", "VIEWER_TOKEN"))
    if operator == viewer:
        raise ConfigError("OPERATOR_TOKEN and VIEWER_TOKEN are the same: each role needs a token of its own.")
    crash_port = _integer(environ, "CRASH_PORT", 0, 0, 65535)
    return Config(
        operator_token=operator,
        viewer_token=viewer,
        session_key=_secret(environ, "SESSION_KEY"),
        source=source,
        namespace=environ.get("NAMESPACE", Config.namespace),
        deployment=environ.get("DEPLOYMENT", Config.deployment),
        statefulset=environ.get("STATEFULSET", Config.statefulset),
        autoscaler=environ.get("HPA", Config.autoscaler),
        service_url=environ.get("SERVICE_URL", Config.service_url),
        metrics_port=_port(environ, "METRICS_PORT", Config.metrics_port),
        mongodb_uri=environ.get("MONGODB_URI", ""),
        mongodb_database=environ.get("MONGODB_DATABASE", Config.mongodb_database),
        mongodb_collection=environ.get("MONGODB_COLLECTION", Config.mongodb_collection),
        crash_port=crash_port,
        crash_token=_secret(environ, "CRASH_TOKEN") if crash_port else "",
        cluster_name=environ.get("CLUSTER_NAME", Config.cluster_name),
        name=environ.get("POD_NAME") or environ.get("HOSTNAME") or Config.name,
        kubeconfig=environ.get("KUBECONFIG") or None,
        host=environ.get("HOST", Config.host),
        port=_port(environ, "PORT", Config.port),
        probe_port=_port(environ, "PROBE_PORT", Config.probe_port),
        viewers=_integer(environ, "MAX_VIEWERS", Config.viewers, 1, 500),
        mock_seed=_integer(environ, "MOCK_SEED", Config.mock_seed, 0, 2**32),
        mock_speed=_integer(environ, "MOCK_SPEED", Config.mock_speed, 1, 60),
        mock_pods=_integer(environ, "MOCK_PODS", Config.mock_pods, 2, 5000),
        mock_churn=_integer(environ, "MOCK_CHURN", Config.mock_churn, 0, 5000),
        mock_quiet=_integer(environ, "MOCK_QUIET", Config.mock_quiet, 0, 1),
        mock_outcome=_choice(environ, "MOCK_OUTCOME", ("", "pass", "fail", "inconclusive")),
    )


def mock(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment for a local start: with the mock source, missing secrets are generated.

    DASHBOARD_PORT sets PORT here and not in `read`: in a cluster, the kubelet sets a variable of that name to the
    address of the `dashboard` Service.
    """
    filled = dict(environ)
    if filled.get("DASHBOARD_SOURCE") == "mock":
        for name in ("OPERATOR_TOKEN", "VIEWER_TOKEN", "SESSION_KEY"):
            filled[name] = filled.get(name) or secrets.token_urlsafe(24)
    if filled.get("DASHBOARD_PORT", "").isdecimal():
        filled.setdefault("PORT", filled["DASHBOARD_PORT"])
    return filled


def _secret(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "")
    if not value:
        raise ConfigError(f"{name} is empty: set it to at least {SHORTEST_SECRET} random characters.")
    if len(value) < SHORTEST_SECRET:
        raise ConfigError(f"{name} is too short: it needs at least {SHORTEST_SECRET} random characters.")
    rest = _KNOWN.sub("", value)
    if len(set(rest)) < FEWEST_CHARACTERS or len(rest) < SHORTEST_SECRET // 2:
        raise ConfigError(f"{name} is easy to guess: set it to random characters.")
    return value


def _port(environ: Mapping[str, str], name: str, default: int) -> int:
    return _integer(environ, name, default, 1, 65535)


def _integer(environ: Mapping[str, str], name: str, default: int, lowest: int, highest: int) -> int:
    text = environ.get(name) or str(default)
    if not text.isdecimal() or not lowest <= int(text) <= highest:
        raise ConfigError(f"{name} is {text!r}: it must be a whole number from {lowest} to {highest}.")
    return int(text)


def _choice(environ: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    """Return the value, which must be one of `choices`. The first choice is the default."""
    text = environ.get(name) or choices[0]
    if text not in choices:
        raise ConfigError(f"{name} is {text!r}: it must be {', '.join(filter(None, choices[:-1]))} or {choices[-1]}.")
    return text
