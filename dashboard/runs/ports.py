"""What a run needs of the world, as it sees it: the director is joined to the real ones, the mock's and the tests'.

Who fails says so with a `Trouble`, in words that stand in the run's reason; anything else is a defect.

    Trouble
    ├── Missing   there is no such object (any more)
    ├── Stale     the object is another one now: its uid is not the one that was meant
    ├── Held      another one holds the lease
    └── Lost      the lease was ours, and is no longer
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from dashboard.runs.demos.persistence.ledger import Ledger

if TYPE_CHECKING:
    from dashboard.load.options import LoadOptions

Json = dict[str, Any]


class Trouble(Exception):
    """Something outside did not do what was asked. The message is a plain sentence."""


class Missing(Trouble):
    pass


class Stale(Trouble):
    pass


def activity(id_: str) -> str:
    """What the lease is held for, by the id in it: "a run", "a load" or "a restart"."""
    kind = id_.partition("-")[0]
    return f"a {kind}" if kind in ("load", "restart") else "a run"


class Held(Trouble):
    """`holder` is who holds the lease, by the name that it goes by, `run` the id of what it is for: a run, a restart
    or a load by hand."""

    def __init__(self, holder: str, run: str = "") -> None:
        super().__init__(f"{holder} has {activity(run)} going.")
        self.holder = holder
        self.run = run


class Lost(Trouble):
    pass


class Bell(Protocol):
    """What may end a wait early: a `threading.Event`."""

    def is_set(self) -> bool: ...
    def wait(self, timeout: float | None = None) -> bool: ...


class Clock(Protocol):
    def now(self) -> str:
        """The time of day, RFC 3339 UTC."""

    def monotonic(self) -> float:
        """Seconds that never go back. The ledger's moments are of this clock: real writers use `time.monotonic`."""

    def wait(self, bell: Bell, seconds: float) -> bool:
        """Waits so long or until the bell is set; whether it is."""


class View(Protocol):
    """The hub, as a run looks at it: the state that the page shows, too."""

    def view(self) -> Json:
        """The state. Not to be changed."""

    def samples(self) -> Mapping[str, tuple[float, float, float]]:
        """The newest CPU sample of each pod: uid → (its own moment in seconds since 1970, millicores, the seconds up to
        that moment which it is the mean of)."""

    def down_window(self) -> float:
        """The autoscaler's stabilization window on the way down, in seconds."""


class PodIdentity(Struct, frozen=True):
    """A pod as it is now. `container` is mongod's container id without its runtime's prefix, None until it has one.

    `claim` is the name of the claim that mongod's data is on, None where its volume is none (an emptyDir).
    """

    name: str
    uid: str
    container: str | None
    node: str | None
    ready: bool
    claim: str | None = None


class ClaimIdentity(Struct, frozen=True):
    """A PersistentVolumeClaim and the volume that it is bound to, None while it is not."""

    uid: str
    volume: str | None
    phase: str = "Bound"


class Holder(Struct, frozen=True):
    """Who holds the lease: `holder` the dashboard's own name (its pod's), `run` the id of what it is for (a run's, a
    restart's, a load's), `since` RFC 3339."""

    holder: str
    run: str
    since: str


class History(Struct, frozen=True):
    """The runs that were saved, newest first, and how many entries there are no runs: those are skipped."""

    runs: list[Json]
    unreadable: int = 0


class Operator(Protocol):
    """What changes the cluster. Each call is one thread's at a time and has a deadline of its own; each may raise
    `Trouble`."""

    def pod(self, name: str) -> PodIdentity:
        """The pod as the API server has it now, not as the watch last told. `Missing` if there is none."""

    def claim(self, name: str) -> ClaimIdentity:
        """`Missing` if there is none."""

    def delete_pod(self, name: str, uid: str) -> None:
        """Deletes it with its own grace period, if it still has this uid; else `Stale`, or `Missing`."""

    def crash(self, uid: str) -> None:
        """SIGKILL for mongod in the pod with this uid, through its `crash` container. `Stale` if it is another one,
        a `Trouble` that says so where there is no such container."""

    def acquire(self, run: str, ttl: float) -> None:
        """Takes the lease for so many seconds, by compare-and-swap. `Held` if another dashboard has it, or this process
        has it for another run. A lease that this process saw unchanged for so long as it lasts is nobody's, and so is
        one in this dashboard's name that this process does not hold: it is from before a restart."""

    def renew(self) -> None:
        """Prolongs the lease that was taken. `Lost` if it is another's by now; another `Trouble` if nobody can tell."""

    def release(self) -> None:
        """Gives the lease back, if it is still ours. Never raises."""

    def holder(self) -> Holder | None:
        """Who holds the lease now; None if nobody does, as `acquire` has it. To be asked now and then: what was never
        looked at can't be seen to stand still."""

    def load_history(self) -> History: ...

    def save_history(self, runs: Sequence[Json]) -> None:
        """Saves them in the place of those before. What could not be read there is kept apart."""

    def record(self, reason: str, message: str, about: Json, type_: str = "Normal") -> None:
        """A Kubernetes Event on the object {kind, name, uid}. `type_` is Normal or Warning."""


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

    def start(self, options: "LoadOptions", by: str, test_rate: float | None = None) -> None:
        """Returns once it was told to begin. The self-test before it is done at `test_rate`, for a load that is to
        change its rate, or at the rate in the options. A `Trouble` where it can't begin: `Unfit` when the self-test
        failed, `Busy` when a load runs already."""

    def change_rate(self, rate: float) -> None:
        """Sends so many requests a second from now on, without a gap; nothing if no load runs. `BadOption` for a rate
        that no load may have."""

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

    def read(self, bell: Bell) -> Mapping[str, str]:
        """All of this run's documents through GET /proofs, page by page: id → sha256 *of the payload as it came*,
        reckoned anew. Each page is tried again for a while; a `Trouble` if it can't be had, or the bell is set."""


class Reader(Protocol):
    """The dashboard's own connection to MongoDB, past the service."""

    def process(self) -> str | None:
        """What tells this start of the primary's mongod from every other (`hello`'s topologyVersion.processId), None
        when no primary answers within a second. Never raises."""

    def read(self, run: str) -> Mapping[str, str]:
        """All documents of the run in `proofs`, read with majority read concern from the primary: id → sha256 of the
        payload as it is stored, reckoned anew. A `Trouble` if it can't be had."""


class Audit(Protocol):
    """An audit line: on stdout, on the page, and as a Kubernetes Event where `about` names an object."""

    def __call__(self, by: str, action: str, outcome: str, about: Json | None = None, mark: str | None = None) -> None:
        """`by` who, `action` what ("restart mongodb-0 (graceful)"), `outcome` what became of it ("started",
        "refused: …"), `about` {kind, name, uid}, `mark` a very short label for the charts."""


WritersOf = Callable[[str], Writers]  # of a run's id
