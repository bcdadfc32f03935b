"""The load generator, as the dashboard has it: a process of its own, started, heard, and ended for certain.

A load's requests all go to one URL, that of the configuration: nobody who starts a load can choose another.
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

PATH = "/data?limit=20"
TEST_SECONDS = 2.0
WORTH_SECONDS = 0.5  # of the last second, to be told with its rates: a few milliseconds have none


class Load:
    """One load at a time. Each second, and once at its end, the state's `load` is told."""

    def __init__(
        self, service_url: str, emit: Emit, clock: Callable[[], str] = now, test_seconds: float = TEST_SECONDS
    ) -> None:
        """`test_seconds` is how long the self-test before each load takes; 0 leaves it out."""
        self._url = f"{service_url.rstrip('/')}{PATH}"
        self._emit = emit
        self._clock = clock
        self._test_seconds = test_seconds
        self._lock = threading.Lock()
        self._course: LoadProgress | None = None  # of the load that runs, or is about to
        self._child: GeneratorProcess | None = None  # the load's, or its self-test's
        self._totals = LoadTotals()
        self._stopped = False

    def start(self, options: LoadOptions, by: str, test_rate: float | None = None) -> None:
        """Returns when the first request is sent, after the self-test at `test_rate` (the load's first rate if None).
        `GeneratorUnfit` when that failed, `LoadBusy`, or another `ExternalError` that says what failed."""
        course = LoadProgress(options, by)
        with self._lock:
            if self._course is not None:
                raise LoadBusy(self._course.by)
            self._course, self._stopped, self._totals = course, False, LoadTotals()
        try:
            if self._test_seconds:
                self._test(options, test_rate or options.rate)
            self._begin(course)
        except BaseException as error:
            self._release(course, LoadTotals(failed=str(error)))
            raise

    def change_rate(self, rate: float) -> None:
        """Sends so many requests a second from now on; nothing if no load has begun. `InvalidOption` out of bounds."""
        check_rate(rate)
        with self._lock:
            child = self._child if self._course is not None and self._course.begun else None
        if child is not None:
            child.change_rate(rate)

    def stop(self) -> None:
        """Ends it within a second, and waits until it has ended."""
        with self._lock:
            self._stopped = True
            child = self._child
        if child is not None:
            child.end()

    def running(self) -> bool:
        return self._course is not None

    def totals(self) -> LoadTotals:
        return self._totals

    def _test(self, options: LoadOptions, rate: float) -> None:
        """Whether this machine can send so many requests a second, on time: `GeneratorUnfit` if it can't.

        The generator loads a sink within its own process: the service gets no request that nobody asked for, and what
        comes out is the machine's doing alone. The sink's share makes it a little harder than the real load.
        """
        trial = LoadOptions(rate=rate, duration=self._test_seconds, connections=options.connections)
        course = LoadProgress(trial, "the self-test")
        child = self._started(None, course, lambda: None)
        child.join()
        if self._stopped:
            raise ExternalError("The load was stopped before it began.")
        if child.problem:
            raise GeneratorUnfit(f"The load generator's self-test failed: {child.problem}.")
        if reason := unfit(course.totals()):
            raise GeneratorUnfit(
                f"This machine can't carry {rate:g} requests a second now: in a test of"
                f" {trial.duration:g} s, {reason}. Choose a lower rate, or try again when the machine has less to do."
            )

    def _begin(self, course: LoadProgress) -> None:
        moments: list[str] = []  # of its start and its end, once it has begun

        def heard() -> None:
            if not moments:
                began = seconds(self._clock())
                moments.extend((rfc3339(began), rfc3339(began + course.options.duration)))
            self._totals = course.totals()
            if not course.final or course.span >= WORTH_SECONDS:
                self._tell(course.to_json(*moments, active=True))

        def ended(problem: str | None) -> None:
            totals = course.totals(problem and f"The load ended early: {problem}.")
            if moments:
                try:
                    self._tell(course.to_json(*moments, active=False, error=totals.failed))
                finally:
                    self._release(course, totals)

        child = self._started(self._url, course, heard, ended)
        if not child.wait_until_heard():
            raise ExternalError(f"The load generator did not start: {child.problem or 'it was stopped'}.")

    def _release(self, course: LoadProgress, totals: LoadTotals) -> None:
        """Makes room for the next load, if that has not been done."""
        with self._lock:
            if self._course is course:
                self._totals = totals
                self._course = self._child = None

    def _started(
        self,
        url: str | None,
        course: LoadProgress,
        heard: Callable[[], None],
        ended: Callable[[str | None], None] = lambda problem: None,
    ) -> "GeneratorProcess":
        with self._lock:
            if self._stopped:
                raise ExternalError("The load was stopped before it began.")
            self._child = child = GeneratorProcess(url, course, heard, ended)
            child.start()
        return child

    def _tell(self, load: dict[str, object]) -> None:
        self._emit(events.LoadUpdated(at=self._clock(), load=load))
