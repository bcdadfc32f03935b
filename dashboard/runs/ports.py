"""Protocols for everything a run uses. The real objects, the mock and the tests implement them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from threading import Event
from typing import Any, Protocol

from dashboard.core.deployment.deployed import Deployed
from dashboard.core.state.builder import Journal, Look
from dashboard.kube.lease import LeaseHolder
from dashboard.kube.pods.control import PodIdentity, VolumeClaimIdentity
from dashboard.load.options import LoadOptions, LoadTotals
from dashboard.runs.records.history import SavedRuns
from dashboard.runs.workload.ledger import Ledger
from dashboard.runs.workload.operation import Kind
from dashboard.runs.workload.primary import Primary

Json = dict[str, Any]


class Clock(Protocol):
    def now(self) -> str:
        """Return the time of day, RFC 3339 UTC."""

    def monotonic(self) -> float:
        """Return seconds that never go back. The ledger's timestamps are of this clock, `time.monotonic` in
        production."""

    def wait(self, cancelled: Event, seconds: float) -> bool:
        """Wait for `seconds`, or until `cancelled` is set. Return whether it is set."""


class View(Protocol):
    """Read access to the hub's state, which the page shows, too."""

    def view(self) -> Json:
        """Return the state. The caller must not change it."""

    def look(self, at: str) -> Look:
        """Return the state at this time with the CPU samples. A journal that is being recorded notes it."""

    def record(self, take: Journal | None, at: str) -> None:
        """Give `take` what led to the state, and each event from now on (core.state.journal); None ends it."""


class Pods(Protocol):
    """Access to the database's pod (kube.pods.control.PodControl). Each call has a deadline of its own."""

    def pod(self, name: str) -> PodIdentity:
        """Read the pod from the API server, not from the watch. Raise `NotFound` if there is none."""

    def volume_claim(self, name: str) -> VolumeClaimIdentity:
        """Read the volume claim. Raise `NotFound` if there is none."""

    def kill(self, name: str, uid: str, mode: str) -> None:
        """Delete the pod ("graceful") or kill its mongod ("crash"). Raise `UidMismatch`, `NotFound`, or another
        `ExternalError`."""


class ServiceDeployment(Protocol):
    """Control of the service's Deployment and its pods (actions.service_control.ServiceControl)."""

    def read(self) -> Deployed:
        """Read the Deployment from the API server. Raise `NotFound` if there is none."""

    def restart(self, at: str) -> tuple[Deployed, Deployed]:
        """Roll all pods, as `kubectl rollout restart` does. Return the Deployment before and after. Raise `NotFound`,
        or another `ExternalError`."""

    def undo(self, former: Deployed, ours: Deployed) -> tuple[Deployed, Deployed]:
        """Roll back to the `former` template. Return the Deployment before and after. Raise `ExternalError` if its
        template is no longer `ours`."""

    def delete(self, pod: str, uid: str, grace: int | None) -> None:
        """Delete a pod, with a grace period in seconds or its own. Raise `UidMismatch`, `NotFound`, or another
        `ExternalError`."""


class Lease(Protocol):
    """The lease of the one activity at a time: a run, a load, a restart or a change of the deployment
    (kube.lease.KubeLease). Each call may raise `ExternalError`."""

    def acquire(self, run: str, ttl: float) -> None:
        """Acquire it for `ttl` seconds. Raise `LeaseHeld` if another dashboard, or another run here, holds it."""

    def renew(self) -> None:
        """Renew it. Raise `LeaseLost` if it is no longer ours, another `ExternalError` if that is unknown."""

    def release(self) -> None:
        """Release it, if it is still ours. Never raises."""

    def holder(self) -> LeaseHolder | None:
        """Read who holds it; None if nobody does. Call it regularly: a lease expires once this process has seen it
        unchanged for its duration."""


class Peers(Protocol):
    """The other dashboards of the namespace (runs.peers.PeerDashboards), by their names as holders of the lease."""

    def run(self, dashboard: str, id_: str) -> Json | None:
        """Return a run as that dashboard has it; None if it does not answer, or does not know the run."""

    def abort(self, dashboard: str, id_: str) -> None:
        """Abort that dashboard's run. Raise `ExternalError` if it does not."""


class History(Protocol):
    """The saved runs (runs.records.history.ConfigMapHistory). Each call may raise `ExternalError`."""

    def load(self) -> SavedRuns: ...

    def save(self, runs: Sequence[Json]) -> None:
        """Replace the saved runs. Unreadable entries are stored separately."""


class EvidenceFiles(Protocol):
    """The evidence files of the newest runs (runs.evidence.ring.EvidenceRing). Each call may raise `ExternalError`."""

    def save(self, run: str, started: str, file: bytes) -> None:
        """Keep a run's file. Raise `ExternalError` with the reason if that can't be."""

    def load(self, run: str) -> bytes | None:
        """Return a run's file, None if it is not kept, or no longer."""


class Load(Protocol):
    """The load generator. One load at a time."""

    def start(self, options: LoadOptions, by: str, test_rate: float | None = None) -> None:
        """Start a load and return once it has begun. The self-test before it is done at `test_rate`, for a load that
        will change its rate, or at the rate in the options. Raise `GeneratorUnfit` if the self-test fails, `LoadBusy`
        if a load runs already, or another `ExternalError`."""

    def change_rate(self, rate: float) -> None:
        """Change the rate, in requests a second, without a gap; do nothing if no load runs. Raise `InvalidOption` for a
        rate out of bounds."""

    def stop(self) -> None:
        """Stop the load and wait until it has ended; do nothing if none runs. Never raises."""

    def running(self) -> bool: ...

    def totals(self) -> LoadTotals:
        """Return the totals of the current load, or of the last one."""


class Writers(Protocol):
    """Eight concurrent writers that write through the service, each one write at a time; two readers that read through
    it meanwhile; and the read-back. `kinds` are the writes that the service takes."""

    ledger: Ledger
    kinds: Collection[Kind]

    def obstacle(self, cancelled: Event) -> str | None:
        """Try with two documents whether a run can judge the service by its contract. Return why not, as a sentence, or
        None."""

    def start(self) -> None: ...

    def stop(self) -> None:
        """Start no new writes and reads, and wait for the pending ones, which have a deadline. May be called twice.
        Never raises."""

    def write(self) -> bool:
        """Write one last document after `stop`. Return whether it was acknowledged."""

    def read(self, cancelled: Event) -> Mapping[str, str]:
        """Read this run's documents through the service, by its search or, without one, by id: id → sha256, computed
        from the received payload. Try each request again for a while. Raise `ExternalError` if that fails or
        `cancelled` is set."""


class DatabaseReader(Protocol):
    """An adapter of the database, which bypasses the service. `reads`: whether it can read documents. `database` is
    "mongodb", "postgresql", or "" for one that it knows nothing of. `place` is where somebody's file says that the
    documents are, a noun; None where nobody can be wrong about that. `note` is what a run says of it at its start,
    `problem` why `primary` found none last, a sentence, or "" where that is not known."""

    reads: bool
    database: str
    place: str | None
    note: str | None
    problem: str

    def primary(self) -> Primary | None:
        """Return the primary, the database's only process if it has no others; None if none answers within a second.
        Raise `ExternalError` if one answers and lets nobody of this name in, which MongoReader never does."""

    def read(self, run: str) -> Mapping[str, str]:
        """Read the run's documents as the database has them durably (from MongoDB's primary with majority read
        concern; committed rows from PostgreSQL's): id → sha256, computed from the stored payload. Raise
        `ExternalError`."""


class Audit(Protocol):
    """Writes an audit line: to stdout, to the page, and as a Kubernetes Event if `about` names an object."""

    def __call__(self, by: str, action: str, outcome: str, about: Json | None = None, mark: str | None = None) -> None:
        """`by`: the user; `action`: "restart mongodb-0 (graceful)"; `outcome`: "started", "refused: …"; `about`:
        {kind, name, uid}; `mark`: a very short label for the charts."""


WritersOf = Callable[[str], Writers]  # of a run's id
