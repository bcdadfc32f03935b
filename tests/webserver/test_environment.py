"""The values that programs take from their environment."""

from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.uri_parser import parse_uri

from tests.tls import Certificates
from webserver.environment import ConfigError, authority, with_credentials, with_tls

URI = "mongodb://mongodb:27017/?replicaSet=rs0&authSource=admin"


@pytest.mark.parametrize("password", ["plain", "a@b:c/d%e", "%40", "ü ?#[]&=+$(X)"])
def test_driver_reads_the_user_and_password_that_were_given(password: str) -> None:
    parts = parse_uri(with_credentials(URI, "ser:vice", password))
    assert (parts["username"], parts["password"]) == ("ser:vice", password)
    assert parts["nodelist"] == [("mongodb", 27017)]


@pytest.mark.parametrize("password", ["plain", "a@b:c/d%e", "%40", "ü ?#[]&=+$(X)"])
def test_credentials_that_a_manifest_has_put_in_as_they_are_are_escaped(password: str) -> None:
    whole = URI.replace("://", f"://service:{password}@")
    assert with_credentials(whole, "service", password) == with_credentials(URI, "service", password)


@pytest.mark.parametrize(
    "uri", ["mongodb://127.0.0.1", "mongodb+srv://db.example/?a=b@c", "mongodb://one:27017,two:27017/data"]
)
def test_all_forms_of_a_connection_string_take_credentials(uri: str) -> None:
    assert with_credentials(uri, "me", "p@ss") == uri.replace("://", "://me:p%40ss@")


def test_connection_string_that_names_a_user_or_lacks_one_stays_as_it_is() -> None:
    assert with_credentials("mongodb://a:b@mongodb", "me", "word") == "mongodb://a:b@mongodb"
    assert with_credentials(URI, "", "word") == URI


@pytest.mark.parametrize(
    "uri", [URI, "mongodb://127.0.0.1", "mongodb://127.0.0.1/", "mongodb://me:p%40@one:27017,two:27017/data?w=1"]
)
def test_driver_verifies_by_the_authority_in_all_forms_of_a_connection_string(
    uri: str, certificates: Certificates, tmp_path: Path
) -> None:
    path = tmp_path / "a b&c,d.crt"
    path.write_bytes(certificates.authority.read_bytes())
    expected = {**parse_uri(uri)["options"], "tls": True, "tlsCAFile": str(path)}
    assert parse_uri(with_tls(uri, path))["options"].items() >= expected.items()
    with MongoClient[dict[str, Any]](with_tls(uri, path), connect=False) as client:
        options = client.options.pool_options
        assert options._ssl_context is not None and not options.tls_allow_invalid_hostnames


def test_without_an_authority_a_connection_string_stays_as_it_is(certificates: Certificates) -> None:
    assert with_tls(URI, None) == URI
    assert with_tls("", certificates.authority) == ""


def test_authority_is_a_file_with_a_certificate(certificates: Certificates, tmp_path: Path) -> None:
    assert authority({}, "CA") is None
    assert authority({"CA": ""}, "CA") is None
    assert authority({"CA": str(certificates.authority)}, "CA") == certificates.authority
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("secret")
    for name in ("missing", "empty", "text"):
        with pytest.raises(ConfigError, match=r"^CA is '[^']*', which can't be read: [^\n]+\.$"):
            authority({"CA": str(tmp_path / name)}, "CA")
