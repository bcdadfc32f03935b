"""Entity tags and preconditions, without a server."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.document import Malformed
from service.preconditions import Preconditions, parse, tag_of

TAG, OTHER = tag_of(b"a"), tag_of(b"b")
ETAGC = [chr(code) for code in (0x21, *range(0x23, 0x7F), *range(0x80, 0x100))]
TAGS = st.builds('{}"{}"'.format, st.sampled_from(["", "W/"]), st.text(st.sampled_from(ETAGC)))
SEPARATORS = st.from_regex(r"[ \t]*,[ \t,]*", fullmatch=True)


def _parsed(if_match: str | None = None, if_none_match: str | None = None) -> Preconditions:
    found = parse(if_match, if_none_match)
    assert found
    return found


def test_tag_differs_with_the_content() -> None:
    assert TAG == tag_of(b"a") != OTHER
    assert TAG.isascii() and TAG[0] == TAG[-1] == '"'


def test_no_header_demands_nothing() -> None:
    assert parse(None, None) is None
    assert parse("*", None) is None  # that there is a document, which every method demands


@pytest.mark.parametrize(
    ("if_match", "allowed"),
    [
        (TAG, True),
        (f"{OTHER}, {TAG}", True),
        (f" ,\t,{OTHER},,{TAG} , ", True),
        (OTHER, False),
        ('""', False),
        (f"W/{TAG}", False),
        (f"W/{TAG}, {TAG}", True),
        (f'"{OTHER[1:-1]},{TAG[1:-1]}"', False),  # one tag with a comma in it
    ],
)
def test_if_match_demands_one_of_its_strong_tags(if_match: str, allowed: bool) -> None:
    assert _parsed(if_match).allow(TAG) is _parsed(if_match).is_matched(TAG) is allowed


@pytest.mark.parametrize(
    ("if_none_match", "known"),
    [("*", True), (TAG, True), (f"W/{TAG}", True), (f"{OTHER}, W/{TAG}", True), (OTHER, False), (f"W/{OTHER}", False)],
)
def test_if_none_match_knows_weak_and_strong_tags(if_none_match: str, known: bool) -> None:
    found = _parsed(if_none_match=if_none_match)
    assert found.is_known(TAG) is known
    assert found.allow(TAG) is not known
    assert found.is_matched(TAG)


def test_both_headers_must_allow_a_change() -> None:
    assert not _parsed(TAG, TAG).allow(TAG)
    assert _parsed(TAG, OTHER).allow(TAG)
    assert not _parsed(OTHER, OTHER).allow(TAG)
    assert not _parsed("*", "*").allow(TAG)


@pytest.mark.parametrize(
    "header",
    [
        *("", " ", ",", "a", TAG[1:-1], TAG[:-1], f"w/{TAG}", f"W/ {TAG}", "W/*", '"*', f"*, {TAG}", f"{TAG}, *", "**"),
        *(f"{TAG} {OTHER}", f"{TAG};{OTHER}", '"a b"', '"a\x7f"', '"a\nb"', '"a""b"', f"{TAG}\n", "'a'"),
    ],
)
def test_malformed_header_is_refused(header: str) -> None:
    with pytest.raises(Malformed, match="If-Match"):
        parse(header, None)
    with pytest.raises(Malformed, match="If-None-Match"):
        parse(TAG, header)


@pytest.mark.slow
@given(st.lists(st.tuples(TAGS, SEPARATORS), min_size=1), st.booleans())
def test_each_tag_of_any_list_is_found(pairs: list[tuple[str, str]], ends: bool) -> None:
    header = "".join(tag + separator for tag, separator in pairs)
    header = header if ends else header.removesuffix(pairs[-1][1])
    found = _parsed(header, header)
    assert found.match == {tag for tag, _ in pairs}
    assert found.none_match == {tag.removeprefix("W/") for tag, _ in pairs}
    assert not found.is_matched(TAG) and not found.is_known(TAG)


@given(st.text(st.sampled_from('*W/", \ta\x00é')))
def test_any_text_is_refused_or_has_the_tags_that_it_quotes(text: str) -> None:
    try:
        found = parse(text, None)
    except Malformed:
        return
    if found is None:
        assert text == "*"
    else:
        assert found.match and all(tag in text and tag.count('"') == 2 for tag in found.match)
        assert sum(tag.count('"') for tag in found.match) <= text.count('"')


@pytest.mark.parametrize("part", [",", " ", " ,", '"",', '"a" ,\t', "W/"])
def test_a_long_header_takes_no_more_than_linear_time(part: str) -> None:
    began = time.thread_time()
    for text in (part * 8_000, part * 8_000 + "x"):
        try:
            parse(text, text)
        except Malformed:
            continue
    assert time.thread_time() - began < 1
