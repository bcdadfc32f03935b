"""The simulated database as its source sees it: up while its pod is ready. Documents arrive meanwhile."""

import random

from dashboard.core import events
from dashboard.mock.clock import SimulationClock
from dashboard.mock.cluster.pods import DATABASE, MockPods
from dashboard.mock.database.collection import MockCollection
from dashboard.mock.traffic import SimulatedTraffic

INSERT_PROBABILITY = 0.25  # in each step
RETRY_SECONDS = 2  # simulated, between two attempts to connect
VOLUME_SECONDS = 10  # simulated, between two reads of the volume's usage


class MockDatabase:
    def __init__(
        self,
        clock: SimulationClock,
        random: random.Random,
        collection: MockCollection,
        traffic: SimulatedTraffic,
        emit: events.Emit,
    ) -> None:
        self.up = False
        self._clock = clock
        self._random = random
        self._collection = collection
        self._traffic = traffic
        self._emit = emit

    def step(self, pods: MockPods) -> None:
        was_up, self.up = self.up, any(pod.ready for pod in pods if pod.kind is DATABASE)
        if not self.up:
            self._emit_unavailable(was_up)
            return
        if self._random.random() < INSERT_PROBABILITY:
            self._collection.insert()
        if self._collection.take_change() or not was_up:
            self._emit(self._collection.contents())
        if self._clock.simulated % VOLUME_SECONDS == 0:
            self._emit(self._collection.volume())

    def operations(self) -> events.OperationRate:
        """Return the rate: about two operations for each request of the service."""
        rate = self._traffic.rate * self._random.uniform(1.6, 1.9) + self._random.uniform(0, 2)
        return events.OperationRate(at=self._clock.timestamp, per_second=round(rate, 1))

    def _emit_unavailable(self, was_up: bool) -> None:
        if was_up:
            self._emit(events.MongoUnavailable(at=self._clock.timestamp, error="the database has no primary"))
        elif self._clock.simulated % RETRY_SECONDS == 0:
            error = "the database can't be reached: ServerSelectionTimeoutError"
            self._emit(events.MongoUnavailable(at=self._clock.timestamp, error=error))
