"""The autoscaler's moments and the calibrated rate, on stories told second by second."""

from typing import Any

import pytest
from msgspec.structs import replace

from dashboard.core.autoscaler.utilization import Tolerance
from dashboard.core.scaling import Calibration, Resolution, Scaling, Sight, limits, sight

T0 = 1_800_000_000.0


def seen(after: float, pods: str = "ab", cpu: float = 20.0, **more: Any) -> Sight:
    """Pods named by letters, all at `cpu` millicores by samples of 2 s ago, and as many asked for."""
    at = T0 + after
    told: dict[str, Any] = {
        "at": at,
        "low": 2,
        "high": 5,
        "target": 70,
        "current": len(pods),
        "desired": len(pods),
        "ready": frozenset(pods),
        "serving": frozenset(pods),
        "requests": dict.fromkeys(pods, 100),
        "samples": {pod: (at - 2, cpu) for pod in pods},
    }
    return Sight(**told | more)


class Story:
    """Looks once a second, as the director does."""

    def __init__(self, window: float = 60.0, resolution: float = 15.0) -> None:
        self.resolution = Resolution()
        if resolution:
            self.resolution.see({"z": (T0 - resolution, 1.0)}, T0 - resolution)
            self.resolution.see({"z": (T0, 1.0)}, T0)
        self.scaling = Scaling(seen(0), window, self.resolution)
        self.came: list[str] = []

    def see(self, told: Sight) -> None:
        self.resolution.see(told.samples, told.at)
        self.came += self.scaling.see(told)

    def hold(self, start: float, end: float, pods: str, cpu: float, **more: Any) -> None:
        at = start
        while at <= end:
            self.see(seen(at, pods, cpu, **more))
            at += 1

    def up(self) -> None:
        """Until it is steady at four pods, at 95 s or so."""
        self.hold(1, 19, "ab", 20)
        self.hold(20, 21, "ab", 133)
        self.hold(22, 25, "ab", 133, desired=4, current=4)
        self.hold(26, 29, "abcd", 66, serving=frozenset("ab"))
        self.hold(30, 95, "abcd", 66)

    def down(self) -> None:
        self.scaling.stop(T0 + 96)
        self.hold(97, 150, "abcd", 20)
        self.hold(151, 153, "abcd", 5, desired=2, current=4)
        self.hold(154, 156, "ab", 5)


def test_a_whole_story_has_all_moments_in_their_order() -> None:
    story = Story()
    story.up()
    story.down()
    assert story.came == ["t1", "t2", "t3", "t4", "t5", "t7", "t8"]
    assert story.scaling.moments == {
        "t0": 0, "t1": 18, "t2": 22, "t3": 26, "t4": 30, "t5": 90, "t6": 96, "t7": 151, "t8": 154,
    }  # fmt: skip
    assert story.scaling.peak == 4
    assert (story.scaling.flapped, story.scaling.inactive, story.scaling.blind) == (None, None, None)


def test_the_controller_may_have_read_a_sample_before_the_dashboard_did() -> None:
    story = Story()
    story.hold(1, 10, "ab", 20)
    story.see(seen(11, desired=4, seen_percent=133))
    assert story.scaling.moments["t1"] == story.scaling.moments["t2"] == 11
    story.see(seen(12, cpu=133, desired=4, seen_percent=133, samples=dict.fromkeys("ab", (T0 + 8, 133.0))))
    assert story.scaling.moments["t1"] == 8


def test_a_rise_without_cpu_over_the_target_has_its_moments_out_of_order() -> None:
    story = Story()
    story.see(seen(5, cpu=20, desired=4, seen_percent=20))
    story.see(seen(30, cpu=133, desired=4))
    moments = story.scaling.moments
    assert moments["t1"] == 28
    assert moments["t2"] == 5


def test_a_sample_of_before_the_load_is_not_the_first_over_the_target() -> None:
    story = Story()
    story.see(seen(1, cpu=133))
    assert not story.scaling.came("t1")


def test_a_clock_that_is_ahead_makes_no_sample_later_than_it_was_seen() -> None:
    story = Story()
    story.see(seen(20, cpu=133, samples=dict.fromkeys("ab", (T0 + 300, 133.0))))
    assert story.scaling.moments["t1"] == 20


def test_it_is_not_steady_while_fewer_pods_are_ready_than_asked_for() -> None:
    story = Story()
    story.up()
    late = Story()
    late.hold(1, 25, "ab", 133)
    late.see(seen(26, "ab", 133, desired=4))
    late.hold(27, 120, "abc", 66, desired=4, current=4)
    assert story.scaling.came("t5") and not late.scaling.came("t5")
    assert late.scaling.came("t4")


def test_steadiness_begins_anew_after_each_second_without_it() -> None:
    story = Story()
    story.hold(1, 25, "ab", 133)
    story.see(seen(26, "ab", 133, desired=4))
    story.hold(27, 80, "abcd", 66)
    assert story.scaling.steady() == 53
    story.see(seen(81, "abcd", 66, desired=5))
    assert story.scaling.steady() == 0
    story.hold(82, 141, "abcd", 66)
    assert not story.scaling.came("t5")
    story.see(seen(142, "abcd", 66))
    assert story.scaling.came("t5")


def test_steadiness_is_of_the_mean_of_all_samples_meanwhile() -> None:
    story = Story()
    story.hold(1, 25, "ab", 133)
    story.see(seen(26, "ab", 133, desired=4))
    story.hold(27, 56, "abcd", 48)  # three would do
    story.hold(57, 87, "abcd", 50)
    assert story.scaling.steady() == 60 and not story.scaling.came("t5")
    story.hold(88, 110, "abcd", 66)  # and not any more, though the lowest samples still count
    assert story.scaling.came("t5")


@pytest.mark.parametrize(
    ("cpu", "pods", "content"),
    [
        (70, "abcd", True),  # at the target
        (76, "abcd", True),  # within 10 % of it
        (78, "abcd", False),  # a fifth one is due
        (55, "abcd", True),  # under, but three would be too few
        (50, "abcd", False),  # three would do
        (5, "ab", True),  # idle, at min
        (200, "abcde", False),  # at max, which is not the autoscaler's choice
    ],
)
def test_content_is_when_the_autoscaler_would_change_nothing_of_its_own(cpu: float, pods: str, content: bool) -> None:
    assert seen(0, pods, cpu).content is content


def test_nothing_is_content_while_a_ready_pod_has_no_sample() -> None:
    assert not seen(0, "abc", 70, samples={"a": (T0, 70.0), "b": (T0, 70.0)}).content


def test_it_flaps_when_it_falls_and_rises_under_the_same_load() -> None:
    story = Story()
    story.up()
    story.hold(96, 97, "abc", 80)
    assert story.scaling.flapped is None  # one correction of an overshoot is none
    story.hold(98, 99, "abcd", 70)
    assert story.scaling.flapped == "It flapped: from 3 to 4 pods after it had fallen under the same load."


def test_it_flaps_when_it_rises_after_the_load_has_stopped() -> None:
    story = Story()
    story.up()
    story.scaling.stop(T0 + 96)
    story.see(seen(97, "abcd", 90, desired=5))
    assert "after the load had stopped" in (story.scaling.flapped or "")


def test_that_scaling_is_inactive_is_kept_with_its_reason() -> None:
    story = Story()
    story.see(seen(5, active=False, inactive="InvalidSelector: no selector"))
    story.see(seen(6))
    assert story.scaling.inactive == "ScalingActive was not True: InvalidSelector: no selector."
    assert story.scaling.blind is None


def test_a_controller_that_gets_no_figures_makes_the_run_blind_and_not_the_autoscaler_faulty() -> None:
    story = Story()
    story.see(seen(5, active=False, inactive="FailedGetResourceMetric: unable to get metrics"))
    assert story.scaling.inactive is None
    assert "FailedGetResourceMetric" in (story.scaling.blind or "")


@pytest.mark.parametrize(("resolution", "blind_after"), [(15.0, 61), (60.0, 151)])
def test_figures_that_stay_the_same_make_it_blind_after_two_samples_time(resolution: float, blind_after: int) -> None:
    story = Story(resolution=resolution)
    samples = dict.fromkeys("ab", (T0, 20.0))
    story.hold(1, blind_after - 1, "ab", 20, samples=samples)
    assert story.scaling.blind is None
    story.see(seen(blind_after, samples=samples))
    assert "no new CPU figures" in (story.scaling.blind or "")


def test_a_source_that_does_not_tell_is_named() -> None:
    story = Story()
    story.hold(1, 61, "ab", 20, away="metrics")
    assert "the source metrics" in (story.scaling.blind or "")


def test_the_resolution_is_the_median_of_what_was_seen() -> None:
    resolution = Resolution()
    assert resolution.seconds is None
    assert resolution.assumed == 15
    for at in (0, 0, 60, 60, 121, 180, 400):
        resolution.see({"a": (float(at), 1.0)}, at)
    assert resolution.seconds == 60.5
    assert resolution.assumed == 60.5


def test_a_pod_that_went_and_came_back_makes_no_gap() -> None:
    resolution = Resolution()
    resolution.see({"a": (0.0, 1.0)}, 0)
    resolution.see({}, 250)
    resolution.see({"a": (500.0, 1.0)}, 500)
    assert resolution.seconds is None


def test_until_a_second_sample_came_the_resolution_may_be_as_long_as_the_wait_for_it() -> None:
    resolution = Resolution()
    for at, assumed in ((0, 15), (10, 15), (40, 40), (300, 60)):
        resolution.see({"a": (0.0, 1.0)}, at)
        assert resolution.assumed == assumed
    resolution.see({"a": (15.0, 1.0)}, 301)
    assert resolution.assumed == 15


def test_limits_follow_the_resolution_and_the_window() -> None:
    assert limits(15, 60) == {"t1": 60, "t2": 75, "t3": 150, "t4": 180, "t5": 270, "t7": 135, "t8": 180}
    assert limits(60, 300)["t2"] == 165
    assert limits(60, 300)["t7"] == 465


@pytest.mark.parametrize(("resolution", "limit"), [(15.0, 60), (60.0, 150)])
def test_what_does_not_come_within_its_limit_is_told(resolution: float, limit: int) -> None:
    story = Story(resolution=resolution)
    assert story.scaling.late(T0 + limit) is None
    late = f"Not within {limit} s after the load began: CPU over the target (t1)."
    assert story.scaling.late(T0 + limit + 1) == late


def test_after_the_load_the_limits_count_from_its_end() -> None:
    story = Story()
    story.up()
    story.scaling.stop(T0 + 96)
    assert story.scaling.late(T0 + 96 + 135) is None
    late = "Not within 135 s after the load stopped: fewer pods asked for (t7)."
    assert story.scaling.late(T0 + 96 + 136) == late
    story.see(seen(200, "abcd", 5, desired=2))
    assert story.scaling.late(T0 + 96 + 180) is None
    assert "back at min (t8)" in (story.scaling.late(T0 + 96 + 181) or "")


def test_back_at_min_is_when_the_pods_are_gone_too() -> None:
    story = Story()
    story.up()
    story.scaling.stop(T0 + 96)
    story.see(seen(150, "abc", 5, desired=2, current=2))
    assert story.scaling.came("t7") and not story.scaling.came("t8")


# Calibration


def calibrated(millicores: float, idle: float = 8.0, rate: float = 50.0, **start: Any) -> Calibration:
    """Two pods that use `millicores` each under the calibration's load, with a sample every 15 s."""
    calibration = Calibration(seen(0, cpu=idle, **start))
    for second in range(0, 47):
        sampled = T0 + 15 * (second // 15) + 5 if second >= 5 else T0 - 10
        samples = {pod: (min(sampled, T0 + second), millicores if second > 5 else idle) for pod in "ab"}
        calibration.see(seen(second, samples=samples), int(rate * second))
        if calibration.done:
            break
    return calibration


def test_the_cost_of_a_request_is_what_a_light_load_adds_to_the_idle_pods() -> None:
    assert calibrated(23.0).cost == pytest.approx(2 * 15 / 50, rel=0.02)


def test_each_pod_must_have_a_sample_of_load_alone() -> None:
    calibration = Calibration(seen(0, cpu=8))
    calibration.see(seen(0, cpu=8), 0)
    calibration.see(seen(10, samples=dict.fromkeys("ab", (T0 + 5, 15.0))), 500)
    calibration.see(seen(20, samples={"a": (T0 + 20, 23.0), "b": (T0 + 5, 15.0)}), 1000)
    assert not calibration.done and calibration.cost is None
    calibration.see(seen(21, samples={"a": (T0 + 20, 23.0), "b": (T0 + 20, 23.0)}), 1050)
    assert calibration.done


@pytest.mark.parametrize("cost", [0.2, 0.6, 1.5])
def test_the_rate_is_such_that_the_autoscaler_settles_at_three_or_four_pods(cost: float) -> None:
    """Even if under load a request costs a tenth more, or less, than it did."""
    idle = 8.0
    rate = calibrated(idle + cost * 50 / 2, idle).rate
    assert rate is not None
    for real in (0.9 * cost, cost, 1.1 * cost):
        pods = 2
        for _ in range(5):
            percent = (rate * real / pods + idle) / 100 * 100
            ratio = percent / 70
            pods = pods if 0.9 <= ratio <= 1.1 else min(5, max(2, -int(-pods * ratio // 1)))
        assert pods in (3, 4)


def test_a_cost_that_is_lost_in_noise_gives_no_rate() -> None:
    assert calibrated(9.0).rate is None
    assert calibrated(7.0).rate is None
    assert calibrated(23.0, rate=0.0).rate is None


def test_the_aim_is_two_pods_more_than_min_or_max() -> None:
    assert Calibration(seen(0)).aim == 4
    assert Calibration(seen(0, high=3)).aim == 3


# What the state shows


def state(**changes: Any) -> dict[str, Any]:
    pod = {
        "uid": "a", "app": "flask", "ready": True, "phase": "Running", "requests_per_second": 12.0,
        "cpu_request_millicores": 100,
    }  # fmt: skip
    live = {"state": "live"}
    return {
        "pods": [
            pod,
            pod | {"uid": "b", "requests_per_second": None},
            pod | {"uid": "c", "ready": False},
            pod | {"uid": "d", "phase": "Terminating"},
            pod | {"uid": "m", "app": "mongodb"},
        ],
        "autoscaler": {
            "min": 2, "max": 5, "current": 2, "desired": 3, "cpu_percent": 90, "target_percent": 70,
            "conditions": [{"type": "ScalingActive", "status": "True", "reason": "ValidMetricFound", "message": "ok"}],
            "reckoning": {"tolerance": {"down": 0.05, "up": 0.2}},
        },
        "sources": {"horizontalpodautoscalers": live, "pods": live, "metrics": live},
    } | changes  # fmt: skip


SAMPLES = {"a": (T0, 90.0), "b": (T0, 91.0), "c": (T0, 50.0), "m": (T0, 300.0)}


def test_a_sight_counts_the_services_pods_that_are_ready_and_stay() -> None:
    told = sight(state(), SAMPLES, "flask", T0 + 1)
    assert told is not None
    assert (told.ready, told.serving) == (frozenset("ab"), frozenset("a"))
    assert told.percent == 90.5
    assert (told.low, told.high, told.desired, told.seen_percent) == (2, 5, 3, 90)
    assert told.active and told.away is None
    assert told.tolerance == Tolerance(0.05, 0.2)


def test_a_sight_needs_an_autoscaler_with_a_target() -> None:
    assert sight(state(autoscaler=None), SAMPLES, "flask", T0) is None
    assert sight(state(autoscaler=state()["autoscaler"] | {"target_percent": None}), SAMPLES, "flask", T0) is None


def test_a_sight_says_why_scaling_is_inactive() -> None:
    condition = {
        "type": "ScalingActive",
        "status": "False",
        "reason": "FailedGetResourceMetric",
        "message": "no\nmetrics",
    }
    told = sight(state(autoscaler=state()["autoscaler"] | {"conditions": [condition]}), SAMPLES, "flask", T0)
    assert told is not None and not told.active
    assert told.inactive == "FailedGetResourceMetric: no metrics"
    none = sight(state(autoscaler=state()["autoscaler"] | {"conditions": [], "reckoning": None}), SAMPLES, "flask", T0)
    assert none is not None and not none.active


def test_a_sight_says_which_source_does_not_tell() -> None:
    sources = state()["sources"] | {"metrics": {"state": "stale"}}
    told = sight(state(sources=sources), SAMPLES, "flask", T0)
    assert told is not None and told.away == "metrics"


def test_cpu_is_unknown_while_nothing_is_requested() -> None:
    assert replace(seen(0), requests={}).percent is None
