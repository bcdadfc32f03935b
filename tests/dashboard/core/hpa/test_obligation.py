"""What the controller owes by the object's own spec and the figure in its status; in doubt, nothing."""

from typing import Any

import msgspec
import pytest

from dashboard.core import objects
from dashboard.core.hpa.behavior import Recommendation, behavior_of
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


def task(current: int = 2, up: Json | None = None, down: Json | None = None, **more: Any) -> HpaSpec:
    behavior = {"scaleUp": up or rules(), "scaleDown": down or rules()}
    spec = msgspec.convert({"behavior": behavior}, objects.AutoscalerSpec)
    given: Json = {"low": 2, "high": 5, "container": "", "others": 0} | more
    return HpaSpec(target=70, behavior=behavior_of(spec), current=current, **given)


def measured(percent: int, pods: int = 2, **more: Any) -> Figures:
    return Figures(measured=pods, used=percent * pods, requested=100 * pods, **more)


def remembers(current: int = 2, began: float = LONG_AGO) -> Recommendations:
    memory = Recommendations(current, began)
    memory.recommended = []
    return memory


def found(
    of: HpaSpec,
    percent: int,
    reported: int | None = None,
    *,
    memory: Recommendations | None = None,
    figures: Figures | None = None,
    scaled: float | None = None,
) -> int | None:
    figures = figures or measured(percent, of.current)
    return owed(of, figures, percent if reported is None else reported, memory or remembers(), NOW, scaled)


@pytest.mark.parametrize(("percent", "pods"), [(70, None), (78, None), (91, None), (92, 3), (133, 4), (400, 5)])
def test_more_pods_are_owed_from_beyond_any_tolerance_and_up_to_max(percent: int, pods: int | None) -> None:
    """The controller's own tolerance is a flag that no object tells."""
    assert found(task(), percent) == pods


@pytest.mark.parametrize(("percent", "pods"), [(63, None), (52, None), (49, None), (48, 3), (20, 2), (0, 2)])
def test_fewer_pods_are_owed_once_fewer_are_enough_and_down_to_min(percent: int, pods: int | None) -> None:
    assert found(task(current=4), percent) == pods


def test_72_percent_of_a_target_of_70_owes_nothing() -> None:
    """At 99 requests a second a second CPU stood there, inside the tolerance, and the run said FAIL."""
    assert found(task(), 72) is None


def test_a_target_that_was_never_passed_owes_nothing() -> None:
    """At 141 requests a second CPU stayed under it, and the run said FAIL."""
    assert [found(task(), percent) for percent in (31, 52, 64, 69, 70)] == [None] * 5


def test_at_max_and_at_min_nothing_more_is_owed() -> None:
    assert found(task(current=5), 300) is None
    assert found(task(current=2), 0) is None


@pytest.mark.parametrize(("current", "pods"), [(1, 2), (7, 5)])
def test_a_number_outside_the_bounds_owes_the_bound_whatever_cpu_is(current: int, pods: int) -> None:
    assert found(task(current=current), 70) == pods


@pytest.mark.parametrize(("ours", "reported"), [(133, 70), (70, 133), (133, 40), (40, 133)])
def test_nothing_is_owed_while_its_figure_and_ours_disagree(ours: int, reported: int) -> None:
    assert found(task(current=3), ours, reported) is None


def test_of_two_figures_the_one_that_asks_for_less_of_a_change_counts() -> None:
    assert found(task(), 133, 95) == 3
    assert found(task(current=5), 10, 40) == 3


@pytest.mark.parametrize("group", ["missing", "unready"])
def test_on_the_way_up_a_pod_without_a_figure_counts_as_idle(group: str) -> None:
    with_one = measured(100, 2, **{group: (100,)})
    assert found(task(current=3), 100, figures=with_one) is None
    assert found(task(current=3), 160, figures=measured(160, 2, **{group: (100,)})) == 5


def test_on_the_way_down_a_pod_without_a_sample_counts_as_busy_and_an_unready_one_does_not() -> None:
    assert found(task(current=3), 40, figures=measured(40, 2, missing=(100,))) is None
    assert found(task(current=3), 40, figures=measured(40, 2, unready=(100,))) == 2


def test_a_policy_that_is_used_up_owes_nothing_until_its_period_is_over() -> None:
    of = task(current=3, up=rules(value=1, periodSeconds=60), high=10)
    memory = remembers()
    memory.change(1, NOW - 59)
    assert found(of, 133, memory=memory) is None
    assert owed(of, measured(133, 3), 133, memory, NOW + 2, None) == 4


def test_the_least_of_the_window_counts_on_the_way_up_and_the_most_on_the_way_down() -> None:
    memory = remembers()
    memory.recommended = [Recommendation(NOW - 50, 2), Recommendation(NOW - 20, 4)]
    assert found(task(up=rules(window=60)), 133, memory=memory) is None
    assert found(task(up=rules(window=30)), 133, memory=memory) == 4
    memory.recommended = [Recommendation(NOW - 50, 4), Recommendation(NOW - 20, 3)]
    assert found(task(current=4, down=rules(window=60)), 10, memory=memory) is None
    assert found(task(current=4, down=rules(window=30)), 10, memory=memory) == 3


def test_a_disabled_direction_owes_nothing() -> None:
    assert found(task(up=rules(select="Disabled")), 133) is None
    assert found(task(current=4, down=rules(select="Disabled")), 10) is None


def test_another_metric_may_want_the_pods_that_cpu_does_not() -> None:
    assert found(task(current=4, others=1), 10) is None
    assert found(task(others=1), 133) == 4, "and never keeps it from more"


def test_a_dashboard_that_does_not_know_what_a_policy_has_used_up_holds_it_to_nothing() -> None:
    of = task(up=rules(periodSeconds=60))
    memory = remembers(began=NOW - 10)
    assert found(of, 133, memory=memory, scaled=NOW - 30) is None
    assert found(of, 133, memory=memory, scaled=NOW - 61) == 4, "that scaling is over for every policy"
    assert found(of, 133, memory=remembers(), scaled=NOW - 30) == 4, "it was there, and saw it"
