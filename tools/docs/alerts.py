"""Generator of the alert rules for the Prometheus operator: `python -m tools.docs.alerts`.

The rules are in k8s/components/monitoring/rules, as Prometheus reads them, and a PrometheusRule has the same groups.
"""

from pathlib import Path
from typing import Any

import yaml

COMPONENTS = Path(__file__).parents[2] / "k8s" / "components"
RULES = COMPONENTS / "monitoring" / "rules"
TARGET = COMPONENTS / "alerts" / "flask-mongodb-prometheusrule.yaml"
HEAD = "# Written by `python -m tools.docs.alerts` from k8s/components/monitoring/rules, which has the reasons.\n"


def groups() -> list[dict[str, Any]]:
    """Return the groups of all rules, in the order of their files' names."""
    return [group for path in sorted(RULES.glob("*.yaml")) for group in yaml.safe_load(path.read_text())["groups"]]


def render() -> str:
    """Return the text of the PrometheusRule."""
    labels = {"app.kubernetes.io/part-of": "flask-mongodb"}
    rule = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "flask-mongodb", "namespace": "flask-mongodb", "labels": labels},
        "spec": {"groups": groups()},
    }
    return HEAD + yaml.safe_dump(rule, sort_keys=False, width=1000)


if __name__ == "__main__":
    TARGET.write_text(render())
