"""The supervisor of the load generator: runs one load at a time, each after a self-test.

All requests go to one configured URL: a user who starts a load cannot choose another.
"""

import threading
from collections.abc import Callable

from dashboard.clock import now
from dashboard.core import events
from dashboard.core.errors import ExternalError
from dashboard.core.events import Emit
from dashboard.core.timestamps import rfc3339, seconds
from dashboard.load.options import GeneratorUnfit, LoadBusy, LoadOptions, LoadTotals, check_rate, unfit
from dashboard.load.process import GeneratorProcess
from dashboard.load.progress import LoadProgress

TEST_SECONDS = 2.0
LEAST_SPAN_SECONDS = 0.5  # a final sample over a shorter span is not reported: its rates mean nothing


class LoadSupervisor:
    """One load at a time (implements runs.ports.Load). Emits LoadUpdated each second and at a load's end."""

    def __init__(
        self, url: str, emit: Emit, clock: Callable[[], str] = now, test_seconds: float = TEST_SECONDS
    ) -> None:
        """`url` is what a load requests; `test_seconds` is the length of the self-test before each, and 0 skips it."""
        self._url = url
        self._emit = emit
        self._clock = clock
        self._test_seconds = test_seconds
        self._lock = threading.Lock()
        self._progress: LoadProgress | None = None  # of the load that runs or starts
        self._process: GeneratorProcess | None = None  # of the load or its self-test
        self._totals = LoadTotals()
        self._stopped = False

    def start(self, options: LoadOptions, by: str, test_rate: float | None = None) -> None:
        """Start a load and return once it has begun. The self-test is done at `test_rate`, or at the load's first rate.
        Raise `GeneratorUnfit` if the self-test fails, `LoadBusy` if a load runs already, or another `ExternalError`."""
        progress = LoadProgress(options, by)
        with self._lock:
            if self._progress is not None:
                raise LoadBusy(self._progress.by)
            self._progress, self._stopped, self._totals = progress, False, LoadTotals()
        try:
            if self._test_seconds:
                self._test(options, test_rate or options.rate)
            self._begin(progress)
        except BaseException as error:
            self._release(progress, LoadTotals(failed=str(error)))
            raise

    def change_rate(self, rate: float) -> None:
        """Change the rate, in requests a second; do nothing if no load has begun. Raise `InvalidOption`."""
        check_rate(rate)
        with self._lock:
            process = self._process if self._progress is not None and self._progress.begun else None
        if process is not None:
            process.change_rate(rate)

    def stop(self) -> None:
        """Stop the load within a second, and wait until it has ended; do nothing if none runs."""
        with self._lock:
            self._stopped = True
            process = self._process
        if process is not None:
            process.stop()

    def running(self) -> bool:
        return self._progress is not None

    def totals(self) -> LoadTotals:
        return self._totals

    def _test(self, options: LoadOptions, rate: float) -> None:
        """Test whether this machine can send `rate` requests a second on time. Raise `GeneratorUnfit` if it can't.

        The generator loads a server in its own process, so the service gets no requests and the result depends on this
        machine alone. Because of that server, the test is a little harder than the load.
        """
        trial = LoadOptions(rate=rate, duration=self._test_seconds, connections=options.connections)
        progress = LoadProgress(trial, "the self-test")
        process = self._start_process(None, progress, lambda: None)
        process.join()
        if self._stopped:
            raise ExternalError("The load was stopped before it began.")
        if process.problem:
            raise GeneratorUnfit(f"The load generator's self-test failed: {process.problem}.")
        if reason := unfit(progress.totals()):
            raise GeneratorUnfit(
                f"This machine can't carry {rate:g} requests a second now: the load generator was tested for"
                f" {trial.duration:g} s, and {reason}. Choose a lower rate, or retry when the machine is less busy."
            )

    def _begin(self, progress: LoadProgress) -> None:
        times: list[str] = []  # the load's start and end, once it has begun

        def on_sample() -> None:
            if not times:
                began = seconds(self._clock())
                times.extend((rfc3339(began), rfc3339(began + progress.options.duration)))
            self._totals = progress.totals()
            if not progress.final or progress.span >= LEAST_SPAN_SECONDS:
                self._report(progress.to_json(*times, active=True))

        def on_end(problem: str | None) -> None:
            totals = progress.totals(problem and f"The load ended early: {problem}.")
            if times:
                try:
                    self._report(progress.to_json(*times, active=False, error=totals.failed))
                finally:
                    self._release(progress, totals)

        process = self._start_process(self._url, progress, on_sample, on_end)
        if not process.wait_until_begun():
            raise ExternalError(f"The load generator did not start: {process.problem or 'it was stopped'}.")

    def _release(self, progress: LoadProgress, totals: LoadTotals) -> None:
        """Let the next load start, unless that is done already."""
        with self._lock:
            if self._progress is progress:
                self._totals = totals
                self._progress = self._process = None

    def _start_process(
        self,
        url: str | None,
        progress: LoadProgress,
        on_sample: Callable[[], None],
        on_end: Callable[[str | None], None] = lambda problem: None,
    ) -> GeneratorProcess:
        with self._lock:
            if self._stopped:
                raise ExternalError("The load was stopped before it began.")
            self._process = process = GeneratorProcess(url, progress, on_sample, on_end)
            process.start()
        return process

    def _report(self, load: dict[str, object]) -> None:
        self._emit(events.LoadUpdated(at=self._clock(), load=load))
