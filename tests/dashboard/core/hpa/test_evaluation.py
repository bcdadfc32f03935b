"""The evaluation of the autoscaler, from objects as the API sends them."""

# ruff: noqa: RUF001 - the texts have multiplication and minus signs

from typing import Any

import msgspec
import pytest

from dashboard.core import objects
from dashboard.core.hpa.evaluation import Evaluator
from dashboard.core.timestamps import rfc3339
from dashboard.mock.cluster.manifests import BEHAVIOR

NOW = 1_800_000_000.0
CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}


def autoscaler(
    current: int, desired: int, reported: int | None, scaled: float | None = None, **spec: Any
) -> objects.Autoscaler:
    metric = {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": reported}}}
    object_ = {
        "metadata": {"name": "flask", "uid": "h"},
        "spec": {"minReplicas": 2, "maxReplicas": 5, "metrics": [CPU], "behavior": BEHAVIOR} | spec,
        "status": {
            "currentReplicas": current,
            "desiredReplicas": desired,
            "currentMetrics": None if reported is None else [metric],
            "lastScaleTime": None if scaled is None else rfc3339(scaled),
        },
    }
    return msgspec.convert(object_, objects.Autoscaler)


def pod(name: str, since: float = NOW - 600, **more: Any) -> objects.Pod:
    """Return a pod that became ready at `since`, 3 s after its creation. `more`: fields of its metadata or status."""
    meta = {"name": name, "uid": name, "creationTimestamp": rfc3339(since - 3)} | more.pop("metadata", {})
    ready = [{"type": "Ready", "status": "True", "lastTransitionTime": rfc3339(since)}]
    status = {"phase": "Running", "startTime": rfc3339(since - 3), "conditions": ready} | more
    containers = [{"name": "flask", "resources": {"requests": {"cpu": "100m"}}}]
    return msgspec.convert({"metadata": meta, "spec": {"containers": containers}, "status": status}, objects.Pod)


def pods(count: int) -> list[objects.Pod]:
    return [pod(f"p{index}") for index in range(count)]


def samples(millicores: int, count: int, at: float = NOW) -> dict[str, objects.PodMetrics]:
    usage = [objects.ContainerMetrics("flask", {"cpu": f"{millicores}m"})]
    names = [f"p{index}" for index in range(count)]
    return {name: objects.PodMetrics(objects.Meta(name=name), rfc3339(at), "15s", usage) for name in names}


def evaluated(
    hpa: objects.Autoscaler, members: list[objects.Pod], samples: dict[str, objects.PodMetrics], at: float = NOW
) -> dict[str, Any]:
    """Return the evaluation by a new Evaluator."""
    result = Evaluator().evaluate(hpa, members, samples, at, hpa.status.desired_replicas)
    assert result is not None
    return result


def fields(result: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(result[name] for name in names)


def test_cpu_over_the_target_proposes_more_pods() -> None:
    evaluation = evaluated(autoscaler(2, 2, 133), pods(2), samples(133, 2))
    assert evaluation["formula"] == "ceil(2 × 133 / 70) = 4"
    assert evaluation["sentence"] == "2 pods at 133 % of a 70 % target → ceil(2 × 133 / 70) = 4, +4 allowed now"
    assert evaluation["next"] == "The same work is about 66 % of 4 pods."
    assert fields(evaluation, "measured", "percent", "ratio") == (2, 133, 1.9)
    assert fields(evaluation, "wanted", "clamped", "recommended") == (4, 4, 4)
    assert fields(evaluation, "then", "provided") == ("2 pods come", "if CPU stays this high")
    assert evaluation["until"] == rfc3339(NOW + 15)
    assert fields(evaluation, "limited_by", "until_replicas", "allowed_now", "low", "high") == (None, 4, 4, 63, 77)


@pytest.mark.parametrize("percent", [63, 70, 77])
def test_cpu_within_the_tolerance_changes_nothing(percent: int) -> None:
    evaluation = evaluated(autoscaler(3, 3, percent), pods(3), samples(percent, 3))
    assert evaluation["sentence"].endswith(" ≤ 0.1, within the tolerance")
    assert fields(evaluation, "wanted", "next", "until") == (3, "Nothing changes from 63 to 77 %.", None)


def test_each_direction_has_its_own_tolerance() -> None:
    behavior = {"scaleUp": {"tolerance": "0.2"}, "scaleDown": {"tolerance": "50m"}}
    evaluation = evaluated(autoscaler(3, 3, 80, behavior=behavior), pods(3), samples(80, 3))
    assert evaluation["formula"] == "|80 / 70 − 1| = 0.14 ≤ 0.2"
    assert fields(evaluation, "low", "high", "tolerance") == (67, 84, {"down": 0.05, "up": 0.2})


def test_proposal_is_clamped_to_min_and_max() -> None:
    at_max = evaluated(autoscaler(5, 5, 133), pods(5), samples(133, 5))
    assert at_max["sentence"].endswith("→ ceil(5 × 133 / 70) = 10 → max 5, 5 are the maximum")
    assert fields(at_max, "limited_by", "recommended", "until") == ("TooManyReplicas", 5, None)
    at_min = evaluated(autoscaler(2, 2, 3), pods(2), samples(3, 2))
    assert at_min["sentence"].endswith("→ ceil(2 × 3 / 70) = 1 → min 2, 2 are the minimum")
    assert fields(at_min, "limited_by", "recommended", "until") == ("TooFewReplicas", 2, None)
    assert at_min["condition"] == "2 pods are the minimum: none goes, however low CPU is."


def test_no_scale_down_if_the_remaining_pods_would_exceed_the_target() -> None:
    evaluation = evaluated(autoscaler(5, 5, 60), pods(5), samples(60, 5))
    assert evaluation["sentence"].endswith("→ ceil(5 × 60 / 70) = 5, so nothing changes")
    assert evaluation["limited_by"] is None


@pytest.mark.parametrize(
    ("current", "behavior", "condition"),
    [
        (5, BEHAVIOR, "From 5 pods, one goes once CPU has stayed at or under 56 % for 60 s."),
        (4, BEHAVIOR, "From 4 pods, one goes once CPU has stayed at or under 52 % for 60 s."),
        (3, None, "From 3 pods, one goes once CPU has stayed at or under 46 % for 5 min."),
        (4, {"scaleDown": {"stabilizationWindowSeconds": 0}}, "From 4 pods, one goes once CPU is at or under 52 %."),
        (20, None, "From 20 pods, 2 go once CPU has stayed at or under 62 % for 5 min."),
        (4, {"scaleDown": {"selectPolicy": "Disabled"}}, "Its behavior allows no scale-down."),
    ],
)
def test_condition_for_a_scale_down(current: int, behavior: Any, condition: str) -> None:
    hpa = autoscaler(current, current, 70, behavior=behavior, maxReplicas=30)
    evaluation = evaluated(hpa, pods(current), samples(70, current))
    assert evaluation["condition"] == condition


def test_rules_describe_a_behavior_and_the_defaults() -> None:
    stated = evaluated(autoscaler(2, 2, 70), pods(2), samples(70, 2))["rules"]
    assert stated["up"] == "at once, by +100 % or +4 pods in 15 s at most, whichever is more"
    assert stated["down"] == "after 60 s of less, by −50 % in 15 s at most"
    defaults = evaluated(autoscaler(2, 2, 70, behavior=None), pods(2), samples(70, 2))["rules"]
    assert defaults["down"] == "after 5 min of less, by any number"


def test_new_pods_count_as_idle_until_they_are_measured() -> None:
    starting = [pod(name, phase="Pending", conditions=None) for name in ("p8", "p9")]
    evaluation = evaluated(autoscaler(2, 4, 133), [*pods(2), *starting], samples(133, 2))
    assert evaluation["formula"] == "(2 × 133 + 2 × 0) / 4 = 66 → |66 / 70 − 1| = 0.06 ≤ 0.1"
    assert evaluation["notes"] == ["2 pods not measured yet: counted as 0 %, since it would scale up."]
    assert fields(evaluation, "measured", "unready", "adjusted", "wanted") == (2, 2, 66, 4)


def test_missing_sample_counts_as_busy_when_scaling_down() -> None:
    evaluation = evaluated(autoscaler(3, 3, 10), pods(3), samples(10, 2))
    assert evaluation["formula"] == "(2 × 10 + 1 × 100) / 3 = 40 → ceil(3 × 40 / 70) = 2"
    assert evaluation["notes"] == ["1 pod without a sample: counted as 100 %, since it would scale down."]


def test_assumed_values_never_reverse_the_direction() -> None:
    evaluation = evaluated(autoscaler(3, 3, 60), pods(3), samples(40, 1))
    assert evaluation["formula"] == "(1 × 40 + 2 × 100) / 3 = 80 → 80 / 70 = 1.14 > 1"
    assert fields(evaluation, "wanted", "next") == (3, "Pods without a sample never reverse the direction.")


def test_scale_down_waits_for_the_stabilization_window() -> None:
    evaluator, five = Evaluator(), pods(5)
    for sync in range(5):
        at = NOW + 15 * sync
        evaluator.evaluate(autoscaler(5, 5, 70 + sync), five, samples(70 + sync, 5, at), at, 5)
    low = autoscaler(5, 5, 10)
    evaluation = evaluator.evaluate(low, five, samples(10, 5, NOW + 74), NOW + 75, 5)
    assert evaluation is not None
    assert fields(evaluation, "wanted", "recommended", "limited_by") == (1, 5, "ScaleDownStabilized")
    assert fields(evaluation, "then", "provided") == ("3 pods go", "if CPU stays at or under 28 %")
    assert evaluation["next"] == "The highest recommendation of the last 60 s counts, so it waits."
    assert evaluation["until"] == rfc3339(NOW + 120), "60 s after the last sync that recommended five"
    for at in (NOW + 76, NOW + 90.5, NOW + 117):
        later = evaluator.evaluate(low, five, samples(10, 5, NOW + 74), at, 5)
        assert later == evaluation, "time alone changes nothing: otherwise the page would get a patch each second"
    scaled = evaluator.evaluate(autoscaler(5, 2, 10, NOW + 120), five, samples(10, 5, NOW + 74), NOW + 120.2, 2)
    assert scaled is not None
    assert scaled["last"] == {
        "at": rfc3339(NOW + 120), "from": 5, "to": 2, "formula": "ceil(5 × 10 / 70) = 1 → min 2", "expected": 2,
    }  # fmt: skip
    assert fields(scaled, "replicas", "until", "limited_by") == (2, None, "TooFewReplicas")


def test_syncs_without_a_status_change_count_for_the_window() -> None:
    evaluator, five, quiet = Evaluator(), pods(5), autoscaler(5, 5, 70)
    for second in range(0, 64, 5):
        evaluator.evaluate(quiet, five, samples(70, 5), NOW + second, 5)
    evaluation = evaluator.evaluate(quiet, five, samples(10, 5, NOW + 62), NOW + 64, 5)
    assert evaluation is not None
    assert fields(evaluation, "limited_by", "until") == ("ScaleDownStabilized", rfc3339(NOW + 120)), (
        "the last sync was at 60 s"
    )


def test_scaling_is_explained_with_the_pods_of_its_time() -> None:
    """New and terminating pods may be observed before the autoscaler's status."""
    evaluator = Evaluator()
    evaluator.evaluate(autoscaler(2, 2, 5), pods(2), samples(5, 2), NOW, 2)
    new = [pod(name, NOW + 14.1 + 3, phase="Pending", conditions=None) for name in ("p8", "p9")]
    evaluation = evaluator.evaluate(autoscaler(2, 4, 133, NOW + 14), [*pods(2), *new], samples(5, 2), NOW + 14.2, 4)
    assert evaluation is not None
    assert fields(evaluation["last"], "from", "to", "expected", "formula") == (2, 4, 4, "ceil(2 × 133 / 70) = 4")
    assert fields(evaluation, "percent", "newest") == (133, False), "the controller's value is newer than the samples"
    leaving = {"deletionTimestamp": rfc3339(NOW + 60 + 30), "deletionGracePeriodSeconds": 30}
    remaining = [*pods(2), *(pod(f"p{index}", NOW + 17, metadata=leaving) for index in (2, 3))]
    evaluation = evaluator.evaluate(autoscaler(4, 2, 20, NOW + 60), remaining, samples(20, 4, NOW + 50), NOW + 60.3, 2)
    assert evaluation is not None
    assert fields(evaluation["last"], "from", "to", "formula") == (4, 2, "ceil(4 × 20 / 70) = 2")
    assert evaluation["notes"] == ["2 pods terminating or failed: left out."]


def test_policies_delay_the_next_scaling() -> None:
    slow = {"scaleUp": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}}
    evaluator = Evaluator()
    evaluator.evaluate(autoscaler(2, 2, 133, behavior=slow), pods(2), samples(133, 2), NOW, 2)
    scaled = autoscaler(2, 3, 300, NOW + 15, behavior=slow)
    evaluation = evaluator.evaluate(scaled, pods(3), samples(300, 3), NOW + 15.2, 3)
    assert evaluation is not None
    assert fields(evaluation, "recommended", "limited_by", "allowed_now") == (3, "ScaleUpLimit", 0)
    assert evaluation["sentence"].endswith("none allowed now")
    assert fields(evaluation, "until", "until_replicas") == (rfc3339(NOW + 75), 4)


def test_newer_cpu_value_counts() -> None:
    evaluator, two = Evaluator(), pods(2)
    first = evaluator.evaluate(autoscaler(2, 2, 50), two, samples(50, 2), NOW, 2)
    newer_sample = evaluator.evaluate(autoscaler(2, 2, 50), two, samples(90, 2, NOW + 5), NOW + 6, 2)
    newer_status = evaluator.evaluate(autoscaler(2, 2, 120), two, samples(90, 2, NOW + 5), NOW + 8, 2)
    agreed = evaluator.evaluate(autoscaler(2, 2, 120), two, samples(120, 2, NOW + 7), NOW + 11, 2)
    assert first and newer_sample and newer_status and agreed
    assert [fields(one, "percent", "newest") for one in (first, newer_sample, newer_status, agreed)] == [
        (50, True), (90, True), (120, False), (120, True),
    ]  # fmt: skip


def test_controllers_value_is_explained_without_samples() -> None:
    evaluation = evaluated(autoscaler(2, 2, 133), pods(2), {})
    assert fields(evaluation, "formula", "newest") == ("ceil(2 × 133 / 70) = 4", False)


@pytest.mark.parametrize(
    ("members", "measured", "current", "sentence"),
    [
        (2, {}, 2, "No pod has a CPU sample yet: a new pod has one about half a minute after it is ready."),
        (0, {}, 2, "There are no pods to measure."),
        (0, {}, 0, "The Deployment is scaled to zero, so the autoscaler does nothing."),
    ],
)
def test_sentence_says_why_there_is_no_measurement(
    members: int, measured: dict[str, Any], current: int, sentence: str
) -> None:
    result = evaluated(autoscaler(current, current, None), pods(members), measured)
    assert fields(result, "sentence", "formula", "wanted", "until", "percent") == (sentence, None, None, None, None)
    assert result["low"] == 63 and result["condition"]


def test_container_without_a_request_is_reported_with_its_pod() -> None:
    without_request = msgspec.structs.replace(pod("p0"), spec=objects.PodSpec(containers=[objects.Container("flask")]))
    assert evaluated(autoscaler(1, 1, None, minReplicas=1), [without_request], samples(1, 1))["sentence"] == (
        "A container of p0 has no CPU request, so there is no percentage."
    )


def test_replicas_outside_the_bounds_return_to_them_at_any_cpu() -> None:
    evaluation = evaluated(autoscaler(7, 7, 70), pods(7), samples(70, 7))
    assert evaluation["sentence"] == "7 pods, more than the 5 allowed: whatever CPU is, it asks for 5."
    assert fields(evaluation, "recommended", "limited_by", "then") == (5, "TooManyReplicas", "2 pods go")
    evaluation = evaluated(autoscaler(1, 1, 70), pods(1), samples(70, 1))
    assert fields(evaluation, "sentence", "then") == (
        "1 pod, fewer than the 2 allowed: whatever CPU is, it asks for 2.", "1 pod comes",
    )  # fmt: skip


def test_container_metric_measures_that_container() -> None:
    metric = {"type": "ContainerResource", "containerResource": CPU["resource"] | {"container": "flask"}}  # type: ignore[operator]
    used = {"flask": "140m", "mesh": "900m"}
    containers = [objects.ContainerMetrics(name, {"cpu": cpu}) for name, cpu in used.items()]
    measured = {"p0": objects.PodMetrics(objects.Meta(name="p0"), rfc3339(NOW), "15s", containers)}
    result = evaluated(autoscaler(1, 1, None, metrics=[metric], minReplicas=1), pods(1), measured)
    assert fields(result, "percent", "wanted") == (140, 2)


@pytest.mark.parametrize(
    ("percent", "others", "recommended", "limited_by"),
    [
        (70, [4], 4, None),  # a larger proposal counts, though CPU is within the tolerance
        (133, [3], 4, None),  # CPU's is the largest
        (133, [None], 4, None),  # a metric without a figure forbids no scale-up
        (70, [None], 2, None),
        (30, [2], 2, None),  # another metric needs the pods
        (133, [9], 5, "TooManyReplicas"),
    ],
)
def test_largest_proposal_of_all_metrics_counts(
    percent: int, others: list[int | None], recommended: int, limited_by: str | None
) -> None:
    result = Evaluator().evaluate(autoscaler(2, 2, percent), pods(2), samples(percent, 2), NOW, 2, others)
    assert result and fields(result, "recommended", "limited_by") == (recommended, limited_by)


def test_metric_without_a_figure_forbids_a_scale_down() -> None:
    hpa = autoscaler(4, 4, 20)
    blocked, free = Evaluator(), Evaluator()
    for second in range(0, 121, 15):
        at = NOW + second
        stuck = blocked.evaluate(hpa, pods(4), samples(20, 4, at), at, 4, [None])
        goes = free.evaluate(hpa, pods(4), samples(20, 4, at), at, 4, [1])
    assert stuck and fields(stuck, "wanted", "recommended", "until", "then") == (2, None, None, None)
    assert goes and fields(goes, "wanted", "recommended", "until_replicas") == (2, 2, 2)


def test_no_evaluation_without_a_cpu_target() -> None:
    memory = {"name": "memory", "target": {"type": "AverageValue", "averageValue": "70Mi"}}
    for metrics in (None, [], [{"type": "Resource", "resource": memory}], [{"type": "Pods", "pods": {}}]):
        hpa = autoscaler(2, 2, None, metrics=metrics)
        assert Evaluator().evaluate(hpa, pods(2), samples(70, 2), NOW, 2) is None


def autoscaler_in_millicores(current: int, desired: int, reported: int | None, **more: Any) -> objects.Autoscaler:
    """Return an autoscaler with a target of 70 m per pod."""
    cpu = {"name": "cpu", "target": {"type": "AverageValue", "averageValue": "70m"}}
    target = {"type": "Resource", "resource": cpu}
    hpa = autoscaler(current, desired, None, **{"metrics": [target]} | more)
    value = objects.MetricValue(average_value=None if reported is None else f"{reported}m")
    metric = objects.Metric("Resource", objects.ResourceMetric("cpu", current=value))
    return msgspec.structs.replace(hpa, status=msgspec.structs.replace(hpa.status, current_metrics=[metric]))


def pods_without_request(count: int) -> list[objects.Pod]:
    spec = objects.PodSpec(containers=[objects.Container("flask")])
    return [msgspec.structs.replace(one, spec=spec) for one in pods(count)]


def test_target_in_millicores_is_evaluated_in_millicores() -> None:
    evaluation = evaluated(autoscaler_in_millicores(2, 2, 133), pods_without_request(2), samples(133, 2))
    assert evaluation["sentence"] == "2 pods at 133 m of a 70 m target → ceil(2 × 133 / 70) = 4, +4 allowed now"
    assert evaluation["next"] == "The same work is about 66 m for each of 4 pods."
    assert fields(evaluation, "unit", "target", "low", "high", "percent", "ratio") == ("m", 70, 63, 77, 133, 1.9)
    assert fields(evaluation, "measured", "wanted", "recommended", "newest") == (2, 4, 4, True)
    assert evaluated(autoscaler(2, 2, 133), pods(2), samples(133, 2))["unit"] == "%"


def test_millicores_within_the_tolerance_change_nothing() -> None:
    evaluation = evaluated(autoscaler_in_millicores(3, 3, 77), pods(3), samples(77, 3))
    assert fields(evaluation, "wanted", "next") == (3, "Nothing changes from 63 to 77 m.")
    assert evaluation["condition"] == "From 3 pods, one goes once CPU has stayed at or under 46 m for 60 s."


def test_missing_sample_counts_as_the_target_in_millicores_and_an_unready_pod_as_idle() -> None:
    down = evaluated(autoscaler_in_millicores(3, 3, 10), pods(3), samples(10, 2))
    assert down["formula"] == "(2 × 10 + 1 × 70) / 3 = 30 → ceil(3 × 30 / 70) = 2"
    assert down["notes"] == ["1 pod without a sample: counted as 70 m, since it would scale down."]
    starting = [pod(name, phase="Pending", conditions=None) for name in ("p8", "p9")]
    up = evaluated(autoscaler_in_millicores(2, 4, 133), [*pods(2), *starting], samples(133, 2))
    assert up["formula"] == "(2 × 133 + 2 × 0) / 4 = 66 → |66 / 70 − 1| = 0.06 ≤ 0.1"
    assert up["notes"] == ["2 pods not measured yet: counted as 0 m, since it would scale up."]


def test_controllers_millicores_are_explained_without_samples() -> None:
    evaluation = evaluated(autoscaler_in_millicores(2, 2, 133), pods_without_request(2), {})
    assert fields(evaluation, "formula", "percent", "newest") == ("ceil(2 × 133 / 70) = 4", 133, False)


def test_controllers_millicores_count_if_newer() -> None:
    evaluator, two = Evaluator(), pods(2)
    evaluator.evaluate(autoscaler_in_millicores(2, 2, 50), two, samples(50, 2), NOW, 2)
    evaluation = evaluator.evaluate(autoscaler_in_millicores(2, 2, 120), two, samples(50, 2), NOW + 8, 2)
    assert evaluation is not None and fields(evaluation, "percent", "newest", "wanted") == (120, False, 4)


def test_container_metric_in_millicores_measures_that_container() -> None:
    cpu = {"name": "cpu", "container": "flask", "target": {"type": "AverageValue", "averageValue": "70m"}}
    used = {"flask": "140m", "mesh": "900m"}
    containers = [objects.ContainerMetrics(name, {"cpu": cpu}) for name, cpu in used.items()]
    measured = {"p0": objects.PodMetrics(objects.Meta(name="p0"), rfc3339(NOW), "15s", containers)}
    metrics = [{"type": "ContainerResource", "containerResource": cpu}]
    hpa = autoscaler_in_millicores(1, 1, None, metrics=metrics, minReplicas=1)
    result = evaluated(hpa, pods_without_request(1), measured)
    assert fields(result, "percent", "wanted", "unit") == (140, 2, "m")


def test_change_of_the_targets_unit_resets_the_history() -> None:
    evaluator, two = Evaluator(), pods(2)
    evaluator.evaluate(autoscaler(2, 2, 133), two, samples(133, 2), NOW, 2)
    evaluation = evaluator.evaluate(autoscaler_in_millicores(2, 2, None), two, samples(20, 2, NOW + 5), NOW + 6, 2)
    assert evaluation is not None and fields(evaluation, "percent", "newest", "until") == (20, True, None)


@pytest.mark.parametrize("metric", [
    {"type": "Utilization", "averageUtilization": 2**31 - 1},
    {"type": "Utilization", "averageUtilization": 1},
    {"type": "AverageValue", "averageValue": "5E"},
    {"type": "AverageValue", "averageValue": "1e20"},
    {"type": "AverageValue", "averageValue": "1n"},
])  # fmt: skip
@pytest.mark.parametrize(("low", "high", "current"), [(1, 2**31 - 1, 3), (3, 2**31 - 1, 2**31 - 1), (9, 2, 3)])
def test_numbers_of_extreme_objects_fit_into_64_bits(
    metric: dict[str, Any], low: int, high: int, current: int
) -> None:
    cpu = {"type": "Resource", "resource": {"name": "cpu", "target": metric}}
    policies = [{"type": type, "value": 2**31 - 1, "periodSeconds": 1800} for type in ("Percent", "Pods")]
    rules = {"stabilizationWindowSeconds": 3600, "policies": policies, "tolerance": "1e20"}
    for behavior in (None, {"scaleUp": rules, "scaleDown": rules}):
        spec = {"metrics": [cpu], "minReplicas": low, "maxReplicas": high, "behavior": behavior}
        for used in (0, 133, 10**15):
            evaluation = evaluated(autoscaler(current, current, None, **spec), pods(3), samples(used, 2))
            assert len(msgspec.json.encode(evaluation)) < 10_000 and all(map(fits_into_64_bits, evaluation.values()))


def fits_into_64_bits(value: object) -> bool:
    return not isinstance(value, int) or -(2**63) <= value < 2**63


def test_replaced_autoscaler_of_the_same_name_resets_the_history() -> None:
    evaluator, five = Evaluator(), pods(5)
    evaluator.evaluate(autoscaler(5, 5, 70), five, samples(70, 5), NOW, 5)
    other = msgspec.structs.replace(autoscaler(5, 4, 10, NOW + 1), metadata=objects.Meta(name="flask", uid="other"))
    evaluation = evaluator.evaluate(other, five, samples(10, 5), NOW + 1, 5)
    assert evaluation is not None and evaluation["last"] is None


def test_same_input_gives_the_same_evaluation() -> None:
    hpa, members, measured = autoscaler(3, 3, 84), pods(3), samples(84, 3)
    evaluator = Evaluator()
    first = evaluator.evaluate(hpa, members, measured, NOW, 3)
    assert all(evaluator.evaluate(hpa, members, measured, NOW + later, 3) == first for later in (0, 1, 5, 12))
