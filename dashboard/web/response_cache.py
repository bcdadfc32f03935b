"""A cache of responses, for requests that arrive at the same time.

After a restart of the dashboard every open page reconnects within seconds and requests the same history.
"""

import threading
from collections.abc import Callable, Hashable

KEPT = 6


class ResponseCache:
    """Holds the KEPT latest responses by key. One thread makes a response while the others wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[Hashable, bytes] = {}

    def get(self, key: Hashable, make: Callable[[], bytes]) -> bytes:
        """Return the response for the key, made by `make` if it is not cached."""
        with self._lock:
            if key not in self._kept:
                self._kept[key] = make()
                if len(self._kept) > KEPT:
                    del self._kept[next(iter(self._kept))]
            return self._kept[key]
