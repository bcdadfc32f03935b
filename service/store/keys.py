"""The _id of documents: as MongoDB stores them, and as clients see them and ask for them.

An ObjectId is shown as its 24 digits. Another program's _id is shown as it is if it is text, and as relaxed Extended
JSON if it is not; where that would not lead back to it, it is shown as its position: `~` and its BSON in base64.
"""

from __future__ import annotations

import binascii
import contextlib
import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import bson
from bson import json_util
from bson.errors import BSONError
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument

from service import document as documents
from service.document import Document
from service.store.codec import CODEC, RAW_CODEC, extended_json, joined, without_key

Key = ObjectId | str | RawBSONDocument  # an _id's value; or a document that has only an _id, of whatever type

FOREIGN = "~"  # prefix of the position of an _id that is not an ObjectId
UNNAMEABLE = FOREIGN + "…"  # what an _id is shown as that no request's line can hold
PLAIN = r"[^/.\u0000-\u001f\u007f][^/\u0000-\u001f\u007f]*"  # what every client sends as one part of a path
LONGEST = 8_000  # bytes of an id in a URL: with the method and the collection, less than a request's line

_OBJECT_ID, _INT64 = 0x07, 0x12
_PLAIN = re.compile(PLAIN)
# What Extended JSON can raise that only looks like it.
_NOT_EXTENDED_JSON = (ArithmeticError, AttributeError, BSONError, LookupError, RecursionError, TypeError, ValueError)


def element(document: bytes) -> bytes:
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
    if (end := 9 + length) >= len(document):  # the document's own end comes after it
        raise ValueError("The document ends within its _id.")
    return document[4:end]


def shown(document: bytes) -> str:
    """Return the id of a stored document, as clients see it."""
    try:
        identity = element(document)
    except (ValueError, struct.error):  # of a type that MongoDB refuses
        return UNNAMEABLE
    if identity[0] == _OBJECT_ID:
        return identity[5:].hex()
    if len(identity) < LONGEST:
        for text in (_readable(identity), position_of(identity)):
            if text is not None and len(quote(text)) <= LONGEST:
                return text
    return UNNAMEABLE


def identified(batch: bytes, found: list[Document]) -> list[Document]:
    """Return the decoded documents of one reply with their ids as clients see them."""
    if all(isinstance(each["_id"], ObjectId) for each in found):
        return [{**each, "_id": str(each["_id"])} for each in found]
    stored = bson.decode_all(batch, RAW_CODEC)
    return [{**each, "_id": shown(bytes(raw.raw))} for each, raw in zip(found, stored, strict=False)]


def keys(identity: str) -> Sequence[Key]:
    """Return the values of _id that an id names, the likeliest first: none if it can be nobody's."""
    if documents.is_id(identity):  # other programs may have stored the digits as text, perhaps in upper case
        return list(dict.fromkeys((ObjectId(identity), identity, identity.lower())))
    if identity.startswith(FOREIGN):
        found = at(identity)
        return [] if found is None else [found]
    try:
        return [RawBSONDocument(_document(_named(identity)), RAW_CODEC)]
    except _NOT_EXTENDED_JSON:  # a text that BSON can't hold
        return []


def key_of(document: bytes) -> Key:
    """Return the key of a stored document."""
    identity = element(document)
    return ObjectId(identity[5:]) if identity[0] == _OBJECT_ID else RawBSONDocument(_document(identity), RAW_CODEC)


def condition(key: Key) -> dict[str, Any]:
    """Return the filter that finds the document of this key."""
    if not isinstance(key, RawBSONDocument):
        return {"_id": key}
    identity = element(bytes(key.raw))
    return {"_id": RawBSONDocument(_document(identity[:1] + b"$eq" + identity[4:]), RAW_CODEC)}


def keyed(document: bytes, key: Key) -> bytes:
    """Return a document that begins with an ObjectId as it is stored under this key."""
    if isinstance(key, ObjectId):
        return document
    stored = key.raw if isinstance(key, RawBSONDocument) else bson.encode({"_id": key})
    return joined(bytes(stored), without_key(document))


def position_of(identity: bytes) -> str:
    """Return the position of an _id, given its BSON element."""
    return FOREIGN + urlsafe_b64encode(identity).decode()


def at(position: str) -> RawBSONDocument | None:
    """Return the document that has only the _id of this position; None if it is no position."""
    with contextlib.suppress(binascii.Error, ValueError, BSONError, struct.error):
        identity = urlsafe_b64decode(position.removeprefix(FOREIGN))
        document = _document(identity)
        if element(document) == identity:
            return RawBSONDocument(document, RAW_CODEC)
    return None


def _readable(identity: bytes) -> str | None:
    """Return an _id in words that lead back to it; None if there are none."""
    if identity[0] == _INT64:  # MongoDB takes equal numbers of two types for one _id
        return str(struct.unpack_from("<q", identity, 5)[0])
    try:
        value = bson.decode(_document(identity), CODEC)["_id"]
        text = value if isinstance(value, str) else documents.encode(value, extended_json).decode()
        leads_back = _PLAIN.fullmatch(text) and not text.startswith(FOREIGN) and not documents.is_id(text)
        return text if leads_back and _named(text) == identity else None
    except _NOT_EXTENDED_JSON:
        return None


def _named(text: str) -> bytes:
    """Return the element of the _id that these words name: a value in Extended JSON, else the text."""
    with contextlib.suppress(*_NOT_EXTENDED_JSON):
        parsed = json_util.loads(text, json_options=json_util.RELAXED_JSON_OPTIONS)
        if not isinstance(parsed, (str, list)):
            return element(bson.encode({"_id": parsed}))
    return element(bson.encode({"_id": text}))


def _document(identity: bytes) -> bytes:
    return struct.pack("<i", len(identity) + 5) + identity + b"\0"


# Bytes of a BSON value by its type (https://bsonspec.org/spec.html): all of them, or those that its length leaves out.
# MongoDB takes no array, regular expression or undefined for an _id.
_LENGTHS = {0x01: 8, 0x07: 12, 0x08: 1, 0x09: 8, 0x0A: 0, 0x10: 4, 0x11: 8, 0x12: 8, 0x13: 16, 0x7F: 0, 0xFF: 0}
_LENGTH_BESIDE = {0x02: 4, 0x03: 0, 0x05: 5, 0x0C: 16, 0x0D: 4, 0x0E: 4, 0x0F: 0}
