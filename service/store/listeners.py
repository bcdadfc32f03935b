"""Listeners of the driver: they count a write's attempts, and tell an observer of commands and of the connection."""

from __future__ import annotations

import threading
from typing import Protocol

from pymongo import monitoring

_WRITES = {"insert", "update", "delete"}


class Observer(Protocol):
    """Receives command durations and the connection's state (implemented by Metrics)."""

    def command(self, name: str, outcome: str, seconds: float) -> None: ...

    def mongodb(self, up: bool) -> None: ...


class Attempts(threading.local):
    """Number of times this thread's current write was sent. The driver retries invisibly, on the caller's thread."""

    sent: int = 0


class Commands(monitoring.CommandListener):
    def __init__(self, observer: Observer, attempts: Attempts) -> None:
        self._observer = observer
        self._attempts = attempts

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name in _WRITES:
            self._attempts.sent += 1

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        self._observer.command(event.command_name, "success", event.duration_micros / 1e6)

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        self._observer.command(event.command_name, "failure", event.duration_micros / 1e6)


class Topology(monitoring.TopologyListener):
    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def opened(self, event: monitoring.TopologyOpenedEvent) -> None:
        self._observer.mongodb(False)

    def description_changed(self, event: monitoring.TopologyDescriptionChangedEvent) -> None:
        self._observer.mongodb(event.new_description.has_writable_server())

    def closed(self, event: monitoring.TopologyClosedEvent) -> None:
        self._observer.mongodb(False)
