"""When it is in the story: the moment that it is played at, and how far the plot has come."""

from datetime import UTC, datetime, timedelta

from dashboard.core.timestamps import rfc3339

STEP_SECONDS = 0.5  # of the plot, which runs faster than the time of day where it is asked to


class SimulationClock:
    """Both move on with each step. The plot's seconds say what happens, the time of day is what is told."""

    def __init__(self, at: datetime) -> None:
        self.at = at
        self.elapsed = 0.0  # seconds since the step before
        self.plot = 0.0  # seconds

    def step(self, at: datetime) -> None:
        self.elapsed = max(0.0, (at - self.at).total_seconds())
        self.at = at
        self.plot += STEP_SECONDS

    @property
    def told(self) -> str:
        """As the sources write it: to the millisecond."""
        return rfc3339(self.at)

    @property
    def stamp(self) -> str:
        """As Kubernetes writes it into objects: whole seconds."""
        return self.stamp_in(0)

    def stamp_in(self, seconds: float) -> str:
        return (self.at + timedelta(seconds=seconds)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
