"""The database as the dashboard meets it: it answers while its pod is ready, and documents come in meanwhile."""

import random
from collections.abc import Callable

from dashboard.core import events
from dashboard.mock.clock import SimulationClock
from dashboard.mock.cluster.pods import DATABASE, MockPods
from dashboard.mock.data.collection import MockCollection
from dashboard.mock.traffic import SimulatedTraffic

INSERTION = 0.25  # of a document, with each step
RETRY_SECONDS = 2  # of simulated time, between two tries to reach it
VOLUME_SECONDS = 10  # of simulated time, between two looks at the file system


class MockDatabase:
    def __init__(
        self,
        clock: SimulationClock,
        random: random.Random,
        contents: MockCollection,
        load: SimulatedTraffic,
        emit: Callable[[events.Event], None],
    ) -> None:
        self.up = False
        self._clock = clock
        self._random = random
        self._contents = contents
        self._load = load
        self._emit = emit

    def step(self, pods: MockPods) -> None:
        was_up, self.up = self.up, any(pod.ready for pod in pods if pod.kind is DATABASE)
        if not self.up:
            self._tell_of_absence(was_up)
            return
        if self._random.random() < INSERTION:
            self._contents.insert()
        if self._contents.take_change() or not was_up:
            self._emit(self._contents.contents())
        if self._clock.seconds % VOLUME_SECONDS == 0:
            self._emit(self._contents.volume())

    def operations(self) -> events.OperationRate:
        """Some two for each request of the service."""
        rate = self._load.rate * self._random.uniform(1.6, 1.9) + self._random.uniform(0, 2)
        return events.OperationRate(at=self._clock.timestamp, per_second=round(rate, 1))

    def _tell_of_absence(self, is_new: bool) -> None:
        if is_new:
            self._emit(events.MongoUnavailable(at=self._clock.timestamp, error="the database has no primary"))
        elif self._clock.seconds % RETRY_SECONDS == 0:
            error = "the database can't be reached: ServerSelectionTimeoutError"
            self._emit(events.MongoUnavailable(at=self._clock.timestamp, error=error))
