"""Positions between pages, as clients see them: an _id, also one that another program stored."""

from __future__ import annotations

import binascii
import contextlib
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

import bson
from bson.errors import BSONError
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument

from service import document as documents
from service.document import Document
from service.store.codec import RAW_CODEC
from service.store.outcomes import BadCursor

FOREIGN = "~"  # prefix of a paging position whose _id is not an ObjectId


def cursor_after(reply: bytes, found: list[Document]) -> str:
    """Return the position behind the last of the documents found: its _id as it is stored, which may be one of another
    program that can't be decoded."""
    last = found[-1]["_id"]
    if isinstance(last, ObjectId):
        return str(last)
    raw = bson.decode_all(reply, RAW_CODEC)[len(found) - 1].raw
    return FOREIGN + urlsafe_b64encode(_identity(bytes(raw))).decode()


def position(cursor: str) -> Mapping[str, Any]:
    """Return the position for a command's max."""
    if documents.is_id(cursor):
        return {"_id": ObjectId(cursor)}
    if cursor.startswith(FOREIGN):
        with contextlib.suppress(binascii.Error, ValueError, BSONError, struct.error):
            identity = urlsafe_b64decode(cursor.removeprefix(FOREIGN))
            document = struct.pack("<i", len(identity) + 5) + identity + b"\0"
            if _identity(document) == identity:
                return RawBSONDocument(document, RAW_CODEC)
    raise BadCursor()


def _identity(document: bytes) -> bytes:
    """Return the BSON element of a document's _id, which MongoDB stores first. Raise `struct.error` or `ValueError` if
    it has none."""
    type_ = document[4]
    if document[5:9] != b"_id\0":
        raise ValueError("The document does not begin with an _id.")
    if type_ in _LENGTH_BESIDE:
        length = struct.unpack_from("<I", document, 9)[0] + _LENGTH_BESIDE[type_]
    elif type_ in _LENGTHS:
        length = _LENGTHS[type_]
    else:
        raise ValueError(f"No _id has type {type_}.")
    return document[4 : 9 + length]


# Bytes of a BSON value by its type (https://bsonspec.org/spec.html): all of them, or those that its length leaves out.
# MongoDB takes no array, regular expression or undefined for an _id.
_LENGTHS = {0x01: 8, 0x07: 12, 0x08: 1, 0x09: 8, 0x0A: 0, 0x10: 4, 0x11: 8, 0x12: 8, 0x13: 16, 0x7F: 0, 0xFF: 0}
_LENGTH_BESIDE = {0x02: 4, 0x03: 0, 0x05: 5, 0x0C: 16, 0x0D: 4, 0x0E: 4, 0x0F: 0}
