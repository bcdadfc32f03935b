"""What a target's file says of a PostgreSQL: what is wrong with it is named, and nothing of it can become SQL."""

import json
from typing import Any

import pytest

from dashboard.target.contract import ContractError
from dashboard.target.postgresql import Column, PostgresAddress, address, column, identifiers, secret
from dashboard.target.target import parse
from tests.dashboard.target.test_target import WITH_RUN, whole


def test_url_says_where_the_database_is_and_as_whom_it_is_read() -> None:
    assert address("postgresql://reader@notes-db/notes") == PostgresAddress("notes-db", 5432, "reader", "notes")
    assert address("postgres://r%40d@notes-db.shop.svc:6000/n%20s") == PostgresAddress(
        "notes-db.shop.svc", 6000, "r@d", "n s"
    )


def test_columns_may_be_places_in_json() -> None:
    assert column("text") == Column("text")
    assert column("document/body/a~1b") == Column("document", ("body", "a/b"))
    assert identifiers("public.Notes-2") == ("public", "Notes-2")


def test_passwords_secret_is_one_of_the_targets() -> None:
    headers = {"Authorization": "Bearer {secret:token}"}
    assert parse(json.dumps(whole({**WITH_RUN, "headers": headers}))).secrets() == {"database", "token"}
    assert parse(json.dumps(whole(password=""))).secrets() == set()
    assert secret("{secret:database}") == "database"


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"url": "notes-db:5432"}, "url"),
        ({"url": "mysql://reader@notes-db/notes"}, "url"),
        ({"url": "postgresql://notes-db/notes"}, "url"),
        ({"url": "postgresql://reader@notes-db"}, "url"),
        ({"url": "postgresql://reader@notes-db:0/notes"}, "url"),
        ({"url": "postgresql://reader@notes-db:x/notes"}, "url"),
        ({"url": "postgresql://reader@notes-db/notes?password=s3cret"}, "url"),
        ({"url": "jdbc:postgresql://notes-db/notes?user=reader&password=s3cret"}, "url"),
        ({"url": "host=notes-db user=reader password=s3cret"}, "url"),
        ({"url": "postgresql://reader@notes db/notes"}, "url"),
        ({"url": "postgresql://reader@[::1]/notes"}, "url"),
        ({"url": "postgresql://reader@[::1/notes"}, "url"),
        ({"url": "postgresql://reader@notes-db/notes%00"}, "url"),
        ({"password": "s3cret-of-mine"}, "password"),
        ({"password": "{secret:a}{secret:b}"}, "password"),
        ({"password": "x{secret:a}"}, "password"),
        ({"table": ""}, "table"),
        ({"table": 'notes"; DROP TABLE notes; --'}, "table"),
        ({"table": "a.b.c"}, "table"),
        ({"table": "n" * 64}, "table"),
        ({"id": "id)"}, "id"),
        ({"payload": "text::int"}, "payload"),
        ({"payload": "document/~2"}, "payload"),
        ({"payload": "/text"}, "payload"),
        ({"run": "ünlesbar"}, "run"),
        ({"run": "document/a\u0000b"}, "run"),
        ({"run": None}, "run"),
        ({"schema": "public"}, "schema"),
    ],
)
def test_mistake_is_named_with_its_place(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(ContractError) as caught:
        parse(json.dumps(whole(**changes)))
    message = str(caught.value)
    assert place in message and "postgresql" in message and "s3cret" not in message


@pytest.mark.parametrize(
    "url", ["postgresql://reader:s3cret@notes-db/notes", "postgresql://reader:s3cret@notes-db:x/n"]
)
def test_password_in_the_url_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ContractError, match="password") as caught:
        parse(json.dumps(whole(url=url)))
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "route"),
    [
        ({"write": {"path": "/notes/{id}", "body": {"text": "{payload}"}}}, "write"),
        ({"replace": {"path": "/notes/{id}", "body": {"text": "{payload}"}}}, "replace"),
        ({"replace": {"method": "PATCH", "path": "/notes/{id}", "body": {"text": "{payload}"}}}, None),
        ({"write": {"path": "/runs/{run}/{id}", "body": {"text": "{payload}"}}}, None),
    ],
)
def test_rows_are_found_by_the_run_which_each_write_must_store(changes: dict[str, Any], route: str | None) -> None:
    text = json.dumps(whole({**WITH_RUN, **changes}))
    if route is None:
        assert parse(text).database
        return
    with pytest.raises(ContractError, match=f"{route} does not store the run"):
        parse(text)
