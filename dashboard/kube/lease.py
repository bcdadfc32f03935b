"""Whose turn it is to run a demo, among all dashboards of the namespace: one Lease, taken by compare-and-swap.

The Lease's holder is "<dashboard>/<run>", as `kubectl get lease` shows it: a run's id, a restart's or a load's. A lease
has expired once *this process* has seen it unchanged for its duration, by its own monotonic clock, as in client-go's
leader election: the times in the Lease are another clock's, and are for readers only. One without a duration, which a
person may have written, is held until that is taken back.

A dashboard's name is its pod's, so only one process has it at a time. A lease in our own name that this process does
not hold is from before a restart, or its release was lost on the way: it is free.
"""

import logging
import math
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from dashboard.kube.update import Cell
from dashboard.runs.ports import Held, Holder, Json, Lost, Trouble

log = logging.getLogger(__name__)


class Lease:
    """`holder` is this dashboard's own name; `now` gives the time of day in seconds since 1970, `monotonic` seconds
    that never go back."""

    def __init__(self, cell: Cell, holder: str, now: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._cell = cell
        self._holder = holder
        self._now = now
        self._monotonic = monotonic
        self._identity: str | None = None  # while the lease is ours
        self._ttl = 0
        self._lock = threading.Lock()  # guards what follows: renewals and looks have threads of their own
        self._observed: Json | None = None  # the Lease's spec as it was last seen
        self._observed_at = 0.0  # when this process first saw it so

    def acquire(self, run: str, ttl: float) -> None:
        identity, duration = f"{self._holder}/{run}", max(1, math.ceil(ttl))

        def take(lease: Json) -> None:
            spec, now = lease.get("spec") or {}, self._now()
            if (held := self._observe(spec)) and spec["holderIdentity"] != identity:
                raise Held(held.holder, held.run)
            transitions = int(spec.get("leaseTransitions") or 0) + 1
            taken = {"acquireTime": _micro(now), "renewTime": _micro(now), "leaseTransitions": transitions}
            lease["spec"] = {"holderIdentity": identity, "leaseDurationSeconds": duration, **taken}

        self._cell.swap(take)
        self._identity, self._ttl = identity, duration

    def renew(self) -> None:
        """One that has run out is renewed as well, as long as nobody else took it."""

        def prolong(lease: Json) -> None:
            spec = self._own(lease)
            lease["spec"] = spec | {"renewTime": _micro(self._now()), "leaseDurationSeconds": self._ttl}

        self._cell.swap(prolong)

    def release(self) -> None:
        def give_back(lease: Json) -> None:
            lease["spec"] = {"leaseTransitions": self._own(lease).get("leaseTransitions") or 0}

        try:
            if self._identity:
                self._cell.swap(give_back)
        except Lost:
            pass  # then it is not ours to give
        except Trouble as trouble:
            log.warning("the lease is kept until it runs out: %s", trouble)
        finally:
            self._identity = None

    def holder(self) -> Holder | None:
        return self._observe(self._cell.read().get("spec") or {})

    def _own(self, lease: Json) -> Json:
        """The lease's spec, if we hold it."""
        spec: Json = lease.get("spec") or {}
        if not self._identity or spec.get("holderIdentity") != self._identity:
            other = self._observe(spec)
            whose = f"{other.holder} has it" if other else "nobody has it"
            raise Lost(f"The lease for runs is no longer this dashboard's: {whose}.")
        return spec

    def _observe(self, spec: Json) -> Holder | None:
        """Takes note of the Lease as it was just read; who holds it."""
        with self._lock:
            if spec != self._observed:
                self._observed, self._observed_at = spec, self._monotonic()
            unchanged = self._monotonic() - self._observed_at
        identity, duration = spec.get("holderIdentity"), spec.get("leaseDurationSeconds")
        if not identity or (duration and unchanged >= duration):
            return None
        holder, _, run = identity.partition("/")
        if holder == self._holder and identity != self._identity:
            return None
        return Holder(holder, run, spec.get("acquireTime") or spec.get("renewTime") or "")


def _micro(moment: float) -> str:
    """As the API wants the times of a Lease: with six decimals exactly."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
