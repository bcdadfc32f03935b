"""Metrics in Prometheus's text format."""

from prometheus_client.parser import text_string_to_metric_families


def figures(text: bytes) -> dict[str, float]:
    """Return {name and labels' values: value}."""
    families = text_string_to_metric_families(text.decode())
    return {" ".join([each.name, *each.labels.values()]): each.value for family in families for each in family.samples}
