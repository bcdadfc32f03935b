"""The load of a run: started once this machine can send it on time, and checked while it lasts."""

from dashboard.load.options import MOST_SECONDS, GeneratorUnfit, LoadOptions, LoadTotals
from dashboard.runs.context import RunContext, RunStopped
from dashboard.runs.ports import Load

FAILING_SHARE = 0.5
FAILING_SECONDS = 10.0
TEST_RETRY_SECONDS = 5.0


class RunLoad:
    """`active` is whether the run has started the load and not stopped it."""

    def __init__(self, context: RunContext, load: Load) -> None:
        self.active = False
        self._context = context
        self._load = load
        self._failing = Failing()

    def start(self, rate: float, test_rate: float | None = None) -> None:
        """Start the load, whose self-test is tried again for the limit `self-test` (`ports.Load.start`). Raise
        `RunStopped` if the run is cancelled meanwhile."""
        end = self._context.clock.monotonic() + self._context.run.demo.limits["self-test"]
        while True:
            self._context.confirm_lease()
            try:
                self._load.start(LoadOptions(rate=rate, duration=MOST_SECONDS), self._context.run.by, test_rate)
                break
            except GeneratorUnfit as error:  # the machine may be busy for a short time only
                if self._context.clock.monotonic() >= end:
                    raise
                self._context.set_progress(f"Trying the load generator again: {error}")
                self._context.sleep(TEST_RETRY_SECONDS)
        self.active = True
        self._failing = Failing()
        self._context.raise_if_cancelled()  # an abort may have come while the generator was tested

    def check(self, totals: LoadTotals, ended: str) -> None:
        """Check the load by its newest totals. Raise `RunStopped` if it fails or has ended, with the reason `ended`
        unless the totals have one."""
        if not self._load.running():
            self._context.raise_if_cancelled()  # an abort stops the load, too
            raise RunStopped(totals.failed or ended)
        if self._failing.see(totals, self._context.clock.monotonic()):
            raise RunStopped(f"Over half of the requests failed for {FAILING_SECONDS:.0f} s: the load was stopped.")

    def stop(self) -> None:
        self.active = False
        self._load.stop()


class Failing:
    """Detects that more than half of the requests have failed for FAILING_SECONDS."""

    def __init__(self) -> None:
        self._achieved = self._errors = 0
        self._since: float | None = None

    def see(self, totals: LoadTotals, at: float) -> bool:
        errors = totals.errors - self._errors
        answered = max(totals.achieved - self._achieved, errors)  # errors without an answer are not in `achieved`
        self._achieved, self._errors = totals.achieved, totals.errors
        if answered > 0:
            if errors <= FAILING_SHARE * answered:
                self._since = None
            elif self._since is None:
                self._since = at
        return self._since is not None and at - self._since >= FAILING_SECONDS
