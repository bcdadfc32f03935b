"""The proposed number of pods, compared with the recorded results of Kubernetes' own replica calculator."""

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.core import objects
from dashboard.core.hpa.metrics import MILLICORES, PERCENT, pod_facts, usage_sample
from dashboard.core.hpa.utilization import Figures, Tolerance, Unmeasurable, band, ceiling, figures, propose
from dashboard.core.timestamps import rfc3339
from tests.dashboard.core.hpa.cases import CASES, NOW


def pods_of(case: dict[str, Any]) -> list[dict[str, Any]]:
    return [CASES["pod"] | pod for pod in case["pods"] for _ in range(pod.get("times", 1))]


def pod_of(name: str, case: dict[str, Any]) -> objects.Pod:
    meta = {"name": name, "uid": name} | ({"deletionTimestamp": rfc3339(NOW + 25)} if case["deleted"] else {})
    requests = [{} if amount is None else {"cpu": f"{amount}m"} for amount in case["requests"]]
    ready = {"type": "Ready", "status": case["ready"], "lastTransitionTime": rfc3339(NOW - case["since"])}
    status = {
        "phase": case["phase"],
        "conditions": [ready] if case["ready"] else None,
        "startTime": None if case["started"] is None else rfc3339(NOW - case["started"]),
    }
    containers = [{"name": str(index), "resources": {"requests": one}} for index, one in enumerate(requests)]
    return msgspec.convert({"metadata": meta, "spec": {"containers": containers}, "status": status}, objects.Pod)


def metrics_of(name: str, case: dict[str, Any]) -> objects.PodMetrics:
    used = [objects.ContainerMetrics("0", {"cpu": f"{case['usage']}m"})]
    at, window = rfc3339(NOW - case["age"]), f"{case['window']}s"
    return objects.PodMetrics(objects.Meta(name=name), at, window, used)


def figures_of(case: dict[str, Any], unit: str = PERCENT) -> Figures:
    pods = {f"p{index}": pod for index, pod in enumerate(pods_of(case))}
    samples = {name: usage_sample(metrics_of(name, pod)) for name, pod in pods.items() if pod["usage"] is not None}
    usable = {name: sample for name, sample in samples.items() if sample}
    return figures([pod_facts(pod_of(name, pod), unit=unit) for name, pod in pods.items()], usable, NOW)


@pytest.mark.parametrize("case", CASES["replicas"], ids=lambda case: case["name"])
def test_proposal_matches_the_controller(case: dict[str, Any]) -> None:
    if case["wanted"] is None:
        with pytest.raises(Unmeasurable):
            figures_of(case)
        return
    measured = figures_of(case)
    tolerance = Tolerance(*case.get("tolerance", (0.1, 0.1)))
    proposal = propose(measured, measured.percent, case["target"], case["current"], tolerance)
    assert (proposal.wanted, proposal.percent) == (case["wanted"], case["percent"])


@pytest.mark.parametrize("case", CASES["values"], ids=lambda case: case["name"])
def test_proposal_in_millicores_matches_the_controller(case: dict[str, Any]) -> None:
    if case["wanted"] is None:
        with pytest.raises(Unmeasurable):
            figures_of(case, MILLICORES)
        return
    measured = figures_of(case, MILLICORES)
    tolerance = Tolerance(*case.get("tolerance", (0.1, 0.1)))
    proposal = propose(measured, measured.percent, case["target"], case["current"], tolerance, MILLICORES)
    assert (proposal.wanted, proposal.percent) == (case["wanted"], case["millicores"])


@pytest.mark.parametrize(
    ("target", "tolerance", "expected"),
    [
        (70, Tolerance(), (63, 77)),
        (100, Tolerance(), (90, 110)),
        (70, Tolerance(0, 0), (70, 70)),
        (80, Tolerance(0.05, 0.3), (76, 104)),
    ],
)
def test_band_within_the_tolerance(target: int, tolerance: Tolerance, expected: tuple[int, int]) -> None:
    assert band(target, tolerance) == expected


@pytest.mark.parametrize(
    ("pods", "most", "expected"),
    [(5, 4, 56), (4, 3, 52), (3, 2, 46), (2, 1, 35), (5, 2, 28), (2, 0, 0), (20, 19, 62)],
)
def test_highest_cpu_for_a_scale_down(pods: int, most: int, expected: int) -> None:
    assert ceiling(pods, most, 70, Tolerance()) == expected


def test_wide_tolerance_allows_no_scale_down() -> None:
    assert ceiling(2, 1, 70, Tolerance(1.0, 0.1)) is None


TARGETS = st.integers(1, 400) | st.integers(1, 20_000)
MARGINS = st.sampled_from([0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 3.0]) | st.floats(0, 12, allow_subnormal=False)
TOLERANCES = st.builds(Tolerance, MARGINS, MARGINS)


@given(TARGETS, TOLERANCES)
def test_band_matches_a_linear_search(target: int, tolerance: Tolerance) -> None:
    low = high = target
    while low > 0 and tolerance.holds((low - 1) / target):
        low -= 1
    while high < 10 * target and tolerance.holds((high + 1) / target):
        high += 1
    assert band(target, tolerance) == (low, high)


@given(st.data(), TARGETS, TOLERANCES)
def test_ceiling_matches_a_linear_search(data: st.DataObject, target: int, tolerance: Tolerance) -> None:
    pods = data.draw(st.integers(1, 500), "pods")
    most = data.draw(st.integers(0, 2 * pods), "most")
    value = target * most // pods + 1
    while value >= 0 and (tolerance.holds(value / target) or math.ceil(value / target * pods) > most):
        value -= 1
    assert ceiling(pods, most, target, tolerance) == (value if value >= 0 else None)


@pytest.mark.parametrize("target", [2_000_000_000, 2**31 - 1, 10**12])
@pytest.mark.parametrize("tolerance", [Tolerance(), Tolerance(0.0, 0.0), Tolerance(1e12, 1e12)])
def test_largest_targets_are_computed(target: int, tolerance: Tolerance) -> None:
    low, high = band(target, tolerance)
    assert 0 <= low <= target <= high <= 10 * target
    highest = ceiling(2**31 - 1, 2**31 - 2, target, tolerance)
    assert highest is None or 0 <= highest < target
