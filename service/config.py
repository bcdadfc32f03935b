"""Typed configuration, read once from the environment. No other module of the package reads os.environ.

A missing or invalid value raises ConfigError, whose message is one sentence that names the variable.
docs/configuration.md is generated from this file. The comment beside a field, or beside the line that reads a
variable, is the setting's description there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from webserver import forwarded, hosts
from webserver.environment import ConfigError, authority, integer, parsed, with_credentials, with_tls

VERSION = "0.1.0"
RESOLVER = Path("/etc/resolv.conf")
DOMAIN = "flask-mongodb.svc.cluster.local"
DEADLINE_LIMIT_SECONDS = 300.0
SHORTEST_SECRET = 16  # characters
REQUEST_LINE_LIMIT = 8190  # bytes, gunicorn's maximum; a filter's quotes and braces take three bytes each in a URL
HEADERS_LIMIT = 64  # per request; a browser sends about 20
HEADER_SIZE_LIMIT = 8190  # bytes


@dataclass(frozen=True)
class ServiceConfig:
    """Settings of the data service."""

    mongodb_uri: str = field(repr=False)  # connection string, mongodb:// or mongodb+srv://
    mongodb_database: str = "flask_db"  # database that holds the documents
    request_deadline: float = 20.0  # seconds a request may take; longer than a restart of MongoDB
    host: str = "127.0.0.1"  # address to listen on
    port: int = 5000  # port of the API
    probe_port: int = 9090  # port of the probes and /metrics, on the same address; 0 for none
    allowed_hosts: frozenset[str] = frozenset()  # more host names to answer to (docs/api.md): a.example,b.example
    trusted_proxies: forwarded.Networks = ()  # proxies whose X-Forwarded-… headers count: 10.0.0.0/8,192.0.2.7
    workers: int = 1  # gunicorn worker processes
    threads: int = 16  # request threads per worker
    drain_file: Path = Path("/tmp/draining")  # noqa: S108  # while this file exists, the service drains
    version: str = VERSION  # version that /, /metrics and /openapi.json report

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Read every variable. Raise ConfigError at the first invalid one."""
        return cls(
            mongodb_uri=_mongodb_uri(environ),
            mongodb_database=environ.get("MONGODB_DATABASE") or cls.mongodb_database,
            request_deadline=_seconds(
                environ, "REQUEST_DEADLINE_SECONDS", cls.request_deadline, DEADLINE_LIMIT_SECONDS
            ),
            host=environ.get("HOST") or cls.host,
            port=integer(environ, "PORT", cls.port, 1, 65535),
            probe_port=integer(environ, "PROBE_PORT", cls.probe_port, 0, 65535),
            allowed_hosts=parsed(environ, "ALLOWED_HOSTS", hosts.names),
            trusted_proxies=parsed(environ, "TRUSTED_PROXIES", forwarded.networks),
            workers=integer(environ, "WEB_CONCURRENCY", cls.workers, 1, 64),
            threads=integer(environ, "THREADS", cls.threads, 1, 512),
            drain_file=Path(environ.get("DRAIN_FILE") or cls.drain_file),
            version=environ.get("VERSION") or cls.version,
        )


@dataclass(frozen=True)
class SidecarConfig:
    """Settings of the sidecar that forms the replica set, beside each mongod."""

    replica_set: str  # name of the replica set
    members: tuple[str, ...]  # host:port of each possible member, in the order of their ordinals
    ordinal: int  # name of the pod, which ends in the member's ordinal (mongodb-0); unset where there is one member
    port: int  # port of every mongod
    database: str  # database that the service may write and the dashboard may read
    users: Path  # directory of the mounted Secret with the users' names and passwords
    key_file: Path  # mongod's key file
    ca_file: Path | None = None  # file of MongoDB's certificate authority, for TLS
    scale_url: str = ""  # the StatefulSet's scale in the Kubernetes API: it says how many of the members are wanted
    probe_port: int = 0  # port of /readyz and /leave, for the kubelet, and of /metrics; 0 for none
    hostname: str = "localhost"  # the pod's own name, which leads to its mongod without a Service (Kubernetes sets it)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Read every variable. Raise ConfigError at the first invalid one."""
        port = integer(environ, "MONGOD_PORT", 27017, 1, 65535)
        members = _members(environ, port)
        return cls(
            replica_set=environ.get("REPLICA_SET") or "rs0",
            members=members,
            ordinal=_ordinal(environ.get("POD_NAME", "")),
            port=port,
            database=environ.get("MONGODB_DATABASE") or ServiceConfig.mongodb_database,
            users=Path(environ.get("USERS") or "/users"),
            key_file=Path(environ.get("KEY_FILE") or "/keys/key-file"),
            ca_file=authority(environ, "MONGODB_CA_FILE"),
            scale_url=environ.get("SCALE_URL") or cls.scale_url,
            probe_port=integer(environ, "PROBE_PORT", cls.probe_port, 0, 65535),
            hostname=environ.get("HOSTNAME") or cls.hostname,
        )


@dataclass(frozen=True)
class BackupConfig:
    """Settings of backups and their restoration."""

    mongodb_uri: str = field(repr=False)  # connection string, mongodb:// or mongodb+srv://
    mongodb_database: str = ServiceConfig.mongodb_database  # database to back up or to restore into
    collections: tuple[str, ...] = ("data",)  # collections of a backup: data,other
    keep: int = 7  # backups that are kept: a new one removes the oldest of more

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Read every variable. Raise ConfigError at the first invalid one."""
        return cls(
            mongodb_uri=_mongodb_uri(environ),
            mongodb_database=environ.get("MONGODB_DATABASE") or cls.mongodb_database,
            collections=parsed(environ, "COLLECTIONS", _collections) or cls.collections,
            keep=integer(environ, "KEEP", cls.keep, 1, 10_000),
        )


@dataclass(frozen=True)
class CrashConfig:
    """Settings of the container that kills mongod on request."""

    token: str = field(repr=False)  # bearer token that a request must carry
    pod_uid: str  # UID of the pod; a request must name it
    host: str = "127.0.0.1"  # address to listen on
    port: int = 9091  # port to listen on

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Read every variable. Raise ConfigError at the first invalid one."""
        return cls(
            token=_secret(environ, "CRASH_TOKEN"),
            pod_uid=_required(environ, "POD_UID"),
            host=environ.get("HOST") or cls.host,
            port=integer(environ, "PORT", cls.port, 1, 65535),
        )


def _mongodb_uri(environ: Mapping[str, str]) -> str:
    uri = _required(environ, "MONGODB_URI")
    if not uri.startswith(("mongodb://", "mongodb+srv://")):
        raise ConfigError("MONGODB_URI must start with mongodb:// or mongodb+srv://.")
    user = environ.get("MONGODB_USER") or ""  # user to sign in as, if the connection string names none
    password = environ.get("MONGODB_PASSWORD") or ""  # that user's password, any characters
    ca_file = authority(environ, "MONGODB_CA_FILE")  # file of MongoDB's certificate authority, for TLS
    return with_tls(with_credentials(uri, user, password), ca_file)


def _members(environ: Mapping[str, str], port: int) -> tuple[str, ...]:
    """Return MEMBERS if it is set, else the DNS names of the Services that are named as the StatefulSet's pods."""
    if listed := environ.get("MEMBERS"):  # host:port of each member, separated by commas; replaces the next three
        return tuple(member.strip() for member in listed.split(","))
    stateful_set = environ.get("STATEFULSET") or "mongodb"  # name of the StatefulSet
    given = environ.get("DOMAIN")  # domain of the members' Services; unset: that of the pod's DNS search path
    domain = given or _search_domain(RESOLVER) or DOMAIN
    replicas = integer(environ, "REPLICAS", 1, 1, 50)  # number of members; with SCALE_URL, the most
    return tuple(f"{stateful_set}-{ordinal}.{domain}:{port}" for ordinal in range(replicas))


def _search_domain(resolver: Path) -> str:
    """Return the domain of the pod's namespace: a cluster's own domain need not be cluster.local. Empty outside one."""
    lines = resolver.read_text().splitlines() if resolver.exists() else []
    domains = [domain for line in lines if line.startswith("search ") for domain in line.split()[1:]]
    return next((domain for domain in domains if ".svc." in domain), "")


def _ordinal(pod: str) -> int:
    """Return the ordinal at the end of a StatefulSet pod's name; 0 without a pod, where there is a single member."""
    _, _, ordinal = pod.rpartition("-")
    if not pod:
        return 0
    if not (ordinal.isascii() and ordinal.isdigit()):
        raise ConfigError(f"POD_NAME is {pod!r}: it must end in a StatefulSet ordinal, as mongodb-0 does.")
    return int(ordinal)


def _collections(text: str) -> tuple[str, ...]:
    """Return the names in a list. Raise ValueError: each is a file's name too."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}", name):
            raise ValueError(f"{name!r} is not the name of a collection")
    return names


def _required(environ: Mapping[str, str], name: str) -> str:
    if not (value := environ.get(name, "")):
        raise ConfigError(f"{name} is not set. It is required.")
    return value


def _secret(environ: Mapping[str, str], name: str) -> str:
    value = _required(environ, name)
    if len(value) < SHORTEST_SECRET:
        raise ConfigError(f"{name} is too short: it needs at least {SHORTEST_SECRET} random characters.")
    return value


def _seconds(environ: Mapping[str, str], name: str, default: float, most: float) -> float:
    text = environ.get(name) or str(default)
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= most:  # NaN fails this too
        raise ConfigError(f"{name} is {text!r}: it must be a number of seconds above 0 and at most {most:.0f}.")
    return seconds
