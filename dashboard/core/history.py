"""What the figures were: at least the last hour at full resolution, and half a day by the minute, in bounded memory.

A table has a column of moments (seconds since 1970, ascending) and one of numbers for each figure, NaN where there was
none. It is a ring: what falls out of its fine part is merged into points of a minute, and those fall out in the end.
A table of steps is not averaged, for no deployment ever had two and a half pods: its last point in a minute stands.
"""

import math
from array import array
from bisect import bisect_right
from collections.abc import Iterable
from typing import Any

FINE_POINTS = 3_700  # an hour of points a second, and a little
COARSE_POINTS = 720
COARSE_SECONDS = 60.0
SPARK_POINTS = 60  # a pod's: a quarter of an hour of samples
SPARK_PODS = 100  # with more pods than these there is no room for sparklines
INSTANT_SECONDS = 0.001  # the finest that the wire tells apart

TABLES = {
    "traffic": ("requests", "errors", "p50_ms", "p99_ms"),
    "load": ("offered", "achieved", "errors", "p50_ms", "p99_ms"),
    "cpu": ("percent",),
    "replicas": ("desired", "ready"),
}
STEPS = frozenset({"replicas"})  # tables whose figures stay what they are until the next point
PODS = ("cpu_millicores",)

Json = dict[str, Any]
Point = tuple[float, ...]  # its moment, then its figures, NaN where there is none
Figures = tuple[float | None, ...]


class Ring:
    """The newest points, at least so many: they are removed from the front in blocks, which costs next to nothing."""

    def __init__(self, columns: Iterable[str], points: int) -> None:
        self._points = points
        self._columns = {"at": array("d"), **{name: array("d") for name in columns}}

    def __len__(self) -> int:
        return len(self._columns["at"])

    @property
    def last(self) -> float:
        return self._columns["at"][-1] if len(self) else -math.inf

    def add(self, at: float, figures: Iterable[float | None]) -> list[Point]:
        """Appends a point, and gives back those that had to go."""
        values = (at, *(math.nan if figure is None else figure for figure in figures))
        for column, value in zip(self._columns.values(), values, strict=True):
            column.append(value)
        if len(self) < self._points + self._points // 8 + 1:
            return []
        excess = len(self) - self._points
        gone = list(zip(*(column[:excess] for column in self._columns.values()), strict=True))
        for column in self._columns.values():
            del column[:excess]
        return gone

    def since(self, at: float) -> Json:
        """The columns of the points after `at`, NaN as None."""
        first = bisect_right(self._columns["at"], at)
        return {name: _plain(column[first:]) for name, column in self._columns.items()}


class Table:
    """A ring of points as they came, and one of a minute each for those before."""

    def __init__(self, columns: tuple[str, ...], *, steps: bool) -> None:
        self._fine = Ring(columns, FINE_POINTS)
        self._coarse = Ring(columns, COARSE_POINTS)
        self._minute: list[Point] = []  # what fell out of the fine part, and whose minute may not be over
        self._merge = _last if steps else _mean

    @property
    def last(self) -> float:
        return self._fine.last

    def add(self, at: float, figures: Iterable[float | None]) -> bool:
        """Takes a point that is later than the last one; whether it was."""
        if at <= self.last:
            return False
        for point in self._fine.add(at, figures):
            if self._minute and point[0] // COARSE_SECONDS != self._minute[0][0] // COARSE_SECONDS:
                self._coarse.add(*self._merge(self._minute))
                self._minute.clear()
            self._minute.append(point)
        return True

    def since(self, at: float) -> Json:
        coarse, fine = self._coarse.since(at), self._fine.since(at)
        if self._minute and self._minute[0][0] > at:
            moment, figures = self._merge(self._minute)
            for column, value in zip(coarse.values(), (moment, *figures), strict=True):
                column.append(value)
        return {name: [*coarse[name], *fine[name]] for name in fine}


class MetricsTables:
    def __init__(self) -> None:
        self.taken_in = 0  # points, ever: while it is the same, so is what `since` gives
        self._tables = {name: Table(columns, steps=name in STEPS) for name, columns in TABLES.items()}
        self._steps: dict[str, Figures] = {}
        self._pods: dict[str, Ring] = {}  # by uid
        self._new: list[tuple[str, str, float, Figures]] = []  # ("tables" or "pods", name or uid, …) since last taken

    def add(self, table: str, at: float, *figures: float | None) -> None:
        """A point of a table, its figures in the order of TABLES. One that is not later than the last is left out."""
        if self._tables[table].add(at, figures):
            self._note("tables", table, at, figures)

    def add_step(self, table: str, at: float, *figures: float | None) -> None:
        """A point of figures that stay what they are until the next one: left out when they have not changed.

        None is ever left out for its moment: it would be missed until the figures change again, however long that is.
        """
        if self._steps.get(table) != figures:
            self._steps[table] = figures
            self.add(table, max(at, round(self._tables[table].last + INSTANT_SECONDS, 3)), *figures)

    def add_pods(self, samples: dict[str, tuple[float, float, float]]) -> None:
        """uid → (moment, millicores, window) of every pod that has a sample. Pods that have none are forgotten."""
        if len(samples) > SPARK_PODS:
            samples = {}
        self._pods = {uid: ring for uid, ring in self._pods.items() if uid in samples}
        for uid, (at, millicores, _) in samples.items():
            ring = self._pods.setdefault(uid, Ring(PODS, SPARK_POINTS))
            if at > ring.last:
                ring.add(at, (millicores,))
                self._note("pods", uid, at, (millicores,))

    def since(self, at: float) -> Json:
        """{"tables": {name: {"at": […], column: […]}}, "pods": {uid: {"at": […], "cpu_millicores": […]}}}

        Every table and every pod is in it, those too that have nothing after `at`.
        """
        return {
            "tables": {name: table.since(at) for name, table in self._tables.items()},
            "pods": {uid: ring.since(at) for uid, ring in self._pods.items()},
        }

    def take(self) -> Json | None:
        """The points that are new since the last time, shaped as in `since` but for what has none; None for none."""
        if not self._new:
            return None
        taken: Json = {"tables": {}, "pods": {}}
        for place, name, at, figures in self._new:
            columns = TABLES[name] if place == "tables" else PODS
            points = taken[place].setdefault(name, {column: [] for column in ("at", *columns)})
            for column, value in zip(points.values(), (at, *figures), strict=True):
                column.append(value)
        self._new.clear()
        return taken

    def _note(self, place: str, name: str, at: float, figures: Figures) -> None:
        self._new.append((place, name, at, figures))
        self.taken_in += 1


def _mean(points: list[Point]) -> tuple[float, Figures]:
    """One point for many: the mean of each figure where there was one."""
    columns = list(zip(*points, strict=True))
    means: list[float | None] = []
    for column in columns[1:]:
        known = [value for value in column if not math.isnan(value)]
        means.append(round(sum(known) / len(known), 3) if known else None)
    return columns[0][0], tuple(means)


def _last(points: list[Point]) -> tuple[float, Figures]:
    """One point for many: the last one."""
    at, *figures = points[-1]
    return at, tuple(None if math.isnan(value) else value for value in figures)


def _plain(values: "array[float]") -> list[float | None]:
    """NaN as None. Most columns have none, and their sum, which costs less than a look at each, says so."""
    if math.isnan(sum(values)):
        return [None if math.isnan(value) else value for value in values]
    return list(values)
