"""BSON documents, byte by byte: of every type, the deprecated ones too, valid and as other programs leave them."""

import struct
from functools import reduce

from hypothesis import strategies as st

Element = tuple[int, bytes]  # the type and the bytes after the name

OBJECT_ID = bytes.fromhex("65f0c0ffee65f0c0ffee65f0")


def document(*fields: tuple[bytes, Element]) -> bytes:
    body = b"".join(bytes([type_]) + name + b"\0" + data for name, (type_, data) in fields)
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def text(value: bytes) -> bytes:
    return struct.pack("<i", len(value) + 1) + value + b"\0"


def binary(subtype: int, data: bytes) -> bytes:
    return struct.pack("<iB", len(data), subtype) + data


def scoped(code: bytes, scope: bytes) -> bytes:
    return struct.pack("<i", len(text(code)) + len(scope) + 4) + text(code) + scope


def nested(depth: int) -> bytes:
    inner: Element = (10, b"")
    return document((b"in", reduce(lambda inner, _: (3, document((b"in", inner))), range(depth), inner)))


DOUBLES = [0.0, -0.0, 1.0, 0.5, 1e308, 2.0**53, float("nan"), float("inf"), float("-inf")]
INTEGERS = [0, -1, 2**53, -(2**53) - 1, 2**63 - 1, -(2**63)]
DATES = [
    0, -1, -62_135_596_800_000, -62_135_596_800_001, 253_402_300_799_999, 253_402_300_800_000, 2**63 - 1, -(2**63),
]  # fmt: skip
TEXTS = [
    b"", b"x", b"65f0c0ffee65f0c0ffee65f0", b"<script>", b"\x00in", b"\xed\xa0\x80", b"\xff\xfe", b"\xc3",
    "…\u202e".encode(), b"x" * 5_000, b'"' * 3_000,
]  # fmt: skip
DECIMALS = [  # 0, NaN, the infinities, the largest, a signalling NaN
    bytes(14) + b"\x40\x30", bytes(15) + b"\x7c", bytes(15) + b"\x78", bytes(15) + b"\xf8",
    b"\xff" * 14 + b"\xfe\x5f", b"\xff" * 16,
]  # fmt: skip
BINARIES = [
    *((subtype, b"\x00\x01\xff") for subtype in (0, 1, 3, 4, 5, 6, 7, 8, 9, 128, 255)),
    (4, bytes(16)), (3, bytes(16)), (2, struct.pack("<i", 3) + b"abc"), (2, struct.pack("<i", 99) + b"abc"), (2, b""),
    (9, b""), (0, bytes(4_000)), (9, b"\x27\x00\x01"), (9, b"\x99\x99\x99"),
]  # fmt: skip
ELEMENTS: list[Element] = [
    *((1, struct.pack("<d", each)) for each in DOUBLES),
    *((type_, text(each)) for type_ in (2, 13, 14) for each in TEXTS),  # string, code, symbol
    *((5, binary(*each)) for each in BINARIES),
    *((type_, b"") for type_ in (6, 10, 127, 255)),  # undefined, null, MaxKey, MinKey
    (7, OBJECT_ID), (7, b"\xff" * 12), (8, b"\0"), (8, b"\1"), (8, b"\7"),
    *((9, struct.pack("<q", each)) for each in DATES),
    *((11, each) for each in (b"\0\0", b"(\0imsxlu\0", b"\xff\0zzz\0", b"a\0\xff\0")),
    *((12, text(each) + OBJECT_ID) for each in (b"", b"other.data", b"\xff")),  # DBPointer
    *((15, scoped(each, document((b"x", (16, b"\1\0\0\0"))))) for each in (b"", b"return 1", b"\xff")),
    *((16, struct.pack("<i", each)) for each in (0, -1, 2**31 - 1)),
    (17, b"\0" * 8), (17, b"\xff" * 8),
    *((18, struct.pack("<q", each)) for each in INTEGERS),
    *((19, each) for each in DECIMALS),
    (3, nested(100)), (3, nested(178)), (3, document()), (4, document()),
    # What is cut off, or belongs to no type: a server would not have taken it.
    (1, b"\0"), (2, struct.pack("<i", 99) + b"x\0"), (2, struct.pack("<i", -1)), (3, b"\5\0\0\0"), (20, b""), (0, b""),
]  # fmt: skip

NAMES = st.sampled_from([
    b"key", b"key", b"_id", b"$ref", b"$id", b"$db", b"$oid", b"$numberLong", b"$date", b"$binary", b"$code", b"",
    b"a.b", b"0", b"__proto__", b"\xff", b"text", b"document", b"uid", b"id", b"_expires_from",
])  # fmt: skip


def _inside(children: st.SearchStrategy[Element]) -> st.SearchStrategy[Element]:
    fields = st.lists(st.tuples(NAMES, children), max_size=3).map(lambda fields: document(*fields))
    return st.tuples(st.sampled_from([3, 4]), fields)


VALUES = st.recursive(st.sampled_from(ELEMENTS), _inside, max_leaves=6)
FIELDS = st.lists(st.tuples(NAMES.filter(lambda name: name != b"_id"), VALUES), max_size=4)
