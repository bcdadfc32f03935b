"""A load's options with their bounds, the generator's samples, and a load's totals.

A load is *open loop*: the schedule fixes when each request is due, regardless of earlier responses. So a stall of one
second shows in the latency of every request of that second, without coordinated omission.
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
ANSWER_SECONDS = 10.0  # a request's deadline, from its connection to the end of its response
MOST_IN_FLIGHT = 2000  # requests without a response; a request that is due beyond it is dropped and counted

MOST_LAG_MS = 50.0  # above either limit, the figures show the generator's own delays
MOST_CPU_PERCENT = 80.0


class LoadBusy(ExternalError):
    """A load is running already. `by` started it."""

    def __init__(self, by: str) -> None:
        super().__init__(f"A load started by {by} is running: stop it first.")
        self.by = by


class GeneratorUnfit(ExternalError):
    """The self-test failed: this machine can't send that many requests a second now."""


class LoadOptions(Struct, frozen=True, kw_only=True):
    """A load's options. Raise InvalidOption if one is out of bounds."""

    rate: float  # requests a second
    duration: float  # seconds
    ramp_seconds: float = 0.0  # the linear rise from zero at the start, part of the duration
    connections: int = USUAL_CONNECTIONS

    def __post_init__(self) -> None:
        check_rate(self.rate)
        _bound("duration", self.duration, 1, MOST_SECONDS, "seconds")
        _bound("ramp_seconds", self.ramp_seconds, 0, self.duration, "seconds, its duration at most")
        _bound("connections", self.connections, *CONNECTIONS)

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Self:
        """Read a JSON object. Raise InvalidOption if an option is unknown, missing, or not a number in bounds."""
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
        """Return the load's schedule, without changes of the rate."""
        return Schedule.of(self.rate, self.duration, self.ramp_seconds)


class ErrorCounts(Struct, frozen=True, forbid_unknown_fields=True):
    """Failed requests by kind: the first three have no response, the others one that is not 2xx."""

    connect: int = 0  # the connection failed
    timeout: int = 0
    broken: int = 0  # the connection closed early, or the response was malformed
    failing: int = field(default=0, name="5xx")
    other: int = 0  # any other status

    @property
    def unanswered(self) -> int:
        return self.connect + self.timeout + self.broken

    @property
    def all(self) -> int:
        return self.unanswered + self.failing + self.other

    def by_kind(self) -> dict[str, int]:
        """Return the counts that are not zero, by kind."""
        names = ("connect", "timeout", "broken", "5xx", "other")
        counts = (self.connect, self.timeout, self.broken, self.failing, self.other)
        return {name: count for name, count in zip(names, counts, strict=True) if count}


class LoadSample(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The generator's figures, one sample a second. Counts are since the start.

    Latency is the time from when a request was due until its response has ended or it failed; without a connection
    there is none. Lag is how late the generator sent a request. The wait for a free connection is not lag but latency,
    because the server causes it.
    """

    elapsed: float  # seconds since the start
    offered: int
    sent: int
    dropped: int
    answered: int
    errors: ErrorCounts
    in_flight: int  # in the last sample: requests that were cancelled, with an unknown outcome
    connections: int  # open now
    p50_ms: float | None  # of this second
    p99_ms: float | None
    whole_p50_ms: float | None  # since the start
    whole_p99_ms: float | None
    lag_p99_ms: float | None
    whole_lag_p99_ms: float | None
    cpu_seconds: float  # of the generator's process, since the start
    final: bool = False


class LoadTotals(Struct, frozen=True, kw_only=True):
    """A load's totals since its start. A load that sent clearly fewer requests than `due` was thin."""

    seconds: float = 0.0
    due: int = 0  # by the dashboard's schedule until the newest sample: the integral of the rate
    offered: int = 0  # sent and dropped, by the generator's own count
    sent: int = 0
    achieved: int = 0  # responses of any status
    dropped: int = 0  # not sent, because the limit of concurrent requests was reached
    errors: int = 0  # failed requests, the sum of `by_kind`
    by_kind: dict[str, int] = {}  # connect, timeout, broken, 5xx, other; without kinds that did not occur
    in_flight: int = 0
    p50_ms: float | None = None
    p99_ms: float | None = None
    lag_p99_ms: float | None = None  # how late requests were sent
    cpu_percent: float | None = None  # of one core, in the worst 5 s; the mean of a shorter load
    failed: str | None = None  # why it ended by itself, as a sentence


def unfit(totals: LoadTotals) -> str | None:
    """Return why the generator's figures say nothing about the server; None if they are valid."""
    lag, cpu = totals.lag_p99_ms, totals.cpu_percent
    if lag is None or cpu is None:
        return "it sent nothing"
    if lag > MOST_LAG_MS:
        return f"it sent 1 % of the requests {lag:.0f} ms late or later ({MOST_LAG_MS:.0f} ms are allowed)"
    if cpu > MOST_CPU_PERCENT:
        return f"it used {cpu:.0f} % of a core ({MOST_CPU_PERCENT:.0f} % are allowed)"
    return None


def check_rate(rate: float) -> None:
    """Raise InvalidOption if the rate is out of bounds."""
    _bound("rate", rate, LEAST_RATE, MOST_RATE, "requests a second")


def _bound(name: str, value: float, low: float, high: float, unit: str) -> float:
    if not low <= value <= high:  # also true for NaN
        raise InvalidOption(f"A load's {name} is {value:g}: it must be from {low:g} to {high:g} ({unit}).")
    return value


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf
