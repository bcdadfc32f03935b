"""A page without a browser: it follows the hub's messages, and refuses what a browser would misread."""

import logging
from typing import Any

import orjson

from dashboard.config import DashboardConfig
from dashboard.core import events
from dashboard.core.state.diff import patch
from dashboard.core.targets import Targets
from dashboard.parts.cluster import source_names
from dashboard.web.hub import Hub

AT = "2026-11-24T12:00:00.000Z"
TARGETS = Targets("flask-mongodb", "embedded", "flask", "mongodb", "flask", "flask")
SOURCES = source_names(DashboardConfig("", "", ""), None)
LARGEST_SAFE_INTEGER = 2**53 - 1
LARGEST_STATE = 400_000  # bytes: the few objects of these tests, a full timeline, all documents and all runs

Json = dict[str, Any]


class Failures(logging.Handler):
    """The failures that the dashboard has caught and logged: it must not come to that."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def check(self) -> None:
        for record in self.records:
            self.records = []
            if record.exc_info and record.exc_info[1]:
                raise record.exc_info[1]
            raise AssertionError(record.getMessage())


FAILURES = Failures()
logging.getLogger().addHandler(FAILURES)


class Page:
    """The hub's broadcaster, and the one page that it has. The hub's loop is called here instead of its thread."""

    def __init__(self, *opening: events.Event) -> None:
        FAILURES.records.clear()
        self.hub = Hub(TARGETS, SOURCES, epoch="e", viewers=1)
        self.hub._broadcaster = self
        self.state: Json = read(orjson.dumps(self.hub.view()))
        self.take(*opening)

    def take(self, *emitted: events.Event) -> None:
        """Apply the events, and publish."""
        for event in emitted:
            self.hub._apply(event)
        self.hub._publish()
        self.hub._tick()
        FAILURES.check()

    def check(self) -> None:
        """Check that the page has the hub's state, and that it is not too large."""
        encoded = orjson.dumps(self.hub.view())
        assert self.state == read(encoded)
        assert len(encoded) <= LARGEST_STATE

    def patch(self, message: bytes) -> None:
        self.state = patch(self.state, read(message)["changes"])

    def tick(self, message: bytes) -> None:
        read(message)

    def send(self, viewer: str, name: str, message: bytes) -> None:
        read(message)

    def follow(self, viewer: str) -> None:
        """The only page always follows."""

    unfollow = disconnect = follow


def read(message: bytes) -> Any:
    """Parse a message as a browser does. Raise AssertionError for an integer that it would round."""
    value = orjson.loads(message)
    check(value)
    return value


def check(value: Any) -> None:
    if isinstance(value, dict):
        exact = isinstance(value.get("document"), dict) and value.get("text")  # the page shows the text instead
        for name, each in value.items():
            if not (exact and name == "document"):
                check(each)
    elif isinstance(value, list):
        for each in value:
            check(each)
    elif isinstance(value, int):
        assert abs(value) <= LARGEST_SAFE_INTEGER, f"a browser would round {value}"
