"""Load at a rate: what may be asked for, what the generator tells, and what that means.

A load is *open loop*: requests are due at moments that are fixed beforehand, whatever became of those before. So a
server that stands still for a second is seen by all the requests of that second, and not by one.
"""

import math
from collections.abc import Mapping
from typing import Any, Self

from msgspec import Struct, field

from dashboard.core.errors import ExternalError, InvalidOption
from dashboard.load.schedule import Schedule

LEAST_RATE, MOST_RATE = 1.0, 2000.0  # requests a second
MOST_SECONDS = 1800.0
CONNECTIONS = (1, 200, "connections at once")
USUAL_CONNECTIONS = 50
MOST_IN_FLIGHT = 2000  # requests that wait for an answer at once; those due beyond it are dropped, and counted

MOST_LAG_MS = 50.0  # a generator that sends later than this, or works harder than that, measures itself
MOST_CPU_PERCENT = 80.0


class LoadBusy(ExternalError):
    """One load at a time. `by` is who started the one that runs."""

    def __init__(self, by: str) -> None:
        super().__init__(f"A load that {by} started is running: stop it first.")
        self.by = by


class GeneratorUnfit(ExternalError):
    """The self-test failed: this machine can't send that many requests a second at the moment."""


class LoadOptions(Struct, frozen=True, kw_only=True):
    """Requests a second for so many seconds, after a linear rise from nothing that is part of them.

    `InvalidOption` for what is out of bounds.
    """

    rate: float
    duration: float
    ramp_seconds: float = 0.0
    connections: int = USUAL_CONNECTIONS

    def __post_init__(self) -> None:
        check_rate(self.rate)
        _bound("duration", self.duration, 1, MOST_SECONDS, "seconds")
        _bound("ramp_seconds", self.ramp_seconds, 0, self.duration, "seconds, its duration at most")
        _bound("connections", self.connections, *CONNECTIONS)

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Self:
        """From plain JSON; `InvalidOption` for what no load can be made of."""
        for name, value in given.items():
            if name not in cls.__struct_fields__:
                raise InvalidOption(f"A load has no {name[:40]!r}: it has {', '.join(cls.__struct_fields__)}.")
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise InvalidOption(f"A load's {name} must be a number.")
        for name in ("rate", "duration"):
            if name not in given:
                raise InvalidOption(f"A load needs a {name}.")
        numbers = {name: _float(value) for name, value in given.items()}
        connections = _bound("connections", numbers.pop("connections", USUAL_CONNECTIONS), *CONNECTIONS)
        if connections != int(connections):
            raise InvalidOption("A load's connections must be a whole number.")
        return cls(connections=int(connections), **numbers)

    def schedule(self) -> Schedule:
        """The load's schedule at its start."""
        return Schedule.of(self.rate, self.duration, self.ramp_seconds)


class ErrorCounts(Struct, frozen=True, forbid_unknown_fields=True):
    """Requests without an answer (the first three), and answers that are no success."""

    connect: int = 0  # no connection came about
    timeout: int = 0
    broken: int = 0  # the connection ended, or what came was no HTTP
    failing: int = field(default=0, name="5xx")
    other: int = 0  # any other status but 2xx

    @property
    def unanswered(self) -> int:
        return self.connect + self.timeout + self.broken

    @property
    def all(self) -> int:
        return self.unanswered + self.failing + self.other

    def by_kind(self) -> dict[str, int]:
        """Without those that there were none of."""
        names = ("connect", "timeout", "broken", "5xx", "other")
        counts = (self.connect, self.timeout, self.broken, self.failing, self.other)
        return {name: count for name, count in zip(names, counts, strict=True) if count}


class LoadSample(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the generator tells each second. Counts are since the start, `elapsed` is in seconds.

    Latency counts from the moment at which a request was due to the end of its answer, or until it was given up;
    connections that never came about have none. Lag is how late the generator itself was: the time that a request then
    waits for one of the connections is the server's doing, and part of the latency.
    """

    elapsed: float
    offered: int
    sent: int
    dropped: int
    answered: int
    errors: ErrorCounts
    in_flight: int  # in the last sample: given up at the end, without a verdict on them
    connections: int  # open at this moment
    p50_ms: float | None  # of this second
    p99_ms: float | None
    whole_p50_ms: float | None  # since the start
    whole_p99_ms: float | None
    lag_p99_ms: float | None
    whole_lag_p99_ms: float | None
    cpu_seconds: float
    final: bool = False


class LoadTotals(Struct, frozen=True, kw_only=True):
    """What a load came to, from its start."""

    seconds: float = 0.0
    due: int = 0  # by the schedule that the dashboard asked for; `offered` is the generator's own count
    offered: int = 0
    sent: int = 0
    achieved: int = 0  # answered, whatever the answer was
    dropped: int = 0
    errors: int = 0
    by_kind: dict[str, int] = {}
    in_flight: int = 0
    p50_ms: float | None = None
    p99_ms: float | None = None
    lag_p99_ms: float | None = None
    cpu_percent: float | None = None  # of one core: the worst 5 s of it, or all of it when it was shorter
    failed: str | None = None


def unfit(totals: LoadTotals) -> str | None:
    """Why figures of a generator that did so say nothing about the server; None if they do."""
    lag, cpu = totals.lag_p99_ms, totals.cpu_percent
    if lag is None or cpu is None:
        return "it sent nothing"
    if lag > MOST_LAG_MS:
        return f"one request in a hundred was sent over {lag:.0f} ms late, and {MOST_LAG_MS:.0f} ms are allowed"
    if cpu > MOST_CPU_PERCENT:
        return f"it took {cpu:.0f} % of a core, and {MOST_CPU_PERCENT:.0f} % are allowed"
    return None


def check_rate(rate: float) -> None:
    """`InvalidOption` if no load may have this rate."""
    _bound("rate", rate, LEAST_RATE, MOST_RATE, "requests a second")


def _bound(name: str, value: float, low: float, high: float, unit: str) -> float:
    if not low <= value <= high:  # NaN is not, either
        raise InvalidOption(f"A load's {name} is {value:g}: it must be from {low:g} to {high:g} ({unit}).")
    return value


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf
