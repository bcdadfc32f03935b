"""The contract's file: what is valid, and what a mistake in it is told."""

import json
import uuid
from itertools import pairwise
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.target import pointer, template
from dashboard.target.contract import LARGEST, AnswerRule, ContractError, includes, matches
from dashboard.target.ids import ids
from dashboard.target.own import own
from dashboard.target.validation import parse

SMALLEST: dict[str, Any] = {
    "write": {"path": "/notes/{id}", "body": {"text": "{payload}"}},
    "read": {"path": "/notes/{id}", "payload": "/text"},
}


def with_(**changes: Any) -> str:
    """Return the smallest contract's JSON with changes: a route's fields are merged."""
    changed = {**SMALLEST}
    for name, value in changes.items():
        changed[name] = {**SMALLEST.get(name, {}), **value} if isinstance(value, dict) else value
    return json.dumps(changed)


def test_two_routes_are_a_contract() -> None:
    assert [*parse(json.dumps(SMALLEST)).routes()] == ["write", "read"]


def test_own_contract_has_all_routes_and_no_secrets() -> None:
    assert [*own().routes()] == ["write", "read", "replace", "delete", "list", "search"]
    assert own().secrets() == set()


def test_secrets_are_those_of_all_headers() -> None:
    text = with_(headers={"Authorization": "Bearer {secret:token}"}, read={"headers": {"X-Key": "{secret:key}"}})
    assert parse(text).secrets() == {"token", "key"}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "not valid"),
        ("- 1", "not valid"),
        ("a: [", "line 1"),
        ("{}", "write"),
        (" " * (LARGEST + 1), "larger"),
        (with_(colour="blue"), "colour"),
        (with_(write={"methods": "PUT"}), "methods"),
        (with_(write={"method": "GET"}), "method"),
        (with_(write={"path": "notes/{id}"}), "write.path"),
        (with_(write={"path": "//elsewhere/{id}"}), "write.path"),
        (with_(write={"path": "/notes/{id}#part"}), "write.path"),
        (with_(write={"path": "/notes/{id}\n"}), "write.path"),
        (with_(write={"path": "/notes/{name}"}), "{name}"),
        (with_(write={"path": "/notes"}), "{id}"),
        (with_(write={"body": {"text": "always the same"}}), "{payload}"),
        (with_(write={"body": {"text": "{payload}", "by": "{author}"}}), "{author}"),
        (with_(write={"acknowledged": []}), "write.acknowledged"),
        (with_(write={"acknowledged": [200, 500]}), "write.acknowledged"),
        (with_(write={"acknowledged": ["20x"]}), "'20x'"),
        (with_(write={"acknowledged": ["299-200"]}), "'299-200'"),
        (with_(write={"not_applied": [{}]}), "write.not_applied[0]"),
        (with_(write={"not_applied": [{"status": [700]}]}), "700"),
        (with_(write={"not_applied": [{"pointer": "outcome", "equals": 1}]}), "write.not_applied[0].pointer"),
        (with_(read={"path": "/notes"}), "read"),
        (with_(read={"payload": "text"}), "read.payload"),
        (with_(read={"payload": "/a~2"}), "read.payload"),
        (with_(read={"absent": {"media_type": "text/html"}}), "read.absent"),
        (with_(read={"absent": {"status": [404, "5xx"]}}), "read.absent"),
        (with_(media_types=["none"]), "media_types"),
        (with_(delete={"path": "/notes"}), "delete"),
        (with_(search={"path": "/notes", "id": "/id", "payload": "/text"}), "{run}"),
        (with_(headers={"Host": "elsewhere"}), "'Host'"),
        (with_(headers={"a b": ""}), "'a b'"),
        (with_(headers={"X-Text": "a\nb"}), "X-Text"),
        (with_(headers={"Authorization": "Bearer abc"}), "headers.Authorization"),
        (with_(headers={"X-Key": "{secret:../key}"}), "X-Key"),
        (with_(headers={"X-Key": "{secret:Notes/key}"}), "X-Key"),
        (with_(write={"body": {"text": "{payload}", "as": ["{secret:key}"]}}), "write.body"),
        (with_(media_types=[]), "media_types"),
        (with_(media_types=["Application/JSON"]), "media_types"),
        (with_(media_types=["application/json; charset=utf-8"]), "media_types"),
        (with_(headers={"X-Id": "{id}"}), "X-Id"),
        (with_(write={"path": "/notes/{id}?key={secret:key}"}), "write.path"),
        (with_(write={"acknowledged": ["200-503"]}), "write.acknowledged"),
        (with_(write={"not_applied": [{"pointer": "/outcome"}]}), "write.not_applied[0]"),
        (with_(read={"path": "/notes/{id}?of={run}"}), "{run}"),
        (with_(list={"path": "/notes?of={run}", "id": "/id", "payload": "/text"}), "{run}"),
        (with_(write={"body": {"text": "{payload}", "big": 1 << 70}}), "write.body"),
        ('write: {path: "/{id}", body: {on: "{payload}"}}\nread: {path: "/{id}", payload: ""}', "write.body"),
        ("d: 2026-02-30", "not YAML"),
        ("a: &a [*a]", "refers to itself"),
        (
            "\n".join(
                [
                    "a: &a [0, 0, 0, 0, 0, 0, 0, 0]",
                    *(f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 8)}]" for n in range(6)),
                ]
            ),
            "values",
        ),
    ],
)
def test_mistake_is_named_with_its_place(text: str, place: str) -> None:
    with pytest.raises(ContractError) as caught:
        parse(text)
    assert place in str(caught.value)


class TestTemplates:
    def test_values_are_encoded_in_a_path(self) -> None:
        values: dict[str, template.Value] = {"id": "a/b?c#d é%", "run": "r"}
        assert template.path("/notes/{id}", values) == "/notes/a%2Fb%3Fc%23d%20%C3%A9%25"
        assert template.path('/notes?filter={"run":"{run}"}', values) == "/notes?filter=%7B%22run%22:%22r%22%7D"

    def test_placeholder_alone_has_its_values_type(self) -> None:
        wanted = {"n": "{number}", "text": "{number} of {run}", "list": ["{number}", 1, None, True]}
        assert template.body(wanted, {"number": 7, "run": "r"}) == {
            "n": 7,
            "text": "7 of r",
            "list": [7, 1, None, True],
        }

    def test_values_are_not_templates(self) -> None:
        assert template.body("{id} {run}", {"id": "{run}", "run": "r"}) == "{run} r"
        assert template.header("Bearer {secret:a}", {"a": "{secret:b}"}) == "Bearer {secret:b}"


class TestPointers:
    DOCUMENT: ClassVar[dict[str, object]] = {"": 0, "a/b": 1, "m~n": 2, "list": [{"x": 3}], "null": None}

    @pytest.mark.parametrize(
        ("at", "value"),
        [
            ("", DOCUMENT), ("/", 0), ("/a~1b", 1), ("/m~0n", 2), ("/list/0/x", 3), ("/null", None),
            ("/list/1", pointer.MISSING), ("/list/-1", pointer.MISSING), ("/list/00", pointer.MISSING),
            ("/list/x", pointer.MISSING), ("/null/x", pointer.MISSING), ("/none", pointer.MISSING),
        ],
    )  # fmt: skip
    def test_value_is_found_as_rfc_6901_says(self, at: str, value: object) -> None:
        assert pointer.is_valid(at)
        assert pointer.find(at, self.DOCUMENT) is value

    @settings(max_examples=40)
    @given(
        st.recursive(st.none() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)),
        st.text(),
    )
    def test_each_place_has_a_pointer(self, document: Any, text: str) -> None:
        def walk(at: str, value: Any) -> None:
            assert pointer.is_valid(at) and pointer.find(at, document) is value
            named = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
            for name, each in named:
                walk(f"{at}/{str(name).replace('~', '~0').replace('/', '~1')}", each)

        walk("", document)
        if pointer.is_valid(text):
            pointer.find(text, document)  # raises nothing


class TestRules:
    @pytest.mark.parametrize(
        ("rule", "status", "media_type", "body", "holds"),
        [
            (AnswerRule(status=(404,)), 404, "", pointer.MISSING, True),
            (AnswerRule(status=(404,)), 410, "", pointer.MISSING, False),
            (AnswerRule(status=("4xx",)), 499, "", pointer.MISSING, True),
            (AnswerRule(status=("400-403", 409)), 404, "", pointer.MISSING, False),
            (AnswerRule(status=(404,), media_type="application/json"), 404, "text/html", {}, False),
            (AnswerRule(pointer="/outcome", equals="no"), 500, "", {"outcome": "no"}, True),
            (AnswerRule(pointer="/outcome", equals="no"), 500, "", {"outcome": "yes"}, False),
            (AnswerRule(pointer="/outcome", equals="no"), 500, "", pointer.MISSING, False),
            (AnswerRule(pointer="/outcome", equals=None), 500, "", {}, False),
            (AnswerRule(pointer="/applied", equals=0), 500, "", {"applied": False}, False),
        ],
    )
    def test_all_that_is_given_must_hold(
        self, rule: AnswerRule, status: int, media_type: str, body: object, holds: bool
    ) -> None:
        assert matches(rule, status, media_type, body) is holds

    def test_spans_include_both_ends(self) -> None:
        assert [status for status in (399, 400, 407, 408) if includes(("400-407",), status)] == [400, 407]


@pytest.mark.parametrize(("kind", "length"), [("objectid", 24), ("uuid", 36)])
def test_ids_rise_and_are_unique(kind: Any, length: int) -> None:
    makers = [ids(kind), ids(kind)]
    made = [[maker.new() for _ in range(2000)] for maker in makers]
    assert all(before < after for each in made for before, after in pairwise(each))
    assert len({*made[0], *made[1]}) == 4000
    assert {len(each) for each in made[0]} == {length}
    if kind == "uuid":
        assert {(uuid.UUID(each).version, uuid.UUID(each).variant) for each in made[0]} == {(7, uuid.RFC_4122)}
