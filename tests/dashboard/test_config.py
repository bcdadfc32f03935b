import pytest

from dashboard.config import mock, read
from webserver.environment import ConfigError

GOOD = {
    "MONGODB_URI": "mongodb://127.0.0.1:27017/?replicaSet=rs0",
    "OPERATOR_TOKEN": "b7a1f03c9d5e42688e21",
    "VIEWER_TOKEN": "0c93e1d7f4a85b62cd17",
    "SESSION_KEY": "51e8a7d20f9b3c64a0d2",
}


def test_defaults_are_the_demo_s() -> None:
    config = read(GOOD)
    assert (config.namespace, config.deployment, config.statefulset) == ("flask-mongodb", "flask", "mongodb")
    assert (config.host, config.port, config.probe_port) == ("127.0.0.1", 8080, 9090)
    assert config.service == "flask"


def test_service_is_the_first_label_of_its_address() -> None:
    assert read(GOOD | {"SERVICE_URL": "http://web.shop.svc:80/x"}).service == "web"


@pytest.mark.parametrize("name", ["OPERATOR_TOKEN", "VIEWER_TOKEN", "SESSION_KEY"])
@pytest.mark.parametrize(
    "secret", ["", "f9x2", "changeme-changeme", "operator-token-0001", "aaaaaaaaaaaaaaaaaaaa", "Secret-Password-Key"]
)
def test_secret_that_can_be_guessed_is_refused_in_one_sentence(name: str, secret: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{name} is [^\n]+\.$") as refused:
        read(GOOD | {name: secret})
    assert not secret or secret not in str(refused.value)


def test_two_roles_cannot_share_a_token() -> None:
    with pytest.raises(ConfigError, match="the same"):
        read(GOOD | {"VIEWER_TOKEN": GOOD["OPERATOR_TOKEN"]})


def test_no_secret_is_shown_by_its_repr() -> None:
    text = repr(read(GOOD))
    assert not [value for value in GOOD.values() if value in text]


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
        ("CRASH_PORT", "-1"),
        ("CRASH_PORT", "tcp://10.96.0.9:9091"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("ALLOWED_HOSTS", "https://dash.example"),
        ("PATH_PREFIX", "//dash"),
    ],
)
def test_bad_value_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        read(GOOD | {name: value})


def test_crash_mode_is_there_where_its_port_is_and_needs_a_token() -> None:
    token = "d4c2f8017b6e93a5"
    assert (read(GOOD).crash_port, read(GOOD | {"CRASH_TOKEN": token}).crash_token) == (0, "")
    config = read(GOOD | {"CRASH_PORT": "9091", "CRASH_TOKEN": token})
    assert (config.crash_port, config.crash_token) == (9091, token) and token not in repr(config)
    for unusable in ("", "short", "operator-token-0001"):
        with pytest.raises(ConfigError, match=r"^CRASH_TOKEN is "):
            read(GOOD | {"CRASH_PORT": "9091", "CRASH_TOKEN": unusable})


def test_lists_are_separated_by_commas() -> None:
    lists = {"TRUSTED_PROXIES": "10.0.0.0/8, ::1", "ALLOWED_HOSTS": "a.example,B.example"}
    config = read(GOOD | lists | {"PATH_PREFIX": "/a/"})
    assert [str(each) for each in config.trusted_proxies] == ["10.0.0.0/8", "::1/128"]
    assert (config.allowed_hosts, config.path_prefix) == ({"a.example", "b.example"}, "/a")
    assert (read(GOOD).trusted_proxies, read(GOOD).allowed_hosts, read(GOOD).path_prefix) == ((), frozenset(), "")


def test_dashboards_own_name_is_its_pods() -> None:
    assert read(GOOD).name == "dashboard"
    assert read(GOOD | {"HOSTNAME": "dashboard-7f-x2"}).name == "dashboard-7f-x2"


def test_cluster_needs_a_database() -> None:
    with pytest.raises(ConfigError, match="MONGODB_URI"):
        read({name: value for name, value in GOOD.items() if name != "MONGODB_URI"})


def test_mock_makes_up_its_secrets_and_hears_the_host_s_port() -> None:
    config = read(mock({"DASHBOARD_SOURCE": "mock", "DASHBOARD_PORT": "8181"}))
    assert config.source == "mock" and config.port == 8181
    assert len({config.operator_token, config.viewer_token, config.session_key}) == 3


def test_mock_keeps_given_settings_and_ignores_service_links() -> None:
    environment = mock(GOOD | {"PORT": "8000", "DASHBOARD_PORT": "tcp://10.96.0.9:8080"})
    assert environment["PORT"] == "8000" and environment["OPERATOR_TOKEN"] == GOOD["OPERATOR_TOKEN"]
    assert "PORT" not in mock({"DASHBOARD_PORT": "tcp://10.96.0.9:8080"})
