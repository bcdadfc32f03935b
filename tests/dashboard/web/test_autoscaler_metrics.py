"""The metrics of the service's autoscaler."""

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from dashboard.web.health import Probes
from dashboard.web.hub import Hub
from tests.dashboard.stubs import AUTOSCALER, TARGETS

KIND = "horizontalpodautoscalers"


def exported(hub: Hub) -> dict[str, float]:
    """Return the autoscaler's series as {name and labels' values: value}."""
    text = Probes(hub).answers()["/metrics"]()[2].decode()
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    found = {" ".join([each.name, *each.labels.values()]): each.value for each in samples}
    prefix = "dashboard_autoscaler_"
    return {name.removeprefix(prefix): value for name, value in found.items() if name.startswith(prefix)}


def hub_with(autoscaler: dict[str, Any] | None, source: str = "live") -> Hub:
    hub = Hub(TARGETS, (KIND,), epoch="e", viewers=1)
    hub.view()["autoscaler"] = autoscaler
    hub.view()["sources"][KIND]["state"] = source
    return hub


def test_autoscaler_is_exported_as_kubernetes_reports_it() -> None:
    hub = hub_with(AUTOSCALER)
    assert exported(hub) == {
        "replicas min": 2, "replicas max": 5, "replicas desired": 3, "replicas current": 2, "cpu_ratio": 0.84,
        "condition ScalingActive": 1, "condition ScalingLimited": 0,
    }  # fmt: skip


def test_figure_that_is_unknown_is_left_out() -> None:
    assert exported(hub_with(None)) == {}
    found = exported(hub_with(AUTOSCALER | {"cpu_percent": None}))
    assert found and "cpu_ratio" not in found


def test_old_report_is_left_out() -> None:
    assert exported(hub_with(AUTOSCALER, "stale")) == {}
