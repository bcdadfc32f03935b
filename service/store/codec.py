"""Documents between BSON, Python and JSON, exactly as they were stored."""

from __future__ import annotations

import contextlib
import math
import struct
from base64 import b64encode
from typing import Any

import bson
from bson import json_util
from bson.codec_options import CodecOptions, DatetimeConversion, TypeDecoder, TypeRegistry
from bson.errors import BSONError
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument

from service import document as documents
from service.document import Document

_KEY_END = 4 + 1 + 4 + 12  # bytes: a document's length, the type and name of its _id, and an ObjectId


def extended_json(value: Any) -> Any:
    """Return a BSON value that JSON lacks, written by another program, as relaxed Extended JSON."""
    return json_util.default(value, json_util.RELAXED_JSON_OPTIONS)


def decode(batch: bytes) -> list[Document]:
    """Decode the documents of one reply, exactly as they were stored.

    The driver takes {"$ref": …, "$id": …} for a DBRef and drops parts of it, even a whole document if it decodes the
    reply itself. So replies are fetched raw, and those with such a name are decoded level by level.
    """
    if b"$ref\0" not in batch:
        with contextlib.suppress(BSONError):
            return bson.decode_all(batch, CODEC)
    return [_decoded(each) for each in bson.decode_all(batch, RAW_CODEC)]


def canonical(document: bytes) -> bytes:
    (decoded,) = decode(document)
    return documents.canonical(decoded, extended_json)


def beginning(batch: bytes, size: int) -> bytes:
    """Return the documents at the beginning of a batch that fit in so many bytes: at least the first one."""
    end = 0
    while end < len(batch):
        (length,) = struct.unpack_from("<i", batch, end)
        if end and end + length > size:
            break
        end += length
    return batch[:end]


def _decoded(raw: RawBSONDocument) -> Document:
    """Decode a document. One that can't be, since another program wrote it, must not hide the others: it is shown with
    its BSON. MongoDB stores its _id first."""
    try:
        return {name: _plain(value) for name, value in raw.items()}
    except BSONError:
        data = bytes(raw.raw)
        identity = ObjectId(data[9:21]) if data[4:9] == b"\x07_id\0" else "…"
        return {"_id": identity, "$undecodable": b64encode(data).decode()}


def _plain(value: Any) -> Any:
    if isinstance(value, RawBSONDocument):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value


def joined(first: bytes, second: bytes) -> bytes:
    """Return the BSON document with the elements of both: their bytes between the length and the last NUL."""
    return struct.pack("<i", len(first) + len(second) - 5) + first[4:-1] + second[4:]


def without_key(document: bytes) -> bytes:
    """Return a document that begins with an ObjectId without that."""
    return struct.pack("<i", len(document) - _KEY_END + 4) + document[_KEY_END:]


class _Doubles(TypeDecoder):
    """Converts NaN and infinities, which JSON lacks and orjson would write as null."""

    bson_type = float

    def transform_bson(self, value: float) -> Any:
        return value if math.isfinite(value) else extended_json(value)


class _Codes(TypeDecoder):
    """Converts Code, a subclass of str, which orjson would write as a plain string."""

    bson_type = bson.Code

    def transform_bson(self, value: bson.Code) -> Any:
        return extended_json(value)


# Other programs may have stored dates outside Python's range or invalid UTF-8: these must not raise.
CODEC: CodecOptions[Document] = CodecOptions(
    tz_aware=True,
    unicode_decode_error_handler="replace",
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
    type_registry=TypeRegistry([_Doubles(), _Codes()]),
)
RAW_CODEC: CodecOptions[RawBSONDocument] = CODEC.with_options(document_class=RawBSONDocument)
