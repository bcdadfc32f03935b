"""Documents that MongoDB holds, from their BSON to the page."""

import struct

import orjson
import pytest
from bson.raw_bson import RawBSONDocument
from hypothesis import example, given
from hypothesis import strategies as st

from dashboard.core import events
from dashboard.sources.mongo import LARGEST_ID_BYTES, LARGEST_SHOWN_BYTES, RAW, distinct, shown
from tests.borders.documents import FIELDS, OBJECT_ID, VALUES, Element, binary, document, nested, text
from tests.borders.page import AT, Page

GOOD = document((b"_id", (7, OBJECT_ID)), (b"key", (2, text(b"value"))))
Row = tuple[Element, list[tuple[bytes, Element]] | None]


def row(id_: Element, root: bytes | None) -> RawBSONDocument:
    """Return a row of the source's aggregation."""
    if len(document((b"_id", id_))) > LARGEST_ID_BYTES:
        id_ = (2, text("…".encode()))
    whole: Element = (10, b"") if root is None else (3, root)
    size = struct.pack("<i", 20_000_000 if root is None else len(root))
    return RawBSONDocument(document((b"_id", id_), (b"size", (16, size)), (b"root", whole)), RAW)


@pytest.mark.slow
@given(st.lists(st.tuples(VALUES, st.none() | FIELDS), min_size=1, max_size=3))
@example([((5, binary(2, b"\x63\x00\x00\x00abc")), [])])
@example([((7, OBJECT_ID), [(b"key", (5, binary(2, b"\x63\x00\x00\x00abc")))])])
@example([((13, text(b"x")), []), ((3, document((b"$code", (2, text(b"x"))))), [])])
@example([((2, text(b"x" * 100_000)), None), ((2, text(b"y" * 100_000)), None)])
@example([((7, OBJECT_ID), [(b"key", (3, nested(178)))])])
def test_spoiled_document_is_one_spoiled_document(rows: list[Row]) -> None:
    found = [row(id_, None if fields is None else document((b"_id", id_), *fields)) for id_, fields in rows]
    newest = distinct([shown(each) for each in [*found, row((7, OBJECT_ID), GOOD)]])
    page = Page()
    page.take(events.CollectionRead(at=AT, version="7.0", count=1, size_bytes=1, newest=newest))
    page.check()
    rows_shown = page.state["mongo"]["newest"]
    assert rows_shown[-1]["document"] == {"key": "value"}
    assert len({each["id"] for each in rows_shown}) == len(rows_shown) == len(rows) + 1
    for each in rows_shown:
        assert len(orjson.dumps(each)) <= 3 * LARGEST_SHOWN_BYTES
        assert each["text"] is None or orjson.loads(each["text"]) == each["document"]
