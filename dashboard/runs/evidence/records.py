"""The records that every evidence file has: its header, why the run ended early, and its end. The others are the
journal of the state (core.state.journal) and those of the demo.

A record's `type` is its class' name, or the former one (`tag`) if the class was renamed. Timestamps are RFC 3339 in
UTC, by the dashboard's clock.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from dashboard.core.timestamps import RFC3339

FORMAT = "run-evidence"
VERSION = 2  # another number is given when the same records would have another verdict or other figures

Json = dict[str, Any]
Timestamp = Annotated[str, Meta(pattern=RFC3339)]


class Record(Struct, frozen=True, kw_only=True, tag=True, tag_field="type", forbid_unknown_fields=True):
    """The base of the records of runs. `at` is when it happened."""

    at: Timestamp


class Header(Record, frozen=True, kw_only=True):
    """The first record. `at` is the run's start, from which `t` counts, and `clock` the same by the monotonic clock;
    `source` is "mock" if the cluster was simulated and the verdict made up; `software` are versions by name."""

    format: str = FORMAT
    version: int = VERSION
    run: str
    demo: str
    options: Json
    by: str
    clock: float
    source: Literal["cluster", "mock"] = "cluster"
    software: dict[str, str]


class Stopped(Record, frozen=True):
    """The run ended early, with the reason as a sentence; `aborted` if somebody or the dashboard's end aborted it."""

    reason: str
    aborted: bool


class End(Record, frozen=True, kw_only=True):
    """The last record: the verdict with those of the single claims, and the number of records before it by type.

    `left_out` is the number of records that there was no room for: then the verdict can't be recomputed. `sha256` is
    that of all lines before.
    """

    verdict: str
    reason: str | None
    line: str
    evidence: Json
    checks: list[Json]
    counts: dict[str, int]
    left_out: int
    sha256: str
