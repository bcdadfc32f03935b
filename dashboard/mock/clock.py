"""The simulation's clock: simulated time and real time."""

from datetime import datetime, timedelta

from dashboard.core.timestamps import rfc3339

STEP_SECONDS = 0.5  # simulated seconds


class SimulationClock:
    """Advances with each step. Simulated time decides what happens; real time stands in events and objects.

    At speed 1 both run alike; at speed 20 a real second has 20 simulated ones.
    """

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.elapsed = 0.0  # real seconds since the previous step
        self.simulated = 0.0  # simulated seconds since the start

    def step(self, now: datetime) -> None:
        self.elapsed = max(0.0, (now - self.now).total_seconds())
        self.now = now
        self.simulated += STEP_SECONDS

    @property
    def timestamp(self) -> str:
        """The real time as in events: RFC 3339 with milliseconds."""
        return rfc3339(self.now)

    def stamp(self, after: float = 0.0) -> str:
        """Return the real time, `after` seconds later, as in Kubernetes' objects: RFC 3339 in whole seconds."""
        return rfc3339(self.now + timedelta(seconds=after), "seconds")
