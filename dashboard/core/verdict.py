"""What a run proved: PASS, FAIL or INCONCLUSIVE, with the evidence for it and one line that a shell can read.

FAIL outranks INCONCLUSIVE: a document that was lost is lost, however thin the traffic was.
"""

from typing import Any

from msgspec import Struct

from dashboard.core.ledger import Comparison

Json = dict[str, Any]


class Verdict(Struct, frozen=True):
    """`verdict`: "pass", "fail" or "inconclusive"; `reason` a sentence, None of a pass."""

    verdict: str
    reason: str | None
    evidence: Json
    line: str


class Killed(Struct, frozen=True):
    """Who and what the database was, before and after. Ids, None where there was none or it is not known."""

    pod: str | None = None
    container: str | None = None
    node: str | None = None
    claim: str | None = None  # uid
    volume: str | None = None  # PersistentVolume


class Persisted(Struct, frozen=True):
    """All that a persistence run saw."""

    mode: str
    attempted: int
    acked: int
    unknown: int
    failed: int
    acked_before: int
    acked_after: int
    rate_before: float  # acknowledged a second, just before the kill
    in_flight: int  # operations under way during the outage
    longest_write: float | None
    before: Killed | None
    after: Killed | None
    down: float | None
    last_write: bool | None  # whether the last document was acknowledged, None if it never came to that
    comparison: Comparison | None  # None if it never came to that
    stopped: str | None = None  # why it ended early: an abort, a lost lease, a limit


class Scaled(Struct, frozen=True):
    """All that an autoscale run saw. Moments are seconds from t0."""

    min: int
    peak: int
    rate: float
    offered: int
    achieved: int
    errors: int
    dropped: int
    lag_p99_ms: float | None
    cpu_percent: float | None  # of the generator
    moments: dict[str, float | None]  # t0 … t8
    resolution: float | None  # seconds between two samples of a pod
    flapped: str | None  # how it flapped, in a sentence
    inactive: str | None  # when and why ScalingActive was not True
    blind: str | None  # when and why there were no figures
    back: bool  # at min in the end
    late: str | None = None  # what did not come within its limit, in a sentence
    stopped: str | None = None


def persistence(seen: Persisted) -> Verdict:
    raise NotImplementedError


def autoscale(seen: Scaled) -> Verdict:
    raise NotImplementedError
