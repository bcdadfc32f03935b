"""The alerts that fire in a Prometheus, asked for every POLL_SECONDS: of this namespace, or of none."""

import logging
import threading
import time
from datetime import datetime
from hashlib import sha256
from typing import Annotated

import msgspec
import urllib3

from dashboard.clock import now
from dashboard.core import events
from dashboard.core.events import Emit, FiringAlert
from dashboard.core.timestamps import rfc3339
from dashboard.sources.body import read_text

POLL_SECONDS = 5.0
SOCKET_SECONDS = 2.0  # to connect, and for each read
ANSWER_SECONDS = 4.0  # for a whole response
MOST_ALERTS = 50
CRITICAL = "critical"

log = logging.getLogger(__name__)


class _Annotations(msgspec.Struct):
    summary: str = ""


class _Alert(msgspec.Struct, rename="camel"):
    labels: dict[str, str]
    state: str
    active_at: Annotated[datetime, msgspec.Meta(tz=True)]
    annotations: _Annotations = msgspec.field(default_factory=_Annotations)


class _Data(msgspec.Struct):
    alerts: list[_Alert]


class _Answer(msgspec.Struct):
    """What is read of the answer to GET /api/v1/alerts."""

    data: _Data


class AlertsSource:
    """`url` is Prometheus' own, http://prometheus:9090. It may have the alerts of other namespaces, too."""

    sources = ("alerts",)

    def __init__(self, url: str, namespace: str, emit: Emit) -> None:
        self._url = f"{url.rstrip('/')}/api/v1/alerts"
        self._namespace = namespace
        self._emit = emit
        self._stopped = threading.Event()
        timeout = urllib3.Timeout(connect=SOCKET_SECONDS, read=SOCKET_SECONDS)
        self._http = urllib3.PoolManager(retries=False, timeout=timeout)
        self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(ANSWER_SECONDS + SOCKET_SECONDS)

    def _run(self) -> None:
        pause = 0.0
        while not self._stopped.wait(pause):
            pause = POLL_SECONDS
            try:
                self._emit(self._ask())
            except Exception as error:  # a bug must not end the thread
                log.exception("could not read the alerts")
                self._emit(_stale(f"the dashboard failed to read the alerts: {type(error).__name__}"))

    def _ask(self) -> events.Event:
        deadline = time.monotonic() + ANSWER_SECONDS
        try:
            with self._http.request("GET", self._url, preload_content=False) as response:
                if response.status != 200:
                    return _stale(f"Prometheus answers with {response.status}")
                text = read_text(response, deadline)
            return events.AlertsRead(at=now(), alerts=firing(text, self._namespace))
        except (urllib3.exceptions.HTTPError, OSError):
            return _stale("Prometheus does not answer")
        except (ValueError, OverflowError):  # msgspec's errors, too; a time that no calendar has
            return _stale("Prometheus' answer can't be read")


def firing(text: str, namespace: str) -> list[FiringAlert]:
    """Return the alerts of an answer that fire and are not of another namespace: the critical ones first, then by age,
    MOST_ALERTS at most. Raise ValueError or OverflowError.

    Prometheus lists them in any order.
    """
    alerts = [each for each in msgspec.json.decode(text, type=_Answer).data.alerts if _is_shown(each, namespace)]
    alerts.sort(key=lambda each: (each.labels.get("severity") != CRITICAL, each.active_at, _id(each)))
    return [
        FiringAlert(
            id=_id(each),
            name=each.labels.get("alertname", ""),
            severity=each.labels.get("severity", ""),
            summary=each.annotations.summary,
            since=rfc3339(each.active_at),
        )
        for each in alerts[:MOST_ALERTS]
    ]


def _is_shown(alert: _Alert, namespace: str) -> bool:
    """Whether it is not another namespace's, nor one that always fires, to show that alerts arrive at all."""
    is_ours = alert.labels.get("namespace") in (None, "", namespace)
    return alert.state == "firing" and is_ours and alert.labels.get("severity") != "none"


def _id(alert: _Alert) -> str:
    """Its labels tell an alert from all others. They may have any length."""
    return sha256(repr(sorted(alert.labels.items())).encode("utf-8", "replace")).hexdigest()[:16]


def _stale(error: str) -> events.SourceStatus:
    return events.SourceStatus(at=now(), source="alerts", state="stale", error=error)
