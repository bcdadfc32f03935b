"""The values that programs take from their environment."""

import pytest
from pymongo.uri_parser import parse_uri

from webserver.environment import with_credentials

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
