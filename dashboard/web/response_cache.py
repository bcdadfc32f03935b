"""Answers that many ask for at the same moment: made once for all of them.

After the dashboard was away, every open page is back within seconds and wants the same history.
"""

import threading
from collections.abc import Callable, Hashable

KEPT = 6


class ResponseCache:
    """The latest answers, by what they depend on. One thread makes an answer; whoever wants one meanwhile waits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[Hashable, bytes] = {}

    def get(self, key: Hashable, make: Callable[[], bytes]) -> bytes:
        """What `make` gave for this key, the oldest of the others forgotten."""
        with self._lock:
            if key not in self._kept:
                self._kept[key] = make()
                if len(self._kept) > KEPT:
                    del self._kept[next(iter(self._kept))]
            return self._kept[key]
