"""The evidence file: what is written is read, and what is no complete file is refused with a sentence."""

import gzip
import json
import zlib
from collections.abc import Callable

import jsonschema
import pytest

from dashboard.core.events import SourceStatus
from dashboard.runs.demos.disruption.records import DisruptionObserved
from dashboard.runs.demos.failover.records import FailoverObserved
from dashboard.runs.demos.persistence.records import PersistenceObserved
from dashboard.runs.demos.records import reader
from dashboard.runs.evidence.file import END_BYTES, FILE_BYTES, LINE_BYTES, LINES_BYTES, EvidenceWriter, Unreadable
from dashboard.runs.evidence.records import FORMAT, VERSION, Header
from tests.dashboard.runs.evidence.recorded import (
    Json,
    altered,
    changed,
    failed_over,
    healthy,
    killed_twice,
    lines_of,
    numbers,
    packed,
    persistent,
    without,
)
from tests.dashboard.stubs import ROOT

AT = "2026-11-25T04:14:24.000Z"
END: Json = {"at": AT, "verdict": "pass", "reason": None, "line": "third PASS", "evidence": {"t0": 0.0}, "checks": []}


def header() -> Header:
    return Header(at=AT, run="third-1", demo="third", options={}, by="operator", clock=5.0, software={"python": "3.11"})


def status(number: int) -> SourceStatus:
    return SourceStatus(at=AT, source="pods", state="stale", error=f"error {number}")


def written(count: int = 3, writer: EvidenceWriter | None = None) -> bytes:
    writer = writer or EvidenceWriter()
    writer.add(0.0, header())
    for number in range(count):
        writer.add(number + 0.5, status(number))
    return writer.finish(count + 1.0, **END)


def in_chunks(file: bytes, size: int) -> list[bytes]:
    return [file[n : n + size] for n in range(0, len(file), size)]


def read(file: bytes, size: int = 1 << 16) -> list[str]:
    """Read a file to its end. Return the differences."""
    opened = reader(in_chunks(file, size))
    list(opened.records())
    return opened.differences


@pytest.mark.parametrize("size", [1, 7, 1 << 16])
def test_records_are_read_as_they_were_written(size: int) -> None:
    opened = reader(in_chunks(written(), size))
    assert opened.header == header()
    assert list(opened.records()) == [status(0), status(1), status(2)]
    assert opened.differences == []
    assert opened.end and (opened.end.verdict, opened.end.evidence, opened.end.left_out) == ("pass", {"t0": 0.0}, 0)
    assert opened.end.counts == {"Header": 1, "SourceStatus": 3}


def test_records_of_renamed_classes_keep_their_types() -> None:
    writer = EvidenceWriter()
    writer.add(0.0, header())
    writer.add(1.0, PersistenceObserved("crash", True, None, None))
    writer.add(2.0, DisruptionObserved(None, True, None, None))
    writer.add(3.0, FailoverObserved("crash", 3, True, None, None))
    file = writer.finish(4.0, **END)
    types = [line["record"]["type"] for line in lines_of(file)]
    assert types == ["Header", "Ran", "Served", "FailedOver", "End"]
    assert lines_of(file)[-1]["record"]["counts"] == dict.fromkeys(types[:-1], 1)
    assert read(file) == []


def test_lines_have_wall_clock_and_monotonic_times() -> None:
    lines = lines_of(written())
    assert [line["n"] for line in lines] == [0, 1, 2, 3, 4]
    assert [line["t"] for line in lines] == [0.0, 0.5, 1.5, 2.5, 4.0]
    first = lines[0]["record"]
    assert (first["type"], first["format"], first["version"], first["at"]) == ("Header", FORMAT, VERSION, AT)


def test_missing_record_is_named() -> None:
    differences = read(without(written(), 2))
    assert differences == [
        "record 2 is missing", "there are 2 records SourceStatus, where the last line states 3",
    ]  # fmt: skip


def test_altered_record_is_named() -> None:
    assert read(altered(written(), 2, "error 1", "error 7")) == ["record 2 (SourceStatus, t=1.500) was altered"]


def test_moved_record_is_named() -> None:
    texts = gzip.decompress(written()).splitlines()
    texts[1], texts[2] = texts[2], texts[1]
    assert "record 1 is repeated or out of order" in read(packed(texts))


def test_altered_end_is_named() -> None:
    assert read(altered(written(), 4, '"pass"', '"fail"')) == ["record 4 (End, t=4.000) was altered"]


TIMED = [(persistent, "Operated"), (persistent, "Back"), (killed_twice, "Killed"), (failed_over, "Lost")]


@pytest.mark.parametrize(("file", "type_"), TIMED)
def test_time_of_a_line_that_is_not_its_records_own_is_named(file: Callable[[], bytes], type_: str) -> None:
    n = numbers(file(), type_)[0]
    later = changed(file(), lambda lines: lines[n].update(t=lines[n]["t"] + 5))
    assert any(each.startswith(f"record {n} ({type_}) has t=") for each in read(later))


@pytest.mark.parametrize("type_", ["Header", "Operated", "Back", "Ran", "End"])
def test_unknown_field_is_refused(type_: str) -> None:
    n = numbers(persistent(), type_)[0]
    with pytest.raises(Unreadable, match=f"Line {n} is no record: Object contains unknown field `more`"):
        read(changed(persistent(), lambda lines: lines[n]["record"].update(more=1)))


@pytest.mark.parametrize("type_", ["Header", "End"])
def test_record_at_no_time_is_refused(type_: str) -> None:
    n = numbers(persistent(), type_)[0]
    with pytest.raises(Unreadable, match=f"Line {n} is no record"):
        read(changed(persistent(), lambda lines: lines[n]["record"].update(at="later")))


@pytest.mark.parametrize("left", [0, 1, 20, 100])
def test_truncated_file_is_refused(left: int) -> None:
    with pytest.raises(Unreadable):
        read(written()[:left])


@pytest.mark.parametrize(
    "file",
    [
        b"text", written() + b"more", written() + written(), packed([]), packed([b"{}"]), packed([b"[" * 5000]),
        packed([b"\xff\xfe"]), packed(gzip.decompress(written()).splitlines()[:-1]),
        packed([*gzip.decompress(written()).splitlines(), b"{}"]), packed(gzip.decompress(written()).splitlines()[1:]),
        altered(written(), 1, "SourceStatus", "Unknown"), altered(written(), 1, '"pods"', "7"),
    ],
    ids=range(12),
)  # fmt: skip
def test_what_is_no_complete_file_is_refused(file: bytes) -> None:
    with pytest.raises(Unreadable):
        read(file)


def test_file_of_another_version_is_refused_with_both_versions() -> None:
    with pytest.raises(Unreadable, match=f"version {VERSION + 1}: .* of version {VERSION}"):
        read(altered(written(), 0, f'"version":{VERSION}', f'"version":{VERSION + 1}'))


def test_gzip_bomb_is_refused() -> None:
    gzip_ = zlib.compressobj(9, wbits=31)
    line = json.dumps({"n": 1, "padding": " " * 1000}).encode() + b"\n"
    bomb = gzip_.compress(gzip.decompress(written()).splitlines()[0] + b"\n")
    bomb += b"".join(gzip_.compress(line * 1000) for _ in range(LINES_BYTES // len(line) // 1000 + 2)) + gzip_.flush()
    assert len(bomb) < 1 << 20
    opened = reader([bomb])
    with pytest.raises(Unreadable):
        list(opened.records())


def test_endless_line_is_refused() -> None:
    with pytest.raises(Unreadable, match="A line"):
        reader([gzip.compress(b"a" * (LINE_BYTES + (1 << 20)))])


def test_too_long_file_is_refused() -> None:
    with pytest.raises(Unreadable, match="longer"):
        list(reader([written(), bytes(FILE_BYTES)]).records())


def test_records_without_room_are_counted() -> None:
    opened = reader([written(100, EvidenceWriter(lines_bytes=END_BYTES + 2_000))])
    kept = list(opened.records())
    assert opened.differences == [] and opened.end
    assert 0 < len(kept) < 100 and opened.end.left_out == 100 - len(kept)


def test_file_of_a_run_is_small() -> None:
    assert len(healthy()) < 50_000


@pytest.mark.parametrize("file", [healthy, persistent])
def test_lines_have_the_published_schema(file: Callable[[], bytes]) -> None:
    schema = json.loads((ROOT / "docs" / "schema" / "evidence.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    types = {}
    for line in lines_of(file()):
        types.setdefault(line["record"]["type"], line)
    assert len(types) > 10
    for line in types.values():
        validator.validate(line)
        with pytest.raises(jsonschema.ValidationError):
            validator.validate(line | {"record": line["record"] | {"type": "unknown"}})
