"""The environment, read and refused."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from service.config import VERSION, ServiceConfig, SidecarConfig
from webserver.environment import ConfigError

URI = "mongodb://127.0.0.1:27017/?replicaSet=rs0"
PASSWORDS = {
    "MONGODB_ADMIN_PASSWORD": "a" * 16,
    "MONGODB_SERVICE_PASSWORD": "b" * 16,
    "MONGODB_DASHBOARD_PASSWORD": "c" * 16,
}


def test_only_the_uri_has_no_default() -> None:
    config = ServiceConfig.from_environment({"MONGODB_URI": URI})
    assert (config.mongodb_database, config.request_deadline, config.host) == ("flask_db", 20.0, "127.0.0.1")
    assert (config.port, config.probe_port, config.workers, config.threads) == (5000, 9090, 1, 16)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MONGODB_URI", ""),
        ("MONGODB_URI", "localhost:27017"),
        ("PORT", "http"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "٣"),
        ("PROBE_PORT", "-1"),
        ("WEB_CONCURRENCY", "0"),
        ("THREADS", "many"),
        ("REQUEST_DEADLINE_SECONDS", "nan"),
        ("REQUEST_DEADLINE_SECONDS", "0"),
        ("REQUEST_DEADLINE_SECONDS", "soon"),
        ("TRUSTED_PROXIES", "proxy.example"),
        ("ALLOWED_HOSTS", "data.example:443"),
    ],
)
def test_unusable_value_is_refused_in_one_sentence_that_names_it(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{name} [^\n]*\.$"):
        ServiceConfig.from_environment({"MONGODB_URI": URI, name: value})


def test_members_are_named_as_a_stateful_set_names_its_pods() -> None:
    config = SidecarConfig.from_environment(
        {"POD_NAME": "mongodb-1", "REPLICAS": "2", "DOMAIN": "members.space.svc"}
    )
    assert config.members == ("mongodb-0.members.space.svc:27017", "mongodb-1.members.space.svc:27017")
    assert config.ordinal == 1


def test_pod_without_an_ordinal_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^POD_NAME is 'mongodb-x7f'"):
        SidecarConfig.from_environment({"POD_NAME": "mongodb-x7f"})


def test_no_secret_is_shown_by_a_refusal() -> None:
    with pytest.raises(ConfigError) as refusal:
        ServiceConfig.from_environment({"MONGODB_URI": "http://service:hush@mongodb"})
    assert "hush" not in str(refusal.value)


def test_default_version_is_the_projects() -> None:
    project = tomllib.loads(Path(__file__).parents[2].joinpath("pyproject.toml").read_text())
    assert project["project"]["version"] == VERSION
