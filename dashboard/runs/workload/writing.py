"""The steps of a run in which its writers write: before the kill, after the outage, and a last document."""

from collections.abc import Callable, Mapping

from dashboard.runs.context import RunContext, RunStopped
from dashboard.runs.ports import View, Writers
from dashboard.runs.workload.judgement import traffic
from dashboard.runs.workload.judgement.figures import ACKED_AFTER, ACKED_BEFORE, RATE_BEFORE

POLL_SECONDS = 0.5


class Writing:
    """`shown` is what is shown of the run beside the counts of its writes. `look` is called at each poll."""

    def __init__(
        self,
        context: RunContext,
        writers: Writers,
        view: View,
        shown: Mapping[str, str],
        look: Callable[[], object] = lambda: None,
    ) -> None:
        self.last_write: bool | None = None  # whether the last document was acknowledged
        self._context = context
        self._writers = writers
        self._view = view
        self._shown = shown
        self._look = look
        self._counts: Mapping[str, int] = {}
        self._counted = -traffic.EVER

    def try_contract(self) -> None:
        """Raise `RunStopped` if the service can't be judged by its contract: a verdict would be about that."""
        obstacle = self._writers.obstacle(self._context.cancelled)
        self._context.raise_if_cancelled()
        if obstacle:
            raise RunStopped(f"{obstacle} `prove contract` tries it all.")

    def warm_up(self, limit: float) -> None:
        """Begin to write, until enough is acknowledged. Raise `RunStopped` after `limit` seconds."""
        self._context.begin_step("warmup")
        self._writers.start()
        began = self._context.clock.monotonic()

        def enough() -> bool:
            self._look()
            now, operations = self._context.clock.monotonic(), self._writers.ledger.operations()
            acked, each_second = traffic.acknowledged(operations), traffic.rate(operations, now)
            self.progress(f"{acked} acknowledged, {each_second:.0f} a second")
            return acked >= ACKED_BEFORE and each_second >= RATE_BEFORE and now - began >= traffic.RATE_SECONDS

        self._context.wait_until(enough, POLL_SECONDS, limit, lambda: self._thin(limit))

    def _thin(self, limit: float) -> str:
        """Return why the warm-up timed out, with the figures."""
        now, operations = self._context.clock.monotonic(), self._writers.ledger.operations()
        slowest = traffic.longest(operations)
        slow = f" The slowest write took {slowest:.1f} s." if slowest is not None else ""
        refusal = self.refusal()
        why = f" {refusal}" if refusal else ""
        acked, each_second = traffic.acknowledged(operations), traffic.rate(operations, now)
        return (
            f"Too thin: {acked} acknowledged after {limit:.0f} s,"
            f" {each_second:.0f} a second, where {ACKED_BEFORE} and {RATE_BEFORE:.0f} are needed.{slow}{why}"
        )

    def write_on(self, back: float, least: float, most: float) -> None:
        """Write on after the database is `back`, for `least` seconds, until enough is acknowledged or `most` seconds
        have passed; the verdict then says that it is too thin."""
        self._context.begin_step("after")
        while (now := self._context.clock.monotonic()) < back + most:
            self._look()
            acked = traffic.acknowledged(self._writers.ledger.operations(), since=back)
            self.progress(f"{acked} acknowledged since it is back")
            if now >= back + least and acked >= ACKED_AFTER:
                break
            self._context.sleep(POLL_SECONDS)

    def write_last(self) -> None:
        self._writers.stop()
        self.last_write = self._writers.write()
        self._context.log("The last write was acknowledged" if self.last_write else "The last write failed")

    def refusal(self) -> str | None:
        """Return that no pod of the service is Ready, with the first one's reason, or None."""
        view = self._view.view()
        app = (view["deployment"] or {}).get("name")
        pods = [pod for pod in view["pods"] if pod.get("app") == app]
        if not pods or any(pod["ready"] for pod in pods):
            return None
        words = ((pod["name"], pod["reason"] or pod["unready"]) for pod in pods)
        why = next((f" {name}: {text.rstrip('.')}." for name, text in words if text), "")
        return f"No pod of the service is Ready, so nothing takes the writes.{why}"

    def progress(self, text: str) -> None:
        """Show the text and the counts, which are made anew every POLL_SECONDS at most: they look at every operation,
        and a run may poll ten times a second."""
        now = self._context.clock.monotonic()
        if now >= self._counted + POLL_SECONDS:
            self._counted, self._counts = now, traffic.counts(self._writers.ledger.operations())
        self._context.set_progress(text, {**self._shown, **self._counts})
