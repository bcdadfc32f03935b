"""A source that fails for a while: it says so, and what it would have told is not heard."""

import random
from collections.abc import Callable

from dashboard.core import events
from dashboard.mock.clock import SimulationClock

FAILURES = (  # the source, what it is while it fails, and its words
    ("metrics", "stale", "503: the server is currently unable to handle the request (get pods.metrics.k8s.io)"),
    ("endpointslices", "forbidden", '403: endpointslices.discovery.k8s.io is forbidden: User "dashboard" cannot list'),
    ("traffic", "stale", "no pod of the service answers"),
    ("statefulsets", "stale", "the API server can't be reached: [Errno 104] Connection reset by peer"),
)


class Outage:
    """`listed` gives a list of a kind, by which a watch is taken up again; None for what is no such kind."""

    def __init__(
        self,
        moments: SimulationClock,
        random: random.Random,
        tell: Callable[[events.Event], None],
        listed: Callable[[str], events.ObjectsListed | None],
    ) -> None:
        self._moments = moments
        self._random = random
        self._tell = tell
        self._listed = listed
        self._source: str | None = None

    def begin(self) -> None:
        self._source, state, error = self._random.choice(FAILURES)
        self._tell(events.SourceStatus(at=self._moments.told, source=self._source, state=state, error=error))

    def end(self) -> None:
        """A watch lists again; the others are back with what they tell next."""
        source, self._source = self._source, None
        if source and (listed := self._listed(source)):
            self._tell(listed)

    def swallows(self, told: events.Event) -> bool:
        """Whether it comes from the source that fails."""
        match told:
            case events.MetricsSampled():
                return self._source == "metrics"
            case events.CountersScraped():
                return self._source == "traffic"
            case events.ObjectsListed(kind=kind) | events.ObjectChanged(kind=kind) | events.ObjectDeleted(kind=kind):
                return self._source == kind
        return False
