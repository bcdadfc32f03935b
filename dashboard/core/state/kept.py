"""What outlives the dashboard's process: the charts' points, the timeline and the audit, as one small file.

The file is gzip of JSON. Times are in whole milliseconds, each as the distance to the one before; figures are in whole
thousandths. It is read as what a stranger may have written: bounded, typed, and refused as a whole.
"""

import math
import zlib
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from dashboard.core.ring import Point
from dashboard.core.state.history import PODS, SPARK_PODS, TABLES
from dashboard.core.timestamps import RFC3339
from dashboard.core.wire import Tone

FORMAT: Final = 1  # another number is another format, which this program does not read
KEPT_BYTES = 900_000  # of the file: a ConfigMap holds 1 MiB, its metadata included
READ_BYTES = 4 << 20  # of its text
MOST_POINTS = 6_000  # of a table, which keeps fewer (core.state.history)
MOST_LINES = 1_000  # of the timeline, and of the audit
GZIP = 31  # zlib's window bits for a gzip header, which has no timestamp then
THOUSANDTHS = 1_000
LARGEST = 2**53  # thousandths

T = TypeVar("T")
Time = Annotated[str, Meta(pattern=RFC3339)]
Number = Annotated[int, Meta(ge=-LARGEST, le=LARGEST)]
Name = Annotated[str, Meta(max_length=300)]
Text = Annotated[str, Meta(max_length=2_000)]


class InvalidKeptFile(Exception):
    """It is not a file of this format. The message is the reason."""


class KeptObject(Struct, frozen=True):
    kind: Name
    name: Name
    uid: Name | None


class KeptEntry(Struct, frozen=True):
    """An entry of the timeline, as in `wire`, with bounds: the page's format and the file's change apart."""

    id: Name
    at: Time
    kind: Literal["event", "change", "action"]
    tone: Tone
    text: Text
    about: KeptObject | None
    mark: Name | None


class KeptLine(Struct, frozen=True):
    """A line of the audit; `denied` says that its request had no permission."""

    at: Time
    by: Text
    action: Text
    outcome: Text
    object: KeptObject | None
    denied: bool


class Kept(Struct, frozen=True):
    """All that is kept. `by` is the process that wrote it; tables and pods have points, the others are oldest first."""

    by: str
    tables: Mapping[str, Sequence[Point]]
    pods: Mapping[str, Sequence[Point]]
    timeline: Sequence[KeptEntry]
    audit: Sequence[KeptLine]


class _Columns(Struct, frozen=True):
    at: Annotated[list[Number], Meta(max_length=MOST_POINTS)]
    values: list[list[Number | None]]  # a list for each column, in the order of history.TABLES


class _File(Struct, frozen=True):
    format: Literal[1]  # FORMAT
    by: Name
    tables: dict[Name, _Columns]
    pods: Annotated[dict[Name, _Columns], Meta(max_length=SPARK_PODS)]
    timeline: Annotated[list[KeptEntry], Meta(max_length=MOST_LINES)]
    audit: Annotated[list[KeptLine], Meta(max_length=MOST_LINES)]


def entry(fields: Mapping[str, Any]) -> KeptEntry:
    return msgspec.convert(fields, KeptEntry)


def encode(kept: Kept) -> bytes:
    """Return the file, of at most KEPT_BYTES. What is oldest of each part is left out, if it would be larger."""
    share = 1.0
    while len(file := _encode(kept, share)) > KEPT_BYTES:
        share *= 0.8
    return file


def decode(file: bytes) -> Kept:
    """Read a file. Raise `InvalidKeptFile`."""
    gzip = zlib.decompressobj(wbits=GZIP)
    try:
        text = gzip.decompress(file, READ_BYTES)
    except zlib.error as error:
        raise InvalidKeptFile("it is not a gzip file, or a damaged one") from error
    if not gzip.eof or gzip.unused_data:
        raise InvalidKeptFile("it is too long, or its end is missing")
    try:
        read = msgspec.json.decode(text, type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidKeptFile(str(error).partition(" matching regex")[0][:200]) from error
    return Kept(
        read.by,
        {name: _points(columns, len(TABLES[name])) for name, columns in read.tables.items() if name in TABLES},
        {uid: _points(columns, len(PODS)) for uid, columns in read.pods.items()},
        read.timeline,
        read.audit,
    )


def _encode(kept: Kept, share: float) -> bytes:
    def newest(all_: Sequence[T]) -> Sequence[T]:
        return all_[len(all_) - math.floor(share * len(all_)) :]

    made = _File(
        FORMAT,
        kept.by,
        {name: _columns(newest(points), len(TABLES[name])) for name, points in kept.tables.items()},
        {uid: _columns(newest(points), len(PODS)) for uid, points in kept.pods.items()},
        [*newest(kept.timeline)],
        [*newest(kept.audit)],
    )
    gzip = zlib.compressobj(wbits=GZIP)
    return gzip.compress(msgspec.json.encode(made)) + gzip.flush()


def _columns(points: Sequence[Point], width: int) -> _Columns:
    distinct = {round(point[0] * 1_000): point for point in points}
    values = [[_thousandths(point[column]) for point in distinct.values()] for column in range(1, width + 1)]
    return _Columns([after - before for before, after in pairwise([0, *distinct])], values)


def _thousandths(value: float) -> int | None:
    return None if math.isnan(value) else round(min(LARGEST, max(-LARGEST, value * THOUSANDTHS)))


def _points(columns: _Columns, width: int) -> list[Point]:
    """Return the points. Raise `InvalidKeptFile` if the columns do not fit each other, or the times do not ascend."""
    if len(columns.values) != width or any(len(values) != len(columns.at) for values in columns.values):
        raise InvalidKeptFile("the columns of a table do not fit each other")
    if any(step <= 0 for step in columns.at):
        raise InvalidKeptFile("the times of a table do not ascend")
    figures = ([math.nan if one is None else one / THOUSANDTHS for one in values] for values in columns.values)
    return list(zip((at / 1_000 for at in accumulate(columns.at)), *figures, strict=True))
