"""The simulation's clock."""

from datetime import UTC, datetime, timedelta

from dashboard.core.timestamps import rfc3339

STEP_SECONDS = 0.5  # of simulated time, which may run faster than real time


class SimulationClock:
    """`seconds` is the simulated time, which decides what happens; `at` is the real time, which the events carry."""

    def __init__(self, at: datetime) -> None:
        self.at = at
        self.elapsed = 0.0  # real seconds since the previous step
        self.seconds = 0.0

    def step(self, at: datetime) -> None:
        self.elapsed = max(0.0, (at - self.at).total_seconds())
        self.at = at
        self.seconds += STEP_SECONDS

    @property
    def timestamp(self) -> str:
        """The time as the sources write it, with milliseconds."""
        return rfc3339(self.at)

    @property
    def stamp(self) -> str:
        """The time as Kubernetes writes it, in whole seconds."""
        return self.stamp_in(0)

    def stamp_in(self, seconds: float) -> str:
        return (self.at + timedelta(seconds=seconds)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
