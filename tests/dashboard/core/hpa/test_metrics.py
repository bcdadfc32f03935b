"""What counts of a pod and of its sample."""

from typing import Any

import msgspec
import pytest

from dashboard.core import objects
from dashboard.core.hpa.metrics import MILLICORES, member, reading
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
def test_a_pod_s_request_is_its_own_or_all_its_long_running_containers(
    spec: dict[str, Any], container: str, request_: int | None
) -> None:
    pod = msgspec.convert({"metadata": {"name": "p"}, "spec": spec}, objects.Pod)
    assert member(pod, container).request == request_


@pytest.mark.parametrize("container", ["", "a", "c"])
def test_a_target_in_millicores_needs_no_request(container: str) -> None:
    spec = {"containers": [{"name": "a"}, {"name": "b", "resources": {"requests": {"cpu": "1"}}}]}
    pod = msgspec.convert({"metadata": {"name": "p"}, "spec": spec}, objects.Pod)
    assert member(pod, container).request is None
    assert member(pod, container, MILLICORES).request == 100


@pytest.mark.parametrize(
    ("window", "seconds"), [("19.583s", 19.583), ("1m0s", 60.0), ("1h2m3.5s", 3723.5), ("500ms", 0.5), ("", 0.0)]
)
def test_a_sample_s_window_is_read_as_go_writes_it(window: str, seconds: float) -> None:
    used = [objects.ContainerMetrics("a", {"cpu": "1500000n"}), objects.ContainerMetrics("b", {"cpu": "2m"})]
    read = reading(objects.PodMetrics(objects.Meta(name="p"), rfc3339(NOW), window, used))
    assert read is not None and read.window == pytest.approx(seconds) and (read.used, read.at) == (4, NOW)


def test_a_sample_that_lacks_a_container_s_cpu_is_none() -> None:
    used = [objects.ContainerMetrics("a", {"cpu": "1m"}), objects.ContainerMetrics("b", {"memory": "1Mi"})]
    told = objects.PodMetrics(objects.Meta(name="p"), rfc3339(NOW), "15s", used)
    assert reading(told) is None and reading(msgspec.structs.replace(told, containers=None)) is None
    only = reading(told, "a")
    assert only is not None and only.used == 1


def test_a_pod_was_asked_to_go_its_grace_before_it_is_to_be_gone() -> None:
    meta = {"name": "p", "deletionTimestamp": rfc3339(NOW + 30), "deletionGracePeriodSeconds": 30}
    assert member(msgspec.convert({"metadata": meta}, objects.Pod)).leaving == NOW
    assert member(msgspec.convert({"metadata": {"name": "p"}}, objects.Pod)).leaving is None
