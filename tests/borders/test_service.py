"""What the data service takes from its clients, and from MongoDB."""

import math
import struct
from base64 import urlsafe_b64encode

import bson
import orjson
import pytest
from bson import ObjectId
from bson.raw_bson import RawBSONDocument
from hypothesis import example, given
from hypothesis import strategies as st

from service import document as documents
from service import filter as filters
from service.document import Malformed
from service.store.codec import decode, extended_json
from service.store.collection import Collection
from service.store.keys import condition, element, identified, keys, shown
from service.store.limits import Limits
from service.store.listeners import Attempts
from service.store.outcomes import BadCursor, Reserved
from service.store.paging import cursor_after, position
from tests.borders.documents import FIELDS, OBJECT_ID, VALUES, Element, binary, document, scoped, text

Stored = tuple[Element, list[tuple[bytes, Element]]]
GOOD = document((b"_id", (7, OBJECT_ID)), (b"key", (2, text(b"value"))))


@pytest.mark.slow
@given(st.lists(st.tuples(VALUES, FIELDS), min_size=1, max_size=3))
@example([((5, binary(2, b"\x63\x00\x00\x00abc")), [])])
@example([((7, OBJECT_ID), [(b"$ref", (5, binary(2, b"")))])])
def test_undecodable_document_hides_no_other(stored: list[Stored]) -> None:
    batch = b"".join([GOOD, *(document((b"_id", id_), *fields) for id_, fields in stored)])
    page = orjson.loads(documents.encode(identified(batch, decode(batch)), extended_json))
    assert page[0] == {"_id": OBJECT_ID.hex(), "key": "value"}
    assert len(page) == len(stored) + 1
    assert all(isinstance(each["_id"], str) for each in page)


@pytest.mark.parametrize(
    "id_",
    [
        (1, struct.pack("<d", math.nan)), (9, struct.pack("<q", 2**62)), (13, text(b"code")), (2, text(b"\xff")),
        (15, scoped(b"code", document())), (5, binary(4, bytes(16))), (5, binary(2, b"\x63\0\0\0abc")), (255, b""),
        (3, document((b"$ref", (2, text(b"x"))), (b"$id", (16, bytes(4))), (b"more", (10, b"")))),
    ],
)  # fmt: skip
def test_page_goes_on_behind_an_id_of_any_type(id_: Element) -> None:
    reply = document((b"_id", id_), (b"key", (10, b"")))
    found = position(cursor_after(reply, decode(reply)))
    assert bson.encode(found) == document((b"_id", id_))


@given(
    st.lists(VALUES, min_size=1, max_size=1).map(lambda ids: document((b"_id", ids[0]))[4:-1]) | st.binary(max_size=50)
)
@example(b"")
@example(b"\x02_id\0\xff\xff\xff\xff")
def test_position_is_one_id_or_refused(cursor: bytes) -> None:
    try:
        found = position(f"~{urlsafe_b64encode(cursor).decode()}")
    except BadCursor:
        return
    assert bson.encode(found)[4:-1] == cursor


@given(VALUES)
@example((1, b"\0"))
def test_id_that_is_shown_leads_back_to_it(id_: Element) -> None:
    stored = document((b"_id", id_))
    if (identity := shown(stored)) == "~…":  # of a type that MongoDB refuses, or longer than a request's line
        return
    found = [element(bytes(each.raw)) for each in keys(identity) if isinstance(each, RawBSONDocument)]
    if id_[0] == 7:
        assert identity == id_[1].hex()
    elif id_[0] == 18:
        assert identity == str(*struct.unpack("<q", id_[1]))
    else:
        assert found == [stored[4:-1]]


@given(st.text(max_size=40) | st.deferred(lambda: JSON))
@example("[" * 8_000)
@example('{"$date":{"$numberLong":"99999999999999999999"}}')
@example('{"$numberDecimal":"x"}')
@example('{"$binary":1}')
@example('{"$code":1,"$scope":2}')
@example('{"$timestamp":{}}')
@example('{"$regularExpression":{"pattern":1,"options":2}}')
@example('{"$dbPointer":{"$id":{}}}')
def test_any_text_is_an_id_or_none(text: str) -> None:
    for each in keys(text):
        bson.encode(condition(each))


NUMBERS = st.sampled_from([
    "0", "-0", "1.0", "1e400", "-1e-400", "NaN", "9223372036854775807", "9223372036854775808", "1" * 5_000,
])  # fmt: skip
STRINGS = st.sampled_from([
    '""', r'"\ud800"', r'"\u0000"', '"65f0c0ffee65f0c0ffee65f0"', '"x"', '"\xff"', '"' + "x" * 5_000 + '"',
])  # fmt: skip
NAMES = st.sampled_from([
    '"_id"', '"key"', '"$ref"', '"$where"', '"a.b"', '""', r'"\u0000"', '"_expires_from"', "key",
])  # fmt: skip
JSON = st.recursive(
    NUMBERS | STRINGS | st.sampled_from(["null", "true", "[" * 200 + "]" * 200, "{", "", "\x00", "\ufeff{}"]),
    lambda values: (
        st.lists(values, max_size=3).map(lambda items: f"[{','.join(items)}]")
        | st.lists(st.tuples(NAMES, values), max_size=3).map(
            lambda members: "{" + ",".join(f"{name}:{value}" for name, value in members) + "}"
        )
    ),
    max_leaves=8,
)
BODIES = JSON.map(lambda value: value.encode("latin-1", "ignore")) | st.binary(max_size=30)


@given(BODIES)
def test_body_is_stored_exactly_or_refused(body: bytes) -> None:
    collection = Collection(Limits(1.0), Attempts(), "proofs", 3600)
    try:
        record = collection.parse(body)
    except (Malformed, Reserved):
        return
    (stored,) = decode(record.bson)
    sent = orjson.loads(body)
    assert str(stored.pop("_id")) == sent.pop("_id", record.identity).lower()
    assert documents.canonical(stored, extended_json) == documents.canonical(sent)


@given(JSON | st.text(max_size=20))
def test_filter_is_accepted_or_refused(text: str) -> None:
    try:
        found = filters.parse(text)
    except Malformed:
        return
    bson.encode(filters.with_ids(found, ObjectId))
