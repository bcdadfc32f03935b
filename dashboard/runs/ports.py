"""What a run needs of the world, as protocols: the real objects, the mock's and the tests' meet them."""

from collections.abc import Callable, Mapping, Sequence
from threading import Event
from typing import Any, Protocol

from dashboard.kube.lease import LeaseHolder
from dashboard.kube.pod_control import ClaimIdentity, PodIdentity
from dashboard.load.options import LoadOptions
from dashboard.runs.demos.persistence.ledger import Ledger
from dashboard.runs.history import SavedRuns

Json = dict[str, Any]


class Clock(Protocol):
    def now(self) -> str:
        """The time of day, RFC 3339 UTC."""

    def monotonic(self) -> float:
        """Seconds that never go back. The ledger's moments are of this clock: real writers use `time.monotonic`."""

    def wait(self, cancelled: Event, seconds: float) -> bool:
        """Waits so long or until it is cancelled; whether it is."""


class View(Protocol):
    """The hub, as a run looks at it: the state that the page shows, too."""

    def view(self) -> Json:
        """The state. Not to be changed."""

    def samples(self) -> Mapping[str, tuple[float, float, float]]:
        """The newest CPU sample of each pod: uid → (its own moment in seconds since 1970, millicores, the seconds up to
        that moment which it is the mean of)."""

    def down_window(self) -> float:
        """The autoscaler's stabilization window on the way down, in seconds."""


class Pods(Protocol):
    """The database's pod (kube.pod_control.PodControl). Each call has a deadline of its own."""

    def pod(self, name: str) -> PodIdentity:
        """The pod as the API server has it now, not as the watch saw it last. `NotFound` if there is none."""

    def claim(self, name: str) -> ClaimIdentity:
        """`NotFound` if there is none."""

    def kill(self, name: str, uid: str, mode: str) -> None:
        """Deletes the pod ("graceful") or kills its mongod ("crash"). `UidMismatch`, `NotFound`, or another
        `ExternalError`."""


class Lease(Protocol):
    """Who may run a demo (kube.lease.Lease). Each call may raise `ExternalError`."""

    def acquire(self, run: str, ttl: float) -> None:
        """Takes it for so many seconds. `LeaseHeld` if another dashboard has it, or this process for another run."""

    def renew(self) -> None:
        """Prolongs it. `LeaseLost` if another has it by now; another `ExternalError` if nobody can tell."""

    def release(self) -> None:
        """Gives it back, if it is still ours. Never raises."""

    def holder(self) -> LeaseHolder | None:
        """Who holds it now; None if nobody does. To be asked now and then: a lease expires once this process has seen
        it unchanged for its duration."""


class History(Protocol):
    """The runs that are kept (runs.history.History). Each call may raise `ExternalError`."""

    def load(self) -> SavedRuns: ...

    def save(self, runs: Sequence[Json]) -> None:
        """Replaces what is saved. What could not be read there is kept apart."""


class LoadTotals(Protocol):
    """What a load came to so far, from its start; the load's `Totals` has these fields, and may have more."""

    @property
    def due(self) -> int:
        """Requests due by the schedule that was asked for, until the newest sample: the integral of the rate. A load
        that sent clearly fewer was thin."""

    @property
    def offered(self) -> int:
        """Requests that were to be sent, by the generator's own count: those sent and those dropped."""

    @property
    def sent(self) -> int:
        """Requests that were sent."""

    @property
    def achieved(self) -> int:
        """Requests that were answered, errors among them."""

    @property
    def errors(self) -> int:
        """Requests that were answered with 5xx, broke off, or had no answer in time."""

    @property
    def by_kind(self) -> Mapping[str, int]:
        """The errors by their kind: connect, timeout, broken, 5xx, other; without those that there were none of."""

    @property
    def dropped(self) -> int:
        """Requests that were never sent, since as many as allowed were under way."""

    @property
    def in_flight(self) -> int:
        """Requests that wait for an answer."""

    @property
    def p99_ms(self) -> float | None:
        """How long answers took, the 99th percentile of all."""

    @property
    def lag_p99_ms(self) -> float | None:
        """How late requests were sent, the 99th percentile of all."""

    @property
    def cpu_percent(self) -> float | None:
        """The CPU that the generator's process used, in percent of one core: the worst 5 s of it."""

    @property
    def failed(self) -> str | None:
        """Why the generator ended by itself, in a sentence, if it did (a failed self-test, too)."""


class Load(Protocol):
    """The generator. One load at a time."""

    def start(self, options: LoadOptions, by: str, test_rate: float | None = None) -> None:
        """Returns once it was told to begin. The self-test before it is done at `test_rate`, for a load that is to
        change its rate, or at the rate in the options. `Unfit` when the self-test failed, `Busy` when a load runs
        already, or another `ExternalError`."""

    def change_rate(self, rate: float) -> None:
        """Sends so many requests a second from now on, without a gap; nothing if no load runs. `InvalidOption` for a
        rate that no load may have."""

    def stop(self) -> None:
        """Ends it now, and waits until it has ended; nothing if none runs. Never raises."""

    def running(self) -> bool: ...

    def totals(self) -> LoadTotals:
        """Of the load that runs, or the last one."""


class Writers(Protocol):
    """Eight writers through the service, each with one document under way at a time, and the read-back by HTTP."""

    ledger: Ledger

    def start(self) -> None: ...

    def stop(self) -> None:
        """No new writes; waits until those under way have ended (each has a deadline). May be called twice, and
        never raises."""

    def write(self) -> bool:
        """One last document, in the ledger like any other, after `stop`; whether it was acknowledged."""

    def read(self, cancelled: Event) -> Mapping[str, str]:
        """All of this run's documents through GET /proofs, page by page: id → sha256 *of the payload as it came*,
        computed anew. Each page is tried again for a while; `ExternalError` if it can't be had, or once cancelled."""


class Reader(Protocol):
    """The dashboard's own connection to MongoDB, past the service."""

    def process(self) -> str | None:
        """What tells this start of the primary's mongod from every other (`hello`'s topologyVersion.processId), None
        when no primary answers within a second. Never raises."""

    def read(self, run: str) -> Mapping[str, str]:
        """All documents of the run in `proofs`, read with majority read concern from the primary: id → sha256 of the
        payload as it is stored, computed anew. An `ExternalError` if it can't be had."""


class Audit(Protocol):
    """An audit line: on stdout, on the page, and as a Kubernetes Event where `about` names an object."""

    def __call__(self, by: str, action: str, outcome: str, about: Json | None = None, mark: str | None = None) -> None:
        """`by` who, `action` what ("restart mongodb-0 (graceful)"), `outcome` what became of it ("started",
        "refused: …"), `about` {kind, name, uid}, `mark` a very short label for the charts."""


WritersOf = Callable[[str], Writers]  # of a run's id
