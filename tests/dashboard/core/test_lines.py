"""Lines of data that arrives in pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.core.lines import LineSplitter, LineTooLong


@given(st.lists(st.lists(st.sampled_from([b"a", b"bc", b"\n"])).map(b"".join)))
def test_pieces_give_the_lines_of_the_whole(pieces: list[bytes]) -> None:
    splitter = LineSplitter(10_000)
    found = [line for piece in pieces for line in splitter.split(piece)]
    assert [*found, bytes(splitter.rest)] == b"".join(pieces).split(b"\n")


def test_line_that_is_too_long_is_refused_after_those_before_it() -> None:
    splitter = LineSplitter(3)
    lines = splitter.split(b"abcdef\nabcd")
    assert next(lines) == b"abcdef"
    with pytest.raises(LineTooLong):
        next(lines)
