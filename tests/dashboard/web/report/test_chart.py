"""Charts: the geometry of scales, gaps and steps, and the labels."""

from dashboard.web.report.chart import HEIGHT, LEFT, RIGHT, WIDTH, Points, Span, chart, clock, figure, scale

SPAN = Span(0.0, 100.0, 0.0)


def paths(points: Points, *, steps: bool = False) -> list[str]:
    pods = chart("Pods", "", [("ready", points)], SPAN, steps=steps)
    assert pods
    return pods.lines[0].paths


def test_line_reaches_both_edges_of_the_span() -> None:
    (path,) = paths([(float(at), 1.0) for at in range(-10, 111, 10)])
    first, *_, last = path.split()
    assert first.startswith(f"{LEFT},") and last.startswith(f"{WIDTH - RIGHT},")


def test_line_has_gaps_at_missing_values_and_long_intervals() -> None:
    seconds = [(float(at), 1.0) for at in range(100)]
    assert len(paths(seconds)) == 1
    assert len(paths([(at, None if at == 50 else value) for at, value in seconds])) == 2
    assert len(paths([point for point in seconds if not 40 < point[0] < 50])) == 2
    assert len(paths([(float(at), 1.0) for at in range(0, 100, 15)])) == 1


def test_step_lasts_until_the_next_one_and_may_begin_before_the_span() -> None:
    (path,) = paths([(-500.0, 2.0), (50.0, 4.0)], steps=True)
    corners = [tuple(map(float, corner.split(","))) for corner in path.split()]
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = corners
    assert (x0, x3) == (LEFT, WIDTH - RIGHT) and x1 == x2 == (x0 + x3) / 2
    assert y0 == y1 > y2 == y3


def test_single_point_is_drawn() -> None:
    (path,) = paths([(50.0, 1.0)])
    assert len(path.split()) == 2


def test_chart_without_points_in_the_span_is_none() -> None:
    assert chart("Pods", "", [("ready", []), ("desired", [(10.0, None)])], SPAN) is None
    assert chart("Pods", "", [("ready", [(500.0, 3.0)])], SPAN) is None


def test_ticks_and_rule_are_within_the_box() -> None:
    cpu = chart("CPU", "%", [("CPU", [(10.0, 3.0), (20.0, 5.0)])], SPAN, rule=("target", 70.0))
    assert cpu and cpu.rule and 0 < cpu.rule.y < HEIGHT
    assert all(0 < y < HEIGHT for y, _ in cpu.ticks)


def test_scale_ends_at_a_tick_above_the_highest_value() -> None:
    for highest in (0.0, 0.003, 0.7, 1.0, 3.0, 70.0, 133.0, 2900.0, 123_456.0):
        top, ticks = scale(highest)
        assert top >= highest and ticks[0] == 0 and abs(ticks[-1] - top) < 1e-6 and 2 <= len(ticks) <= 5


def test_chart_has_a_description() -> None:
    latency = chart("Latency", "ms", [("median", [(1.0, 4.0), (2.0, 6.5)]), ("worst", [(1.0, 2900.0)])], SPAN)
    assert latency and latency.sentence == "Latency: median from 4 to 6.5 ms; worst from 2,900 to 2,900 ms."


def test_times_and_values_are_formatted() -> None:
    assert [clock(s) for s in (0, 65, 3_600, -15, -0.4)] == ["0:00", "1:05", "60:00", "-0:15", "0:00"]
    assert [figure(v) for v in (None, 0.0, 0.254, 12.55, 1234.4)] == ["\N{EN DASH}", "0", "0.254", "12.6", "1,234"]
    assert [label for _, label in Span(90.0, 220.0, 100.0).ticks()] == ["0:00", "0:30", "1:00", "1:30", "2:00"]
