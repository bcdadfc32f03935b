"""Requests and limits from the last hour's samples: which, from how much history, and for how many containers."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.core import objects
from dashboard.core.sizing.recommendation import LEAST_SAMPLES, LEAST_SECONDS, quantile, recommend
from dashboard.core.sizing.usage import MOST_CONTAINERS, Usage, UsageHistory
from dashboard.core.timestamps import rfc3339

NOW = 1_800_000_000.0
MEBI = 2**20


def sample(at: float, cpu: int = 40, memory: int = 64, pod: str = "p", container: str = "flask") -> objects.PodMetrics:
    usage = {"cpu": f"{cpu}m", "memory": f"{memory}Mi"}
    return objects.PodMetrics(
        objects.Meta(name=pod), rfc3339(at), "15s", [objects.ContainerMetrics(container, usage)]
    )


def container(request: str | None = "100m", limit: str | None = "400m") -> objects.Container:
    requests = {"cpu": request, "memory": "128Mi"} if request else {}
    limits = {"cpu": limit, "memory": "256Mi"} if limit else {}
    return objects.Container("flask", objects.Resources(requests, limits))


def usage(cpu: list[float], memory: list[float] | None = None, seconds: float = 3_600.0) -> Usage:
    return Usage(sorted(cpu), sorted(memory or [64.0 * MEBI] * len(cpu)), 2, seconds)


def test_request_covers_nine_of_ten_samples_and_limit_the_peak() -> None:
    found = recommend("flask", container(), usage([*[40.0] * 90, *[300.0] * 10]), 70)
    assert found.cpu and (found.cpu.fit_request, found.cpu.fit_limit) == (50, 450)
    assert (found.cpu.request, found.cpu.limit, found.cpu.typical, found.cpu.peak) == (100, 400, 40, 300)
    assert "from 70 m to 35 m" in found.cpu.reason


def test_memory_request_covers_the_peak() -> None:
    found = recommend("flask", container(), usage([1.0] * 100, [*[50.0 * MEBI] * 99, 100.0 * MEBI]))
    assert found.memory and (found.memory.fit_request, found.memory.fit_limit) == (116 * MEBI, 152 * MEBI)


def test_usage_at_the_limit_is_said() -> None:
    throttled = recommend("flask", container(), usage([398.0] * 100))
    free = recommend("flask", container(), usage([300.0] * 100))
    assert throttled.cpu and free.cpu
    assert "its limit, so it may" in throttled.cpu.reason and "its limit, so it may" not in free.cpu.reason


def test_quiet_time_is_said() -> None:
    quiet = recommend("flask", container(), usage([49.0] * 100))
    busy = recommend("flask", container(), usage([*[10.0] * 99, 50.0]))
    assert quiet.cpu and busy.cpu
    assert "a quiet time" in quiet.cpu.reason and "a quiet time" not in busy.cpu.reason


def test_container_without_requests_and_limits_gets_both() -> None:
    found = recommend("flask", container(None, None), usage([40.0] * 100), 70)
    assert found.cpu and (found.cpu.request, found.cpu.limit, found.cpu.fit_request) == (None, None, 50)
    assert "autoscaler" not in found.cpu.reason


@pytest.mark.parametrize(
    ("samples", "seconds", "absent"),
    [
        (LEAST_SAMPLES, LEAST_SECONDS, False),
        (LEAST_SAMPLES - 1, LEAST_SECONDS, True),
        (LEAST_SAMPLES, LEAST_SECONDS - 1, True),
        (0, 0.0, True),
    ],
)
def test_too_little_history_gives_none(samples: int, seconds: float, absent: bool) -> None:
    found = recommend("flask", container(), usage([40.0] * samples, seconds=seconds))
    assert (found.cpu is None, found.memory is None, found.absent is not None) == (absent,) * 3


@pytest.mark.slow
@given(st.lists(st.integers(0, 10**6).map(float), min_size=100, max_size=200))
def test_amounts_cover_what_they_promise(cpu: list[float]) -> None:
    found = recommend("flask", container(), usage(cpu, [value * MEBI for value in cpu]))
    assert found.cpu and found.memory
    assert sum(value <= found.cpu.fit_request for value in cpu) >= 0.9 * len(cpu)
    assert max(cpu) <= found.cpu.fit_limit and found.cpu.fit_request <= found.cpu.fit_limit
    assert max(cpu) * MEBI <= found.memory.fit_request <= found.memory.fit_limit


@given(st.lists(st.floats(0, 1e6), min_size=1), st.integers(1, 100))
def test_quantile_is_the_smallest_that_covers(values: list[float], percent: int) -> None:
    ascending = sorted(values)
    found = quantile(ascending, percent)
    assert sum(value <= found for value in ascending) >= math.ceil(len(values) * percent / 100)
    assert found == ascending[0] or sum(value < found for value in ascending) * 100 < len(values) * percent


def test_history_keeps_the_last_hour_of_all_pods() -> None:
    history = UsageHistory()
    for second in range(0, 7_200, 15):
        for pod in ("a", "b"):
            history.add("flask", sample(NOW + second, cpu=second // 15, pod=pod))
    found = history.usage("flask", "flask", NOW + 7_200)
    assert (len(found.cpu), found.pods, found.seconds) == (2 * 239, 2, 3_570.0)
    assert (found.cpu[0], found.cpu[-1]) == (241.0, 479.0)
    assert history.usage("flask", "other", NOW + 7_200) == Usage([], [], 2, 0.0)


def test_repeated_sample_counts_once() -> None:
    history = UsageHistory()
    for at in (NOW, NOW, NOW - 15, NOW, NOW + 15):
        history.add("flask", sample(at))
    assert len(history.usage("flask", "flask", NOW + 20).cpu) == 2


def test_history_is_bounded() -> None:
    history = UsageHistory()
    for index in range(3 * MOST_CONTAINERS):
        history.add("flask", sample(NOW + index, container=f"c{index}"))
    assert sum(bool(history.usage("flask", f"c{index}", NOW + 200).cpu) for index in range(3 * MOST_CONTAINERS)) == 50
    for index in range(5_000):
        history.add("flask", sample(NOW, pod=f"p{index}"))
    assert history.usage("flask", "flask", NOW).pods <= 2_000


def test_container_without_a_figure_is_left_out() -> None:
    history = UsageHistory()
    bare = objects.PodMetrics(objects.Meta(name="p"), rfc3339(NOW), "15s", [objects.ContainerMetrics("flask", None)])
    history.add("flask", bare)
    assert history.usage("flask", "flask", NOW).cpu == []
