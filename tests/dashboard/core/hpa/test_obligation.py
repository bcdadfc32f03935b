"""The scaling that the HPA owes by its spec and its reported CPU. A scaling in doubt is not owed."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from dashboard.core import objects
from dashboard.core.hpa.behavior import Change, Recommendation, behavior_of
from dashboard.core.hpa.obligation import owed
from dashboard.core.hpa.recommendations import Recommendations
from dashboard.core.hpa.spec import HpaSpec
from dashboard.core.hpa.utilization import Figures

NOW = 1_800_000_000.0
LONG_AGO = NOW - 3600

Json = dict[str, Any]


def rules(window: int = 0, select: str | None = None, **policy: Any) -> Json:
    policies = [{"type": "Pods", "value": 4, "periodSeconds": 15} | policy]
    return {"stabilizationWindowSeconds": window, "selectPolicy": select, "policies": policies}


def hpa_spec(current: int = 2, up: Json | None = None, down: Json | None = None, **more: Any) -> HpaSpec:
    behavior = {"scaleUp": up or rules(), "scaleDown": down or rules()}
    spec = msgspec.convert({"behavior": behavior}, objects.AutoscalerSpec)
    given: Json = {"low": 2, "high": 5, "container": "", "others": 0} | more
    return HpaSpec(target=70, behavior=behavior_of(spec), current=current, **given)


def measured(percent: int, pods: int = 2, **more: Any) -> Figures:
    return Figures(measured=pods, used=percent * pods, requested=100 * pods, **more)


def empty_history(current: int = 2, began: float = LONG_AGO) -> Recommendations:
    history = Recommendations(current, began)
    history.recommended = []
    return history


def owed_pods(
    spec: HpaSpec,
    percent: int,
    reported: int | None = None,
    *,
    history: Recommendations | None = None,
    figures: Figures | None = None,
    scaled: float | None = None,
) -> int | None:
    figures = figures or measured(percent, spec.current)
    return owed(spec, figures, percent if reported is None else reported, history or empty_history(), NOW, scaled)


@pytest.mark.parametrize(("percent", "pods"), [(70, None), (78, None), (91, None), (92, 3), (133, 4), (400, 5)])
def test_more_pods_are_owed_beyond_the_widest_tolerance_and_up_to_max(percent: int, pods: int | None) -> None:
    """The controller's own tolerance is a command-line flag, so no object has it."""
    assert owed_pods(hpa_spec(), percent) == pods


@pytest.mark.parametrize(("percent", "pods"), [(63, None), (52, None), (49, None), (48, 3), (20, 2), (0, 2)])
def test_fewer_pods_are_owed_below_the_widest_tolerance_and_down_to_min(percent: int, pods: int | None) -> None:
    assert owed_pods(hpa_spec(current=4), percent) == pods


def test_72_percent_of_a_target_of_70_owes_nothing() -> None:
    """A regression: at 99 requests a second, CPU stayed within the tolerance, and the run's verdict was FAIL."""
    assert owed_pods(hpa_spec(), 72) is None


def test_cpu_under_the_target_owes_nothing() -> None:
    """A regression: at 141 requests a second, CPU stayed under the target, and the run's verdict was FAIL."""
    assert [owed_pods(hpa_spec(), percent) for percent in (31, 52, 64, 69, 70)] == [None] * 5


def test_nothing_is_owed_at_max_or_min() -> None:
    assert owed_pods(hpa_spec(current=5), 300) is None
    assert owed_pods(hpa_spec(current=2), 0) is None


@pytest.mark.parametrize(("current", "pods"), [(1, 2), (7, 5)])
def test_replicas_outside_the_bounds_owe_the_bound_at_any_cpu(current: int, pods: int) -> None:
    assert owed_pods(hpa_spec(current=current), 70) == pods


@pytest.mark.parametrize(("computed", "reported"), [(133, 70), (70, 133), (133, 40), (40, 133)])
def test_nothing_is_owed_while_reported_and_computed_cpu_disagree(computed: int, reported: int) -> None:
    assert owed_pods(hpa_spec(current=3), computed, reported) is None


def test_smaller_of_the_reported_and_computed_changes_is_owed() -> None:
    assert owed_pods(hpa_spec(), 133, 95) == 3
    assert owed_pods(hpa_spec(current=5), 10, 40) == 3


@pytest.mark.parametrize("group", ["missing", "unready"])
def test_pod_without_a_sample_counts_as_idle_when_scaling_up(group: str) -> None:
    assert owed_pods(hpa_spec(current=3), 100, figures=measured(100, 2, **{group: (100,)})) is None
    assert owed_pods(hpa_spec(current=3), 160, figures=measured(160, 2, **{group: (100,)})) == 5


def test_pod_without_a_sample_counts_as_busy_when_scaling_down_and_an_unready_one_does_not() -> None:
    assert owed_pods(hpa_spec(current=3), 40, figures=measured(40, 2, missing=(100,))) is None
    assert owed_pods(hpa_spec(current=3), 40, figures=measured(40, 2, unready=(100,))) == 2


def test_exhausted_policy_owes_nothing_until_its_period_is_over() -> None:
    spec = hpa_spec(current=3, up=rules(value=1, periodSeconds=60), high=10)
    history = empty_history()
    history.change(1, NOW - 59, spec.behavior)
    assert owed_pods(spec, 133, history=history) is None
    assert owed(spec, measured(133, 3), 133, history, NOW + 2, None) == 4


@pytest.mark.parametrize("ups", [[], [-195, -179, -20]])
def test_policy_counts_no_changes_of_the_other_direction(ups: list[int]) -> None:
    """The controller may have forgotten them: 3 pods and the 2 that went, less the policy's 3, are owed."""
    spec = hpa_spec(current=3, down=rules(value=3, periodSeconds=600), low=1)
    history = empty_history()
    history.changes = [*(Change(NOW + at, 1) for at in ups), Change(NOW - 16, -2)]
    assert owed_pods(spec, 3, history=history) == 2


def test_scale_up_uses_the_lowest_recommendation_of_its_window_and_scale_down_the_highest() -> None:
    history = empty_history()
    history.recommended = [Recommendation(NOW - 50, 2), Recommendation(NOW - 20, 4)]
    assert owed_pods(hpa_spec(up=rules(window=60)), 133, history=history) is None
    assert owed_pods(hpa_spec(up=rules(window=30)), 133, history=history) == 4
    history.recommended = [Recommendation(NOW - 50, 4), Recommendation(NOW - 20, 3)]
    assert owed_pods(hpa_spec(current=4, down=rules(window=60)), 10, history=history) is None
    assert owed_pods(hpa_spec(current=4, down=rules(window=30)), 10, history=history) == 3


def test_disabled_direction_owes_nothing() -> None:
    assert owed_pods(hpa_spec(up=rules(select="Disabled")), 133) is None
    assert owed_pods(hpa_spec(current=4, down=rules(select="Disabled")), 10) is None


def test_another_metric_may_prevent_a_scale_down() -> None:
    assert owed_pods(hpa_spec(current=4, others=1), 10) is None
    assert owed_pods(hpa_spec(others=1), 133) == 4, "another metric never prevents a scale-up"


def test_scaling_before_the_dashboards_start_may_have_exhausted_a_policy() -> None:
    spec = hpa_spec(up=rules(periodSeconds=60))
    history = empty_history(began=NOW - 10)
    assert owed_pods(spec, 133, history=history, scaled=NOW - 30) is None
    assert owed_pods(spec, 133, history=history, scaled=NOW - 61) == 4, "it is older than every policy's period"
    assert owed_pods(spec, 133, history=empty_history(), scaled=NOW - 30) == 4, "the dashboard recorded that scaling"


@pytest.mark.parametrize(("percent", "pods"), [(70, None), (133, 4)])
def test_remembered_recommendation_demands_no_more_than_the_figure(percent: int, pods: int | None) -> None:
    """Without a behavior the highest one of five minutes counts also on the way up, and ours are reconstructed."""
    history = empty_history()
    history.recommended = [Recommendation(NOW - 30, 5)]
    spec = replace(hpa_spec(), behavior=behavior_of(objects.AutoscalerSpec()))
    assert owed_pods(spec, percent, history=history) == pods
