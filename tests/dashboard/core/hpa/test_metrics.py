"""The pods' facts and CPU samples that the evaluation reads from objects."""

from typing import Any

import msgspec
import pytest

from dashboard.core import objects
from dashboard.core.hpa.metrics import MILLICORES, pod_facts, usage_sample
from dashboard.core.timestamps import rfc3339

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("spec", "container", "request_"),
    [
        ({"containers": [{"name": "a", "resources": {"requests": {"cpu": "100m"}}}, {"name": "b"}]}, "", None),
        ({"containers": [{"name": "a", "resources": {"requests": {"cpu": "100m"}}}, {"name": "b"}]}, "a", 100),
        ({"containers": [{"name": "a", "resources": {"requests": {"cpu": "100m"}}}, {"name": "b"}]}, "c", None),
        (
            {
                "containers": [{"name": "a", "resources": {"requests": {"cpu": "100m"}}}],
                "initContainers": [
                    {"name": "once"},
                    {"name": "mesh", "restartPolicy": "Always", "resources": {"requests": {"cpu": "0.05"}}},
                ],
            },
            "",
            150,
        ),
        ({"resources": {"requests": {"cpu": "1"}}, "containers": [{"name": "a"}]}, "", 1000),
    ],
)
def test_request_is_the_pods_own_or_the_sum_of_long_running_containers(
    spec: dict[str, Any], container: str, request_: int | None
) -> None:
    pod = msgspec.convert({"metadata": {"name": "p"}, "spec": spec}, objects.Pod)
    assert pod_facts(pod, container).request == request_


@pytest.mark.parametrize("container", ["", "a", "c"])
def test_target_in_millicores_needs_no_request(container: str) -> None:
    spec = {"containers": [{"name": "a"}, {"name": "b", "resources": {"requests": {"cpu": "1"}}}]}
    pod = msgspec.convert({"metadata": {"name": "p"}, "spec": spec}, objects.Pod)
    assert pod_facts(pod, container).request is None
    assert pod_facts(pod, container, MILLICORES).request == 100


@pytest.mark.parametrize(
    ("window", "seconds"), [("19.583s", 19.583), ("1m0s", 60.0), ("1h2m3.5s", 3723.5), ("500ms", 0.5), ("", 0.0)]
)
def test_window_is_parsed_as_a_go_duration(window: str, seconds: float) -> None:
    used = [objects.ContainerMetrics("a", {"cpu": "1500000n"}), objects.ContainerMetrics("b", {"cpu": "2m"})]
    sample = usage_sample(objects.PodMetrics(objects.Meta(name="p"), rfc3339(NOW), window, used))
    assert sample is not None and sample.window == pytest.approx(seconds) and (sample.used, sample.at) == (4, NOW)


def test_sample_without_a_containers_cpu_is_none() -> None:
    used = [objects.ContainerMetrics("a", {"cpu": "1m"}), objects.ContainerMetrics("b", {"memory": "1Mi"})]
    metrics = objects.PodMetrics(objects.Meta(name="p"), rfc3339(NOW), "15s", used)
    assert usage_sample(metrics) is None and usage_sample(msgspec.structs.replace(metrics, containers=None)) is None
    sample = usage_sample(metrics, "a")
    assert sample is not None and sample.used == 1


def test_deletion_was_requested_one_grace_period_before_the_deletion_timestamp() -> None:
    meta = {"name": "p", "deletionTimestamp": rfc3339(NOW + 30), "deletionGracePeriodSeconds": 30}
    assert pod_facts(msgspec.convert({"metadata": meta}, objects.Pod)).leaving == NOW
    assert pod_facts(msgspec.convert({"metadata": {"name": "p"}}, objects.Pod)).leaving is None
