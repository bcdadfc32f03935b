"""An outage of one source: the source reports an error, and its events are dropped."""

import random
from collections.abc import Callable

from dashboard.core import events
from dashboard.mock.clock import SimulationClock

OUTAGES = (  # source, its state during the outage, error
    ("metrics", "stale", "503: the server is currently unable to handle the request (get pods.metrics.k8s.io)"),
    ("endpointslices", "forbidden", '403: endpointslices.discovery.k8s.io is forbidden: User "dashboard" cannot list'),
    ("traffic", "stale", "no pod of the service answers"),
    ("statefulsets", "stale", "the API server can't be reached: [Errno 104] Connection reset by peer"),
)


class Outage:
    """Begins and ends the outages of randomly chosen sources.

    A watch that resumes lists its objects: `list_objects` returns them, or None for a source that is not a watch.
    """

    def __init__(
        self,
        clock: SimulationClock,
        random: random.Random,
        emit: events.Emit,
        list_objects: Callable[[str], events.ObjectsListed | None],
    ) -> None:
        self._clock = clock
        self._random = random
        self._emit = emit
        self._list_objects = list_objects
        self._source: str | None = None

    def begin(self) -> None:
        self._source, state, error = self._random.choice(OUTAGES)
        self._emit(events.SourceStatus(at=self._clock.timestamp, source=self._source, state=state, error=error))

    def end(self) -> None:
        """End the outage. A watch lists its objects again; any other source is live with its next event."""
        source, self._source = self._source, None
        if source and (listed := self._list_objects(source)):
            self._emit(listed)

    def drops(self, event: events.Event) -> bool:
        """Return whether the event is from the failing source."""
        match event:
            case events.MetricsSampled():
                return self._source == "metrics"
            case events.CountersScraped():
                return self._source == "traffic"
            case events.ObjectsListed(kind=kind) | events.ObjectChanged(kind=kind) | events.ObjectDeleted(kind=kind):
                return self._source == kind
        return False
