"""The failover demo: end the primary while writers write, see another member take over, then read everything back.

`back` is when the dashboard sees another process as primary, by its own connection to all members. The next loss, and
the end of the run, wait until the former primary's pod is Ready again, which it is once its mongod is a member.
"""

from collections.abc import Iterator

from msgspec import Struct

from dashboard.core.errors import ExternalError
from dashboard.kube.pods.control import PodIdentity
from dashboard.runs.context import RunContext, RunStopped
from dashboard.runs.demos.failover.observation import FailoverObservations, Loss, PrimaryChange
from dashboard.runs.demos.failover.records import records_of
from dashboard.runs.demos.failover.verdict import findings, verdict_of
from dashboard.runs.kill import kill
from dashboard.runs.mode import Mode, by_turns
from dashboard.runs.ports import DatabaseReader, Pods, View, Writers
from dashboard.runs.verdict import Verdict
from dashboard.runs.workload.primary import Primary
from dashboard.runs.workload.read_backs import ReadBacks
from dashboard.runs.workload.writing import Writing

MEMBERS = 3  # that hold data: without one of them, the others are still a majority
TAKEOVER_POLL_SECONDS = 0.1  # the precision of `back`
READY_POLL_SECONDS = 0.5


class PrimaryTarget(Struct, frozen=True):
    """The primary as it can be ended."""

    primary: Primary
    pod: PodIdentity


class Failover:
    def __init__(self, context: RunContext, pods: Pods, reader: DatabaseReader, writers: Writers, view: View) -> None:
        self._context = context
        self._pods = pods
        self._reader = reader
        self._writers = writers
        self._mode: Mode = "crash" if context.run.options["mode"] == "crash" else "graceful"
        self._asked = int(context.run.options.get("kills", 1))
        self._limits = context.run.demo.limits
        self._members: int | None = None
        self._losses: list[Loss] = []
        self._changes: list[PrimaryChange] = []
        self._seen: tuple[Primary, float] | None = None  # the primary, and when it answered last
        self._writing = Writing(context, writers, view, {"mode": self._mode}, self._primary)
        self._read_backs = ReadBacks(context, reader, writers)

    def run(self) -> None:
        self._check()
        self._writing.warm_up(self._limits["warmup"])
        for number in range(self._asked):
            if not self._go_through(number):
                break
        self._writing.write_last()
        self._context.begin_step("readback")
        self._read_backs.read(self._limits["readback"])
        self._primary()
        self._context.finish()

    def cleanup(self) -> None:
        self._writers.stop()

    def verdict(self, stopped: str | None) -> Verdict:
        run = FailoverObservations(
            mode=self._mode,
            members=self._members,
            losses=self._losses,
            changes=self._changes,
            operations=self._writers.ledger.operations(),
            read_backs=self._read_backs.found,
            last_write=self._writing.last_write,
            last_error=self._writers.ledger.last_error,
            unread=self._read_backs.unread,
            stopped=stopped,
        )
        for at, record in records_of(run):
            self._context.record(record, at)
        return verdict_of(findings(run))

    # The steps

    def _check(self) -> None:
        """Wait until the run can begin: a restart of a member may have just ended."""
        self._context.begin_step("preflight")
        target = self._context.wait_for(self._found, READY_POLL_SECONDS, self._limits["ready"])
        self._members = len(target.primary.members)
        self._changes.clear()  # what was before is of no account
        self._context.log(f"{target.pod.name} is the primary of {self._members} members, and all are Ready")

    def _go_through(self, number: int) -> bool:
        """End the primary for the given time, from 0, and wait until another one is there and all members are. Return
        whether there was another one in time."""
        self._context.begin_step("kill")
        target = self._confirmed()
        pod, mode = target.pod, by_turns(self._mode, number)
        loss = Loss(mode, self._context.clock.monotonic(), pod.name, pod.uid, pod.container)
        self._losses.append(loss)
        kill(self._pods, pod, mode, self._context.audit)
        self._context.log(f"{'mongod killed' if mode == 'crash' else 'Deleted'}: {pod.name}, the primary")
        if not self._wait_for_another(loss, target.primary):
            return False
        self._wait_for_member(loss)
        least = self._limits["least_after"] if len(self._losses) == self._asked else 0.0
        self._writing.write_on(loss.ready or loss.at, least, self._limits["after"])
        return True

    def _confirmed(self) -> PrimaryTarget:
        """Return the primary, which still is one now that the lease is confirmed."""
        while True:
            target = self._context.wait_for(self._found, READY_POLL_SECONDS, self._limits["target"])
            self._context.confirm_lease()
            if self._primary() == target.primary:
                return target

    def _primary(self) -> Primary | None:
        """Return the primary. Note if it has changed by itself."""
        found, now = self._reader.primary(), self._context.clock.monotonic()
        if found:
            if self._seen and found.process != self._seen[0].process:
                self._changes.append(PrimaryChange(self._seen[1], now, found.name))
                self._context.log(f"The primary changed by itself, to {found.name}")
            self._seen = found, now
        return found

    def _found(self) -> PrimaryTarget | str:
        """Return the primary as it can be ended, or why it can't, as a sentence."""
        primary = self._primary()
        if primary is None:
            return "No primary answers the dashboard."
        if len(primary.members) < MEMBERS:
            held = f"The replica set has {len(primary.members)} members that hold data"
            return f"{held}, and a failover needs {MEMBERS}: add k8s/components/ha."
        if unready := " ".join(self._unready(primary)):
            return unready
        try:
            return self._writing.refusal() or PrimaryTarget(primary, self._pods.pod(primary.name))
        except ExternalError as error:
            return str(error)

    def _unready(self, primary: Primary) -> Iterator[str]:
        """Yield what is wrong with the members' pods, as sentences."""
        for name in primary.members:
            try:
                pod = self._pods.pod(name)
            except ExternalError as error:
                yield str(error)
            else:
                if not pod.ready or pod.container is None:
                    yield f"The pod {name} is not Ready."

    def _wait_for_another(self, loss: Loss, former: Primary) -> bool:
        """Wait until another process is primary. Return whether it was in time: the verdict says that it was not. A
        primary that is told to end waits until another member has all that it wrote."""
        self._context.begin_step("takeover")
        limit, longest = self._limits["takeover"], self._limits["end"]
        while (found := self._reader.primary()) is None or found.process == former.process:
            now = self._context.clock.monotonic()
            if found:
                loss.gone = now
                if now - loss.at >= longest:
                    raise RunStopped(f"{loss.former} was still the primary after {longest:.0f} s, though told to end.")
            elif now - loss.since >= limit:
                overdue = f"No other member was primary within {limit:.0f} s of the end of {loss.former}."
                loss.overdue, loss.given_up = " ".join([overdue, *self._unready(former)]), now
                self._seen = None
                self._context.log(loss.overdue)
                return False
            self._writing.progress(
                f"{loss.former} is still the primary" if found else f"{now - loss.since:.0f} s without a primary"
            )
            self._context.sleep(TAKEOVER_POLL_SECONDS)
        loss.back, loss.successor = self._context.clock.monotonic(), found.name
        self._seen = found, loss.back
        self._context.log(f"{found.name} is the primary, after {loss.back - loss.since:.1f} s without one")
        return True

    def _wait_for_member(self, loss: Loss) -> None:
        """Wait until the former primary's pod is Ready again."""
        self._context.begin_step("ready")
        limit = self._limits["member"]
        missing = ""

        def ready() -> bool:
            nonlocal missing
            self._primary()
            self._writing.progress(f"{loss.former} is not a member yet, {self._since(loss):.0f} s after the kill")
            try:
                pod = self._pods.pod(loss.former)
            except ExternalError as error:  # a deleted pod, or the API server is away for a moment
                missing = f" {error}"
                return False
            missing = ""
            same = pod.container == loss.container if loss.mode == "crash" else pod.uid == loss.pod
            return pod.ready and pod.container is not None and not same

        late = f"{loss.former} was not Ready again within {limit:.0f} s."
        self._context.wait_until(ready, READY_POLL_SECONDS, limit, lambda: late + missing)
        loss.ready = self._context.clock.monotonic()
        self._context.log(f"{loss.former} is a member again, {self._since(loss):.1f} s after the kill")

    def _since(self, loss: Loss) -> float:
        return self._context.clock.monotonic() - loss.at
