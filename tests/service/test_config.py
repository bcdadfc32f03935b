"""The service's configuration, read from the environment."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from service.config import VERSION, ServiceConfig, SidecarConfig, _search_domain
from webserver.environment import ConfigError

URI = "mongodb://127.0.0.1:27017/?replicaSet=rs0"


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
def test_invalid_value_raises_with_one_sentence_that_names_the_variable(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{name} [^\n]*\.$"):
        ServiceConfig.from_environment({"MONGODB_URI": URI, name: value})


def test_members_have_the_names_of_the_stateful_sets_pods() -> None:
    config = SidecarConfig.from_environment({"POD_NAME": "mongodb-1", "REPLICAS": "2", "DOMAIN": "members.space.svc"})
    assert config.members == ("mongodb-0.members.space.svc:27017", "mongodb-1.members.space.svc:27017")
    assert config.ordinal == 1


def test_pod_without_an_ordinal_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^POD_NAME is 'mongodb-x7f'"):
        SidecarConfig.from_environment({"POD_NAME": "mongodb-x7f"})


def test_error_does_not_contain_the_secret() -> None:
    with pytest.raises(ConfigError) as raised:
        ServiceConfig.from_environment({"MONGODB_URI": "http://service:hush@mongodb"})
    assert "hush" not in str(raised.value)


def test_default_version_is_the_one_in_pyproject() -> None:
    project = tomllib.loads(Path(__file__).parents[2].joinpath("pyproject.toml").read_text())
    assert project["project"]["version"] == VERSION


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "search space.svc.corp.example svc.corp.example corp.example lan\nnameserver 10.0.0.10\n",
            "space.svc.corp.example",
        ),
        ("nameserver 192.168.1.1\nsearch lan\n", ""),
        ("", ""),
    ],
)
def test_members_are_in_the_clusters_own_domain(text: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_text(text)
    assert _search_domain(tmp_path / "resolv.conf") == expected
    assert _search_domain(tmp_path / "none") == ""
