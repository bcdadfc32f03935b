"""The autoscaler's evaluation, on literals as the API sends them."""

# ruff: noqa: RUF001 - the signs of multiplication and subtraction are told as such

from typing import Any

import msgspec
import pytest

from dashboard.core import objects
from dashboard.core.hpa.evaluation import Evaluator
from dashboard.core.timestamps import rfc3339
from dashboard.mock.manifests import BEHAVIOR

NOW = 1_800_000_000.0
CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}


def autoscaler(
    current: int, desired: int, seen: int | None, scaled: float | None = None, **spec: Any
) -> objects.Autoscaler:
    metric = {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": seen}}}
    told = {
        "metadata": {"name": "flask", "uid": "h"},
        "spec": {"minReplicas": 2, "maxReplicas": 5, "metrics": [CPU], "behavior": BEHAVIOR} | spec,
        "status": {
            "currentReplicas": current,
            "desiredReplicas": desired,
            "currentMetrics": None if seen is None else [metric],
            "lastScaleTime": None if scaled is None else rfc3339(scaled),
        },
    }
    return msgspec.convert(told, objects.Autoscaler)


def pod(name: str, since: float = NOW - 600, **more: Any) -> objects.Pod:
    """Ready since a few seconds after its creation; `more` is of its metadata or its status."""
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


def told(
    hpa: objects.Autoscaler, members: list[objects.Pod], found: dict[str, objects.PodMetrics], at: float = NOW
) -> dict[str, Any]:
    """What a evaluation says that begins with this."""
    result = Evaluator().evaluate(hpa, members, found, at, hpa.status.desired_replicas)
    assert result is not None
    return result


def picked(result: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(result[name] for name in names)


def test_over_the_target_it_says_how_many_pods_that_makes() -> None:
    found = told(autoscaler(2, 2, 133), pods(2), samples(133, 2))
    assert found["formula"] == "ceil(2 × 133 / 70) = 4"
    assert found["sentence"] == "2 pods at 133 % of a 70 % target → ceil(2 × 133 / 70) = 4, +4 allowed now"
    assert found["next"] == "The same work is about 66 % of 4 pods."
    assert picked(found, "measured", "percent", "ratio", "wanted", "clamped", "recommended") == (2, 133, 1.9, 4, 4, 4)
    assert picked(found, "then", "provided", "until") == ("2 pods come", "if CPU stays this high", rfc3339(NOW + 15))
    assert picked(found, "limited_by", "until_replicas", "allowed_now", "low", "high") == (None, 4, 4, 63, 77)


@pytest.mark.parametrize("percent", [63, 70, 77])
def test_within_the_tolerance_nothing_changes(percent: int) -> None:
    found = told(autoscaler(3, 3, percent), pods(3), samples(percent, 3))
    assert found["sentence"].endswith(" ≤ 0.1, within the tolerance")
    assert picked(found, "wanted", "next", "until") == (3, "Nothing changes from 63 to 77 %.", None)


def test_each_direction_may_have_its_own_tolerance() -> None:
    behavior = {"scaleUp": {"tolerance": "0.2"}, "scaleDown": {"tolerance": "50m"}}
    found = told(autoscaler(3, 3, 80, behavior=behavior), pods(3), samples(80, 3))
    assert found["formula"] == "|80 / 70 − 1| = 0.14 ≤ 0.2"
    assert picked(found, "low", "high", "tolerance") == (67, 84, {"down": 0.05, "up": 0.2})


def test_no_more_than_the_most_and_no_fewer_than_the_least() -> None:
    most = told(autoscaler(5, 5, 133), pods(5), samples(133, 5))
    assert most["sentence"].endswith("→ ceil(5 × 133 / 70) = 10 → max 5, 5 are the most allowed")
    assert picked(most, "limited_by", "recommended", "until") == ("TooManyReplicas", 5, None)
    least = told(autoscaler(2, 2, 3), pods(2), samples(3, 2))
    assert least["sentence"].endswith("→ ceil(2 × 3 / 70) = 1 → min 2, 2 are the least allowed")
    assert picked(least, "limited_by", "recommended", "until") == ("TooFewReplicas", 2, None)
    assert least["condition"] == "2 pods are the least allowed: however low CPU is, none goes."


def test_a_pod_stays_where_the_rest_would_be_over_the_target_without_it() -> None:
    found = told(autoscaler(5, 5, 60), pods(5), samples(60, 5))
    assert found["sentence"].endswith("→ ceil(5 × 60 / 70) = 5, so nothing changes")
    assert found["limited_by"] is None


@pytest.mark.parametrize(
    ("current", "behavior", "condition"),
    [
        (5, BEHAVIOR, "From 5 pods, one goes once CPU has stayed at or under 56 % for 60 s."),
        (4, BEHAVIOR, "From 4 pods, one goes once CPU has stayed at or under 52 % for 60 s."),
        (3, None, "From 3 pods, one goes once CPU has stayed at or under 46 % for 5 min."),
        (4, {"scaleDown": {"stabilizationWindowSeconds": 0}}, "From 4 pods, one goes once CPU is at or under 52 %."),
        (20, None, "From 20 pods, 2 go once CPU has stayed at or under 62 % for 5 min."),
        (4, {"scaleDown": {"selectPolicy": "Disabled"}}, "Its behavior lets no pod go."),
    ],
)
def test_it_says_when_pods_go(current: int, behavior: Any, condition: str) -> None:
    hpa = autoscaler(current, current, 70, behavior=behavior, maxReplicas=30)
    found = told(hpa, pods(current), samples(70, current))
    assert found["condition"] == condition


def test_its_rules_are_told_as_they_are_and_as_they_are_by_default() -> None:
    ours = told(autoscaler(2, 2, 70), pods(2), samples(70, 2))["rules"]
    assert ours["up"] == "at once, by +100 % or +4 pods in 15 s at most, whichever is more"
    assert ours["down"] == "after 60 s of less, by −50 % in 15 s at most"
    bare = told(autoscaler(2, 2, 70, behavior=None), pods(2), samples(70, 2))["rules"]
    assert bare["down"] == "after 5 min of less, by any number"


def test_new_pods_count_as_idle_until_they_are_measured() -> None:
    starting = [pod(name, phase="Pending", conditions=None) for name in ("p8", "p9")]
    found = told(autoscaler(2, 4, 133), [*pods(2), *starting], samples(133, 2))
    assert found["formula"] == "(2 × 133 + 2 × 0) / 4 = 66 → |66 / 70 − 1| = 0.06 ≤ 0.1"
    assert found["notes"] == ["2 pods not measured yet: counted as 0 %, since it would scale up."]
    assert picked(found, "measured", "unready", "adjusted", "wanted") == (2, 2, 66, 4)


def test_a_missing_sample_counts_as_busy_when_it_would_scale_down() -> None:
    found = told(autoscaler(3, 3, 10), pods(3), samples(10, 2))
    assert found["formula"] == "(2 × 10 + 1 × 100) / 3 = 40 → ceil(3 × 40 / 70) = 2"
    assert found["notes"] == ["1 pod without a sample: counted as 100 %, since it would scale down."]


def test_a_supposed_figure_never_turns_it_round() -> None:
    found = told(autoscaler(3, 3, 60), pods(3), samples(40, 1))
    assert found["formula"] == "(1 × 40 + 2 × 100) / 3 = 80 → 80 / 70 = 1.14 > 1"
    assert picked(found, "wanted", "next") == (3, "Pods without a figure of their own never turn it round.")


def test_going_down_waits_for_the_window_and_says_until_when() -> None:
    evaluation, five = Evaluator(), pods(5)
    for look in range(5):
        at = NOW + 15 * look
        evaluation.evaluate(autoscaler(5, 5, 70 + look), five, samples(70 + look, 5, at), at, 5)
    low = autoscaler(5, 5, 10)
    found = evaluation.evaluate(low, five, samples(10, 5, NOW + 74), NOW + 75, 5)
    assert found is not None
    assert picked(found, "wanted", "recommended", "limited_by") == (1, 5, "ScaleDownStabilized")
    assert picked(found, "then", "provided") == ("3 pods go", "if CPU stays at or under 28 %")
    assert found["next"] == "The most that was wanted in the last 60 s counts, so it waits."
    assert found["until"] == rfc3339(NOW + 120), "the last look that wanted five was 60 s before"
    for at in (NOW + 76, NOW + 90.5, NOW + 117):
        later = evaluation.evaluate(low, five, samples(10, 5, NOW + 74), at, 5)
        assert later == found, "time alone changes nothing, or the page would get a patch each second"
    gone = evaluation.evaluate(autoscaler(5, 2, 10, NOW + 120), five, samples(10, 5, NOW + 74), NOW + 120.2, 2)
    assert gone is not None
    assert gone["last"] == {
        "at": rfc3339(NOW + 120), "from": 5, "to": 2, "formula": "ceil(5 × 10 / 70) = 1 → min 2", "expected": 2,
    }  # fmt: skip
    assert picked(gone, "replicas", "until", "limited_by") == (2, None, "TooFewReplicas")


def test_looks_that_changed_nothing_count_for_the_window_too() -> None:
    evaluation, five, quiet = Evaluator(), pods(5), autoscaler(5, 5, 70)
    for second in range(0, 64, 5):
        evaluation.evaluate(quiet, five, samples(70, 5), NOW + second, 5)
    found = evaluation.evaluate(quiet, five, samples(10, 5, NOW + 62), NOW + 64, 5)
    assert found is not None
    assert picked(found, "limited_by", "until") == ("ScaleDownStabilized", rfc3339(NOW + 120)), "the last was at 60 s"


def test_a_change_is_explained_by_the_pods_that_there_were() -> None:
    """The new pods may be seen before the autoscaler's status is, and the old ones on their way out."""
    evaluation = Evaluator()
    evaluation.evaluate(autoscaler(2, 2, 5), pods(2), samples(5, 2), NOW, 2)
    new = [pod(name, NOW + 14.1 + 3, phase="Pending", conditions=None) for name in ("p8", "p9")]
    found = evaluation.evaluate(autoscaler(2, 4, 133, NOW + 14), [*pods(2), *new], samples(5, 2), NOW + 14.2, 4)
    assert found is not None
    assert picked(found["last"], "from", "to", "expected", "formula") == (2, 4, 4, "ceil(2 × 133 / 70) = 4")
    assert picked(found, "percent", "newest") == (133, False), "its figure is newer than the samples here"
    leaving = {"deletionTimestamp": rfc3339(NOW + 60 + 30), "deletionGracePeriodSeconds": 30}
    left = [*pods(2), *(pod(f"p{index}", NOW + 17, metadata=leaving) for index in (2, 3))]
    found = evaluation.evaluate(autoscaler(4, 2, 20, NOW + 60), left, samples(20, 4, NOW + 50), NOW + 60.3, 2)
    assert found is not None
    assert picked(found["last"], "from", "to", "formula") == (4, 2, "ceil(4 × 20 / 70) = 2")
    assert found["notes"] == ["2 pods on the way out: left out."]


def test_a_rescale_holds_the_next_one_back_by_its_policies() -> None:
    slow = {"scaleUp": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}}
    evaluation = Evaluator()
    evaluation.evaluate(autoscaler(2, 2, 133, behavior=slow), pods(2), samples(133, 2), NOW, 2)
    found = evaluation.evaluate(
        autoscaler(2, 3, 300, NOW + 15, behavior=slow), pods(3), samples(300, 3), NOW + 15.2, 3
    )
    assert found is not None
    assert picked(found, "recommended", "limited_by", "allowed_now") == (3, "ScaleUpLimit", 0)
    assert found["sentence"].endswith("none allowed now")
    assert picked(found, "until", "until_replicas") == (rfc3339(NOW + 75), 4)


def test_the_newer_figure_is_the_one_that_counts() -> None:
    evaluation, two = Evaluator(), pods(2)
    first = evaluation.evaluate(autoscaler(2, 2, 50), two, samples(50, 2), NOW, 2)
    newer_here = evaluation.evaluate(autoscaler(2, 2, 50), two, samples(90, 2, NOW + 5), NOW + 6, 2)
    newer_there = evaluation.evaluate(autoscaler(2, 2, 120), two, samples(90, 2, NOW + 5), NOW + 8, 2)
    agreed = evaluation.evaluate(autoscaler(2, 2, 120), two, samples(120, 2, NOW + 7), NOW + 11, 2)
    assert first and newer_here and newer_there and agreed
    assert [picked(one, "percent", "newest") for one in (first, newer_here, newer_there, agreed)] == [
        (50, True), (90, True), (120, False), (120, True),
    ]  # fmt: skip


def test_without_samples_the_controller_s_figure_is_explained() -> None:
    found = told(autoscaler(2, 2, 133), pods(2), {})
    assert picked(found, "formula", "newest") == ("ceil(2 × 133 / 70) = 4", False)


@pytest.mark.parametrize(
    ("members", "found", "current", "sentence"),
    [
        (2, {}, 2, "No pod has a CPU figure yet: a new one has it about half a minute after it is ready."),
        (0, {}, 2, "There are no pods to measure."),
        (0, {}, 0, "No pods to measure: a Deployment of zero is left alone."),
    ],
)
def test_what_can_t_be_told_is_said(members: int, found: dict[str, Any], current: int, sentence: str) -> None:
    result = told(autoscaler(current, current, None), pods(members), found)
    assert picked(result, "sentence", "formula", "wanted", "until", "percent") == (sentence, None, None, None, None)
    assert result["low"] == 63 and result["condition"]


def test_a_container_without_a_request_is_named_by_its_pod() -> None:
    bare = msgspec.structs.replace(pod("p0"), spec=objects.PodSpec(containers=[objects.Container("flask")]))
    assert told(autoscaler(1, 1, None, minReplicas=1), [bare], samples(1, 1))["sentence"] == (
        "A container of p0 requests no CPU, which the percentage would be of."
    )


def test_outside_of_its_bounds_it_is_brought_back_whatever_cpu_is() -> None:
    found = told(autoscaler(7, 7, 70), pods(7), samples(70, 7))
    assert found["sentence"] == "7 pods, more than the 5 allowed: whatever CPU is, it asks for 5."
    assert picked(found, "recommended", "limited_by", "then") == (5, "TooManyReplicas", "2 pods go")
    found = told(autoscaler(1, 1, 70), pods(1), samples(70, 1))
    assert picked(found, "sentence", "then") == (
        "1 pod, fewer than the 2 allowed: whatever CPU is, it asks for 2.", "1 pod comes",
    )  # fmt: skip


def test_a_metric_of_one_container_counts_that_one() -> None:
    metric = {"type": "ContainerResource", "containerResource": CPU["resource"] | {"container": "flask"}}  # type: ignore[operator]
    used = {"flask": "140m", "mesh": "900m"}
    containers = [objects.ContainerMetrics(name, {"cpu": cpu}) for name, cpu in used.items()]
    found = {"p0": objects.PodMetrics(objects.Meta(name="p0"), rfc3339(NOW), "15s", containers)}
    result = told(autoscaler(1, 1, None, metrics=[metric], minReplicas=1), pods(1), found)
    assert picked(result, "percent", "wanted") == (140, 2)


def test_other_metrics_are_said_to_count_too() -> None:
    memory = {"type": "Resource", "resource": {"name": "memory", "target": {"averageUtilization": 80}}}
    found = told(autoscaler(2, 2, 70, metrics=[memory, CPU]), pods(2), samples(70, 2))
    assert found["notes"] == ["It goes by one more metric, not evaluated here: the highest proposal counts."]


def test_without_a_target_for_cpu_there_is_nothing_to_evaluate() -> None:
    memory = {"name": "memory", "target": {"type": "AverageValue", "averageValue": "70Mi"}}
    for metrics in (None, [], [{"type": "Resource", "resource": memory}], [{"type": "Pods", "pods": {}}]):
        hpa = autoscaler(2, 2, None, metrics=metrics)
        assert Evaluator().evaluate(hpa, pods(2), samples(70, 2), NOW, 2) is None


def by_millicores(current: int, desired: int, seen: int | None, **more: Any) -> objects.Autoscaler:
    """Whose target is 70 m a pod."""
    cpu = {"name": "cpu", "target": {"type": "AverageValue", "averageValue": "70m"}}
    target = {"type": "Resource", "resource": cpu}
    bare = autoscaler(current, desired, None, **{"metrics": [target]} | more)
    value = objects.MetricValue(average_value=None if seen is None else f"{seen}m")
    metric = objects.Metric("Resource", objects.ResourceMetric("cpu", current=value))
    return msgspec.structs.replace(bare, status=msgspec.structs.replace(bare.status, current_metrics=[metric]))


def without_request(count: int) -> list[objects.Pod]:
    spec = objects.PodSpec(containers=[objects.Container("flask")])
    return [msgspec.structs.replace(one, spec=spec) for one in pods(count)]


def test_a_target_in_millicores_is_evaluated_in_millicores() -> None:
    found = told(by_millicores(2, 2, 133), without_request(2), samples(133, 2))
    assert found["sentence"] == "2 pods at 133 m of a 70 m target → ceil(2 × 133 / 70) = 4, +4 allowed now"
    assert found["next"] == "The same work is about 66 m for each of 4 pods."
    assert picked(found, "unit", "target", "low", "high", "percent", "ratio") == ("m", 70, 63, 77, 133, 1.9)
    assert picked(found, "measured", "wanted", "recommended", "newest") == (2, 4, 4, True)
    assert told(autoscaler(2, 2, 133), pods(2), samples(133, 2))["unit"] == "%"


def test_within_the_tolerance_of_so_many_millicores_nothing_changes() -> None:
    found = told(by_millicores(3, 3, 77), pods(3), samples(77, 3))
    assert picked(found, "wanted", "next") == (3, "Nothing changes from 63 to 77 m.")
    assert found["condition"] == "From 3 pods, one goes once CPU has stayed at or under 46 m for 60 s."


def test_a_missing_sample_counts_as_the_target_in_millicores_and_an_unready_pod_as_idle() -> None:
    down = told(by_millicores(3, 3, 10), pods(3), samples(10, 2))
    assert down["formula"] == "(2 × 10 + 1 × 70) / 3 = 30 → ceil(3 × 30 / 70) = 2"
    assert down["notes"] == ["1 pod without a sample: counted as 70 m, since it would scale down."]
    starting = [pod(name, phase="Pending", conditions=None) for name in ("p8", "p9")]
    up = told(by_millicores(2, 4, 133), [*pods(2), *starting], samples(133, 2))
    assert up["formula"] == "(2 × 133 + 2 × 0) / 4 = 66 → |66 / 70 − 1| = 0.06 ≤ 0.1"
    assert up["notes"] == ["2 pods not measured yet: counted as 0 m, since it would scale up."]


def test_without_samples_the_controller_s_millicores_are_explained() -> None:
    found = told(by_millicores(2, 2, 133), without_request(2), {})
    assert picked(found, "formula", "percent", "newest") == ("ceil(2 × 133 / 70) = 4", 133, False)


def test_the_controller_s_millicores_count_where_they_are_newer() -> None:
    evaluation, two = Evaluator(), pods(2)
    evaluation.evaluate(by_millicores(2, 2, 50), two, samples(50, 2), NOW, 2)
    found = evaluation.evaluate(by_millicores(2, 2, 120), two, samples(50, 2), NOW + 8, 2)
    assert found is not None and picked(found, "percent", "newest", "wanted") == (120, False, 4)


def test_a_target_in_millicores_of_one_container_counts_that_one() -> None:
    cpu = {"name": "cpu", "container": "flask", "target": {"type": "AverageValue", "averageValue": "70m"}}
    used = {"flask": "140m", "mesh": "900m"}
    containers = [objects.ContainerMetrics(name, {"cpu": cpu}) for name, cpu in used.items()]
    found = {"p0": objects.PodMetrics(objects.Meta(name="p0"), rfc3339(NOW), "15s", containers)}
    metrics = [{"type": "ContainerResource", "containerResource": cpu}]
    result = told(by_millicores(1, 1, None, metrics=metrics, minReplicas=1), without_request(1), found)
    assert picked(result, "percent", "wanted", "unit") == (140, 2, "m")


def test_a_target_that_changes_its_unit_begins_anew() -> None:
    evaluation, two = Evaluator(), pods(2)
    evaluation.evaluate(autoscaler(2, 2, 133), two, samples(133, 2), NOW, 2)
    found = evaluation.evaluate(by_millicores(2, 2, None), two, samples(20, 2, NOW + 5), NOW + 6, 2)
    assert found is not None and picked(found, "percent", "newest", "until") == (20, True, None)


@pytest.mark.parametrize("metric", [
    {"type": "Utilization", "averageUtilization": 2**31 - 1},
    {"type": "Utilization", "averageUtilization": 1},
    {"type": "AverageValue", "averageValue": "5E"},
    {"type": "AverageValue", "averageValue": "1e20"},
    {"type": "AverageValue", "averageValue": "1n"},
])  # fmt: skip
@pytest.mark.parametrize(("low", "high", "current"), [(1, 2**31 - 1, 3), (3, 2**31 - 1, 2**31 - 1), (9, 2, 3)])
def test_what_comes_of_any_object_fits_the_state_s_json(
    metric: dict[str, Any], low: int, high: int, current: int
) -> None:
    cpu = {"type": "Resource", "resource": {"name": "cpu", "target": metric}}
    policies = [{"type": type, "value": 2**31 - 1, "periodSeconds": 1800} for type in ("Percent", "Pods")]
    rules = {"stabilizationWindowSeconds": 3600, "policies": policies, "tolerance": "1e20"}
    for behavior in (None, {"scaleUp": rules, "scaleDown": rules}):
        spec = {"metrics": [cpu], "minReplicas": low, "maxReplicas": high, "behavior": behavior}
        for used in (0, 133, 10**15):
            found = told(autoscaler(current, current, None, **spec), pods(3), samples(used, 2))
            assert len(msgspec.json.encode(found)) < 10_000 and all(map(fits, found.values()))


def fits(value: object) -> bool:
    return not isinstance(value, int) or -(2**63) <= value < 2**63


def test_another_autoscaler_of_the_name_begins_anew() -> None:
    evaluation, five = Evaluator(), pods(5)
    evaluation.evaluate(autoscaler(5, 5, 70), five, samples(70, 5), NOW, 5)
    other = msgspec.structs.replace(autoscaler(5, 4, 10, NOW + 1), metadata=objects.Meta(name="flask", uid="other"))
    found = evaluation.evaluate(other, five, samples(10, 5), NOW + 1, 5)
    assert found is not None and found["last"] is None


def test_the_same_figures_are_told_the_same() -> None:
    hpa, members, found = autoscaler(3, 3, 84), pods(3), samples(84, 3)
    evaluation = Evaluator()
    once = evaluation.evaluate(hpa, members, found, NOW, 3)
    assert all(evaluation.evaluate(hpa, members, found, NOW + later, 3) == once for later in (0, 1, 5, 12))
