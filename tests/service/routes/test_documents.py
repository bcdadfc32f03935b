"""The routes of documents, on a real MongoDB."""

from __future__ import annotations

import bisect
import contextlib
import datetime
import json
import math
import struct
import time
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote, urlencode

import bson
import orjson
import pytest
import requests
from bson import json_util
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.collection import Collection
from werkzeug.test import TestResponse

from service import document, filter
from service.app import create_app
from service.config import ServiceConfig
from service.store import keys
from service.store.collection import MARK
from service.store.limits import (
    CONCURRENT_PAGES,
    CONCURRENT_READS,
    CONCURRENT_SEARCHES,
    LARGE_BODIES_BYTES,
    LARGE_BYTES,
)
from tests.borders.documents import Element, binary, nested, text
from tests.borders.documents import document as bson_document
from tests.service.process import ServiceProcess, wait_until
from tests.service.test_filter import INJECTIONS
from tools.local.mongod import Mongod
from webserver.channel import ARRIVED

Documents = Collection[dict[str, Any]]
ID = "0123456789abcdef01234567"
MEBIBYTE = 1024 * 1024


def test_posted_document_is_returned(client: FlaskClient) -> None:
    response = client.post("/data", json={"key": "value"})
    assert response.status_code == 201
    identity = response.get_json()["id"]
    assert ObjectId.is_valid(identity)
    assert response.headers["Location"] == f"/data/{identity}"
    assert client.get(f"/data/{identity}").get_json() == {"_id": identity, "key": "value"}
    assert client.get("/data").get_json() == [{"_id": identity, "key": "value"}]


def test_newest_documents_come_first_even_within_one_second(client: FlaskClient) -> None:
    for number in range(30):
        client.post("/data", json={"number": number})
    assert [each["number"] for each in client.get("/data").get_json()] == list(reversed(range(30)))


def test_empty_collection_is_an_empty_list(client: FlaskClient) -> None:
    response = client.get("/data")
    assert (response.status_code, response.get_json(), response.headers.get("Link")) == (200, [], None)


def test_page_has_100_documents_by_default(client: FlaskClient, collection: Documents) -> None:
    collection.insert_many([{"number": number} for number in range(1001)])
    assert len(client.get("/data").get_json()) == 100
    assert len(client.get("/data?limit=1").get_json()) == 1
    assert len(client.get("/data?limit=1000").get_json()) == 1000


def test_next_links_lead_to_every_document_once(client: FlaskClient, collection: Documents) -> None:
    collection.insert_many([{"number": number} for number in range(10)])
    collection.insert_many([{"_id": foreign} for foreign in ("text", 5, 7.5, True, datetime.datetime(2020, 1, 1))])
    assert len(_pages(client, "/data?limit=1")) == 15
    pages = _pages(client, "/data?limit=4")
    assert [len(page) for page in pages] == [4, 4, 4, 3]
    seen = [each["_id"] for page in pages for each in page]
    assert len(set(seen)) == 15
    assert {"text", "5", "7.5", "true", '{"$date":"2020-01-01T00:00:00Z"}'} < set(seen)


def test_next_links_pass_ids_of_bson_types(client: FlaskClient, collection: Documents) -> None:
    ids: list[Any] = [math.nan, bson.Code("x"), bson.Code("x", {"y": 1}), {"$ref": "x", "$id": 1}]
    ids.append(bson.DatetimeMS(2**62))
    collection.insert_many([{"_id": id_} for id_ in [*ids, "text", 5, bson.MinKey(), bson.MaxKey()]])
    seen = [each["_id"] for page in _pages(client, "/data?limit=1") for each in page]
    assert len(seen) == len(set(seen)) == 9


def test_undecodable_document_does_not_hide_others(client: FlaskClient, collection: Documents) -> None:
    first, broken, last = ObjectId(), ObjectId(), ObjectId()
    # A binary of the deprecated subtype 2 repeats its length, which no server compares.
    body = b"\x07_id\x00" + broken.binary + b"\x05key\x00" + b"\x07\x00\x00\x00\x02\x63\x00\x00\x00abc"
    raw = RawBSONDocument((len(body) + 5).to_bytes(4, "little") + body + b"\x00")
    collection.insert_many([{"_id": first, "key": 1}, raw, {"_id": last, "key": 3}])
    for limit in (1, 100):
        shown = [each for page in _pages(client, f"/data?limit={limit}") for each in page]
        assert [each["_id"] for each in shown] == [str(last), str(broken), str(first)]
        assert [each.get("key") for each in shown] == [3, None, 1]
        assert b64decode(shown[1]["$undecodable"]) == raw.raw
    assert client.get(f"/data/{broken}").get_json() == shown[1]
    assert client.delete(f"/data/{broken}").status_code == 204


def test_page_that_waits_too_long_for_other_pages_is_503(mongod: Mongod) -> None:
    app = create_app(ServiceConfig(mongod.uri, request_deadline=1.0))
    store = app.extensions["service"].store
    with contextlib.ExitStack() as others:
        for _ in range(CONCURRENT_PAGES):
            others.enter_context(store.limits.pages)
        assert app.test_client().get("/data").status_code == 503
    wait_until(lambda: app.test_client().get("/data").status_code == 200, 30)
    store.close()


def test_document_that_waits_too_long_for_other_large_ones_is_503(mongod: Mongod) -> None:
    app = create_app(ServiceConfig(mongod.uri, request_deadline=30.0))
    store, client = app.extensions["service"].store, app.test_client()
    large = {"text": "x" * LARGE_BYTES}

    def ask_late(method: str, path: str, **options: Any) -> TestResponse:
        """Send a request that arrived so long ago that one second is left."""
        return client.open(path, method=method, environ_overrides={ARRIVED: time.monotonic() - 29}, **options)

    identity = client.post("/data", json=large).get_json()["id"]
    store.limits.large_bodies.take(LARGE_BODIES_BYTES)
    refused = [ask_late("POST", "/data", json=large), ask_late("PUT", f"/data/{identity}", json=large)]
    assert [(each.status_code, each.get_json()["outcome"]) for each in refused] == [(503, "not-applied")] * 2
    assert client.post("/data", json={}).status_code == 201
    store.limits.large_bodies.give_back(LARGE_BODIES_BYTES)
    with contextlib.ExitStack() as others:
        for _ in range(CONCURRENT_READS):
            others.enter_context(store.limits.reads)
        conditional = ask_late("PUT", f"/data/{identity}", json={}, headers={"If-Match": '"x"'})
        assert (conditional.status_code, conditional.get_json()["outcome"]) == (503, "not-applied")
        assert ask_late("GET", f"/data/{identity}").status_code == 503
    assert client.post("/data", json=large | {"_id": identity}).status_code == 200
    assert client.get(f"/data/{identity}").get_json() == large | {"_id": identity}
    store.close()


def test_full_last_page_has_no_next_link(client: FlaskClient, collection: Documents) -> None:
    collection.insert_many([{} for _ in range(3)])
    assert [len(page) for page in _pages(client, "/data?limit=3")] == [3]


def test_first_page_of_large_documents_ends_at_four_megabytes(client: FlaskClient, collection: Documents) -> None:
    """The service can't know their size before."""
    collection.insert_many([{"text": "x" * 1_000_000} for _ in range(10)])
    assert [len(page) for page in _pages(client, "/data?limit=6")] == [4, 4, 2]


def test_page_over_16_megabytes_ends_early_with_a_next_link(client: FlaskClient, collection: Documents) -> None:
    for _ in range(3):
        collection.insert_one({"text": "x" * 9_000_000})
    assert [len(page) for page in _pages(client, "/data")] == [1, 1, 1]


def test_page_of_large_documents_ends_at_four_megabytes(client: FlaskClient, collection: Documents) -> None:
    collection.insert_many([{"text": "x" * 1_000_000} for _ in range(10)])
    client.get("/data")  # the service learns the documents' size
    assert [len(page) for page in _pages(client, "/data")] == [4, 4, 2]
    collection.delete_many({})
    collection.insert_many([{} for _ in range(10)])
    assert [len(page) for page in _pages(client, "/data")] == [10]


def test_document_with_a_text_id_of_24_digits_is_found(client: FlaskClient, collection: Documents) -> None:
    identity = "65f0c0ffee65f0c0ffee65f0"
    collection.insert_one({"_id": identity, "key": "text"})
    [shown] = client.get("/data").get_json()
    assert shown["_id"].startswith("~")  # the digits alone are an ObjectId's
    assert client.get(f"/data/{identity}").get_json() == shown
    assert len(client.get("/data", query_string={"filter": f'{{"_id":"{identity}"}}'}).get_json()) == 1
    collection.insert_one({"_id": ObjectId(identity), "key": "id"})
    assert client.get(f"/data/{identity}").get_json()["key"] == "id"
    assert client.get(f"/data/{shown['_id']}").get_json() == shown


FOREIGN_IDS: list[Any] = [
    *("kin-text", "kin text/with?signs#", "5", "true", '{"a":1}', "~text", "", ".", "..", "a\\b", "a\r\nb", "ä%41;+&="),
    *("[1]", '"quoted"', "65f0c0ffee65f0c0ffee65f1", "65F0C0FFEE65F0C0FFEE65F1", "…", "x" * 3000, "ä" * 2000),
    *(
        5,
        6.5,
        bson.Int64(7),
        2**63 - 1,
        True,
        None,
        {"kin": 1},
        {"long": bson.Int64(1)},
        {"price in $": 1},
        {"a/b": "c"},
    ),
    *(bson.Binary(b"0123456789abcdef", 4), bson.Binary(b"\xff\xfe\xfd", 0), bson.Code("x"), bson.Timestamp(1, 2)),
    *(
        bson.MinKey(),
        math.nan,
        math.inf,
        bson.DatetimeMS(2**62),
        datetime.datetime(2020, 1, 1),
        bson.Decimal128("1.10"),
    ),
]


def test_document_of_any_id_is_read_replaced_and_deleted_by_the_id_that_is_shown(
    client: FlaskClient, collection: Documents
) -> None:
    collection.insert_many([{"_id": each, "place": place} for place, each in enumerate(FOREIGN_IDS)])
    listed = client.get("/data").get_json()
    assert len({each["_id"] for each in listed}) == len(listed) == len(FOREIGN_IDS)
    assert {"kin-text", "5", "6.5", "7", "true", "null", '{"kin":1}', "…", "x" * 3000} < {
        each["_id"] for each in listed
    }
    for each in listed:
        path = f"/data/{quote(each['_id'], safe='')}"
        read = client.get(path)
        assert (read.status_code, read.get_json()) == (200, each)
        assert client.get(path, headers={"If-None-Match": read.headers["ETag"]}).status_code == 304
        replaced = client.put(path, json=each | {"$new": 1})
        assert (replaced.status_code, replaced.get_json()) == (200, {"id": each["_id"]})
        assert client.get(path).headers["ETag"] == replaced.headers["ETag"]
        seen = {"If-Match": replaced.headers["ETag"]}
        assert client.put(path, json={"place": each["place"]}, headers=seen).status_code == 200
        assert client.get(path).get_json() == each
        assert client.put(path, json={"_id": ID}).status_code == 422
        assert [client.delete(path).status_code for _ in range(2)] == [204, 404]
    assert collection.count_documents({}) == 0


def test_id_that_no_request_can_hold_is_not_shown(client: FlaskClient, collection: Documents) -> None:
    collection.insert_many([{"_id": letter * 9000} for letter in "xy"])
    assert [each["_id"] for each in client.get("/data").get_json()] == ["~…", "~…"]
    assert client.get("/data/~…").status_code == 404


def test_document_with_a_text_id_of_24_digits_is_replaced_and_deleted(
    client: FlaskClient, collection: Documents
) -> None:
    identity = "65f0c0ffee65f0c0ffee65f0"
    collection.insert_one({"_id": identity, "key": "text"})
    assert client.put(f"/data/{identity}", json={"$set": 1, "a.b": {"$ref": 2}}).status_code == 200
    assert [*collection.find()] == [{"_id": identity, "$set": 1, "a.b": {"$ref": 2}}]
    collection.insert_one({"_id": ObjectId(identity)})
    assert [client.delete(f"/data/{identity}").status_code for _ in range(3)] == [204, 204, 404]
    assert client.put(f"/data/{identity}", json={}).status_code == 404


UNDECODABLE = [text(b"\xff\xfe%d" % number) for number in range(5)]


def test_paging_meets_each_document_once_whatever_its_id(client: FlaskClient, collection: Documents) -> None:
    identities = [
        *((2, each) for each in UNDECODABLE),
        (2, text(b"\xed\xa0\x80")), (2, text(b"x\0y")), (14, text(b"\xff")), (5, binary(2, b"\x02\0\0\0ab")),
        (3, nested(100)), (9, b"\xff" * 8), (1, b"\0" * 8), (10, b""), (127, b""), (255, b""),
    ]  # fmt: skip
    for each in identities:
        collection.database.command(
            "insert", collection.name, documents=[RawBSONDocument(bson_document((b"_id", each)))]
        )
    collection.insert_one({"_id": ObjectId(ID)})
    for limit in (1, 2, 7):
        found: list[Any] = []
        url = f"/data?limit={limit}"
        for _ in range(len(identities) + 2):
            page = client.get(url)
            assert page.status_code == 200
            found += page.get_json()
            if "Link" not in page.headers:
                break
            url = page.headers["Link"].partition(">")[0].removeprefix("<")
        assert len(found) == len(identities) + 1
        assert [*map(str, found)] == [*map(str, client.get("/data").get_json())]
    for each in found:
        assert client.get(f"/data/{quote(each['_id'], safe='')}").get_json() == each


@pytest.mark.parametrize(
    "id_",
    [
        (255, b""),
        (127, b""),
        (3, nested(100)),
        (3, nested(400)),
        (3, bson_document((b"$x", (10, b"")))),
        (9, b"\x80" * 8),
    ],
)
def test_position_that_no_page_gave_is_400_or_a_page(client: FlaskClient, collection: Documents, id_: Element) -> None:
    collection.insert_one({})
    position = urlsafe_b64encode(bson_document((b"_id", id_))[4:-1]).decode()
    assert client.get(f"/data?before=~{position}").status_code in (200, 400)


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=-1",
        "limit=ten",
        "limit=",
        "limit=1.0",
        "limit=%D9%A3",
        "limit=1&limit=2",
        "before=",
        "before=1",
        "before=xyz",
        "before=~",
        "before=~AAAA",
        "before=~%F0%9F%98%80",
        "before=0123456789abcdef0123456g",
        "colour=red",
        "Limit=1",
        "filter=",
        "filter=x",
        "filter=[]",
        "filter=%7B%22a%22:18446744073709551616%7D",
        "filter={}&filter={}",
        "filter=" + quote('{"a":"' + "x" * 4096 + '"}'),
    ],
)
def test_invalid_query_is_400(client: FlaskClient, query: str) -> None:
    response = client.get(f"/data?{query}")
    assert (response.status_code, response.content_type) == (400, "application/problem+json")


FILTERED = [
    {"n": 1, "word": "one", "inner": {"list": [1, 2]}},
    {"n": 2, "word": "two", "inner": {"list": [2, 3]}},
    {"n": 3.5, "word": None, "price in $": 1},
    {"word": "four", "big": 2**53 + 1},
]


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ({}, [3, 2, 1, 0]),
        ({"n": 1}, [0]),
        ({"n": 1.0}, [0]),
        ({"n": {"$eq": 2}}, [1]),
        ({"n": {"$ne": 2}}, [3, 2, 0]),
        ({"n": {"$gt": 1, "$lte": 3.5}}, [2, 1]),
        ({"n": {"$gte": 2}}, [2, 1]),
        ({"n": {"$lt": 2}}, [0]),
        ({"n": {"$not": {"$lt": 2}}}, [3, 2, 1]),
        ({"n": {"$not": {"$not": {"$lt": 2}}}}, [0]),
        ({"n": {"$exists": False}}, [3]),
        ({"word": None}, [2]),
        ({"word": {"$in": ["one", "four", None]}}, [3, 2, 0]),
        ({"word": {"$nin": ["one"]}, "n": {"$exists": True}}, [2, 1]),
        ({"inner.list": 2}, [1, 0]),
        ({"inner.list.1": 2}, [0]),
        ({"inner": {"list": [2, 3]}}, [1]),
        ({"price in $": 1}, [2]),
        ({"big": 2**53 + 1}, [3]),
        ({"big": 2**53}, []),
        ({"$or": [{"n": 1}, {"$and": [{"word": "four"}, {"n": None}]}]}, [3, 0]),
        ({"word": "one' || '1'=='1"}, []),
    ],
)
def test_filter_returns_the_matching_documents(
    client: FlaskClient, collection: Documents, condition: dict[str, Any], found: list[int]
) -> None:
    collection.insert_many([{"place": place, **each} for place, each in enumerate(FILTERED)])
    response = client.get("/data", query_string={"filter": json.dumps(condition)})
    assert response.status_code == 200, response.text
    assert [each["place"] for each in response.get_json()] == found


def test_id_filter_takes_ids_as_json_shows_them(client: FlaskClient) -> None:
    first, second, third = (client.post("/data", json={}).get_json()["id"] for _ in range(3))

    def found(condition: object) -> list[str]:
        response = client.get("/data", query_string={"filter": json.dumps({"_id": condition})})
        return [each["_id"] for each in response.get_json()]

    assert found(second) == found(second.upper()) == [second]
    assert found({"$in": [third, first, "other"]}) == [third, first]
    assert found({"$gt": first, "$lt": third}) == [second]
    assert found({"$not": {"$nin": [first]}}) == [first]
    assert found({"$ne": first}) == [third, second]


def test_filter_applies_to_all_pages(client: FlaskClient, collection: Documents) -> None:
    collection.insert_many([{"_id": foreign, "even": True} for foreign in ("text", 5, 7.5)])
    collection.insert_many([{"number": number, "even": number % 2 == 0} for number in range(20)])
    query = urlencode({"filter": '{"even": true, "a&b": {"$exists": false}}', "limit": 3})
    pages = _pages(client, f"/data?{query}")
    assert [len(page) for page in pages] == [3, 3, 3, 3, 1]
    found = [each for page in pages for each in page]
    assert [each.get("number") for each in found] == [*range(18, -1, -2), None, None, None]
    assert len({each["_id"] for each in found}) == 13


@pytest.mark.parametrize("condition", [1, {"$exists": False}, {"$in": [1, 2]}])
def test_field_of_the_most_parts_is_searched(client: FlaskClient, condition: object) -> None:
    name = ".".join("a" * filter.MAX_PARTS)
    for found in ({name: condition}, {"$or": [{name: condition}]}):
        assert client.get("/data", query_string={"filter": json.dumps(found)}).status_code == 200


def _forged() -> dict[str, str]:
    """Ids that no document can have, by what is wrong with them."""
    elements = {
        "a boolean of 2": (8, b"\x02"),
        "a text without an end": (2, struct.pack("<i", 4) + b"\x01\x02\x05a"),
        "no text's end in an object": (3, struct.pack("<i", 12) + b"\x00\xff\xc2\xff\x00\x00\x05\x05"),
        "an object that ends beyond its end": (3, struct.pack("<i", 8) + b"\x00\xff\x01\x02"),
        "a code without an end": (13, struct.pack("<i", 4) + b"\xff\x05\x05a"),
        "a symbol without an end": (14, struct.pack("<i", 1) + b"\xff"),
        "a scope that is none": (15, struct.pack("<i", 16) + b"\x00\x00\x02a\xff\x00\x05\x02\x00\x01a\x02"),
        "a pointer without an end": (12, struct.pack("<i", 5) + b"\x00\x05\x05\x02\x01" + bytes(12)),
        "lists in 750 levels": (3, nested(740)),
    }
    named = {what: keys.position_of(bson_document((b"_id", each))[4:-1]) for what, each in elements.items()}
    levels = {f"lists in {levels} levels": f'{{"a":{"[" * levels}{"]" * levels}}}' for levels in (197, 198, 400)}
    return named | levels


@pytest.mark.parametrize("identity", _forged().values(), ids=_forged())
def test_forged_id_is_nobodys(client: FlaskClient, identity: str) -> None:
    path = f"/data/{quote(identity)}"
    conditional = {"If-Match": '"0123456789abcdef0123456789abcdef"'}
    assert client.get(path).status_code == 404
    for headers in ({}, conditional):
        assert client.delete(path, headers=headers).status_code == 404
        assert client.put(path, json={"a": 1}, headers=headers).status_code == 404
        assert client.put(path, json={"$a": 1}, headers=headers).status_code == 404
    assert client.get("/data", query_string={"before": identity}).status_code == 400


def test_pages_go_on_behind_an_id_that_the_driver_cannot_decode(client: FlaskClient, collection: Documents) -> None:
    odd = bson_document((b"_id", (5, binary(2, b"\x63\0\0\0abc"))))  # MongoDB stores it
    collection.insert_many([{"_id": 1}, RawBSONDocument(odd), {"_id": ObjectId()}])
    pages = _pages(client, "/data?limit=1")
    assert [len(page) for page in pages] == [1, 1, 1]
    assert [page[0]["_id"] for page in pages][2] == "1"


@pytest.mark.parametrize("letter", [":", "/,?", "ä", '\\"', " ", "&"])
def test_link_of_the_longest_filter_is_followed(served: ServiceProcess, letter: str) -> None:
    """Through the HTTP server, which bounds a request's line."""

    def url(length: int) -> str:
        condition = json.dumps({"long": {"$in": [1, letter * length]}}, ensure_ascii=False)
        return f"{served.url}/data?limit=1&filter={quote(condition, safe=filter.UNESCAPED + '{}[]')}"

    ids = [requests.post(f"{served.url}/data", json={"long": 1}, timeout=30).json()["id"] for _ in range(3)]
    try:
        accepted = range(1, 5000)
        longest = bisect.bisect(
            accepted, 0, key=lambda length: requests.get(url(length), timeout=30).status_code != 200
        )
        assert requests.get(url(longest + 1), timeout=30).status_code in (400, 414)
        following: str | None = url(longest)
        found = []
        while following:
            page = requests.get(following, timeout=30)
            assert page.status_code == 200
            found += [each["_id"] for each in page.json()]
            following = ("next" in page.links and served.url + page.links["next"]["url"]) or None
        assert found == ids[::-1]
    finally:
        for each in ids:
            requests.delete(f"{served.url}/data/{each}", timeout=30)


def test_page_whose_link_no_request_could_hold_is_400(client: FlaskClient, collection: Documents) -> None:
    collection.insert_many([{"_id": each} for each in ("x" * 9000, "short", "a")])
    assert client.get("/data?limit=1").status_code == 400
    assert [len(page) for page in _pages(client, "/data?limit=2")] == [2, 1]


def test_filter_and_before_combine(client: FlaskClient) -> None:
    ids = [client.post("/data", json={"n": number}).get_json()["id"] for number in range(4)]
    query = {"filter": json.dumps({"_id": {"$gte": ids[1]}}), "before": ids[3]}
    assert [each["n"] for each in client.get("/data", query_string=query).get_json()] == [2, 1]


@pytest.mark.parametrize("path", ["/data", "/proofs"])
@pytest.mark.parametrize(("text", "operator"), INJECTIONS)
def test_injected_operator_is_400_with_its_name(client: FlaskClient, path: str, text: str, operator: str) -> None:
    response = client.get(path, query_string={"filter": text})
    assert (response.status_code, response.content_type) == (400, "application/problem+json")
    assert f'"{operator}"' in response.get_json()["detail"]


@pytest.mark.parametrize("query", ["filter[$ne]=1", "filter[a][$gt]=", "filter.a=1", "a[$ne]=1"])
def test_bracket_syntax_of_filters_is_400(client: FlaskClient, query: str) -> None:
    assert client.get(f"/data?{query}").status_code == 400


PLAIN = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=9)
FIELDS = st.sampled_from(["", ".", "a.", ".a", "a..b", "a.0", "_id", "_id.a", "a$b", "__proto__"]) | st.text(max_size=9)
MATCHED = st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(FIELDS, inner), max_leaves=5)
OPERATORS = st.recursive(
    st.dictionaries(st.sampled_from(["$eq", "$ne", "$gt", "$gte", "$lt", "$lte"]), MATCHED, min_size=1)
    | st.fixed_dictionaries({"$in": st.lists(MATCHED)})
    | st.fixed_dictionaries({"$nin": st.lists(MATCHED), "$exists": st.booleans()}),
    lambda inner: st.fixed_dictionaries({"$not": inner}),
    max_leaves=3,
)
FILTERS = st.recursive(
    st.dictionaries(FIELDS, OPERATORS | MATCHED, max_size=4),
    lambda inner: st.fixed_dictionaries({"$and": st.lists(inner)}) | st.fixed_dictionaries({"$or": st.lists(inner)}),
    max_leaves=4,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(FILTERS)
def test_any_filter_is_200_or_400(client: FlaskClient, condition: dict[str, Any]) -> None:
    response = client.get("/data", query_string={"filter": json.dumps(condition)})
    assert response.status_code in (200, 400), response.text


def test_slow_search_is_cancelled_and_504(mongod: Mongod, collection: Documents) -> None:
    for _ in range(9):
        collection.insert_many([{"list": [*range(1000)]} for _ in range(1000)])
    app = create_app(ServiceConfig(mongod.uri, collection.database.name, request_deadline=0.5))
    try:
        impatient = app.test_client()
        wait_until(lambda: impatient.get("/data?limit=1").status_code == 200, 30)
        slow = {"$or": [{"list": {"$in": [*range(start, start + 100)]}} for start in range(1000, 1700, 100)]}
        response = impatient.get("/data", query_string={"filter": orjson.dumps(slow)})
        assert (response.status_code, response.content_type) == (504, "application/problem+json")
        assert "in time" in response.get_json()["detail"] and "outcome" not in response.get_json()
        wait_until(lambda: not _running_queries(collection), 30)
    finally:
        app.extensions["service"].store.close()
        collection.drop()


@pytest.mark.parametrize("kind", ["large bodies", "searches"])
def test_what_waits_for_its_turn_leaves_half_of_the_threads_free(mongod: Mongod, kind: str) -> None:
    """GET / stands for what waits for nobody: it needs a thread."""
    app = create_app(ServiceConfig(mongod.uri, request_deadline=30.0, threads=6))
    limits = app.extensions["service"].store.limits
    large = {"text": "x" * LARGE_BYTES}

    def ask(number: int) -> int:
        client = app.test_client()
        if kind == "searches":
            return client.get(f'/data?filter={{"none":{number}}}').status_code
        return client.post("/data", json=large).status_code

    with contextlib.ExitStack() as others, ThreadPoolExecutor(6) as threads:
        limits.large_bodies.take(LARGE_BODIES_BYTES)
        others.callback(limits.large_bodies.give_back, LARGE_BODIES_BYTES)
        for _ in range(CONCURRENT_SEARCHES):
            others.enter_context(limits.searches)
        waiting = [threads.submit(ask, number) for number in range(12)]
        assert threads.submit(lambda: app.test_client().get("/").status_code).result(20) == 200
        assert {each.result() for each in waiting if each.done()} == {503}
        others.close()
        answers = [each.result(60) for each in waiting]
        assert answers.count(200 if kind == "searches" else 201) >= 3 and answers.count(503) >= 7
    app.extensions["service"].store.close()


def test_searches_do_not_occupy_the_places_of_pages(mongod: Mongod) -> None:
    app = create_app(ServiceConfig(mongod.uri, request_deadline=1.0))
    store = app.extensions["service"].store
    with contextlib.ExitStack() as others:
        for _ in range(CONCURRENT_SEARCHES):
            others.enter_context(store.limits.searches)
        assert app.test_client().get('/data?filter={"a":1}').status_code == 503
        wait_until(lambda: app.test_client().get("/data").status_code == 200, 30)
    wait_until(lambda: app.test_client().get('/data?filter={"a":1}').status_code == 200, 30)
    store.close()


@pytest.mark.parametrize("path", ["/data/short", f"/data/{ID}", "/data/" + "g" * 24, "/nowhere", "/data/"])
def test_unknown_document_is_404(client: FlaskClient, path: str) -> None:
    response = client.get(path)
    assert (response.status_code, response.content_type) == (404, "application/problem+json")
    assert response.get_json()["status"] == 404


def test_retry_with_the_same_id_and_document_is_200(client: FlaskClient, collection: Documents) -> None:
    sent = {"_id": ID.upper(), "a": 1, "b": [1.5, True]}
    assert client.post("/data", json=sent).status_code == 201
    again = client.post("/data", data=json.dumps(dict(reversed(sent.items()))), content_type="application/json")
    assert (again.status_code, again.get_json()) == (200, {"id": ID})
    assert again.headers["Location"] == f"/data/{ID}"
    assert collection.count_documents({}) == 1


@pytest.mark.parametrize("other", [{"a": 2}, {"a": 1.0}, {"a": True}, {"a": 1, "b": 1}, {}])
def test_different_document_under_a_taken_id_is_409(
    client: FlaskClient, collection: Documents, other: dict[str, Any]
) -> None:
    client.post("/data", json={"_id": ID, "a": 1})
    response = client.post("/data", json={"_id": ID, **other})
    assert (response.status_code, response.content_type) == (409, "application/problem+json")
    assert collection.find_one() == {"_id": ObjectId(ID), "a": 1}


@pytest.mark.parametrize("bad", [1, None, "short", {"$oid": ID}, ID + "\n"])
def test_invalid_id_is_422(client: FlaskClient, collection: Documents, bad: object) -> None:
    response = client.post("/data", json={"_id": bad})
    assert (response.status_code, response.content_type) == (422, "application/problem+json")
    assert collection.count_documents({}) == 0


@pytest.mark.parametrize("path", ["/data", "/proofs"])
def test_put_replaces_the_whole_document_and_is_idempotent(client: FlaskClient, path: str) -> None:
    identity = client.post(path, json={"old": 1, "both": 1}).get_json()["id"]
    for own in ({}, {"_id": identity}, {"_id": identity.upper()}):
        response = client.put(f"{path}/{identity.upper()}", json={"both": 2, "new": 2, **own})
        assert (response.status_code, response.get_json()) == (200, {"id": identity})
        assert client.get(f"{path}/{identity}").data == b'{"_id":"%b","both":2,"new":2}' % identity.encode()
    assert len(client.get(path).get_json()) == 1


def test_put_of_an_unknown_id_is_404_and_creates_nothing(client: FlaskClient, collection: Documents) -> None:
    for identity in (ID, "short"):
        response = client.put(f"/data/{identity}", json={"a": 1})
        assert (response.status_code, response.content_type) == (404, "application/problem+json")
    assert collection.count_documents({}) == 0


@pytest.mark.parametrize("bad", ["f" * 24, "short", None, 1, {"$oid": ID}])
def test_put_with_another_id_than_the_paths_is_422_and_changes_nothing(
    client: FlaskClient, collection: Documents, bad: object
) -> None:
    client.post("/data", json={"_id": ID, "a": 1})
    response = client.put(f"/data/{ID}", json={"_id": bad, "a": 2})
    assert (response.status_code, response.content_type) == (422, "application/problem+json")
    assert list(collection.find()) == [{"_id": ObjectId(ID), "a": 1}]


def test_put_restarts_the_hour_of_a_proof(client: FlaskClient, collection: Documents) -> None:
    client.post("/proofs", json={"_id": ID, "a": 1})
    proofs = collection.database["proofs"]
    long_ago = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    proofs.update_one({}, {"$set": {MARK: long_ago}})
    assert client.put(f"/proofs/{ID}", json={"a": 2}).status_code == 200
    stored = proofs.find_one()
    assert stored and stored["a"] == 2 and stored[MARK] > long_ago
    assert client.put(f"/proofs/{ID}", json={MARK: 1}).status_code == 422
    assert proofs.find_one() == stored


def test_put_of_a_received_document_keeps_its_json_but_not_its_bson_types(
    client: FlaskClient, collection: Documents
) -> None:
    collection.insert_one({"_id": ObjectId(ID), **FOREIGN})
    shown = client.get(f"/data/{ID}")
    assert client.put(f"/data/{ID}", data=shown.data, content_type="application/json").status_code == 200
    assert client.get(f"/data/{ID}").data == shown.data
    stored = collection.find_one()
    assert stored and stored["date"] == {"$date": "2024-05-06T07:08:09.123Z"}


def test_documents_that_differ_in_the_name_of_the_mark_alone_are_different(client: FlaskClient) -> None:
    """Documents of /data don't expire: there the name is one as any other."""
    assert client.post("/data", json={"_id": ID, MARK: 1}).status_code == 201
    assert client.post("/data", json={"_id": ID, MARK: 1}).status_code == 200
    assert client.post("/data", json={"_id": ID, MARK: 2}).status_code == 409
    assert client.get(f"/data/{ID}").get_json() == {"_id": ID, MARK: 1}


@pytest.mark.parametrize("path", ["/data", "/proofs"])
def test_deleted_document_is_404(client: FlaskClient, path: str) -> None:
    first, second = (client.post(path, json={"n": n}).get_json()["id"] for n in range(2))
    response = client.delete(f"{path}/{first.upper()}")
    assert (response.status_code, response.data, response.content_type) == (204, b"", None)
    assert [each["_id"] for each in client.get(path).get_json()] == [second]
    for call in (client.get, client.delete):
        again = call(f"{path}/{first}")
        assert (again.status_code, again.content_type) == (404, "application/problem+json")
    assert client.delete(f"{path}/short").status_code == 404


def test_put_and_delete_take_no_query_parameters(client: FlaskClient, collection: Documents) -> None:
    client.post("/data", json={"_id": ID, "a": 1})
    assert client.put(f"/data/{ID}?upsert=true", json={}).status_code == 400
    assert client.delete(f"/data/{ID}?limit=1").status_code == 400
    assert list(collection.find()) == [{"_id": ObjectId(ID), "a": 1}]


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[1]", "application/json", 400),
        (b'"text"', "application/json", 400),
        (b'{"a":NaN}', "application/json", 400),
        (b'{"a":18446744073709551616}', "application/json", 400),
        (b'{"a":9223372036854775808}', "application/json", 400),
        (b'{"a":"\\ud800"}', "application/json", 400),
        (b'{"a\\u0000":1}', "application/json", 400),
        (b'{"a":1,"a":2}', "application/json", 400),
        (b'{"a":' * 101 + b"1" + b"}" * 101, "application/json", 400),
        (b"", "application/json", 400),
        (b'{"a":"' + b"x" * (1024 * 1024) + b'"}', "application/json", 413),
        (b'{"a":1}', "text/plain", 415),
        (b'{"a":1}', "application/x-www-form-urlencoded", 415),
        (b'{"a":1}', None, 415),
    ],
)
def test_invalid_body_stores_and_replaces_nothing(
    client: FlaskClient, collection: Documents, body: bytes, kind: str | None, status: int
) -> None:
    kept = {"_id": ObjectId(ID), "kept": 1}
    collection.insert_one(kept)
    for response in (
        client.post("/data", data=body, content_type=kind),
        client.put(f"/data/{ID}", data=body, content_type=kind),
    ):
        assert (response.status_code, response.content_type) == (status, "application/problem+json")
        assert set(response.get_json()) == {"type", "title", "status", "detail", "request_id"}
    assert list(collection.find()) == [kept]


def test_body_of_exactly_one_mebibyte_is_stored(client: FlaskClient) -> None:
    body = b'{"a":"' + b"x" * (1024 * 1024 - 8) + b'"}'
    assert client.post("/data", data=body, content_type="application/json; charset=utf-8").status_code == 201


def test_body_with_the_largest_bson_is_stored_and_replaced(client: FlaskClient, collection: Documents) -> None:
    body = b'{"a":[' + b"1," * (MEBIBYTE // 2 - 5) + b"1]}"  # two bytes become twelve of BSON: 6 MB of MongoDB's 16
    assert MEBIBYTE - 2 < len(body) <= MEBIBYTE
    identity = client.post("/data", data=body, content_type="application/json").get_json()["id"]
    [size] = collection.aggregate([{"$project": {"size": {"$bsonSize": "$$ROOT"}}}])
    assert 6_000_000 < size["size"] < 7_000_000
    assert client.put(f"/data/{identity}", data=body, content_type="application/json").status_code == 200
    assert client.get(f"/data/{identity}").data == b'{"_id":"%b",' % identity.encode() + body[1:]


NAMES = st.sampled_from(["", "$set", "a.b", "$ref", "$id", "$db", "$oid", "$date", "_id", "__proto__"]) | st.text().map(
    lambda text: text.replace("\0", "")
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=20)
DOCUMENTS = st.dictionaries(NAMES.filter(lambda name: name != "_id"), JSON)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(DOCUMENTS, DOCUMENTS)
def test_any_document_is_returned_as_sent(
    client: FlaskClient, sent: dict[str, Any], replacement: dict[str, Any]
) -> None:
    response = client.post("/data", data=orjson.dumps(sent), content_type="application/json")
    assert response.status_code == 201, response.text
    identity = response.get_json()["id"]
    found = client.get(f"/data/{identity}")
    assert found.headers["ETag"] == response.headers["ETag"]
    back = orjson.loads(found.data)
    assert back.pop("_id") == identity
    assert document.canonical(back) == document.canonical(sent)
    # A retry is recognized, whatever the document contains.
    retry = client.post("/data", data=orjson.dumps({"_id": identity, **sent}), content_type="application/json")
    assert retry.status_code == 200, retry.text
    seen = {"If-Match": response.headers["ETag"]}
    body = orjson.dumps(replacement)
    replaced = client.put(f"/data/{identity}", data=body, content_type="application/json", headers=seen)
    assert replaced.status_code == 200, replaced.text
    found = client.get(f"/data/{identity}")
    assert found.headers["ETag"] == replaced.headers["ETag"]
    back = orjson.loads(found.data)
    assert list(back) == ["_id", *replacement]
    assert back.pop("_id") == identity
    assert document.canonical(back) == document.canonical(replacement)


FOREIGN = {
    "oid": ObjectId(ID),
    "date": datetime.datetime(2024, 5, 6, 7, 8, 9, 123000, tzinfo=datetime.UTC),
    "decimal": bson.Decimal128("1.10"),
    "binary": bson.Binary(b"\x00\x01", 0),
    "uuid": bson.Binary(bytes(16), 4),
    "regex": bson.Regex("^a", "i"),
    "time": bson.Timestamp(1, 2),
    "low": bson.MinKey(),
    "code": bson.Code("x"),
    "long": bson.Int64(2**53 + 1),
    "nan": float("nan"),
    "infinite": [float("-inf")],
}


def test_foreign_bson_types_are_shown_as_relaxed_extended_json(client: FlaskClient, collection: Documents) -> None:
    collection.insert_one({"_id": ObjectId(ID), **FOREIGN})
    shown = client.get(f"/data/{ID}").get_json()
    assert client.get("/data").get_json() == [shown]
    del shown["_id"]
    assert shown == json.loads(json_util.dumps(FOREIGN, json_options=json_util.RELAXED_JSON_OPTIONS))
    assert shown["date"] == {"$date": "2024-05-06T07:08:09.123Z"}
    assert shown["decimal"] == {"$numberDecimal": "1.10"}


@pytest.mark.parametrize("reference", [{"$ref": "a", "$id": 1}, {"$ref": "a", "$id": None, "$db": None, "b": {}}])
def test_document_that_looks_like_a_dbref_is_stored_as_sent(client: FlaskClient, reference: dict[str, Any]) -> None:
    for sent in (reference, {"a": [reference]}):
        identity = client.post("/data", json=sent).get_json()["id"]
        assert client.get(f"/data/{identity}").get_json() == {"_id": identity, **sent}
        assert client.get("/data?limit=1").get_json() == [{"_id": identity, **sent}]


def test_date_beyond_pythons_range_is_shown(client: FlaskClient, collection: Documents) -> None:
    collection.insert_one({"_id": ObjectId(ID), "date": bson.DatetimeMS(2**60)})
    assert client.get(f"/data/{ID}").get_json()["date"] == {"$date": {"$numberLong": str(2**60)}}


def test_proofs_have_their_own_collection_and_expire_after_an_hour(client: FlaskClient, collection: Documents) -> None:
    client.application.extensions["service"].store.reach()
    identity = client.post("/proofs", json={"a": 1}).get_json()["id"]
    assert client.get("/data").get_json() == []
    assert client.get("/proofs").get_json() == [{"_id": identity, "a": 1}]
    assert client.get(f"/proofs/{identity}").get_json() == {"_id": identity, "a": 1}
    assert client.post("/proofs", json={"_id": identity, "a": 1}).status_code == 200
    proofs = collection.database["proofs"]
    [index] = [index for index in proofs.list_indexes() if "expireAfterSeconds" in index]
    [field] = index["key"]
    assert index["expireAfterSeconds"] == 3600
    stored = proofs.find_one()
    assert stored and isinstance(stored[field], datetime.datetime)
    assert "expireAfterSeconds" not in str(list(collection.list_indexes()))
    assert client.post("/proofs", json={field: 1}).status_code == 422
    assert client.post("/data", json={field: 1}).status_code == 201


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/", {"GET"}),
        ("/data", {"GET", "POST"}),
        (f"/data/{ID}", {"GET", "PUT", "DELETE"}),
        ("/proofs", {"GET", "POST"}),
        (f"/proofs/{ID}", {"GET", "PUT", "DELETE"}),
        ("/metrics", {"GET"}),
        ("/healthz", {"GET"}),
        ("/readyz", {"GET"}),
    ],
)
def test_other_method_is_405_with_allow(client: FlaskClient, path: str, allowed: set[str]) -> None:
    allowed = allowed | {"HEAD", "OPTIONS"}
    for method in {"GET", "POST", "PUT", "DELETE", "PATCH", "TRACE", "BREW"} - allowed:
        response = client.open(path, method=method)
        assert (response.status_code, response.content_type) == (405, "application/problem+json")
        assert set(response.headers["Allow"].split(", ")) == allowed
    response = client.options(path)
    assert (response.status_code, response.data) == (200, b"")
    assert set(response.headers["Allow"].split(", ")) == allowed


def test_response_has_the_request_id_of_the_request(client: FlaskClient) -> None:
    assert client.get("/nowhere", headers={"X-Request-Id": "abc"}).headers["X-Request-Id"] == "abc"
    assert client.get("/nowhere", headers={"X-Request-Id": "a b"}).get_json()["request_id"] != "a b"


# Bodies with a meaning in MongoDB, JavaScript, Python or HTML: stored unchanged (True) or refused (False).
HOSTILE: list[tuple[str, bool]] = [
    ('{"$where":"sleep(60000)"}', True),
    ('{"$function":{"body":"function(){while(true){}}","args":[],"lang":"js"}}', True),
    ('{"$expr":{"$function":{"body":"function(){}","args":[],"lang":"js"}}}', True),
    ('{"a":{"$regex":"^(a+)+$","$options":"i"}}', True),
    ('{"$set":{"a":2},"$unset":{"a":1},"$rename":{"a":"b"},"$inc":{"a":1}}', True),
    ('{"a":[{"$literal":"$$ROOT"},"$a","$$NOW","$$ROOT",{"$accumulator":{}},{"$replaceWith":"$a"}]}', True),
    ('{"a":1,"$where":{"$gt":""},"b":{"c":[{"$ne":null}]}}', True),
    ('{"$":1,"$$":2,"$.":3,".$":4,"$[]":5,"a.$[].b":6}', True),
    ('{"a.b":1,"a":{"b":2},".":3,"..":4,"a..b":5,"":6}', True),
    ('{"$oid":"0123456789abcdef01234567"}', True),
    ('{"a":{"$oid":"0123456789abcdef01234567"},"b":{"$date":"x"},"c":{"$numberLong":"1"},"d":{"$binary":1}}', True),
    ('{"$ref":"data","$id":1,"$db":"admin"}', True),
    ('{"__proto__":{"admin":true},"constructor":{"prototype":{"admin":true}}}', True),
    ('{"__class__":{"__init__":{"__globals__":1}},"{0.__class__}":"{}","%s":"%n"}', True),
    (r'{"a":"\u202eevil\u202c","\u202e":1,"b":"\u0061\u0301\u0301","\u00e9":1,"e\u0301":2}', True),
    (r'{"a":"\u0000","b":"\u0000\u0000x","c":"\ufeff\uffff\u2028\ud83d\ude00"}', True),
    (r'{"a":"<script>alert(1)</script>","b":"\u001b[2J","c":"\r\nSet-Cookie: a=b"}', True),
    ('{"a":9223372036854775807,"b":-9223372036854775808,"c":1e308,"d":5e-324,"e":-0.0}', True),
    ('{"_expires_from":{"$date":"1970-01-01T00:00:00Z"}}', True),
    ('{"' + "k" * 1_000_000 + '":1}', True),
    ('{"a":9223372036854775808}', False),
    ('{"a":[-9223372036854775809]}', False),
    ('{"a":' + "9" * 10_000 + "}", False),
    ('{"a":1e309}', False),
    ('{"a":NaN}', False),
    ('{"a":-Infinity}', False),
    (r'{"a\u0000b":1}', False),
    (r'{"a":{"\u0000":1}}', False),
    (r'{"a":"\ud800"}', False),
    (r'{"\udfff":1}', False),
    (r'{"a":1,"\u0061":2}', False),
    ('{"_id":{"$gt":""}}', False),
    ('{"_id":{"$oid":"0123456789abcdef01234567"}}', False),
    ('{"_id":["0123456789abcdef01234567"]}', False),
    ("[{}]", False),
    ('{"' + "k" * MEBIBYTE + '":1}', False),
    (orjson.dumps(dict.fromkeys(map(str, range(10_001)))).decode(), False),
]


@pytest.mark.parametrize(("text", "kept"), HOSTILE, ids=[text[:40] for text, _ in HOSTILE])
def test_hostile_body_is_stored_unchanged_or_refused(
    client: FlaskClient, collection: Documents, text: str, kept: bool
) -> None:
    client.post("/data", json={"_id": ID, "old": 1})
    put = client.put(f"/data/{ID}", data=text, content_type="application/json")
    post = client.post("/data", data=text, content_type="application/json")
    if kept:
        assert (put.status_code, post.status_code) == (200, 201)
        sent = document.canonical(orjson.loads(text))
        for identity in (ID, post.get_json()["id"]):
            back = orjson.loads(client.get(f"/data/{identity}").data)
            assert back.pop("_id") == identity
            assert document.canonical(back) == sent
    else:
        for response in (put, post):
            assert response.status_code in (400, 413, 422)
            assert response.content_type == "application/problem+json"
        assert list(collection.find()) == [{"_id": ObjectId(ID), "old": 1}]


def test_injected_filter_does_not_reach_mongodb(client: FlaskClient, collection: Documents) -> None:
    collection.insert_one({"a": 1})
    with _profiled(collection) as commands:
        for text, _ in INJECTIONS:
            assert client.get("/data", query_string={"filter": text}).status_code == 400
        assert commands() == []
        assert client.get("/data", query_string={"filter": '{"a":1}'}).status_code == 200
        assert [each["filter"] for each in commands()] == [{"a": 1}]


def test_put_reaches_mongodb_as_a_literal(client: FlaskClient, collection: Documents) -> None:
    hostile = {"$set": {"a": "$$ROOT"}, "b": {"$function": {"body": "function(){}", "args": [], "lang": "js"}}}
    client.post("/data", json={"_id": ID})
    with _profiled(collection) as commands:
        assert client.put(f"/data/{ID}", json=hostile).status_code == 200
        [change] = commands()
        assert change["q"] == {"_id": ObjectId(ID)}
        literal = {"$literal": {"_id": ObjectId(ID), **hostile}}
        assert change["u"] == [{"$replaceWith": {"$mergeObjects": [literal, {"_id": "$_id"}]}}]


TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize(
    ("traceparent", "valid"),
    [
        (f"00-{TRACE}-{PARENT}-01", True),
        (f"cc-{TRACE}-{PARENT}-00", True),
        (f"cc-{TRACE}-{PARENT}-00-extension", True),
        (f"00-{TRACE}-{PARENT}-01-extension", False),
        (f"ff-{TRACE}-{PARENT}-01", False),
        (f"00-{'0' * 32}-{PARENT}-01", False),
        (f"00-{TRACE}-{'0' * 16}-01", False),
        (f"00-{TRACE.upper()}-{PARENT}-01", False),
        (f"00-{TRACE}-{PARENT}", False),
        (f"00-{TRACE}-{PARENT}-01, 00-{TRACE}-{PARENT}-01", False),
        ("", False),
    ],
)
def test_valid_traceparent_is_logged_and_returned(
    client: FlaskClient, capsys: pytest.CaptureFixture[str], traceparent: str, valid: bool
) -> None:
    response = client.get("/healthz", headers={"traceparent": traceparent})
    assert response.headers.get("traceparent") == (traceparent if valid else None)
    assert orjson.loads(capsys.readouterr().out).get("trace_id") == (TRACE if valid else None)


def test_unexpected_error_is_a_problem(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "decode", lambda body: 1 / 0)
    response = client.post("/data", json={})
    assert (response.status_code, response.content_type) == (500, "application/problem+json")


@contextlib.contextmanager
def _profiled(collection: Documents) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Profile the collection. Yield a function that returns the profiled commands."""
    database = collection.database
    database.command("profile", 2)
    try:
        yield lambda: [each["command"] for each in database.system.profile.find({"ns": collection.full_name})]
    finally:
        database.command("profile", 0)
        database.system.profile.drop()


def _running_queries(collection: Documents) -> list[Any]:
    """Return the collection's queries that MongoDB executes."""
    operations = collection.database.client.admin.aggregate([{"$currentOp": {}}])
    return [each for each in operations if each.get("ns") == collection.full_name and each["op"] == "query"]


def _pages(client: FlaskClient, path: str | None) -> list[list[dict[str, Any]]]:
    pages = []
    while path:
        response = client.get(path)
        assert response.status_code == 200
        pages.append(response.get_json())
        link = response.headers.get("Link")
        path = link.partition(">")[0].removeprefix("<") if link else None
    return pages
