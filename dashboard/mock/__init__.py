"""A simulated cluster, service and database. `Mock` replaces the sources; other modules replace the rest."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from dashboard.core.events import Emit, Event
from dashboard.core.targets import Targets
from dashboard.mock.clock import STEP_SECONDS
from dashboard.mock.database.data_service import MockDataService
from dashboard.mock.simulation import DEFAULT, Simulation, SimulationOptions


class Mock:
    """Runs the simulation in a thread and emits its events. It has the interface of a source."""

    def __init__(self, targets: Targets, emit: Emit, options: SimulationOptions = DEFAULT) -> None:
        self.service = MockDataService(self._change)
        self._simulation = Simulation(targets, options, self.service.store)
        self._emit = emit
        self._lock = threading.Lock()  # a request changes the simulation only between two steps
        self.control = self._simulation.object_control(self._lock)
        self._interval = STEP_SECONDS / options.speed
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mock", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(5)

    def generate(self, rate: float) -> None:
        """Add `rate` requests per second to the simulated traffic; 0 ends that."""
        with self._lock:
            self._simulation.generate(rate)

    def restart_database(self, mode: str) -> None:
        """Kill the database, "graceful" or "crash"."""
        with self._lock:
            self._simulation.restart_database(mode)

    def _change(self, id_: str, before: dict[str, Any] | None, after: dict[str, Any] | None) -> None:
        """Show what a user has done to a document. The next step's events have it."""
        with self._lock:
            self._simulation.change_document(id_, before, after)

    def _run(self) -> None:
        """Step at a fixed rate, whatever a step takes. After a suspension, continue from now."""
        self._emit_events(self._simulation.opening)
        due = time.monotonic()
        while not self._stopped.wait(max(0.0, due - time.monotonic())):
            self._emit_events(self._simulation.step)
            due = max(due + self._interval, time.monotonic() - self._interval)

    def _emit_events(self, part: Callable[[datetime], list[Event]]) -> None:
        with self._lock:
            events = part(datetime.now(UTC))
        for event in events:
            self._emit(event)
