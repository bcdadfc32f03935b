"""Whose turn it is to run a demo, among all dashboards of the namespace: one Lease, taken by compare-and-swap.

The Lease's holder is "<dashboard>/<run>", as `kubectl get lease` shows it. A lease whose holder did not renew it within
its duration is nobody's; one without a duration, which a person may have written, is held until that is taken back.
"""

import logging
import math
from collections.abc import Callable
from datetime import UTC, datetime

from dashboard.cell import Cell
from dashboard.core.moment import seconds
from dashboard.core.ports import Held, Holder, Json, Lost, Trouble

log = logging.getLogger(__name__)


class Lease:
    """`holder` is this dashboard's own name, `now` gives the time of day in seconds since 1970."""

    def __init__(self, cell: Cell, holder: str, now: Callable[[], float]) -> None:
        self._cell = cell
        self._holder = holder
        self._now = now
        self._identity: str | None = None  # while the lease is ours
        self._ttl = 0

    def acquire(self, run: str, ttl: float) -> None:
        identity, duration = f"{self._holder}/{run}", max(1, math.ceil(ttl))

        def take(lease: Json) -> None:
            spec, now = lease.get("spec") or {}, self._now()
            if (held := _held(spec, now)) and spec["holderIdentity"] != identity:
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

        try:
            self._cell.swap(prolong)
        except Lost:
            self._identity = None
            raise

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
        self._identity = None

    def holder(self) -> Holder | None:
        return _held(self._cell.read().get("spec") or {}, self._now())

    def _own(self, lease: Json) -> Json:
        """The lease's spec, if we hold it."""
        spec: Json = lease.get("spec") or {}
        if not self._identity or spec.get("holderIdentity") != self._identity:
            other = _held(spec, self._now())
            whose = f"{other.holder} has it" if other else "nobody has it"
            raise Lost(f"The lease for runs is no longer this dashboard's: {whose}.")
        return spec


def _held(spec: Json, now: float) -> Holder | None:
    """Who holds a lease at this moment."""
    identity, renewed, duration = (spec.get(name) for name in ("holderIdentity", "renewTime", "leaseDurationSeconds"))
    if not identity or (renewed and duration and seconds(renewed) + duration <= now):
        return None
    holder, _, run = identity.partition("/")
    return Holder(holder, run, spec.get("acquireTime") or renewed or "")


def _micro(moment: float) -> str:
    """As the API wants the times of a Lease: with six decimals exactly."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
