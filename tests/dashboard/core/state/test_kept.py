"""The file of what outlives the dashboard: read as it was written, bounded, refused if it is anything else."""

import json
import math
import random
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import to_builtins

from dashboard.core.ring import Point
from dashboard.core.state.history import COARSE_POINTS, FINE_POINTS, SPARK_PODS, SPARK_POINTS, TABLES
from dashboard.core.state.kept import (
    GZIP,
    KEPT_BYTES,
    LARGEST,
    MOST_LINES,
    MOST_POINTS,
    READ_BYTES,
    InvalidKeptFile,
    Kept,
    KeptEntry,
    KeptLine,
    KeptObject,
    decode,
    encode,
)
from dashboard.core.timeline.timeline import ENTRIES
from dashboard.web.audit_log import KEPT, KEPT_DENIED, LONGEST, NAME_LENGTH

T0 = 1_764_000_000.0
AT = "2026-11-24T12:00:00.000Z"
POD = KeptObject("Pod", "mongodb-0", "u1")
ENTRY = KeptEntry("change/7", AT, "change", "good", "mongodb-0 Ready", POD, "mongodb-0 Ready")
LINE = KeptLine(AT, "operator (session 3f2a)", "restart mongodb-0", "started", POD, denied=False)

FIGURES = st.one_of(st.integers(-LARGEST, LARGEST).map(lambda number: number / 1_000), st.just(math.nan))
TIMES = st.lists(st.integers(1, 4_000_000_000_000), unique=True, max_size=20).map(sorted)


def gzipped(text: bytes) -> bytes:
    gzip = zlib.compressobj(wbits=GZIP)
    return gzip.compress(text) + gzip.flush()


def file_with(**fields: Any) -> bytes:
    empty = {"format": 1, "by": "a", "tables": {}, "pods": {}, "timeline": [], "audit": []}
    return gzipped(json.dumps(empty | fields).encode())


def plain(points: Any) -> list[Any]:
    return [[None if math.isnan(value) else value for value in point] for point in points]


def test_file_is_read_as_it_was_written() -> None:
    kept = Kept("a", {"cpu": [(T0, 84.5), (T0 + 15.125, 0.001)]}, {"u1": [(T0, 7.0)]}, [ENTRY], [LINE])
    assert decode(encode(kept)) == kept


@pytest.mark.slow
@given(TIMES, st.data())
def test_figures_are_kept_within_their_resolution(times: list[int], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(TABLES)))
    points: list[Point] = [(at / 1_000, *(data.draw(FIGURES) for _ in TABLES[name])) for at in times]
    read = decode(encode(Kept("a", {name: points}, {}, [], []))).tables[name]
    assert [point[0] for point in read] == [point[0] for point in points]
    for was, found in zip(plain(points), plain(read), strict=True):
        assert found == [value if value is None else pytest.approx(value, abs=0.000_5) for value in was]


def test_figure_beyond_all_measure_is_the_largest() -> None:
    kept = Kept("a", {"cpu": [(T0, math.inf), (T0 + 1, -1e300)]}, {}, [], [])
    assert [value for _, value in decode(encode(kept)).tables["cpu"]] == [LARGEST / 1_000, -LARGEST / 1_000]


def test_two_points_of_one_millisecond_are_one() -> None:
    kept = Kept("a", {"cpu": [(T0, 1.0), (T0 + 0.000_1, 2.0)]}, {}, [], [])
    assert decode(encode(kept)).tables["cpu"] == [(T0, 2.0)]


def largest(figure: Any, text: Any) -> Kept:
    """Return all that the history, the timeline and the audit can hold."""
    most = (FINE_POINTS + COARSE_POINTS) * 9 // 8 + 62
    tables = {
        name: [(T0 + second, *(figure() for _ in columns)) for second in range(most)]
        for name, columns in TABLES.items()
    }
    pods = {
        f"{pod:036}": [(T0 + sample, figure()) for sample in range(SPARK_POINTS * 9 // 8)] for pod in range(SPARK_PODS)
    }
    about = KeptObject(text(NAME_LENGTH), text(NAME_LENGTH), text(NAME_LENGTH))
    timeline = [KeptEntry(text(64), AT, "event", "warn", text(420), about, text(40)) for _ in range(ENTRIES)]
    audit = [KeptLine(AT, text(LONGEST), text(LONGEST), text(LONGEST), about, False) for _ in range(KEPT + KEPT_DENIED)]
    return Kept("a", tables, pods, timeline, audit)


@pytest.mark.slow
def test_largest_possible_history_is_kept_within_a_config_map() -> None:
    random_ = random.Random(7)  # noqa: S311 - no secret
    letters = [chr(code) for code in range(0x4E00, 0x9FFF)]
    kept = largest(lambda: random_.uniform(-1e12, 1e12), lambda length: "".join(random_.choices(letters, k=length)))
    file = encode(kept)
    assert 0.6 * KEPT_BYTES < len(file) <= KEPT_BYTES
    read = decode(file)
    for name, points in kept.tables.items():  # the newest are those that are kept
        assert len(read.tables[name]) > 1_000 and read.tables[name][-1][0] == points[-1][0]
    assert read.timeline == kept.timeline[-len(read.timeline) :] and read.audit == kept.audit[-len(read.audit) :]


@pytest.mark.slow
def test_history_of_a_busy_day_is_kept_whole() -> None:
    random_ = random.Random(7)  # noqa: S311 - no secret
    kept = largest(lambda: round(random_.uniform(0, 300), 1), lambda length: "flask-7c87d5-kt769 Ready "[:length])
    read = decode(encode(kept))
    assert {name: len(points) for name, points in read.tables.items()} == {
        name: len(points) for name, points in kept.tables.items()
    }
    assert len(read.audit) == KEPT + KEPT_DENIED


@pytest.mark.parametrize(
    "file",
    [
        b"",
        b"not gzip",
        encode(Kept("a", {}, {}, [ENTRY], []))[:-9],
        encode(Kept("a", {}, {}, [], [])) + b"more",
        gzipped(b"[]"),
        gzipped(b'"\xff"'),
        gzipped(b"[" * 100_000),
        gzipped(bytes(READ_BYTES + 1)),
        file_with(format=2),
        file_with(timeline=[{"id": "1"}]),
        file_with(tables={"cpu": {"at": [1, 2], "values": [[1]]}}),
        file_with(tables={"cpu": {"at": [1], "values": [[1], [1]]}}),
        file_with(tables={"cpu": {"at": [5, 0], "values": [[1, 1]]}}),
        file_with(tables={"cpu": {"at": [1], "values": [["1"]]}}),
        file_with(tables={"cpu": {"at": [10**30], "values": [[1]]}}),
        file_with(tables={"cpu": {"at": [1] * (MOST_POINTS + 1), "values": [[1] * (MOST_POINTS + 1)]}}),
        file_with(pods={f"u{pod}": {"at": [1], "values": [[1]]} for pod in range(SPARK_PODS + 1)}),
        file_with(timeline=[to_builtins(ENTRY)] * (MOST_LINES + 1)),
        file_with(audit=[json.loads('{"at": "yesterday", "by": "", "action": "", "outcome": "", "object": null}')]),
    ],
)
def test_anything_else_is_unreadable(file: bytes) -> None:
    with pytest.raises(InvalidKeptFile):
        decode(file)


def test_table_of_another_version_is_skipped() -> None:
    assert decode(file_with(tables={"disk": {"at": [1], "values": [[1]]}})).tables == {}


@given(st.binary(max_size=200))
def test_no_bytes_raise_another_error(text: bytes) -> None:
    for file in (text, gzipped(text)):
        with pytest.raises(InvalidKeptFile):
            decode(file)
