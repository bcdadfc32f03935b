"""The mock: a simulated cluster, service and database behind the interfaces of the real ones, at any speed."""

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
    """Runs the simulation in real time. `start` and `stop` are those of a source."""

    def __init__(self, targets: Targets, emit: Emit, options: SimulationOptions = DEFAULT) -> None:
        self.service = MockDataService(self._insert)
        self._simulation = Simulation(targets, options, self.service.keep)
        self._emit = emit
        self._lock = threading.Lock()  # a reader's document is inserted between two steps
        self._every = STEP_SECONDS / options.speed
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._play, name="mock", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(5)

    def generate(self, rate: float) -> None:
        """Set a reader's own load in requests a second; 0 for none."""
        with self._lock:
            self._simulation.generate(rate)

    def restart_database(self, mode: str) -> None:
        with self._lock:
            self._simulation.restart_database(mode)

    def _insert(self, id_: str, document: dict[str, Any]) -> None:
        """Insert a document of a reader. The next step emits it."""
        with self._lock:
            self._simulation.insert(id_, document)

    def _play(self) -> None:
        """Step at a fixed rate. After a long delay, such as the machine's sleep, continue from now."""
        self._emit_all(self._simulation.opening)
        due = time.monotonic()
        while not self._stopped.wait(max(0.0, due - time.monotonic())):
            self._emit_all(self._simulation.step)
            due = max(due + self._every, time.monotonic() - self._every)

    def _emit_all(self, part: Callable[[datetime], list[Event]]) -> None:
        with self._lock:
            events = part(datetime.now(UTC))
        for event in events:
            self._emit(event)
