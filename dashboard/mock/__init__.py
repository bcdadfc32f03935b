"""A cluster, a service and a database that are not there: `Mock` plays a story in their place, as fast as is wanted."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from dashboard.core.events import Emit, Event
from dashboard.core.snapshot import Targets
from dashboard.mock.clock import STEP_SECONDS
from dashboard.mock.data.data_service import MockDataService
from dashboard.mock.simulation import DEFAULT, Simulation, SimulationOptions


class Mock:
    """Plays the story. `start` and `stop` are the real sources'."""

    def __init__(self, targets: Targets, emit: Emit, options: SimulationOptions = DEFAULT) -> None:
        self.service = MockDataService(self._insert)
        self._story = Simulation(targets, options, self.service.keep)
        self._emit = emit
        self._lock = threading.Lock()  # a reader's document comes between two steps
        self._every = STEP_SECONDS / options.speed
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._play, name="mock", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(5)

    def generate(self, rate: float) -> None:
        """A reader's load: so many requests a second more, until told otherwise."""
        with self._lock:
            self._story.generate(rate)

    def restart_database(self, mode: str) -> None:
        with self._lock:
            self._story.restart_database(mode)

    def _insert(self, id_: str, document: dict[str, Any]) -> None:
        """Takes in a reader's own document. It is told with the next step."""
        with self._lock:
            self._story.insert(id_, document)

    def _play(self) -> None:
        """On a beat that a slow step does not shift; one that is far behind, as after a sleep, goes on from now."""
        self._tell(self._story.opening)
        due = time.monotonic()
        while not self._stopped.wait(max(0.0, due - time.monotonic())):
            self._tell(self._story.step)
            due = max(due + self._every, time.monotonic() - self._every)

    def _tell(self, part: Callable[[datetime], list[Event]]) -> None:
        with self._lock:
            events = part(datetime.now(UTC))
        for told in events:
            self._emit(told)
