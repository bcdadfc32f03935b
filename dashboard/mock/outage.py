"""An outage of one source: it emits its status, and its other events are dropped."""

import random
from collections.abc import Callable

from dashboard.core import events
from dashboard.mock.clock import SimulationClock

FAILURES = (  # source, its state during the outage, its error
    ("metrics", "stale", "503: the server is currently unable to handle the request (get pods.metrics.k8s.io)"),
    ("endpointslices", "forbidden", '403: endpointslices.discovery.k8s.io is forbidden: User "dashboard" cannot list'),
    ("traffic", "stale", "no pod of the service answers"),
    ("statefulsets", "stale", "the API server can't be reached: [Errno 104] Connection reset by peer"),
)


class Outage:
    """`listed` returns the list with which a kind's watch resumes; None if the source is no watch."""

    def __init__(
        self,
        clock: SimulationClock,
        random: random.Random,
        emit: Callable[[events.Event], None],
        listed: Callable[[str], events.ObjectsListed | None],
    ) -> None:
        self._clock = clock
        self._random = random
        self._emit = emit
        self._listed = listed
        self._source: str | None = None

    def begin(self) -> None:
        self._source, state, error = self._random.choice(FAILURES)
        self._emit(events.SourceStatus(at=self._clock.timestamp, source=self._source, state=state, error=error))

    def end(self) -> None:
        """End the outage: a watch lists again; another source is back with its next event."""
        source, self._source = self._source, None
        if source and (listed := self._listed(source)):
            self._emit(listed)

    def swallows(self, event: events.Event) -> bool:
        """Return whether the event comes from the failing source."""
        match event:
            case events.MetricsSampled():
                return self._source == "metrics"
            case events.CountersScraped():
                return self._source == "traffic"
            case events.ObjectsListed(kind=kind) | events.ObjectChanged(kind=kind) | events.ObjectDeleted(kind=kind):
                return self._source == kind
        return False
