"""A cluster, a service and a database that are not there: `Fake` plays a story in their place, as fast as is wanted."""

import threading
import time
from datetime import UTC, datetime

from dashboard.core.event import Emit
from dashboard.core.snapshot import Targets
from dashboard.fake.moments import STEP_SECONDS
from dashboard.fake.story import Story

SEED = 7


class Fake:
    """Plays the story. `start` and `stop` are the real sources'."""

    def __init__(
        self, targets: Targets, emit: Emit, seed: int = SEED, *, speed: int = 1, pods: int = 2, churn: int = 0
    ) -> None:
        self._story = Story(targets, seed, pods=pods, churn=churn, speed=speed)
        self._emit = emit
        self._every = STEP_SECONDS / speed
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._play, name="fake", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(5)

    def _play(self) -> None:
        """On a beat that a slow step does not shift; one that is far behind, as after a sleep, goes on from now."""
        for told in self._story.opening(datetime.now(UTC)):
            self._emit(told)
        due = time.monotonic()
        while not self._stopped.wait(max(0.0, due - time.monotonic())):
            for told in self._story.step(datetime.now(UTC)):
                self._emit(told)
            due = max(due + self._every, time.monotonic() - self._every)
