"""A load's schedule: when each request is due, at a rate that may rise at first and change while the load runs.

Request n is due when the integral of the rate reaches n. So a change of the rate causes neither a burst nor a gap: the
elapsed part of the current interval counts.
"""

import math
from itertools import pairwise
from typing import Self

from msgspec import Struct


class Piece(Struct, frozen=True):
    """A part of a schedule: one rate, after a linear rise from zero."""

    since: float  # seconds after the load's start
    before: float  # requests due before it
    rate: float  # requests a second
    ramp: float = 0.0  # seconds of the rise

    def due(self, number: int) -> float:
        """Return when a request is due, in seconds after the load's start; number >= before."""
        left, risen = number - self.before, self.rate * self.ramp / 2
        if left < risen:
            return self.since + math.sqrt(2 * self.ramp * left / self.rate)
        return self.since + self.ramp + (left - risen) / self.rate

    def offered(self, elapsed: float) -> float:
        """Return how many requests are due in the load's first `elapsed` seconds; elapsed >= since."""
        passed = elapsed - self.since
        if passed < self.ramp:
            return self.before + self.rate * passed**2 / (2 * self.ramp)
        return self.before + self.rate * (passed - self.ramp / 2)


class Schedule(Struct, frozen=True):
    """The pieces of a load's schedule, in order. It is immutable, so readers need no lock."""

    duration: float
    pieces: tuple[Piece, ...]

    @classmethod
    def of(cls, rate: float, duration: float, ramp: float = 0.0) -> Self:
        return cls(duration, (Piece(0.0, 0.0, rate, ramp),))

    @property
    def rate(self) -> float:
        """The newest rate, in requests a second."""
        return self.pieces[-1].rate

    def changed(self, elapsed: float, rate: float) -> Self:
        """Return this schedule with another rate from `elapsed` seconds on. A rise that has not ended ends there."""
        last = self.pieces[-1]
        elapsed = max(elapsed, last.since)
        return type(self)(self.duration, (*self.pieces, Piece(elapsed, last.offered(elapsed), rate)))

    def due(self, number: int) -> float:
        """Return when a request is due, in seconds after the start; the first is number 0."""
        for piece in reversed(self.pieces):
            if number >= piece.before:
                return piece.due(number)
        return 0.0

    def offered(self, elapsed: float) -> int:
        """Return how many requests are due in the first `elapsed` seconds."""
        return math.ceil(self._integral(elapsed))

    def mean(self, start: float, end: float) -> float:
        """Return the mean rate between two times, in seconds after the start; before the start it is 0."""
        return (self._integral(end) - self._integral(start)) / (end - start) if end > start else self.rate

    def most(self, elapsed: float, delay: float) -> int:
        """Return how many requests are due at most, if each change took effect up to `delay` seconds late."""
        elapsed = min(elapsed, self.duration)
        late = sum(
            (old.rate - new.rate) * min(delay, elapsed - new.since)
            for old, new in pairwise(self.pieces)
            if new.since < elapsed and new.rate < old.rate
        )
        return math.ceil(self._integral(elapsed) + late)

    def _integral(self, elapsed: float) -> float:
        elapsed = max(0.0, min(elapsed, self.duration))
        return next(piece.offered(elapsed) for piece in reversed(self.pieces) if elapsed >= piece.since)
