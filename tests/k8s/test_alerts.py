"""The alert rules: they name metrics that the dashboard exports, and fire when they should.

Their expressions are evaluated by promtool, which `tests/run` unpacks from Debian's package `prometheus`.
"""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from dashboard.runs.demos.registry import DEMOS
from dashboard.runs.verdict import VERDICTS
from dashboard.web.health import Probes
from dashboard.web.hub import Hub
from tests.dashboard.stubs import TARGETS
from tools.cluster.instance import CHECKOUT

RULES = CHECKOUT / "k8s" / "components" / "alerts" / "verdict-prometheusrule.yaml"
LABELS = 'namespace="n",demo="persistence"'

Json = dict[str, Any]


def groups() -> list[Json]:
    found: list[Json] = yaml.safe_load(RULES.read_text())["spec"]["groups"]
    return found


def rules() -> list[Json]:
    return [rule for group in groups() for rule in group["rules"]]


def test_every_rule_is_about_metrics_and_labels_that_the_dashboard_exports() -> None:
    hub = Hub(TARGETS, (), epoch="e", viewers=1)
    run = {"demo": "persistence", "verdict": "pass", "started": "2026-11-27T02:00:00Z", "ended": None}
    hub.view()["runs"].append(run)
    text = Probes(hub, demos=DEMOS).answers()["/metrics"]()[2].decode()
    exported = {sample.name for family in text_string_to_metric_families(text) for sample in family.samples}
    assert len(rules()) >= 3
    for rule in rules():
        named = set(re.findall(r"dashboard_\w+", rule["expr"]))
        assert named and named <= exported, rule["alert"]
        assert set(re.findall(r'verdict="(\w+)"', rule["expr"])) <= {*VERDICTS}


def test_every_rule_has_a_severity_and_says_what_is_wrong() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert {"summary", "description"} <= rule["annotations"].keys()
    assert len({rule["alert"] for rule in rules()}) == len(rules())


def exported(verdict: str | None, at: str | None) -> list[Json]:
    """Return one demo's series for three days: its last verdict, and the values of that one's time."""
    found = [
        {"series": f'dashboard_verdict{{{LABELS},verdict="{word}"}}', "values": f"{int(word == verdict)}x5000"}
        for word in VERDICTS
    ]
    time = {"series": f"dashboard_verdict_timestamp_seconds{{{LABELS}}}", "values": at}
    return [*found, time] if at else found


NOW, ONCE = "0+60x5000", "0x5000"  # a verdict each minute; one at the beginning


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hours", "series", "alert"),
    [
        (1, exported("fail", NOW), "ClaimRefuted"),
        (35, exported("inconclusive", NOW), None),
        (37, exported("inconclusive", NOW), "ClaimUnproved"),
        (35, exported("pass", ONCE), None),
        (37, exported("pass", ONCE), "ClaimNotTried"),
        (37, exported("pass", NOW), None),
        (35, exported(None, None), None),
        (37, exported(None, None), "ClaimNeverTried"),
        (35, [], None),
        (37, [], "ClaimNeverTried"),
    ],
)
def test_alerts_fire_when_they_should(hours: int, series: list[Json], alert: str | None, tmp_path: Path) -> None:
    if (promtool := shutil.which("promtool")) is None:
        pytest.skip("promtool is not installed")
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": groups()}))
    firing = [{"labels": f'{{alertname="{alert}"}}', "value": 1}] if alert else []
    query = 'count by (alertname) (ALERTS{alertstate="firing"})'
    case = {
        "interval": "1m", "input_series": series,
        "promql_expr_test": [{"expr": query, "eval_time": f"{hours}h", "exp_samples": firing}],
    }  # fmt: skip
    (tmp_path / "test.yaml").write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "tests": [case]}))
    for command in (["check", "rules", "rules.yaml"], ["test", "rules", "test.yaml"]):
        done = subprocess.run([promtool, *command], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
