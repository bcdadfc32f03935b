"""The mock's load generator: it adds to the simulated traffic, sends nothing and invents its measurements."""

import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from dashboard.core.events import Emit, LoadUpdated
from dashboard.core.timestamps import rfc3339
from dashboard.load.options import LoadBusy, LoadOptions, LoadTotals, check_rate

UPDATE_SECONDS = 1.0


class MockLoad:
    """Has the interface of `load.supervisor.LoadSupervisor`. `generate` receives each new rate, and 0 at the end."""

    def __init__(self, generate: Callable[[float], None], emit: Emit, seed: int) -> None:
        self._generate = generate
        self._emit = emit
        self._random = random.Random(seed)  # noqa: S311 - no secret
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()
        self._by = ""
        self._rate = 0.0
        self._totals = LoadTotals()

    def start(self, options: LoadOptions, by: str, test_rate: float | None = None) -> None:
        with self._lock:
            if self.running():
                raise LoadBusy(self._by)
            self._by, self._rate, self._totals, self._stopped = by, options.rate, LoadTotals(), threading.Event()
            self._generate(options.rate)
            started = datetime.now(UTC)
            load = (options, by, started, started + timedelta(seconds=options.duration))
            self._update(*load, active=True)  # before this returns, like the real generator
            self._thread = threading.Thread(target=self._run, args=load, name="mock-load", daemon=True)
            self._thread.start()

    def change_rate(self, rate: float) -> None:
        check_rate(rate)
        with self._lock:
            if self.running() and not self._stopped.is_set():
                self._rate = rate
                self._generate(rate)

    def stop(self) -> None:
        self._stopped.set()
        if self._thread:
            self._thread.join(5)

    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def totals(self) -> LoadTotals:
        return self._totals

    def _run(self, options: LoadOptions, by: str, started: datetime, ends: datetime) -> None:
        while (left := (ends - datetime.now(UTC)).total_seconds()) > 0:
            if self._stopped.wait(min(left, UPDATE_SECONDS)):
                break
            self._update(options, by, started, ends, active=True)
        with self._lock:  # no change_rate follows
            self._stopped.set()
            self._generate(0.0)
        self._update(options, by, started, ends, active=False)

    def _update(self, options: LoadOptions, by: str, started: datetime, ends: datetime, *, active: bool) -> None:
        """Add an interval to the totals and emit the state's `load`."""
        uniform = self._random.uniform
        rate = self._rate if active else 0.0
        achieved = round(rate * uniform(0.98, 1.0), 1)
        before = self._totals
        self._totals = replace(
            before,
            due=before.due + int(rate),
            offered=before.offered + int(rate),
            sent=before.sent + int(rate),
            achieved=before.achieved + int(achieved),
            lag_p99_ms=2.4,
            cpu_percent=round(6 + self._rate / 25, 1),
        )
        load = {
            "active": active,
            "rate": self._rate,
            "duration": options.duration,
            "by": by,
            "started": rfc3339(started),
            "ends": rfc3339(ends),
            "offered": rate,
            "achieved": achieved,
            "dropped": 0,
            "errors_per_second": 0.0,
            "p50_ms": round(uniform(4, 6), 1) if active else None,
            "p99_ms": round(uniform(18, 42), 1) if active else None,
            "lag_p99_ms": 2.4 if active else None,
            "cpu_percent": self._totals.cpu_percent if active else None,
            "connections": min(options.connections, int(rate / 8) + 1) if active else 0,
            "error": None,
        }
        self._emit(LoadUpdated(at=rfc3339(datetime.now(UTC)), load=load))
