"""The dashboard's configuration, read from environment variables."""

import pytest

from dashboard.config import mock, read
from dashboard.runs.demos.registry import offered
from webserver.environment import ConfigError

VALID = {
    "MONGODB_URI": "mongodb://127.0.0.1:27017/?replicaSet=rs0",
    "OPERATOR_TOKEN": "b7a1f03c9d5e42688e21",
    "VIEWER_TOKEN": "0c93e1d7f4a85b62cd17",
    "SESSION_KEY": "51e8a7d20f9b3c64a0d2",
}


def test_defaults_are_those_of_the_manifests() -> None:
    config = read(VALID)
    assert (config.namespace, config.deployment, config.statefulset) == ("flask-mongodb", "flask", "mongodb")
    assert (config.host, config.port, config.probe_port) == ("127.0.0.1", 8080, 9090)
    assert config.service == "flask"


def test_service_is_the_first_label_of_its_address() -> None:
    assert read(VALID | {"SERVICE_URL": "http://web.shop.svc:80/x"}).service == "web"


@pytest.mark.parametrize("name", ["OPERATOR_TOKEN", "VIEWER_TOKEN", "SESSION_KEY"])
@pytest.mark.parametrize(
    "secret", ["", "f9x2", "changeme-changeme", "operator-token-0001", "aaaaaaaaaaaaaaaaaaaa", "Secret-Password-Key"]
)
def test_weak_secret_is_refused_without_showing_it(name: str, secret: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{name} is [^\n]+\.$") as error:
        read(VALID | {name: secret})
    assert not secret or secret not in str(error.value)


def test_roles_cannot_share_a_token() -> None:
    with pytest.raises(ConfigError, match="the same"):
        read(VALID | {"VIEWER_TOKEN": VALID["OPERATOR_TOKEN"]})


def test_repr_shows_no_secret() -> None:
    text = repr(read(VALID))
    assert not [value for value in VALID.values() if value in text]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "0"),
        ("PROBE_PORT", "70000"),
        ("MAX_VIEWERS", "-1"),
        ("DASHBOARD_SOURCE", "real"),
        ("MOCK_SPEED", "0"),
        ("MOCK_PODS", "many"),
        ("MOCK_OUTCOME", "splendid"),
        ("TARGET_DATABASE", "127.0.0.1"),
        ("TARGET_DATABASE", ":5432"),
        ("TARGET_DATABASE", "notes-db:x"),
        ("TARGET_DATABASE", "notes-db:0"),
        ("TARGET_DATABASE", "reader@notes-db:5432"),
        ("TARGET_DATABASE", "notes-db:5432/notes"),
        ("CRASH_PORT", "-1"),
        ("CRASH_PORT", "tcp://10.96.0.9:9091"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("ALLOWED_HOSTS", "https://dash.example"),
        ("PATH_PREFIX", "//dash"),
    ],
)
def test_invalid_value_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        read(VALID | {name: value})


def test_crash_mode_needs_a_port_and_a_token() -> None:
    token = "d4c2f8017b6e93a5"
    assert (read(VALID).crash_port, read(VALID | {"CRASH_TOKEN": token}).crash_token) == (0, "")
    config = read(VALID | {"CRASH_PORT": "9091", "CRASH_TOKEN": token})
    assert (config.crash_port, config.crash_token) == (9091, token) and token not in repr(config)
    for weak in ("", "short", "operator-token-0001"):
        with pytest.raises(ConfigError, match=r"^CRASH_TOKEN is "):
            read(VALID | {"CRASH_PORT": "9091", "CRASH_TOKEN": weak})


def test_lists_are_separated_by_commas() -> None:
    lists = {"TRUSTED_PROXIES": "10.0.0.0/8, ::1", "ALLOWED_HOSTS": "a.example,B.example"}
    config = read(VALID | lists | {"PATH_PREFIX": "/a/"})
    assert [str(each) for each in config.trusted_proxies] == ["10.0.0.0/8", "::1/128"]
    assert (config.allowed_hosts, config.path_prefix) == ({"a.example", "b.example"}, "/a")
    assert (read(VALID).trusted_proxies, read(VALID).allowed_hosts, read(VALID).path_prefix) == ((), frozenset(), "")


@pytest.mark.parametrize(("name", "demo"), [("MAY_ROLL_OUT", "rollout"), ("MAY_DELETE_PODS", "self-healing")])
def test_right_that_is_withheld_takes_its_demo_away(name: str, demo: str) -> None:
    demos = [offered(1, read(VALID | environ).withheld) for environ in ({}, {name: "0"})]
    assert demos[0].keys() - demos[1].keys() == {demo}


def test_name_is_the_pods() -> None:
    assert read(VALID).name == "dashboard"
    assert read(VALID | {"HOSTNAME": "dashboard-7f-x2"}).name == "dashboard-7f-x2"


def test_cluster_source_needs_a_mongodb_uri() -> None:
    with pytest.raises(ConfigError, match="MONGODB_URI"):
        read({name: value for name, value in VALID.items() if name != "MONGODB_URI"})


def test_mock_generates_secrets_and_uses_dashboard_port() -> None:
    config = read(mock({"DASHBOARD_SOURCE": "mock", "DASHBOARD_PORT": "8181"}))
    assert config.source == "mock" and config.port == 8181
    assert len({config.operator_token, config.viewer_token, config.session_key}) == 3


def test_mock_keeps_given_variables_and_ignores_service_links() -> None:
    environment = mock(VALID | {"PORT": "8000", "DASHBOARD_PORT": "tcp://10.96.0.9:8080"})
    assert environment["PORT"] == "8000" and environment["OPERATOR_TOKEN"] == VALID["OPERATOR_TOKEN"]
    assert "PORT" not in mock({"DASHBOARD_PORT": "tcp://10.96.0.9:8080"})
