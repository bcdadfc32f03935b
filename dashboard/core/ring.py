"""A ring of points, each a time and its values, in bounded memory."""

import math
from array import array
from bisect import bisect_right
from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]
Point = tuple[float, ...]  # the timestamp, then the values, NaN for none


class Ring:
    """A ring of at least the newest `points` points. Old ones are removed in blocks, which is cheap."""

    def __init__(self, columns: Iterable[str], points: int) -> None:
        self._points = points
        self._columns = {"at": array("d"), **{name: array("d") for name in columns}}

    def __len__(self) -> int:
        return len(self._columns["at"])

    @property
    def last(self) -> float:
        return self._columns["at"][-1] if len(self) else -math.inf

    def add(self, at: float, values: Iterable[float | None]) -> list[Point]:
        """Append a point. Return the points that were removed."""
        point = (at, *(math.nan if value is None else value for value in values))
        for column, value in zip(self._columns.values(), point, strict=True):
            column.append(value)
        if len(self) < self._points + self._points // 8 + 1:
            return []
        excess = len(self) - self._points
        removed = list(zip(*(column[:excess] for column in self._columns.values()), strict=True))
        for column in self._columns.values():
            del column[:excess]
        return removed

    def points(self) -> list[Point]:
        return list(zip(*self._columns.values(), strict=True))

    def since(self, at: float) -> Json:
        """Return the columns of the points after `at`, with None for NaN."""
        first = bisect_right(self._columns["at"], at)
        return {name: _plain(column[first:]) for name, column in self._columns.items()}


def _plain(values: "array[float]") -> list[float | None]:
    """Return the values with None for NaN. Most columns have no NaN; their sum is a cheap test for that."""
    if math.isnan(sum(values)):
        return [None if math.isnan(value) else value for value in values]
    return list(values)
