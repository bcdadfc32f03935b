"""Validation of documents: they are accepted unchanged or refused."""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import document
from service.document import BadId, Malformed


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"a":1}}', "not JSON"),
        (b"{'a':1}", "not JSON"),
        (b"[]", "not an array"),
        (b'"text"', "not a string"),
        (b"1", "not a number"),
        (b"null", "not null"),
        (b'{"a":NaN}', "not JSON"),
        (b'{"a":Infinity}', "not JSON"),
        (b'{"a":1e400}', "not JSON"),
        (b'{"a":18446744073709551616}', "64 bits"),
        (b'{"a":0.18446744073709551616}', "rounded"),
        (b'{"a":[{"b":9007199254740993.0}]}', "rounded"),
        (b'{"a":1e-400}', "rounded"),
        (b'{"a":0e-99999999999999999999}', "rounded"),
        (b'{"a":1e400}', "not JSON"),
        (b'{"a":9223372036854775808}', "64 bits"),
        (b'{"a":[{"b":-9223372036854775809}]}', "64 bits"),
        (b'{"a":' + b"9" * 300 + b"}", "64 bits"),
        (b'{"a":' + b"9" * 5000 + b"}", "infinity"),
        (b'{"a":"\\ud800"}', "not JSON"),
        (b'{"\\udc00":1}', "not JSON"),
        (b'{"a":"\xed\xa0\x80"}', "not JSON"),
        (b'{"a":"\xff"}', "not JSON"),
        (b'\xef\xbb\xbf{"a":1}', "not JSON"),
        ('{"a":1}'.encode("utf-16"), "not JSON"),
        (b'{"a\\u0000b":1}', "NUL"),
        (b'{"a":[{"\\u0000":1}]}', "NUL"),
        (b'{"a":1,"a":2}', "twice"),
        (b'{"a":{"b":1,"c":2,"b":3}}', "twice"),
        (b'{"a":1,"\\u0061":2}', "twice"),
        (b'{"a":' * 100 + b"1" + b"}" * 100 + b" ", None),
        (b'{"a":' * 101 + b"1" + b"}" * 101, "deeper"),
        (b'{"a":' + b"[" * 100 + b"]" * 100 + b"}", "deeper"),
        (b'{"a":' + b"[" * 100_000, "deeper"),
        (orjson.dumps({str(number): number for number in range(10_000)}), None),
        (orjson.dumps({str(number): number for number in range(10_001)}), "10,000 names"),
        (orjson.dumps({"a": [{"b": number} for number in range(10_000)]}), "10,000 names"),
        (orjson.dumps({"a": "x" * 1_000_000, "b" * 40_000: 1}), None),
    ],
)
def test_document_that_would_be_changed_is_refused(body: bytes, reason: str | None) -> None:
    if reason is None:
        assert document.decode(body) == json.loads(body)
    else:
        with pytest.raises(Malformed, match=reason):
            document.decode(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":9223372036854775807,"b":-9223372036854775808}',
        b'{"a":"18446744073709551616"}',
        b'{"a":0.1844674407370955,"b":1.8446744073709552e19,"c":5e-324,"d":1700000000.123456}',
        b'{"time":"12:30:59","a:b":{"::":1}}',
        b'{"a":"\\u0000","b":"\\ud83d\\ude00"}',
        b'{"":{"$set":1,"a.b":2}}',
    ],
)
def test_unusual_documents_are_accepted_unchanged(body: bytes) -> None:
    assert document.decode(body) == json.loads(body)


SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text()
NAMES = st.text().map(lambda text: text.replace("\0", ""))
JSON = st.recursive(
    SCALARS.filter(lambda value: value not in (float("inf"), float("-inf"))),
    lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner),
    max_leaves=30,
)


@pytest.mark.slow
@given(st.dictionaries(NAMES, JSON))
def test_decoding_reverses_encoding(value: dict[str, object]) -> None:
    for body in (orjson.dumps(value), json.dumps(value, indent=2).encode()):
        assert document.canonical(document.decode(body)) == document.canonical(value)


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_decoded_or_refused(body: bytes) -> None:
    try:
        assert isinstance(document.decode(body), dict)
    except Malformed as error:
        assert str(error).endswith(".")


def test_id_is_taken_out_of_the_document() -> None:
    value = {"a": 1, "_id": "0123456789ABCDEF01234567"}
    assert document.take_id(value) == "0123456789abcdef01234567"
    assert value == {"a": 1}
    assert document.take_id(value) is None


@pytest.mark.parametrize(
    "value", [None, 1, "", "short", "0123456789abcdef0123456g", "0123456789abcdef01234567\n", {"$oid": "0" * 24}]
)
def test_id_that_is_not_24_hex_digits_is_refused(value: object) -> None:
    with pytest.raises(BadId):
        document.take_id({"_id": value})


@given(st.integers(0, 2**32 * 10**9 - 2), st.integers(100, 10**9), st.integers(0, (1 << 40) - 1))
def test_later_ids_are_greater(now: int, later: int, random: int) -> None:
    first, second = document.new_id(now, (1 << 40) - 1), document.new_id(min(now + later, 2**32 * 10**9 - 1), random)
    assert document.is_id(first) and document.is_id(second)
    assert first[:14] <= second[:14]


def test_canonical_form_keeps_types_and_ignores_the_order_of_names() -> None:
    assert document.canonical({"a": 1, "b": [2]}) == document.canonical({"b": [2], "a": 1})
    assert len({document.canonical({"a": value}) for value in (1, 1.0, True, "1", None)}) == 5
