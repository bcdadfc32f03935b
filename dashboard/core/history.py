"""What the figures were: at least the last hour at full resolution, and half a day by the minute, in bounded memory.

A table has a column of moments (seconds since 1970, ascending) and one of numbers for each figure, NaN where there was
none. It is a ring: what falls out of its fine part is merged into points of a minute, and those fall out in the end.
"""

import math
from array import array
from collections.abc import Iterable
from typing import Any

FINE_POINTS = 3_700  # an hour of points a second, and a little
COARSE_POINTS = 720
COARSE_SECONDS = 60.0
SPARK_POINTS = 60  # a pod's: a quarter of an hour of samples
SPARK_PODS = 100  # with more pods than these there is no room for sparklines

TABLES = {
    "traffic": ("requests", "errors", "p50_ms", "p99_ms"),
    "load": ("offered", "achieved", "errors", "p50_ms", "p99_ms"),
    "cpu": ("percent",),
    "replicas": ("desired", "ready"),
}

Json = dict[str, Any]


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

    def add(self, at: float, figures: Iterable[float | None]) -> list[tuple[float, ...]]:
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
        moments = self._columns["at"]
        first = next((index for index in range(len(moments) - 1, -1, -1) if moments[index] <= at), -1) + 1
        return {
            name: [None if math.isnan(value) else value for value in column[first:]]
            for name, column in self._columns.items()
        }


class Table:
    """A ring of points as they came, and one of a minute each for those before."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        self._fine = Ring(columns, FINE_POINTS)
        self._coarse = Ring(columns, COARSE_POINTS)
        self._minute: list[tuple[float, ...]] = []

    @property
    def last(self) -> float:
        return self._fine.last

    def add(self, at: float, figures: Iterable[float | None]) -> bool:
        """Takes a point that is later than the last one; whether it was."""
        if at <= self.last:
            return False
        for point in self._fine.add(at, figures):
            if self._minute and point[0] // COARSE_SECONDS != self._minute[0][0] // COARSE_SECONDS:
                self._coarse.add(*_mean(self._minute))
                self._minute.clear()
            self._minute.append(point)
        return True

    def since(self, at: float) -> Json:
        coarse, fine = self._coarse.since(at), self._fine.since(at)
        return {name: [*coarse[name], *fine[name]] for name in fine}


class History:
    def __init__(self) -> None:
        self._tables = {name: Table(columns) for name, columns in TABLES.items()}
        self._steps: dict[str, tuple[float | None, ...]] = {}
        self._pods: dict[str, Ring] = {}  # uid → cpu_millicores
        self._new: list[tuple[str, float, tuple[float | None, ...]]] = []  # since they were last taken

    def add(self, table: str, at: float, *figures: float | None) -> None:
        """A point of a table, its figures in the order of TABLES. One that is not later than the last is left out."""
        if self._tables[table].add(at, figures):
            self._new.append((table, at, figures))

    def add_step(self, table: str, at: float, *figures: float | None) -> None:
        """A point of figures that stay what they are until the next one: left out when they have not changed."""
        if self._steps.get(table) != figures:
            self._steps[table] = figures
            self.add(table, at, *figures)

    def add_pods(self, samples: dict[str, tuple[float, float]]) -> None:
        """uid → (moment, millicores) of every pod that has a sample. Pods that have none are forgotten."""
        if len(samples) > SPARK_PODS:
            samples = {}
        self._pods = {uid: ring for uid, ring in self._pods.items() if uid in samples}
        for uid, (at, millicores) in samples.items():
            ring = self._pods.setdefault(uid, Ring(("cpu_millicores",), SPARK_POINTS))
            if at > ring.last:
                ring.add(at, (millicores,))
                self._new.append((uid, at, (millicores,)))

    def since(self, at: float) -> Json:
        """{"tables": {name: {"at": […], column: […]}}, "pods": {uid: {"at": […], "cpu_millicores": […]}}}"""
        return {
            "tables": {name: table.since(at) for name, table in self._tables.items()},
            "pods": {uid: ring.since(at) for uid, ring in self._pods.items()},
        }

    def take(self) -> Json | None:
        """The points that are new since the last time, shaped as in `since` but for what has none; None for none."""
        if not self._new:
            return None
        taken: Json = {"tables": {}, "pods": {}}
        for name, at, figures in self._new:
            place, columns = ("tables", TABLES[name]) if name in TABLES else ("pods", ("cpu_millicores",))
            points = taken[place].setdefault(name, {column: [] for column in ("at", *columns)})
            for column, value in zip(points.values(), (at, *figures), strict=True):
                column.append(value)
        self._new.clear()
        return taken


def _mean(points: list[tuple[float, ...]]) -> tuple[float, list[float | None]]:
    """One point for many: the mean of each figure where there was one."""
    columns = list(zip(*points, strict=True))
    means: list[float | None] = []
    for column in columns[1:]:
        known = [value for value in column if not math.isnan(value)]
        means.append(round(sum(known) / len(known), 3) if known else None)
    return columns[0][0], means
