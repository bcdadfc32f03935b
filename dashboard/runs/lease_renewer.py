"""Keeps the lease while a run or a load goes, in a thread of its own: no answer that the run waits for may cost it the
lease."""

import logging
import threading
from collections.abc import Callable

from dashboard.core.errors import ExternalError
from dashboard.kube.lease import LeaseLost
from dashboard.runs.ports import Clock, Lease

TTL_SECONDS = 20.0  # a dashboard that died is known to be gone after so long
RENEW_SECONDS = 5.0

log = logging.getLogger(__name__)


class LeaseRenewer:
    """`lost` is called at most once, with the reason as a sentence."""

    def __init__(self, lease: Lease, clock: Clock, lost: Callable[[str], None]) -> None:
        self._lease = lease
        self._clock = clock
        self._lost = lost
        self._renewed = clock.monotonic()  # it has just been taken
        self._ended = threading.Event()

    def run(self) -> None:
        """The thread's work, until `end`."""
        while not self._clock.wait(self._ended, RENEW_SECONDS):
            self.beat()

    def beat(self) -> None:
        """Renews it. That nobody can tell for a while is no loss yet; it is when others may take it for abandoned."""
        if self._ended.is_set():
            return
        asked = self._clock.monotonic()  # others count from when the renewal was made, not from its answer
        try:
            self._lease.renew()
            self._renewed = asked
        except LeaseLost as error:
            self._give_up(str(error))
        except Exception as error:  # a defect must not end the renewals unnoticed either
            if not isinstance(error, ExternalError):
                log.exception("the lease could not be renewed")
            if self._clock.monotonic() - self._renewed >= TTL_SECONDS - RENEW_SECONDS:
                self._give_up(f"The lease could not be renewed: {error}")

    def end(self) -> None:
        self._ended.set()

    def _give_up(self, reason: str) -> None:
        if self._ended.is_set():
            return  # it was given back while this was asked
        self._ended.set()
        self._lost(reason)
