"""The metrics history: at least the last hour at full resolution, and half a day by the minute, in bounded memory.

A table has a column of timestamps (seconds since 1970, ascending) and a column for each metric, NaN for no value. The
points that leave its fine ring are downsampled to one a minute, in a coarse ring. Most tables are downsampled by the
mean; a table of steps keeps the last point of each minute, since a Deployment never has two and a half pods.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dashboard.core.ring import Point, Ring

FINE_POINTS = 3_700  # a little over an hour, at one point a second
COARSE_POINTS = 720
COARSE_SECONDS = 60.0
SPARK_POINTS = 60  # of each pod: a quarter of an hour of samples
SPARK_PODS = 100  # with more pods than this, the page shows no sparklines
INSTANT_SECONDS = 0.001  # the resolution of timestamps in JSON

TABLES = {
    "traffic": ("requests", "errors", "p50_ms", "p99_ms"),
    "load": ("offered", "achieved", "errors", "p50_ms", "p99_ms"),
    "cpu": ("percent",),
    "replicas": ("desired", "ready"),
}
STEPS = frozenset({"replicas"})  # tables whose values hold until the next point
PODS = ("cpu_millicores",)

Json = dict[str, Any]
Values = tuple[float | None, ...]


class Table:
    """A fine ring of points, and a coarse ring of one point a minute for the time before."""

    def __init__(self, columns: tuple[str, ...], *, steps: bool) -> None:
        self._fine = Ring(columns, FINE_POINTS)
        self._coarse = Ring(columns, COARSE_POINTS)
        self._minute: list[Point] = []  # points that left the fine ring, of a minute that may not be complete
        self._merge = _last if steps else _mean

    @property
    def last(self) -> float:
        return self._fine.last

    def add(self, at: float, values: Iterable[float | None]) -> bool:
        """Append a point if it is later than the last one. Return whether it was."""
        if at <= self.last:
            return False
        for point in self._fine.add(at, values):
            if self._minute and point[0] // COARSE_SECONDS != self._minute[0][0] // COARSE_SECONDS:
                self._coarse.add(*self._merge(self._minute))
                self._minute.clear()
            self._minute.append(point)
        return True

    def points(self) -> list[Point]:
        """Return all points: those by the minute, then the others. Added to an empty table, they make the same one, but
        for points before the newest FINE_POINTS, which may be by the minute then."""
        return [*self._coarse.points(), *self._minute, *self._fine.points()]

    def since(self, at: float) -> Json:
        coarse, fine = self._coarse.since(at), self._fine.since(at)
        if self._minute and self._minute[0][0] > at:
            minute, values = self._merge(self._minute)
            for column, value in zip(coarse.values(), (minute, *values), strict=True):
                column.append(value)
        return {name: [*coarse[name], *fine[name]] for name in fine}


class MetricsTables:
    """All tables of the history, and the pods' sparklines."""

    def __init__(self) -> None:
        self.taken_in = 0  # points added since the start: `since` is unchanged while this is
        self._tables = {name: Table(columns, steps=name in STEPS) for name, columns in TABLES.items()}
        self._steps: dict[str, Values] = {}
        self._pods: dict[str, Ring] = {}  # by uid
        self._new: list[tuple[str, str, float, Values]] = []  # ("tables" or "pods", name or uid, …) since `take`
        self._adopted: dict[str, float] = {}  # table → time of the newest adopted point

    def add(self, table: str, at: float, *values: float | None) -> None:
        """Add a point to a table, its values in the order of TABLES. Ignore it if it is not later than the last."""
        if self._tables[table].add(at, values):
            self._note("tables", table, at, values)

    def add_step(self, table: str, at: float, *values: float | None) -> None:
        """Add a point to a table of steps, if its values changed.

        A changed point that is not later than the last is moved after it: ignored, it would be missing until the next
        change.
        """
        if self._steps.get(table) != values:
            self._steps[table] = values
            self.add(table, max(at, _after(self._tables[table].last)), *values)

    def add_pods(self, samples: dict[str, tuple[float, float, float]]) -> None:
        """Add the pods' samples: uid → (timestamp, millicores, window). Forget the pods that have none."""
        if len(samples) > SPARK_PODS:
            samples = {}
        self._pods = {uid: ring for uid, ring in self._pods.items() if uid in samples}
        for uid, (at, millicores, _) in samples.items():
            ring = self._pods.setdefault(uid, Ring(PODS, SPARK_POINTS))
            if at > ring.last:
                ring.add(at, (millicores,))
                self._note("pods", uid, at, (millicores,))

    def kept(self, at: float) -> tuple[dict[str, list[Point]], dict[str, list[Point]]]:
        """Return all points of the tables and of the pods, to be adopted by another history. What a table of steps has
        last still holds at `at`."""
        tables = {name: table.points() for name, table in self._tables.items()}
        for name in STEPS:
            if name in self._steps and tables[name][-1][0] < at:
                tables[name].append((at, *tables[name][-1][1:]))
        return tables, {uid: ring.points() for uid, ring in self._pods.items()}

    def adopt(self, tables: Mapping[str, Sequence[Point]], pods: Mapping[str, Sequence[Point]], before: float) -> None:
        """Add the points of another history: those before `before`, when this one began, and after what was adopted
        already. So two series are never mixed, and a time of neither stays a gap. `take` does not return them."""
        for name, points in tables.items():
            last = self._adopted.get(name, -math.inf)
            if new := [point for point in points if last < point[0] < before]:
                self._tables[name] = self._with(name, new)
                self._adopted[name] = new[-1][0]
                self.taken_in += len(new)
        if not self._pods:
            for uid, points in list(pods.items())[:SPARK_PODS]:
                ring = self._pods[uid] = Ring(PODS, SPARK_POINTS)
                for at, *values in points:
                    if at < before:
                        ring.add(at, values)
                        self.taken_in += 1

    def _with(self, name: str, new: list[Point]) -> Table:
        """Return a table with the new points, too. After them, a table of steps has a point without values: what held
        then need not hold until the next point."""
        known = {point[0]: point for point in self._tables[name].points()}
        if name in STEPS:
            known.pop(_after(self._adopted.get(name, -math.inf)), None)
            end = _after(new[-1][0])
            new = [*new, (end, *(math.nan for _ in TABLES[name]))]
        table = Table(TABLES[name], steps=name in STEPS)
        for at, *values in sorted(({point[0]: point for point in new} | known).values()):
            table.add(at, values)
        return table

    def points(self, since: float) -> dict[str, list[tuple[float, Values]]]:
        """Return the tables' points after `since` as (time, values), by table; of a table of steps also the last one
        before, which still holds."""
        found = {}
        for name, table in self._tables.items():
            at, *columns = table.since(-math.inf).values()
            first = bisect_right(at, since)
            first = max(0, first - 1) if name in STEPS else first
            found[name] = list(zip(at[first:], zip(*(column[first:] for column in columns), strict=True), strict=True))
        return found

    def since(self, at: float) -> Json:
        """Return {"tables": {name: {"at": […], column: […]}}, "pods": {uid: {"at": […], "cpu_millicores": […]}}}.

        It has every table and pod, also those without a point after `at`.
        """
        return {
            "tables": {name: table.since(at) for name, table in self._tables.items()},
            "pods": {uid: ring.since(at) for uid, ring in self._pods.items()},
        }

    def take(self) -> Json | None:
        """Return the points added since the last call, shaped as in `since`; None if there are none.

        Tables and pods without new points are left out.
        """
        if not self._new:
            return None
        taken: Json = {"tables": {}, "pods": {}}
        for group, name, at, values in self._new:
            columns = TABLES[name] if group == "tables" else PODS
            points = taken[group].setdefault(name, {column: [] for column in ("at", *columns)})
            for column, value in zip(points.values(), (at, *values), strict=True):
                column.append(value)
        self._new.clear()
        return taken

    def _note(self, group: str, name: str, at: float, values: Values) -> None:
        self._new.append((group, name, at, values))
        self.taken_in += 1


def _after(at: float) -> float:
    """Return the next time that JSON can tell from `at`."""
    return round(at + INSTANT_SECONDS, 3)


def _mean(points: list[Point]) -> tuple[float, Values]:
    """Downsample to one point, with the mean of each column's values."""
    columns = list(zip(*points, strict=True))
    means: list[float | None] = []
    for column in columns[1:]:
        known = [value for value in column if not math.isnan(value)]
        means.append(round(sum(known) / len(known), 3) if known else None)
    return columns[0][0], tuple(means)


def _last(points: list[Point]) -> tuple[float, Values]:
    """Downsample to the last point."""
    at, *values = points[-1]
    return at, tuple(None if math.isnan(value) else value for value in values)
