"""The geometry of a chart, which the report draws as SVG in a box of WIDTH by HEIGHT.

Points are (seconds since 1970, value or None). A line breaks where values are missing, and where the distance of two
points is much longer than the median.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from statistics import median

from msgspec import Struct

WIDTH, HEIGHT = 760, 150
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 20, 22  # margins
GAPS = 3.5  # times the median distance of two points: a line breaks there
SHORTEST_GAP = 5.0  # seconds
TIME_STEPS = (5, 10, 30, 60, 120, 300, 600, 1800, 3600)  # seconds between two ticks
MOST_TICKS = 8

Points = Sequence[tuple[float, float | None]]  # timestamp, value
Level = Callable[[float], float]  # value → y


class Span(Struct, frozen=True):
    """The time axis, in seconds since 1970; its labels count from `origin`."""

    start: float
    end: float
    origin: float

    def x(self, at: float) -> float:
        return round(LEFT + (at - self.start) / (self.end - self.start) * (WIDTH - LEFT - RIGHT), 1)

    def ticks(self) -> list[tuple[float, str]]:
        """Return the labels with their x: minutes and seconds from the origin."""
        length = self.end - self.start
        steps = (*TIME_STEPS, TIME_STEPS[-1] * math.ceil(length / TIME_STEPS[-1] / MOST_TICKS))
        step = next(step for step in steps if length / step <= MOST_TICKS)
        first = math.ceil((self.start - self.origin) / step)
        last = math.floor((self.end - self.origin) / step)
        return [(self.x(self.origin + number * step), clock(number * step)) for number in range(first, last + 1)]


class Line(Struct, frozen=True):
    """`paths` are the unbroken parts, each as an SVG polyline's points."""

    name: str
    paths: list[str]
    lowest: float | None
    highest: float | None


class Rule(Struct, frozen=True):
    """A horizontal line for comparison, such as the target."""

    name: str
    y: float
    level: float


class Chart(Struct, frozen=True):
    title: str
    unit: str
    lines: list[Line]
    ticks: list[tuple[float, str]]  # y, label
    rule: Rule | None

    @property
    def sentence(self) -> str:
        """The chart as text, for screen readers."""
        known = [line for line in self.lines if line.highest is not None]
        parts = [
            f"{line.name} from {figure(line.lowest)} to {figure(line.highest)} {self.unit}".strip() for line in known
        ]
        return f"{self.title}: {'; '.join(parts) or 'no figures'}."


def chart(
    title: str,
    unit: str,
    named: Iterable[tuple[str, Points]],
    span: Span,
    *,
    steps: bool = False,
    rule: tuple[str, float] | None = None,
) -> Chart | None:
    """Return a chart, or None if no line has a value. With `steps` each value holds until the next one."""
    lines = [(name, _within(points, span, steps)) for name, points in named]
    figures = [value for _, points in lines for _, value in points if value is not None]
    if not figures:
        return None
    top, ticks = scale(max([*figures, rule[1] if rule else 0.0]))

    def y(value: float) -> float:
        return round(HEIGHT - BOTTOM - min(value, top) / top * (HEIGHT - TOP - BOTTOM), 1)

    return Chart(
        title,
        unit,
        [_line(name, points, span, y, steps) for name, points in lines if any(v is not None for _, v in points)],
        [(y(tick), figure(tick)) for tick in ticks],
        Rule(rule[0], y(rule[1]), rule[1]) if rule else None,
    )


def scale(highest: float) -> tuple[float, list[float]]:
    """Return the top of an axis from 0 that includes `highest`, and its two to five round ticks."""
    if highest <= 0:
        return 1.0, [0.0, 1.0]
    power = 10 ** math.floor(math.log10(highest / 2))
    step = next(power * factor for factor in (1, 2, 5, 10) if highest / (power * factor) <= 4)
    count = math.ceil(highest / step - 1e-9)
    return step * count, [round(step * number, 6) for number in range(count + 1)]


def figure(value: float | None) -> str:
    """Format a value with three significant digits: "0.25", "12.5", "1,234"."""
    if value is None:
        return "\N{EN DASH}"
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def clock(seconds: float) -> str:
    """Format seconds as minutes and seconds: "1:05", "-0:15"."""
    whole = round(abs(seconds))
    return f"{'-' if seconds < 0 and whole else ''}{whole // 60}:{whole % 60:02}"


def _within(points: Points, span: Span, steps: bool) -> list[tuple[float, float | None]]:
    """Return the points within the span. Steps also start with the last value before it, and end with their last."""
    inside = [(at, value) for at, value in points if span.start <= at <= span.end]
    if not steps:
        return inside
    before = [value for at, value in points if at < span.start]
    if before:
        inside.insert(0, (span.start, before[-1]))
    if inside:
        inside.append((span.end, inside[-1][1]))
    return inside


def _line(name: str, points: Points, span: Span, y: Level, steps: bool) -> Line:
    known = [value for _, value in points if value is not None]
    paths = [_path(part, span, y, steps) for part in _parts(points, math.inf if steps else _gap(points))]
    return Line(name, paths, min(known), max(known))


def _gap(points: Points) -> float:
    distances = [after[0] - before[0] for before, after in pairwise(points)]
    return max(SHORTEST_GAP, GAPS * median(distances)) if distances else math.inf


def _parts(points: Points, gap: float) -> list[list[tuple[float, float]]]:
    parts: list[list[tuple[float, float]]] = []
    last: float | None = None
    for at, value in points:
        if value is None:
            last = None
            continue
        if last is None or at - last > gap:
            parts.append([])
        parts[-1].append((at, value))
        last = at
    return parts


def _path(part: list[tuple[float, float]], span: Span, y: Level, steps: bool) -> str:
    corners: list[tuple[float, float]] = []
    for at, value in part:
        if steps and corners:
            corners.append((span.x(at), corners[-1][1]))
        corners.append((span.x(at), y(value)))
    if len(corners) == 1:  # a single point would be invisible
        corners.append((corners[0][0] + 1.5, corners[0][1]))
    return " ".join(f"{x:g},{height:g}" for x, height in dict.fromkeys(corners))
