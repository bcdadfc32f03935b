"""Evidence files of simulated runs, and changes to them."""

import functools
import gzip
import json
from collections.abc import Callable
from typing import Any

from dashboard.runs.demos.records import reader
from dashboard.runs.demos.registry import DEMOS
from dashboard.runs.evidence.file import _check
from tests.dashboard.runs.demos.autoscale.simulation import SimulationOptions
from tests.dashboard.runs.demos.failover.replica_set import ReplicaSet
from tests.dashboard.runs.harness import RunHarness

Json = dict[str, Any]


@functools.cache
def healthy() -> bytes:
    """Return the file of an autoscale run that passes."""
    return _recorded(RunHarness(step=0.25, options=SimulationOptions()))


@functools.cache
def failing() -> bytes:
    """Return the file of an autoscale run whose autoscaler does not act."""
    harness = RunHarness(step=0.25, options=SimulationOptions())
    harness.during_step("load", lambda: setattr(harness.autoscaler, "scales", False))
    return _recorded(harness)


@functools.cache
def persistent() -> bytes:
    """Return the file of a persistence run that passes."""
    harness = RunHarness()
    return harness.files.files[harness.run("persistence")["id"]]


@functools.cache
def losing() -> bytes:
    """Return the file of a persistence run that has lost a document."""
    harness = RunHarness()
    harness.during_step("after", lambda: _lose(harness))
    return harness.files.files[harness.run("persistence")["id"]]


@functools.cache
def killed_twice() -> bytes:
    """Return the file of a persistence run that kills its database twice, and passes."""
    harness = RunHarness()
    return harness.files.files[harness.run("persistence", mode="crash", kills=2)["id"]]


@functools.cache
def failed_over() -> bytes:
    """Return the file of a failover run that passes."""
    harness = RunHarness()
    ReplicaSet(harness)
    return harness.files.files[harness.run("failover")["id"]]


@functools.cache
def healed() -> bytes:
    """Return the file of a self-healing run that passes."""
    harness = RunHarness(step=0.1)
    harness.configure_writers = lambda writers: setattr(writers, "interval", 0.1)
    return harness.files.files[harness.run("self-healing")["id"]]


def _lose(harness: RunHarness) -> None:
    documents = harness.cluster.documents
    del documents[next(iter(documents))]


def _recorded(harness: RunHarness) -> bytes:
    return harness.files.files[harness.run("autoscale")["id"]]


def lines_of(file: bytes) -> list[Json]:
    return [json.loads(line) for line in gzip.decompress(file).splitlines()]


def numbers(file: bytes, type_: str) -> list[int]:
    """Return the numbers of the records of a type."""
    return [line["n"] for line in lines_of(file) if line["record"]["type"] == type_]


def packed(texts: list[bytes]) -> bytes:
    return gzip.compress(b"".join(text + b"\n" for text in texts))


def without(file: bytes, n: int) -> bytes:
    """Return the file without a line."""
    texts = gzip.decompress(file).splitlines()
    return packed([*texts[:n], *texts[n + 1 :]])


def altered(file: bytes, n: int, before: str, after: str) -> bytes:
    """Return the file with a text replaced in a line."""
    texts = gzip.decompress(file).splitlines()
    assert before.encode() in texts[n]
    texts[n] = texts[n].replace(before.encode(), after.encode(), 1)
    return packed(texts)


def forged(file: bytes) -> bytes:
    """Return the file with all numbers and checks made anew, as somebody does who knows how, but not its digest."""
    check, made = b"", []
    for n, text in enumerate(gzip.decompress(file).splitlines()):
        body = b'{"n":%d,' % n + text.partition(b",")[2].rpartition(b',"check":')[0]
        check = _check(check, body)
        made.append(body + b',"check":"%b"}' % check)
    return packed(made)


def changed(file: bytes, change: Callable[[list[Json]], object]) -> bytes:
    """Return the file after a change to its list of lines, with all numbers and checks made anew."""
    lines = lines_of(file)
    change(lines)
    return forged(packed([json.dumps(line, separators=(",", ":"), ensure_ascii=False).encode() for line in lines]))


def repeated(file: bytes, type_: str) -> bytes:
    """Return the file with its first record of a type once more, with all numbers and checks made anew."""

    def repeat(lines: list[Json]) -> None:
        line = next(line for line in lines if line["record"]["type"] == type_)
        lines.insert(lines.index(line), line)

    return changed(file, repeat)


def of_type(lines: list[Json], type_: str) -> list[Json]:
    """Return the records of a type, which may be changed."""
    return [line["record"] for line in lines if line["record"]["type"] == type_]


def contradictions(file: bytes) -> list[str]:
    """Return where the file's records contradict each other."""
    opened = reader([file])
    recompute = DEMOS[opened.header.demo].recompute
    assert recompute
    return recompute(opened.header, opened.records()).differences
