"""The reconstructed history of the HPA controller, and the prediction of its next scaling."""

from typing import Any

import msgspec
import pytest

from dashboard.core import objects
from dashboard.core.hpa.behavior import Recommendation, behavior_of
from dashboard.core.hpa.recommendations import SYNC_SECONDS, Recommendations
from dashboard.core.hpa.spec import HpaSpec
from tests.dashboard.core.hpa.cases import CASES, NOW


def hpa_spec(behavior: str, current: int, low: int = 2, high: int = 5) -> HpaSpec:
    spec = msgspec.convert({"behavior": CASES["behaviors"][behavior]}, objects.AutoscalerSpec)
    return HpaSpec(70, low, high, behavior_of(spec), current, "", 0)


@pytest.mark.parametrize("observed", ["each sync", "changes only"])
@pytest.mark.parametrize("case", CASES["courses"], ids=lambda case: case["name"])
def test_next_scaling_is_predicted(case: dict[str, Any], observed: str) -> None:
    """Predict each scaling of the recorded runs, from every sync since the proposal last changed."""
    current, proposal = case["start"], None
    history = Recommendations(current, NOW)
    predictions: list[tuple[int, tuple[float, int] | None]] = []
    for sync, (wanted, desired) in enumerate(zip(case["wanted"], case["desired"], strict=True)):
        at = NOW + sync * 15.02 + 0.05
        history.advance(at, hpa_spec(case["behavior"], current, case["min"], case["max"]).behavior)
        if wanted != proposal:
            predictions.clear()
        for since, predicted in predictions:
            due = predicted is not None and abs(predicted[0] - at) < SYNC_SECONDS / 2
            assert due == (desired != current), f"predicted at sync {since}, now it is sync {sync}"
            assert predicted is None or not due or predicted[1] == desired
        if desired != current:
            predictions.clear()
        if observed == "each sync" or wanted != proposal or desired != current:
            history.sync(wanted, at)
        if desired != current:
            history.change(desired - current, at, hpa_spec(case["behavior"], current).behavior)
        history.recommend(wanted, at)
        current, proposal = desired, wanted
        spec = hpa_spec(case["behavior"], current, case["min"], case["max"])
        predictions.append((sync, history.next_change(spec, wanted)))


def test_syncs_without_a_status_change_are_recorded_with_their_proposal() -> None:
    history, spec = Recommendations(2, NOW), hpa_spec("ours", 2)
    history.recommend(4, NOW + 1)
    history.recommend(3, NOW + 20)
    history.recommend(None, NOW + 40)
    history.recommend(5, NOW + 50)
    history.advance(NOW + 61, spec.behavior)
    assert [(one.at - NOW, one.replicas) for one in history.recommended] == [(0, 2), (15, 4), (30, 3)]
    history.advance(NOW + 62, spec.behavior)
    assert history.recommended[-1] == Recommendation(NOW + 60, 5)


def test_sync_that_is_observed_late_counts_once() -> None:
    history, spec = Recommendations(5, NOW), hpa_spec("ours", 5)
    history.recommend(5, NOW)
    history.advance(NOW + 15.3, spec.behavior)
    history.sync(2, NOW + 15.3)
    assert [one.replicas for one in history.recommended] == [5, 2]
    assert history.next_sync == NOW + 30.3


def test_change_takes_the_place_of_one_older_than_its_directions_periods() -> None:
    """By Kubernetes' storeScaleEvent: though the longer period of the other direction still counts the older one."""
    policies = {seconds: [{"type": "Pods", "value": 1, "periodSeconds": seconds}] for seconds in (15, 600)}
    rules = {"scaleUp": {"policies": policies[15]}, "scaleDown": {"policies": policies[600]}}
    behavior = behavior_of(msgspec.convert({"behavior": rules}, objects.AutoscalerSpec))
    history = Recommendations(2, NOW)
    for at, replicas in ((20, 1), (30, 1), (52, 1), (215, -2), (231, -1)):
        history.change(replicas, NOW + at, behavior)
    assert [(one.at - NOW, one.replicas) for one in history.changes] == [(20, 1), (52, 1), (215, -2), (231, -1)]


def test_longest_windows_and_largest_policies_of_the_api_are_covered() -> None:
    policies = [{"type": type, "value": 2**31 - 1, "periodSeconds": 1800} for type in ("Percent", "Pods")]
    rules = {"stabilizationWindowSeconds": 3600, "policies": policies}
    spec = msgspec.convert({"behavior": {"scaleUp": rules, "scaleDown": rules}}, objects.AutoscalerSpec)
    history, slow = Recommendations(5, NOW), HpaSpec(70, 2, 2**31 - 1, behavior_of(spec), 5, "", 0)
    history.recommend(5, NOW)
    history.advance(NOW + 86_400, slow.behavior)
    assert len(history.recommended) <= 3600 / SYNC_SECONDS + 2
    assert history.next_change(slow, 5) is None
    at, replicas = history.next_change(slow, 2**31 - 2) or (0.0, 0)
    assert (at - NOW) == pytest.approx(86_400 + 3600, abs=2 * SYNC_SECONDS) and replicas == 2**31 - 2
    assert slow.allowed(2**31 - 2, [], NOW) == 2**31 - 1 - 5


def test_window_beyond_the_apis_maximum_is_clamped() -> None:
    seconds = 2**31 - 1
    policies = [{"type": "Pods", "value": 1, "periodSeconds": seconds}]
    rules = {"stabilizationWindowSeconds": seconds, "policies": policies}
    spec = msgspec.convert({"behavior": {"scaleDown": rules}}, objects.AutoscalerSpec)
    history, slow = Recommendations(5, NOW), HpaSpec(70, 2, 5, behavior_of(spec), 5, "", 0)
    history.recommend(5, NOW)
    history.advance(NOW + 86_400, slow.behavior)
    assert slow.behavior.memory == 3600 and history.next_change(slow, 2) is None


@pytest.mark.parametrize("synced", [-1e300, -1e18, NOW - 1e9])
def test_memory_of_the_far_past_is_caught_up_with_in_few_steps(synced: float) -> None:
    memory = msgspec.structs.replace(Recommendations(2, NOW).memory(), synced=synced, proposals=[(-1e300, 3)])
    history, spec = Recommendations.restored(memory), hpa_spec("ours", 2)
    history.advance(NOW, spec.behavior)
    assert NOW - SYNC_SECONDS < history.next_sync <= NOW + SYNC_SECONDS
    assert len(history.recommended) <= spec.behavior.memory / SYNC_SECONDS + 3


def test_history_after_a_day_without_events_is_bounded_by_the_windows() -> None:
    history, spec = Recommendations(2, NOW), hpa_spec("ours", 2)
    history.recommend(2, NOW)
    history.advance(NOW + 86_400, spec.behavior)
    assert 4 <= len(history.recommended) <= 6 and NOW + 86_400 - history.next_sync <= SYNC_SECONDS
