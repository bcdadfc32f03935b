"""The evidence file: gzip of JSON lines, {"n", "t", "record", "check"} each, with the header first and the end last.

`n` counts the lines from 0, `t` is in seconds since the run's start by a clock that never goes back, and `check` is the
beginning of the SHA-256 of the check before and of the line up to it. So a line that is missing, moved or altered can
be named. Nothing here reads a clock or stores anything.
"""

import hashlib
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from dashboard.core.lines import LineSplitter, LineTooLong
from dashboard.runs.evidence.records import FORMAT, VERSION, End, Header

LINES_BYTES = 64 << 20  # all lines of a file
FILE_BYTES = 8 << 20  # compressed
LINE_BYTES = 4 << 20
END_BYTES = 1 << 20  # that are left for the last line
CHUNK_BYTES = 64 << 10
GZIP = 31  # zlib's window bits for a gzip header, which has no timestamp then
MOST_DIFFERENCES = 1_000  # that are noted
CHECK = 8  # hexadecimal digits
ROUNDED_SECONDS = 0.001  # of a line's time, at most

_TAIL = re.compile(rb',"check":"([0-9a-f]{8})"\}\Z')


class Unreadable(Exception):
    """This is no complete evidence file of a known version. The message is the reason, a sentence."""


class EvidenceWriter:
    """Makes a file of records, compressed as they come. One thread at a time may use it."""

    def __init__(self, lines_bytes: int = LINES_BYTES, file_bytes: int = FILE_BYTES) -> None:
        self._lines_left, self._file_left = lines_bytes - END_BYTES, file_bytes - END_BYTES
        self._gzip = zlib.compressobj(wbits=GZIP)
        self._parts: list[bytes] = []
        self._digest = hashlib.sha256()
        self._check = b""
        self._counts: Counter[str] = Counter()
        self.left_out = 0

    def add(self, t: float, record: Struct) -> None:
        """Add a record. Once there is no room for one, it and all later ones are only counted."""
        line = self._line(t, record)
        if self.left_out or len(line) > min(self._lines_left, LINE_BYTES) or self._file_left <= 0:
            self.left_out += 1
            return
        self._lines_left -= len(line)
        self._append(line)
        self._counts[_type(record)] += 1

    def finish(self, t: float, **end: Any) -> bytes:
        """Return the file, with `end` as its last record. No record may be added afterwards."""
        last = End(counts=dict(self._counts), left_out=self.left_out, sha256=self._digest.hexdigest(), **end)
        self._append(self._line(t, last))
        return b"".join([*self._parts, self._gzip.flush()])

    def _line(self, t: float, record: Struct) -> bytes:
        body = b'{"n":%d,"t":%.3f,"record":%b' % (sum(self._counts.values()), t, msgspec.json.encode(record))
        return body + b',"check":"%b"}\n' % _check(self._check, body)

    def _append(self, line: bytes) -> None:
        self._check = line[-CHECK - 3 : -3]
        self._digest.update(line)
        if part := self._gzip.compress(line):
            self._file_left -= len(part)
            self._parts.append(part)


class EvidenceReader:
    """Reads a file's records, and notes which of them are missing or altered. `differences` are sentences, complete
    once all records have been read."""

    def __init__(
        self, chunks: Iterable[bytes], line: type[Any], time_of: Callable[[Any], float | None] = lambda record: None
    ) -> None:
        """`line` is the type of the lines, with the fields n, t, record and check. `time_of` returns the time of a
        record that its line's t is, by the header's monotonic clock; None for other records."""
        self.differences: list[str] = []
        self._time_of = time_of
        self._lines = lines(chunks)
        self._decoder = msgspec.json.Decoder(line)
        self._digest = hashlib.sha256()
        self._counts: Counter[str] = Counter()
        self._check = b""
        self._next = 0
        self.header = self._read_header()
        self.end: End | None = None

    def records(self) -> Iterator[Any]:
        """Yield the records between the header and the end. Raise `Unreadable`."""
        for text in self._lines:
            line = self._decode(text)
            if isinstance(line.record, End):
                self._finish(line.record, text)
                break
            if isinstance(line.record, Header):
                raise Unreadable(f"Line {line.n} is a second header.")
            self._count(line, text)
            self._compare_time(line)
            yield line.record
            del line  # before the next is decoded: one may need thirty times its size of memory
        if self.end is None:
            raise Unreadable("It has no last line: it is truncated.")
        if next(self._lines, None) is not None:
            raise Unreadable("It has lines after its last one.")

    def _read_header(self) -> Header:
        text = next(self._lines, None)
        if text is None:
            raise Unreadable("It is empty.")
        given = _version(text)
        if given != (FORMAT, VERSION):
            known = f"{FORMAT} of version {VERSION}"
            raise Unreadable(f"It is {given[0]} of version {given[1]}: this program reads {known}.")
        line = self._decode(text)
        if not isinstance(line.record, Header):
            raise Unreadable("Its first line is not a header.")
        self._count(line, text)
        return line.record

    def _decode(self, text: bytes) -> Any:
        try:
            line = self._decoder.decode(text)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise Unreadable(f"Line {self._next} is no record: {error}.") from error
        self._verify(line, text)
        return line

    def _verify(self, line: Any, text: bytes) -> None:
        if line.n > self._next:
            self._differ(f"{_named(self._next, line.n - 1)} missing")
        elif line.n < self._next:
            self._differ(f"record {line.n} is repeated or out of order")
        tail = _TAIL.search(text)
        body = text[: tail.start()] if tail else text
        if line.n == self._next and line.check.encode() != _check(self._check, body):
            self._differ(f"record {line.n} ({_type(line.record)}, t={line.t:.3f}) was altered")
        self._check = line.check.encode()
        self._next = line.n + 1

    def _count(self, line: Any, text: bytes) -> None:
        self._counts[_type(line.record)] += 1
        self._digest.update(text + b"\n")

    def _compare_time(self, line: Any) -> None:
        at = self._time_of(line.record)
        if at is not None and not abs(at - self.header.clock - line.t) <= ROUNDED_SECONDS:
            own = f"{at - self.header.clock:.3f}"
            self._differ(f"record {line.n} ({_type(line.record)}) has t={line.t:.3f}, by its own time {own}")

    def _finish(self, end: End, text: bytes) -> None:
        self.end = end
        for name in sorted({*end.counts, *self._counts}):
            stated, found = end.counts.get(name, 0), self._counts[name]
            if stated != found:
                self._differ(f"there are {found} records {name}, where the last line states {stated}")
        if self._digest.hexdigest() != end.sha256 and not self.differences:
            self._differ("the lines differ from the SHA-256 in the last line")

    def _differ(self, difference: str) -> None:
        if len(self.differences) < MOST_DIFFERENCES:
            self.differences.append(difference)


def _type(record: Struct) -> str:
    """Return a record's `type`: its class may have been renamed since."""
    return str(record.__struct_config__.tag)


def _check(before: bytes, body: bytes) -> bytes:
    return hashlib.sha256(before + body).hexdigest()[:CHECK].encode()


def _named(first: int, last: int) -> str:
    return f"record {first} is" if first == last else f"records {first} to {last} are"


class _Format(Struct):
    format: str
    version: int


class _First(Struct):
    record: _Format


def _version(text: bytes) -> tuple[str, int]:
    try:
        found = msgspec.json.decode(text, type=_First).record
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Unreadable("Its first line is not the header of an evidence file.") from error
    return found.format[:80], found.version


def lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines of a gzip file, without their ends. Raise `Unreadable`; memory is bounded whatever the file."""
    gzip = zlib.decompressobj(wbits=GZIP)
    splitter, total, given = LineSplitter(LINE_BYTES), 0, 0
    for chunk in chunks:
        given += len(chunk)
        if given > FILE_BYTES:
            raise Unreadable(f"It is longer than {FILE_BYTES >> 20} MiB.")
        if gzip.eof:
            raise Unreadable("There is something after its end.")
        data, text = chunk, b""
        while (data or len(text) == CHUNK_BYTES) and not gzip.eof:  # with so much text there may be more of it
            try:
                text = gzip.decompress(data, CHUNK_BYTES)
            except zlib.error as error:
                raise Unreadable("It is not a gzip file, or a damaged one.") from error
            data = gzip.unconsumed_tail
            total += len(text)
            if total > LINES_BYTES:
                raise Unreadable(f"Its lines are longer than {LINES_BYTES >> 20} MiB.")
            try:
                yield from splitter.split(text)
            except LineTooLong as error:
                raise Unreadable(f"A line is longer than {LINE_BYTES >> 20} MiB.") from error
        if gzip.eof and (gzip.unused_data or gzip.unconsumed_tail):
            raise Unreadable("There is something after its end.")
    if not gzip.eof or splitter.rest:
        raise Unreadable("It is truncated.")
