"""Metrics in Prometheus's text format, and what they are made of."""

import datetime as dt
from typing import Any

from prometheus_client.parser import text_string_to_metric_families


def figures(text: bytes) -> dict[str, float]:
    """Return {name and labels' values: value}."""
    families = text_string_to_metric_families(text.decode())
    return {" ".join([each.name, *each.labels.values()]): each.value for family in families for each in family.samples}


NOON = dt.datetime(2026, 11, 30, 12, tzinfo=dt.UTC)
OPERATIONS = dict.fromkeys(("insert", "query", "update", "delete", "getmore", "command"), 1)

# A primary's answers to its sidecar, by command, without what the metrics leave out.
MEMBER: dict[str, dict[str, Any]] = {
    "serverStatus": {
        "connections": {"current": 9, "available": 800}, "opcounters": OPERATIONS,
        "uptimeMillis": 60_000, "mem": {"resident": 120},
        "security": {"SSLServerCertificateExpirationDate": NOON.replace(tzinfo=None)},  # as the driver gives it
    },
    "replSetGetStatus": {"myState": 1, "members": [{"stateStr": "PRIMARY", "optimeDate": NOON, "self": True}]},
    "dbStats": {"fsTotalSize": 2 << 30, "fsUsedSize": 1 << 30},
}  # fmt: skip
