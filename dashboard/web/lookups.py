"""A limit of the requests to the API server that wait for an answer while a viewer's request waits for them."""

import contextlib
import threading
from collections.abc import Iterator

from flask import abort, current_app

from dashboard.web.problems import problem

AT_ONCE = 6  # if the API server hangs, it must not block all of the web server's threads


class Lookups:
    """Limits the concurrent requests to the API server to `most`."""

    def __init__(self, most: int = AT_ONCE) -> None:
        self._free = threading.BoundedSemaphore(most)

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        if not self._free.acquire(blocking=False):
            abort(problem(503, "The API server is slow, and too many requests wait for it.", Retry_After="2"))
        try:
            yield
        finally:
            self._free.release()


def lookups() -> Lookups:
    """Return the application's limit."""
    found: Lookups = current_app.extensions["lookups"]
    return found
