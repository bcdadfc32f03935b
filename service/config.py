"""What the environment says, read once and typed. Nothing else in the package reads os.environ.

A missing or unusable value stops the program with one sentence that names the variable (ConfigError's message).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

VERSION = "0.1.0"
DEADLINE_LIMIT_SECONDS = 300.0
SHORTEST_TOKEN = 16  # characters
REQUEST_LINE_LIMIT = 8190  # bytes, the most that gunicorn takes: a filter's quotes and braces are three each in a URL
HEADERS_LIMIT = 64  # of one request; a browser sends some 20
HEADER_SIZE_LIMIT = 8190  # bytes


class ConfigError(Exception):
    """The environment lacks something or holds nonsense; the message is one sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Config:
    """The data service's environment."""

    mongodb_uri: str
    mongodb_database: str = "flask_db"
    request_deadline: float = 20.0  # seconds; longer than a restart of MongoDB takes
    host: str = "127.0.0.1"
    port: int = 5000
    probe_port: int = 9090  # 0: no probe server
    workers: int = 1
    threads: int = 16
    drain_file: Path = Path("/tmp/draining")  # noqa: S108 - a marker without content, on the pod's own /tmp
    version: str = VERSION

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Reads every variable, or raises ConfigError at the first unusable one."""
        uri = _required(environ, "MONGODB_URI")
        if not uri.startswith(("mongodb://", "mongodb+srv://")):
            raise ConfigError("MONGODB_URI must start with mongodb:// or mongodb+srv://.")
        return cls(
            mongodb_uri=uri,
            mongodb_database=environ.get("MONGODB_DATABASE") or "flask_db",
            request_deadline=_seconds(environ, "REQUEST_DEADLINE_SECONDS", 20.0),
            host=environ.get("HOST") or "127.0.0.1",
            port=_integer(environ, "PORT", 5000, 1, 65535),
            probe_port=_integer(environ, "PROBE_PORT", 9090, 0, 65535),
            workers=_integer(environ, "WEB_CONCURRENCY", 1, 1, 64),
            threads=_integer(environ, "THREADS", 16, 1, 512),
            drain_file=Path(environ.get("DRAIN_FILE") or "/tmp/draining"),  # noqa: S108
            version=environ.get("VERSION") or VERSION,
        )


@dataclass(frozen=True, slots=True)
class SidecarConfig:
    """The environment of the sidecar beside one mongod."""

    replica_set: str
    members: tuple[str, ...]  # host:port of each, the first pod's first
    ordinal: int  # which member the mongod beside this sidecar is
    port: int
    database: str
    admin_password: str
    service_password: str
    dashboard_password: str

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Reads every variable, or raises ConfigError at the first unusable one."""
        port = _integer(environ, "MONGOD_PORT", 27017, 1, 65535)
        members = _members(environ, port)
        return cls(
            replica_set=environ.get("REPLICA_SET") or "rs0",
            members=members,
            ordinal=_ordinal(environ.get("POD_NAME", "")),
            port=port,
            database=environ.get("MONGODB_DATABASE") or "flask_db",
            admin_password=_required(environ, "MONGODB_ADMIN_PASSWORD"),
            service_password=_required(environ, "MONGODB_SERVICE_PASSWORD"),
            dashboard_password=_required(environ, "MONGODB_DASHBOARD_PASSWORD"),
        )


@dataclass(frozen=True, slots=True)
class CrashConfig:
    """The environment of what kills mongod on request."""

    token: str = field(repr=False)  # whoever has it may kill
    pod_uid: str
    host: str = "127.0.0.1"
    port: int = 9091

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Reads every variable, or raises ConfigError at the first unusable one."""
        token = _required(environ, "CRASH_TOKEN")
        if len(token) < SHORTEST_TOKEN:
            raise ConfigError(f"CRASH_TOKEN is too short: it needs at least {SHORTEST_TOKEN} random characters.")
        return cls(
            token=token,
            pod_uid=_required(environ, "POD_UID"),
            host=environ.get("HOST") or "127.0.0.1",
            port=_integer(environ, "PORT", 9091, 1, 65535),
        )


def _members(environ: Mapping[str, str], port: int) -> tuple[str, ...]:
    """The names a StatefulSet gives its pods, or MEMBERS (host:port, commas between) where no such names exist."""
    if listed := environ.get("MEMBERS"):
        return tuple(member.strip() for member in listed.split(","))
    stateful_set = environ.get("STATEFULSET") or "mongodb"
    domain = environ.get("DOMAIN") or "mongodb-members.flask-mongodb.svc.cluster.local"
    replicas = _integer(environ, "REPLICAS", 1, 1, 50)
    return tuple(f"{stateful_set}-{ordinal}.{domain}:{port}" for ordinal in range(replicas))


def _ordinal(pod: str) -> int:
    """A StatefulSet's pod carries its ordinal at the end of its name; outside of one there is a single member."""
    _, _, ordinal = pod.rpartition("-")
    if not pod:
        return 0
    if not (ordinal.isascii() and ordinal.isdigit()):
        raise ConfigError(f"POD_NAME is {pod!r}, which does not end in a StatefulSet's ordinal as mongodb-0 does.")
    return int(ordinal)


def _required(environ: Mapping[str, str], name: str) -> str:
    if not (value := environ.get(name, "")):
        raise ConfigError(f"{name} is not set, and there is no default for it.")
    return value


def _integer(environ: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = environ.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise ConfigError(f"{name} is {text!r}, and must be a whole number from {least} to {most}.")
    return int(text)


def _seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name) or str(default)
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= DEADLINE_LIMIT_SECONDS:  # NaN fails this too
        raise ConfigError(f"{name} is {text!r}, and must be seconds over 0 and up to {DEADLINE_LIMIT_SECONDS:.0f}.")
    return seconds
