"""The metrics that a scraper reads from /metrics."""

from __future__ import annotations

from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

ID = "0123456789abcdef01234567"


def test_requests_are_counted_by_route_and_not_by_path(client: FlaskClient) -> None:
    before = _samples(client)
    client.get(f"/data/{ID}")
    client.get("/data/" + "f" * 24)
    client.get("/wp-login.php")
    client.open("/", method="BREW")
    after = _samples(client)
    grown = {key: value - before.get(key, 0) for key, value in after.items() if value != before.get(key, 0)}
    counts = {key: value for key, value in grown.items() if key[0] == "http_requests_total" and "/metrics" not in key}
    assert counts == {
        ("http_requests_total", "GET", "/data/<id>", "404"): 2,
        ("http_requests_total", "GET", "unmatched", "404"): 1,
        ("http_requests_total", "other", "unmatched", "405"): 1,
    }
    assert grown["http_request_duration_seconds_count", "GET", "/data/<id>"] == 2


def test_mongodb_commands_are_timed_by_name_and_outcome(client: FlaskClient) -> None:
    before = _samples(client)
    client.post("/data", json={"_id": ID})
    client.post("/data", json={"_id": ID})
    after = _samples(client)
    key = ("mongodb_command_duration_seconds_count", "insert", "success")
    assert after[key] - before.get(key, 0) == 2
    assert after["mongodb_command_duration_seconds_sum", "insert", "success"] > 0


def test_scrape_counts_itself_as_in_flight(client: FlaskClient) -> None:
    client.get("/nowhere")
    assert _samples(client)["http_requests_in_flight",] == 1


def test_metrics_have_build_process_and_connection(app: Flask, client: FlaskClient) -> None:
    app.extensions["service"].store.reach()
    samples = _samples(client)
    assert samples["mongodb_up",] == 1
    assert [key for key in samples if key[0] == "service_build_info" and "1.2.3" in key]
    assert samples["process_resident_memory_bytes",] > 0


def _samples(client: FlaskClient) -> dict[tuple[str, ...], float]:
    """Return every sample, keyed by its name and the values of its labels."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()) if value)): sample.value
        for family in families
        for sample in family.samples
        if "le" not in sample.labels
    }
