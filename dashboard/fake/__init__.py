"""A cluster and a database that are not there: `Fake` plays a story in real time, in the place of the real sources."""

import threading
from datetime import UTC, datetime

from dashboard.core.event import Emit
from dashboard.core.snapshot import Targets
from dashboard.fake.story import STEP_SECONDS, Story

SEED = 7


class Fake:
    """Plays the story. `start` and `stop` are the real sources'."""

    def __init__(self, targets: Targets, emit: Emit, seed: int = SEED) -> None:
        self._story = Story(targets, seed, datetime.now(UTC))
        self._emit = emit
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._play, name="fake", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(5)

    def _play(self) -> None:
        for told in self._story.opening():
            self._emit(told)
        while not self._stopped.wait(STEP_SECONDS):
            for told in self._story.step():
                self._emit(told)
