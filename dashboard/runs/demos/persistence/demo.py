"""The persistence demo: kill the database while writers write, then read every document back.

`down` is the outage as a client sees it: from just before the kill request until a new process answers the dashboard as
primary, the shutdown of the old one included. `ready` is when the pod is Ready, up to a probe period later. Errors do
not stop this demo: its writers have to write on through the outage. Several kills alternate between the two modes.
"""

from functools import partial

from msgspec import Struct

from dashboard.core.errors import ExternalError
from dashboard.kube.pods.control import PodIdentity, VolumeClaimIdentity
from dashboard.runs.context import RunContext
from dashboard.runs.demos.persistence.backoff import back_off
from dashboard.runs.demos.persistence.observation import DatabaseIdentity, Kill, Observations
from dashboard.runs.demos.persistence.records import records_of
from dashboard.runs.demos.persistence.verdict import findings, verdict_of
from dashboard.runs.kill import kill
from dashboard.runs.mode import Mode, by_turns
from dashboard.runs.ports import DatabaseReader, Pods, View, Writers
from dashboard.runs.verdict import Verdict
from dashboard.runs.workload.read_backs import ReadBacks
from dashboard.runs.workload.writing import Writing

DOWN_POLL_SECONDS = 0.1  # the precision of `down`
READY_POLL_SECONDS = 0.5


class KillTarget(Struct, frozen=True):
    """The database as it can be killed: its pod, its volume claim, and the id of its process."""

    pod: PodIdentity
    volume_claim: VolumeClaimIdentity | None
    process: str


class Persistence:
    def __init__(
        self, context: RunContext, pods: Pods, reader: DatabaseReader, writers: Writers, view: View, pod: str
    ) -> None:
        self._context = context
        self._pods = pods
        self._reader = reader
        self._writers = writers
        self._view = view
        self._pod = pod
        self._mode: Mode = "crash" if context.run.options["mode"] == "crash" else "graceful"
        self._asked = int(context.run.options.get("kills", 1))
        self._limits = context.run.demo.limits
        self._kills: list[Kill] = []
        self._writing = Writing(context, writers, view, {"mode": self._mode})
        self._read_backs = ReadBacks(context, reader, writers)
        self._unread: str | None = None  # why the pod could not be read, a sentence

    def run(self) -> None:
        self._check()
        self._writing.warm_up(self._limits["warmup"])
        self._read_backs.rehearse(self._limits["target"])
        for number in range(self._asked):
            process = self._kill(number)
            self._wait_for_return(self._kills[-1], process)
            last = len(self._kills) == self._asked
            least = self._limits["least_after"] if last else 0.0
            self._writing.write_on(self._kills[-1].back or 0.0, least, self._limits["after"])
        self._writing.write_last()
        self._read_back()
        self._context.finish()

    def cleanup(self) -> None:
        self._writers.stop()

    def verdict(self, stopped: str | None) -> Verdict:
        run = self._observations(stopped)
        for at, record in records_of(run):
            self._context.record(record, at)
        return verdict_of(findings(run))

    def _observations(self, stopped: str | None) -> Observations:
        return Observations(
            mode=self._mode,
            operations=self._writers.ledger.operations(),
            kills=self._kills,
            read_backs=self._read_backs.found,
            last_write=self._writing.last_write,
            last_error=self._writers.ledger.last_error,
            unread=self._read_backs.unread,
            stopped=stopped,
            kinds=self._writers.kinds,
            adapter=self._reader.reads,
            database=self._reader.database,
        )

    # The steps

    def _check(self) -> None:
        """Wait until the run can begin: a restart of the database or of the dashboard may have just ended."""
        self._context.begin_step("preflight")
        if self._reader.note:
            self._context.log(self._reader.note)
        target = self._context.wait_for(self._found, READY_POLL_SECONDS, self._limits["ready"])
        if self._mode == "crash" and self._wait_out_back_off(target.pod):
            target = self._context.wait_for(self._found, READY_POLL_SECONDS, self._limits["ready"])
        volume = f"on the volume {target.volume_claim.volume}" if target.volume_claim else "on no persistent volume"
        self._context.log(f"{target.pod.name} is Ready, {volume}")
        self._writing.try_contract()

    def _wait_out_back_off(self, pod: PodIdentity) -> bool:
        """Wait until the kubelet has forgotten the database's earlier ends, if it would wait longer than an outage may
        last. Return whether it was waited for. A deleted pod has no back-off."""
        found = back_off(pod, self._context.time())
        if found is None or found.wait <= self._limits["outage"]:
            return False
        end = self._context.clock.monotonic() + found.left
        while (left := end - self._context.clock.monotonic()) > 0:
            why = f"The database has ended often: the kubelet would start it again after about {found.wait:.0f} s."
            self._writing.progress(f"{why} It forgets that in {left:.0f} s")
            self._context.sleep(READY_POLL_SECONDS)
        return True

    def _found(self) -> KillTarget | str:
        """Return the database, or why the run can't begin yet, as a sentence."""
        target = self._target()
        if isinstance(target, str):
            return target
        claim = target.volume_claim
        if claim is not None and (claim.phase != "Bound" or not claim.volume):
            return f"The claim {target.pod.volume_claim} is {claim.phase} and not bound to a volume."
        return self._writing.refusal() or target

    def _target(self) -> KillTarget | str:
        """Return the database as it can be killed now, or why it can't, as a sentence."""
        try:
            pod, claim = self._identify()
        except ExternalError as error:
            return str(error)
        if not pod.ready or pod.container is None:
            return f"The pod {pod.name} is not Ready.{self._pod_reason()}"
        try:
            primary = self._reader.primary()
        except ExternalError as error:
            return str(error)
        if primary is None:
            return f"No primary of the database answers the dashboard.{self._silence()}"
        if other := primary.beside(pod.name):
            return f"{other} is the primary, and the run kills {pod.name} alone: let {other} step down first."
        return KillTarget(pod, claim, primary.process)

    def _kill(self, number: int) -> str:
        """Kill the database for the given time, from 0. Return the id of the old process."""
        self._context.begin_step("kill")
        target = self._context.wait_for(self._target, READY_POLL_SECONDS, self._limits["target"])
        pod, claim = target.pod, target.volume_claim
        mode = by_turns(self._mode, number)
        self._context.confirm_lease()
        self._kills.append(Kill(mode, self._context.clock.monotonic(), _identity(pod, claim)))
        kill(self._pods, pod, mode, self._context.audit)
        what = f"container {(pod.container or '')[:12]}" if mode == "crash" else f"uid {pod.uid}"
        self._context.log(f"{'Process killed' if mode == 'crash' else 'Deleted'}: {pod.name}, {what}")
        return target.process

    def _wait_for_return(self, killed: Kill, process: str) -> None:
        self._context.begin_step("outage")
        limit = self._limits["outage"]

        def answers() -> bool:
            self._writing.progress(f"{self._since(killed):.0f} s since the kill")
            try:
                found = self._reader.primary()
            except ExternalError as error:  # the process that was killed had let the dashboard in: this is another one
                self._context.log(str(error))
                return True
            return found is not None and found.process != process

        away = f"No new process of the database answered within {limit:.0f} s."
        self._context.wait_until(answers, DOWN_POLL_SECONDS, limit, lambda: away + self._silence())
        killed.back = self._context.clock.monotonic()
        self._context.log(f"The database answers again, {self._since(killed):.1f} s after the kill")
        unready = f"{self._pod} was not Ready within {limit:.0f} s."
        is_ready = partial(self._is_ready, killed)
        self._context.wait_until(
            is_ready, READY_POLL_SECONDS, limit, lambda: f"{unready} {self._unread or ''}".rstrip() + self._pod_reason()
        )
        killed.ready = self._context.clock.monotonic()
        self._context.log(f"{self._pod} is Ready, {self._since(killed):.1f} s after the kill")

    def _is_ready(self, killed: Kill) -> bool:
        """Return whether the new pod or container is Ready, and record its identity."""
        try:
            pod, claim = self._identify()
        except ExternalError as error:  # the API server may be away for a moment, as the pod is
            self._unread = str(error)
            return False
        self._unread = None
        found, before = _identity(pod, claim), killed.before
        same = found.container == before.container if killed.mode == "crash" else found.pod == before.pod
        if not pod.ready or pod.container is None or same:
            return False
        killed.after = found
        return True

    def _read_back(self) -> None:
        self._context.begin_step("readback")
        self._read_backs.read(self._limits["readback"])

    # Evidence

    def _identify(self) -> tuple[PodIdentity, VolumeClaimIdentity | None]:
        pod = self._pods.pod(self._pod)
        return pod, self._pods.volume_claim(pod.volume_claim) if pod.volume_claim else None

    def _silence(self) -> str:
        """Return why no primary answers, as sentences to append, or ""."""
        return (f" {self._reader.problem}" if self._reader.problem else "") + self._pod_reason()

    def _pod_reason(self) -> str:
        """Return the cluster's reason for the pod's state as a sentence to append, or "". Restarts are part of it: a
        container that crashes seems to run in between."""
        for pod in self._view.view()["pods"]:
            if pod.get("name") == self._pod:
                restarts = pod.get("restarts")
                words = [pod.get("reason"), f"restarted {restarts} times" if restarts else None]
                return f" {self._pod}: {', '.join(filter(None, words))}." if any(words) else ""
        return ""

    def _since(self, killed: Kill) -> float:
        return self._context.clock.monotonic() - killed.at


def _identity(pod: PodIdentity, claim: VolumeClaimIdentity | None) -> DatabaseIdentity:
    claimed = (claim.uid, claim.volume) if claim else (None, None)
    return DatabaseIdentity(pod.uid, pod.container, pod.node, *claimed)
