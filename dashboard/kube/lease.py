"""The lease: one activity at a time among the dashboards of a namespace.

It is a Kubernetes Lease. Updates use optimistic concurrency. The holderIdentity is "<dashboard>/<id>", the id of a run,
a load, a restart or a change of the deployment. A lease has expired once *this process* has observed it unchanged for
its duration on its own monotonic clock, as in client-go's leader election; the times in the Lease are of another clock
and only informative. A Lease without a duration, which a person may have written, never expires.

A dashboard's name is its pod's, so one process has it at a time. A lease in our own name that this process does not
hold is free: it is from before a restart, or the response to its release was lost.
"""

import logging
import math
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from msgspec import Struct

from dashboard.core.activity import kind_of
from dashboard.core.errors import ExternalError
from dashboard.core.text import plain
from dashboard.core.timestamps import rfc3339
from dashboard.kube.client import KubeClient
from dashboard.kube.update import SharedObject

NAME = "dashboard-runs"  # as our own manifests name it
MOST_TRANSITIONS = 2**31 - 1  # an int32 for the API server
LONGEST_NAME = 253  # of a holder and of its run: holderIdentity has no limit

Json = dict[str, Any]

log = logging.getLogger(__name__)


class LeaseHolder(Struct, frozen=True):
    """The holder of the lease: the dashboard's name, the id of its run, load, restart or change of the deployment, and
    the time (RFC 3339)."""

    holder: str
    run: str
    since: str


class LeaseHeld(ExternalError):
    """Another dashboard or run holds the lease."""

    def __init__(self, holder: str, run: str = "") -> None:
        super().__init__(f"{holder} has a {kind_of(run)} in progress.")
        self.holder = holder
        self.run = run


class LeaseLost(ExternalError):
    """This dashboard no longer holds the lease."""


class KubeLease:
    """The lease, seen from the dashboard named `holder`.

    `api` makes a client with a read timeout in seconds. `now` returns seconds since 1970.
    """

    def __init__(
        self,
        api: Callable[[float], KubeClient],
        namespace: str,
        holder: str,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        name: str = NAME,
    ) -> None:
        path = f"/apis/coordination.k8s.io/v1/namespaces/{quote(namespace, safe='')}/leases/{name}"
        self._object = SharedObject(api, path, f"the Lease {name}")
        self._holder = holder
        self._now = now
        self._monotonic = monotonic
        self._identity: str | None = None  # our holderIdentity while we hold the lease
        self._ttl = 0
        self._lock = threading.Lock()  # guards the following: renewals and observations are in different threads
        self._observed: Json | None = None  # the Lease's last observed spec
        self._observed_at = 0.0  # when this process first observed that spec

    def acquire(self, run: str, ttl: float) -> None:
        """Acquire the lease for `ttl` seconds.

        Raise LeaseHeld if another dashboard holds it, or this process for another run.
        """
        identity, duration = f"{self._holder}/{run}", max(1, math.ceil(ttl))

        def acquire(lease: Json) -> None:
            spec, now = lease.get("spec") or {}, self._now()
            if (held := self._observe(spec)) and spec["holderIdentity"] != identity:
                raise LeaseHeld(held.holder, held.run)
            transitions = min(int(spec.get("leaseTransitions") or 0) + 1, MOST_TRANSITIONS)
            fields = {"acquireTime": _micro_time(now), "renewTime": _micro_time(now), "leaseTransitions": transitions}
            lease["spec"] = {"holderIdentity": identity, "leaseDurationSeconds": duration, **fields}

        self._object.update(acquire)
        self._identity, self._ttl = identity, duration

    def renew(self) -> None:
        """Renew the lease, also an expired one. Raise LeaseLost if another dashboard has acquired it."""

        def renew(lease: Json) -> None:
            spec = self._own(lease)
            lease["spec"] = spec | {"renewTime": _micro_time(self._now()), "leaseDurationSeconds": self._ttl}

        self._object.update(renew)

    def release(self) -> None:
        """Release the lease if we hold it. Errors are logged: it then expires."""

        def release(lease: Json) -> None:
            lease["spec"] = {"leaseTransitions": self._own(lease).get("leaseTransitions") or 0}

        try:
            if self._identity:
                self._object.update(release)
        except LeaseLost:
            pass
        except ExternalError as error:
            log.warning("could not release the lease, which stays held until it expires: %s", error)
        finally:
            self._identity = None

    def holder(self) -> LeaseHolder | None:
        """Return the current holder, or None if the lease is free."""
        return self._observe(self._object.read().get("spec") or {})

    def _own(self, lease: Json) -> Json:
        """Return the Lease's spec if we hold it, or raise LeaseLost."""
        spec: Json = lease.get("spec") or {}
        if not self._identity or spec.get("holderIdentity") != self._identity:
            other = self._observe(spec)
            holder = f"{other.holder} holds it" if other else "it is free"
            raise LeaseLost(f"This dashboard no longer holds the lease for runs: {holder}.")
        return spec

    def _observe(self, spec: Json) -> LeaseHolder | None:
        """Record the spec that was just read. Return its holder, or None if the lease is free or expired."""
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
        since = spec.get("acquireTime") or spec.get("renewTime") or ""
        return LeaseHolder(plain(holder, LONGEST_NAME), plain(run, LONGEST_NAME), since)


def _micro_time(time: float) -> str:
    """Return a MicroTime: the API server accepts a Lease's times with exactly six decimals."""
    return rfc3339(time, "microseconds")
