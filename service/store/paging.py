"""Positions between pages, as clients see them: an _id, also one that another program stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import bson
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument

from service import document as documents
from service.document import Document
from service.store import keys
from service.store.codec import RAW_CODEC
from service.store.outcomes import BadCursor


def cursor_after(reply: bytes, found: list[Document]) -> str:
    """Return the position behind the last of the documents found: its _id as it is stored, which may be one of another
    program that can't be decoded."""
    last = found[-1]["_id"]
    if isinstance(last, ObjectId):
        return str(last)
    raw = bson.decode_all(reply, RAW_CODEC)[len(found) - 1].raw
    return keys.position_of(keys.element(bytes(raw)))


def position(cursor: str) -> Mapping[str, Any]:
    """Return the position for a command's max."""
    if documents.is_id(cursor):
        return {"_id": ObjectId(cursor)}
    if cursor.startswith(keys.FOREIGN) and (found := keys.at(cursor)) is not None:
        return Position(found.raw, RAW_CODEC)
    raise BadCursor()


class Position(RawBSONDocument):
    """A document that has only an _id. The driver asks whether it is empty, and would decode it for that: MongoDB has
    some _ids that the driver can't decode."""

    def __len__(self) -> int:
        return 1
