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
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from msgspec import Struct

from dashboard.core.errors import ExternalError
from dashboard.core.timestamps import rfc3339
from dashboard.kube.client import KubeClient
from dashboard.kube.update import SharedObject

NAME = "dashboard-runs"  # the Lease's, as the manifests name it

Json = dict[str, Any]

log = logging.getLogger(__name__)


class LeaseHolder(Struct, frozen=True):
    """`holder` is the dashboard's own name (its pod's), `run` the id of what the lease is for (a run's, a restart's, a
    load's), `since` RFC 3339."""

    holder: str
    run: str
    since: str


class LeaseHeld(ExternalError):
    """Another holds the lease: `holder` is its name, `run` the id of what it is for."""

    def __init__(self, holder: str, run: str = "") -> None:
        super().__init__(f"{holder} has {activity(run)} going.")
        self.holder = holder
        self.run = run


class LeaseLost(ExternalError):
    """The lease was ours, and is no longer."""


def activity(id_: str) -> str:
    """What the lease is held for, by the id in it: "a run", "a load" or "a restart"."""
    kind = id_.partition("-")[0]
    return f"a {kind}" if kind in ("load", "restart") else "a run"


class Lease:
    """`holder` is this dashboard's own name; `now` gives the time of day in seconds since 1970, `monotonic` seconds
    that never go back. `api` makes a client that waits so many seconds for an answer."""

    def __init__(
        self,
        api: Callable[[float], KubeClient],
        namespace: str,
        holder: str,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        path = f"/apis/coordination.k8s.io/v1/namespaces/{quote(namespace, safe='')}/leases/{NAME}"
        self._cell = SharedObject(api, path, f"the Lease {NAME}")
        self._holder = holder
        self._now = now
        self._monotonic = monotonic
        self._identity: str | None = None  # while the lease is ours
        self._ttl = 0
        self._lock = threading.Lock()  # guards what follows: renewals and looks have threads of their own
        self._observed: Json | None = None  # the Lease's spec as it was last seen
        self._observed_at = 0.0  # when this process first saw it so

    def acquire(self, run: str, ttl: float) -> None:
        """Takes it for so many seconds. `LeaseHeld` if another dashboard has it, or this process for another run."""
        identity, duration = f"{self._holder}/{run}", max(1, math.ceil(ttl))

        def take(lease: Json) -> None:
            spec, now = lease.get("spec") or {}, self._now()
            if (held := self._observe(spec)) and spec["holderIdentity"] != identity:
                raise LeaseHeld(held.holder, held.run)
            transitions = int(spec.get("leaseTransitions") or 0) + 1
            taken = {"acquireTime": _micro_time(now), "renewTime": _micro_time(now), "leaseTransitions": transitions}
            lease["spec"] = {"holderIdentity": identity, "leaseDurationSeconds": duration, **taken}

        self._cell.swap(take)
        self._identity, self._ttl = identity, duration

    def renew(self) -> None:
        """One that has run out is renewed as well, as long as nobody else took it."""

        def prolong(lease: Json) -> None:
            spec = self._own(lease)
            lease["spec"] = spec | {"renewTime": _micro_time(self._now()), "leaseDurationSeconds": self._ttl}

        self._cell.swap(prolong)

    def release(self) -> None:
        def give_back(lease: Json) -> None:
            lease["spec"] = {"leaseTransitions": self._own(lease).get("leaseTransitions") or 0}

        try:
            if self._identity:
                self._cell.swap(give_back)
        except LeaseLost:
            pass  # then it is not ours to give
        except ExternalError as trouble:
            log.warning("the lease is kept until it runs out: %s", trouble)
        finally:
            self._identity = None

    def holder(self) -> LeaseHolder | None:
        return self._observe(self._cell.read().get("spec") or {})

    def _own(self, lease: Json) -> Json:
        """The lease's spec, if we hold it."""
        spec: Json = lease.get("spec") or {}
        if not self._identity or spec.get("holderIdentity") != self._identity:
            other = self._observe(spec)
            whose = f"{other.holder} has it" if other else "nobody has it"
            raise LeaseLost(f"The lease for runs is no longer this dashboard's: {whose}.")
        return spec

    def _observe(self, spec: Json) -> LeaseHolder | None:
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
        return LeaseHolder(holder, run, spec.get("acquireTime") or spec.get("renewTime") or "")


def _micro_time(time: float) -> str:
    """Return a MicroTime: the API server accepts a Lease's times with exactly six decimals."""
    return rfc3339(time, "microseconds")
