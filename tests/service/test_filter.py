"""Validation of filters."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import filter
from service.document import Malformed
from service.filter import MAX_BYTES, MAX_CONDITIONS, MAX_DEPTH, MAX_LIST, MAX_PARTS, BadFilter

ID = "0123456789abcdef01234567"
MANY = MAX_LIST + 1

# Filters with operators that are not allowed, and the operator that the error must name.
INJECTIONS: list[tuple[str, str]] = [
    ('{"$where":"while(true){}"}', "$where"),
    ('{"a":{"$where":"1"}}', "$where"),
    ('{"$and":[{"$where":"1"}]}', "$where"),
    ('{"$or":[{"a":1},{"$and":[{"b":{"$not":{"$where":"1"}}}]}]}', "$where"),
    ('{"\\u0024where":"1"}', "$where"),
    ('{"$expr":{"$function":{"body":"function(){}","args":[],"lang":"js"}}}', "$expr"),
    ('{"a":{"$expr":{"$gt":["$b",1]}}}', "$expr"),
    ('{"a":{"$eq":{"$function":{"body":"","args":[],"lang":"js"}}}}', "$function"),
    ('{"a":{"$regex":"^(a+)+$"}}', "$regex"),
    ('{"a":{"$not":{"$regex":"^(a+)+$"}}}', "$regex"),
    ('{"a":{"$in":[{"$regex":"^(a+)+$"}]}}', "$regex"),
    ('{"a":{"$eq":"x","$options":"i"}}', "$options"),
    ('{"a":{"$regularExpression":{"pattern":"x","options":""}}}', "$regularExpression"),
    ('{"a":{"$oid":"0123456789abcdef01234567"}}', "$oid"),
    ('{"a":{"$code":"1"}}', "$code"),
    ('{"a":{"$ref":"other","$id":1}}', "$ref"),
    ('{"a":{"$elemMatch":{"$gt":1}}}', "$elemMatch"),
    ('{"a":{"$size":1}}', "$size"),
    ('{"a":{"$type":2}}', "$type"),
    ('{"a":{"$mod":[1,0]}}', "$mod"),
    ('{"a":{"$near":[0,0]}}', "$near"),
    ('{"a":{"$geoWithin":{}}}', "$geoWithin"),
    ('{"a":{"$sample":1}}', "$sample"),
    ('{"a":{"$EQ":1}}', "$EQ"),
    ('{"a":{"$":1}}', "$"),
    ('{"$nor":[{"a":1}]}', "$nor"),
    ('{"$text":{"$search":"x"}}', "$text"),
    ('{"$jsonSchema":{}}', "$jsonSchema"),
    ('{"$comment":"x"}', "$comment"),
    ('{"$query":{},"$orderby":{"a":1}}', "$query"),
    ('{"$natural":1}', "$natural"),
    ('{"$lookup":{"from":"secrets"}}', "$lookup"),
    ('{"$alwaysTrue":1}', "$alwaysTrue"),
    ('{"a.$where":1}', "a.$where"),
    ('{"$a.b":1}', "$a.b"),
    ('{"a":{"b":{"$where":"1"}}}', "$where"),
    ('{"a":[{"b":{"$where":"1"}}]}', "$where"),
    ('{"a":{"$gt":{"b":[{"$expr":1}]}}}', "$expr"),
    ('{"_id":{"$where":"1"}}', "$where"),
    ('{"_id":{"$in":[{"$oid":"0123456789abcdef01234567"}]}}', "$oid"),
]


@pytest.mark.parametrize(("text", "operator"), INJECTIONS)
def test_disallowed_operator_raises_with_its_name(text: str, operator: str) -> None:
    with pytest.raises(BadFilter) as raised:
        filter.parse(text)
    assert f'"{operator}"' in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"a":1}',
        '{"a":null,"b.c":[1,{"d":2}],"":{"e":{}}}',
        '{"a":{"$gt":1,"$lte":2.5},"b":{"$ne":"x"}}',
        '{"a":{"$in":[1,"x",null,{"b":1}]},"c":{"$nin":[]}}',
        '{"a":{"$exists":false},"b":{"$not":{"$gte":1,"$lt":2}}}',
        '{"$or":[{"a":1},{"$and":[{"b":{"$eq":2}},{}]}],"c":3}',
        '{"price in $":1,"a$b.c$":2}',
        '{"a":9223372036854775807}',
    ],
)
def test_valid_filter_is_parsed_unchanged(text: str) -> None:
    assert filter.parse(text) == json.loads(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "The filter is not JSON"),
        ("{'a':1}", "The filter is not JSON"),
        ('{"a":NaN}', "The filter is not JSON"),
        ('{"a":"\ud800"}', "The filter is not JSON"),
        ("[]", "The filter must be a JSON object, not an array"),
        ('"a"', "The filter must be a JSON object, not a string"),
        ('{"a":9223372036854775808}', "64 bits"),
        ('{"a":{"$in":[99999999999999999999999]}}', "64 bits"),
        ('{"a":1,"a":2}', "twice"),
        ('{"a\\u0000":1}', "NUL"),
        ('{"$gt":1}', "inside of a field"),
        ('{"$not":{"a":1}}', "inside of a field"),
        ('{"a":{"$or":[{"b":1}]}}', "outside of a field"),
        ('{"a":{"b":{"$gt":1}}}', "outer.inner"),
        ('{"a":{"$gt":1,"b":2}}', "side by side"),
        ('{"a":{"b":2,"$gt":1}}', "side by side"),
        ('{"$and":[]}', "a list of filters"),
        ('{"$and":{"a":1}}', "a list of filters"),
        ('{"$or":[1]}', "a list of filters"),
        ('{"a":{"$in":1}}', "a list of values"),
        ('{"a":{"$nin":{"b":1}}}', "a list of values"),
        ('{"a":{"$exists":1}}', "true or false"),
        ('{"a":{"$not":1}}', "takes operators"),
        ('{"a":{"$not":{}}}', "takes operators"),
        ('{"a":{"$not":{"b":1}}}', "takes operators"),
        ('{"a":"' + "x" * MAX_BYTES + '"}', "4,096 bytes"),
        ('{"a":"' + "é" * (MAX_BYTES // 2) + '"}', "4,096 bytes"),
        (json.dumps({"a": {"$in": list(range(MANY))}}), "101 elements"),
        (json.dumps({"a": [list(range(MANY))]}), "101 elements"),
        (json.dumps({"$or": [{}] * MANY}), "101 elements"),
        (json.dumps({f"a{number}": 1 for number in range(MAX_CONDITIONS + 1)}), "51 conditions"),
        (json.dumps({"$or": [{"a": {"$gt": 1, "$lt": 2}}] * (MAX_CONDITIONS // 2)}), "51 conditions"),
        ('{"$and":[' * MAX_DEPTH + "{}" + "]}" * MAX_DEPTH, "deeper"),
        ('{"a":' + "[" * MAX_DEPTH + "]" * MAX_DEPTH + "}", "deeper"),
        ('{"' + "a." * MAX_PARTS + 'a":1}', "101 parts, and at most 100"),
        ('{"a":' + '{"$not":' * MAX_DEPTH + '{"$gt":1}' + "}" * MAX_DEPTH + "}", "deeper"),
        ('{"a":' + "[" * 2000, "deeper"),
        ('{"a":' * 500 + "1" + "}" * 500, "deeper"),
    ],
)
def test_invalid_filter_raises_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        filter.parse(text)


def test_error_shortens_a_long_name() -> None:
    with pytest.raises(BadFilter) as raised:
        filter.parse('{"$' + "x" * 4000 + '":1}')
    assert len(str(raised.value)) < 250


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"_id": ID}, {"_id": {"$in": [(ID,), ID]}}),
        ({"_id": ID.upper()}, {"_id": {"$in": [(ID.upper(),), ID.upper()]}}),
        ({"_id": {"$eq": ID}}, {"_id": {"$in": [(ID,), ID]}}),
        ({"_id": {"$ne": ID, "$nin": [5]}}, {"_id": {"$nin": [(ID,), ID, 5]}}),
        ({"_id": {"$in": [5, ID], "$eq": ID}}, {"_id": {"$in": [(ID,), ID]}}),
        ({"_id": {"$eq": 5}}, {"_id": {"$eq": 5}}),
        ({"_id": "text", "a": ID}, {"_id": "text", "a": ID}),
        ({"_id": {"$gt": ID, "$lte": "z"}}, {"_id": {"$gt": (ID,), "$lte": "z"}}),
        ({"_id": {"$in": [ID, 5]}}, {"_id": {"$in": [(ID,), ID, 5]}}),
        ({"_id": {"$not": {"$nin": [ID]}}}, {"_id": {"$not": {"$nin": [(ID,), ID]}}}),
        ({"_id": {"$exists": True}}, {"_id": {"$exists": True}}),
        ({"_id": {"a": ID}}, {"_id": {"a": ID}}),
        ({"_id.a": ID}, {"_id.a": ID}),
        ({"$or": [{"$and": [{"_id": ID}]}]}, {"$or": [{"$and": [{"_id": {"$in": [(ID,), ID]}}]}]}),
        ({"a": {"_id": ID}, "b": {"$in": [ID]}}, {"a": {"_id": ID}, "b": {"$in": [ID]}}),
    ],
)
def test_24_hex_digits_match_an_id_and_a_text(condition: dict[str, Any], expected: dict[str, Any]) -> None:
    assert filter.with_ids(condition, lambda text: (text,)) == expected


NAMES = st.sampled_from(["a", "a.b", "_id", "$and", "$or", "$not", "$gt", "$in", "$exists", "$where", "$regex"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab$", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_accepted_filter_has_only_allowed_operators(condition: dict[str, Any]) -> None:
    try:
        found = filter.parse(json.dumps(condition))
    except Malformed as error:
        assert str(error).endswith(".")
    else:
        assert found == condition
        assert _dollars(found) <= filter.FIELD_OPERATORS | filter.JOINING


@given(st.text(max_size=200))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        assert isinstance(filter.parse(text), dict)
    except Malformed as error:
        assert str(error).endswith(".")


def _dollars(value: Any) -> set[str]:
    """Return every name in a value that starts with $."""
    if isinstance(value, dict):
        inner = set().union(*map(_dollars, value.values())) if value else set()
        return inner | {name for name in value if name.startswith("$")}
    return set().union(*map(_dollars, value)) if isinstance(value, list) and value else set()
