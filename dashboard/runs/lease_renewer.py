"""Renews the lease in a thread of its own, so that a request that a run waits for can't cost it the lease."""

import logging
import threading
from collections.abc import Callable

from dashboard.core.errors import ExternalError
from dashboard.kube.lease import LeaseLost
from dashboard.runs.ports import Clock, Lease

TTL_SECONDS = 20.0  # after which others take the lease of a dashboard that died
RENEW_SECONDS = 5.0

log = logging.getLogger(__name__)


class LeaseRenewer:
    """`on_lost` is called at most once, with the reason as a sentence."""

    def __init__(self, lease: Lease, clock: Clock, on_lost: Callable[[str], None]) -> None:
        self._lease = lease
        self._clock = clock
        self._on_lost = on_lost
        self._renewed = clock.monotonic()  # the lease has just been acquired
        self._ended = threading.Event()

    def run(self) -> None:
        """Renew the lease every RENEW_SECONDS until `end`: the thread's work."""
        while not self._clock.wait(self._ended, RENEW_SECONDS):
            self.renew()

    def renew(self) -> None:
        """Renew the lease once. A failed renewal is a loss only when other dashboards may soon take the lease."""
        if self._ended.is_set():
            return
        sent = self._clock.monotonic()  # others count from the renewal, not from its answer
        try:
            self._lease.renew()
            self._renewed = sent
        except LeaseLost as error:
            self._give_up(str(error))
        except Exception as error:  # a bug must not end the renewals silently
            if not isinstance(error, ExternalError):
                log.exception("the lease could not be renewed")
            if self._clock.monotonic() - self._renewed >= TTL_SECONDS - RENEW_SECONDS:
                self._give_up(f"The lease could not be renewed: {error}")

    def end(self) -> None:
        self._ended.set()

    def _give_up(self, reason: str) -> None:
        if self._ended.is_set():
            return  # the lease was released during the request
        self._ended.set()
        self._on_lost(reason)
