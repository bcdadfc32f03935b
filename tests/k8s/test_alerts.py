"""The alert rules: they name metrics that the programs export, and fire when they should.

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
from service.metrics import Metrics
from service.sidecar.figures import exposition
from tests.dashboard.stubs import AUTOSCALER, TARGETS
from tests.service.exposition import MEMBER
from tools.docs.alerts import RULES, TARGET, groups, render

KIND = "horizontalpodautoscalers"
CLAIM = 'namespace="n",demo="persistence"'
DASHBOARD = 'namespace="n",pod="dashboard-1",job="dashboard"'
POD = 'namespace="n",pod="flask-1",job="flask"'
MEMBERS = tuple(f'namespace="n",pod="mongodb-{number}",job="mongodb"' for number in range(3))

Json = dict[str, Any]
Series = list[Json]


def rules() -> list[Json]:
    return [rule for group in groups() for rule in group["rules"]]


def alerts() -> list[Json]:
    return [rule for rule in rules() if "alert" in rule]


def test_operators_rules_are_up_to_date() -> None:
    assert TARGET.read_text() == render(), "Run `python -m tools.docs.alerts`."


def exported_names() -> set[str]:
    hub = Hub(TARGETS, (KIND,), epoch="e", viewers=1)
    hub.view()["sources"][KIND]["state"] = "live"
    run = {"demo": "persistence", "verdict": "pass", "started": "2026-11-27T02:00:00Z", "ended": None}
    hub.view()["runs"].append(run)
    hub.view()["autoscaler"] = AUTOSCALER
    service = Metrics("0", multiprocess=False)
    service.answered("GET", "/data", 200, 0.1)
    dashboard = Probes(hub, demos=DEMOS, proof_seconds=1).answers()["/metrics"]()[2]
    texts = (dashboard, service.exposition(), exposition(MEMBER.get))
    families = (family for text in texts for family in text_string_to_metric_families(text.decode()))
    return {sample.name for family in families for sample in family.samples}


def test_every_rule_is_about_metrics_and_labels_that_are_exported() -> None:
    known = exported_names() | {rule["record"] for rule in rules() if "record" in rule} | {"up"}
    for rule in rules():
        named = set(re.findall(r"\b(?:dashboard|mongodb|http|service)[_:][\w:]+", rule["expr"])) or {"up"}
        assert named <= known, rule
        assert set(re.findall(r'verdict="(\w+)"', rule["expr"])) <= {*VERDICTS}


def test_every_alert_has_a_severity_and_says_what_is_wrong() -> None:
    for rule in alerts():
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert {"summary", "description"} <= rule["annotations"].keys()
    assert len({rule["alert"] for rule in alerts()}) == len(alerts())


def series(name: str, values: str) -> Json:
    return {"series": name, "values": values}


def verdicts(verdict: str | None, at: str | None, nightly: bool = True) -> Series:
    """Return one demo's series for three days: its last verdict, and the values of that one's time."""
    found = [
        series(f'dashboard_verdict{{{CLAIM},verdict="{word}"}}', f"{int(word == verdict)}x5000") for word in VERDICTS
    ]
    promise = series('dashboard_verdict_within_seconds{namespace="n"}', f"{36 * 3600}x5000")
    time = [series(f"dashboard_verdict_timestamp_seconds{{{CLAIM}}}", at)] if at else []
    return [*found, *time, *([promise] if nightly else [])]


def requests(good: str, failed: str, slow: str = "0x500") -> Series:
    """Return a pod's counters: those of 200 and 503, and of all requests that took longer than half a second."""
    fast, every = (f'http_request_duration_seconds_bucket{{{POD},route="/data",le="{le}"}}' for le in ("0.5", "+Inf"))
    return [
        series(f'http_requests_total{{{POD},status="200"}}', good),
        series(f'http_requests_total{{{POD},status="503"}}', failed),
        series(fast, good if slow == "0x500" else slow),
        series(every, good),
        series(f'http_request_duration_seconds_count{{{POD},route="/data"}}', good),
    ]


def member(number: int, state: str, up: str = "1x500", **figures: str) -> Series:
    """Return a member's series. `figures` are values by metric."""
    values = {"up": up, "state": state, **figures}
    return [series(f"mongodb_member_{name}{{{MEMBERS[number]}}}", each) for name, each in values.items()]


def volume(used: str) -> Series:
    return [
        series(f"mongodb_volume_used_bytes{{{MEMBERS[0]}}}", used),
        series(f"mongodb_volume_size_bytes{{{MEMBERS[0]}}}", "100x1000"),
    ]


def certificate(days: float) -> Series:
    """Return when a certificate ends: so many days after the start, which is at 0."""
    return [series(f"mongodb_certificate_expiry_timestamp_seconds{{{MEMBERS[0]}}}", f"{days * 86400:.0f}x500")]


def replicas(desired: str) -> Series:
    most = series('dashboard_autoscaler_replicas{namespace="n",of="max"}', "5x500")
    return [most, series('dashboard_autoscaler_replicas{namespace="n",of="desired"}', desired)]


def active(values: str) -> Series:
    return [series('dashboard_autoscaler_condition{namespace="n",condition="ScalingActive"}', values)]


NOW, ONCE = "0+60x5000", "0x5000"  # a verdict each minute; one at the beginning
GOOD, NONE = "0+600x500", "0x500"  # 10 requests a second
BURST = "0x60 0+60x10 600x430"  # 10 minutes of 60 failures a minute, an hour after the start
TRICKLE = "0+6x400 2400x100"  # 1 % of all
WELL = [series(f"up{{{each}}}", "1x6000") for each in (POD, MEMBERS[0], DASHBOARD)]
PRIMARY = member(0, "1x6000", up="1x6000")
GONE = series(f"mongodb_member_state{{{MEMBERS[0]}}}", "_x10")
THREE = series(f"mongodb_set_members{{{MEMBERS[0]}}}", "3x500")

LEAST = series('dashboard_autoscaler_replicas{namespace="n",of="min"}', "5x500")
SLOW = {"ServiceSlowFast", "ServiceSlowSlowly"}

# (minutes, series, the alerts that fire then)
CASES: dict[str, tuple[int, Series, set[str]]] = {
    "a FAIL": (60, verdicts("fail", NOW), {"ClaimRefuted"}),
    "INCONCLUSIVE for 35 hours": (35 * 60, verdicts("inconclusive", NOW), set()),
    "INCONCLUSIVE for 37 hours": (37 * 60, verdicts("inconclusive", NOW), {"ClaimUnproved"}),
    "no verdict for 35 hours": (35 * 60, verdicts("pass", ONCE), set()),
    "no verdict for 37 hours": (37 * 60, verdicts("pass", ONCE), {"ClaimNotTried"}),
    "a PASS each minute": (37 * 60, verdicts("pass", NOW), set()),
    "never a verdict, after 35 hours": (35 * 60, verdicts(None, None), set()),
    "never a verdict, after 37 hours": (37 * 60, verdicts(None, None), {"ClaimNeverTried"}),
    "never a verdict, and nothing tries": (37 * 60, verdicts(None, None, nightly=False), set()),
    "an old verdict, and nothing tries": (37 * 60, verdicts("pass", ONCE, nightly=False), set()),
    "a dashboard that does not answer": (4, [series(f"up{{{DASHBOARD}}}", "0x10")], {"PodUnreachable"}),
    "no dashboard is there": (9, [series(f"up{{{DASHBOARD}}}", "1 stale")], {"DashboardGone"}),
    "requests without a failure": (120, requests(GOOD, NONE), set()),
    "a burst of failures": (72, requests(GOOD, BURST), {"ServiceFailsFast", "ServiceFailsSlowly"}),
    "a burst, half an hour ago": (105, requests(GOOD, BURST), set()),
    "1 % of failures for an hour": (65, requests(GOOD, TRICKLE), {"ServiceFailsSlowly"}),
    "1 % of failures, which ended an hour ago": (470, requests(GOOD, TRICKLE), set()),
    "a fifth of the requests is slow": (90, requests(GOOD, NONE, "0+480x500"), SLOW),
    "a tenth of the requests is slow": (90, requests(GOOD, NONE, "0+540x500"), {"ServiceSlowSlowly"}),
    "slow requests that ended an hour ago": (300, requests(GOOD, NONE, "0+480x200 96600+600x300"), set()),
    "no pod of the service answers": (2, [series(f"up{{{POD}}}", "1 0x10")], {"ServiceGone"}),
    "no pod of the service is there": (9, [series(f"up{{{POD}}}", "1 stale")], {"ServiceGone"}),
    "a pod does not answer": (5, [series(f"up{{{MEMBERS[0]}}}", "0x10")], {"PodUnreachable"}),
    "a pod answers again": (9, [series(f"up{{{MEMBERS[0]}}}", "0x5 1x10")], set()),
    "a primary": (9, PRIMARY, set()),
    "mongod does not answer": (5, member(0, "_x10", up="0x10"), {"MongoDown"}),
    "mongod answers again": (9, member(0, "_x5 1x5", up="0x5 1x5"), set()),
    "the sidecar is gone": (5, member(0, "1 stale", up="1 stale"), {"MongoDown"}),
    "mongod is in no set": (5, [series(f"mongodb_member_up{{{MEMBERS[0]}}}", "1x10"), GONE], {"MongoWithoutPrimary"}),
    "a member recovers": (9, [*PRIMARY, *member(1, "2x500"), *member(2, "3x500"), THREE], {"MongoMemberMissing"}),
    "a member sees no primary": (9, [*PRIMARY, *member(1, "2x500", sees_primary="0x500")], {"MongoMemberCutOff"}),
    "another program's pod does not answer": (9, [series('up{job="node-exporter"}', "0x10")], set()),
    "no member is primary": (5, [*member(0, "2x10"), *member(1, "2x10")], {"MongoWithoutPrimary"}),
    "another member took over": (5, [*member(0, "1 2x10"), *member(1, "2 2 1x10")], set()),
    "one of three members is missing": (9, [*PRIMARY, *member(1, "2x500"), THREE], {"MongoMemberMissing"}),
    "all three members": (9, [*PRIMARY, *member(1, "2x500"), *member(2, "2x500"), THREE], set()),
    "a member is a minute behind": (5, [*PRIMARY, *member(1, "2x500", lag_seconds="60x10")], {"MongoMemberBehind"}),
    "a member was behind": (9, [*PRIMARY, *member(1, "2x500", lag_seconds="60x5 0x9")], set()),
    "a volume with 5 % left": (5, volume("95x500"), {"MongoVolumeNearlyFull"}),
    "a volume that fills in two days": (500, volume("51+0.017x1000"), {"MongoVolumeFilling"}),
    "a volume that stays": (500, volume("60x1000"), set()),
    "a certificate for 13 days more": (5, certificate(13), {"MongoCertificateEnds"}),
    "a certificate for 15 days more": (5, certificate(15), set()),
    "the autoscaler at its maximum": (20, replicas("5x500"), {"AutoscalerAtMax"}),
    "the autoscaler at its maximum for 10 minutes": (20, replicas("2x10 5x10 2x500"), set()),
    "an autoscaler of one size": (20, [*replicas("5x500"), LEAST], set()),
    "the autoscaler without a figure": (10, active("0x500"), {"AutoscalerBlind"}),
    "the autoscaler has a figure again": (10, active("0x7 1x500"), set()),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_alerts_fire_when_they_should(case: str, tmp_path: Path) -> None:
    if (promtool := shutil.which("promtool")) is None:
        pytest.skip("promtool is not installed")
    minutes, given, firing = CASES[case]
    by_name = {each["series"]: each for each in [*WELL, *PRIMARY, *given]}
    for path in RULES.glob("*.yaml"):
        shutil.copy(path, tmp_path)
    query = 'count by (alertname) (ALERTS{alertstate="firing"})'
    samples = [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in sorted(firing)]
    test = {
        "interval": "1m", "input_series": [*by_name.values()],
        "promql_expr_test": [{"expr": query, "eval_time": f"{minutes}m", "exp_samples": samples}],
    }  # fmt: skip
    rule_files = [path.name for path in RULES.glob("*.yaml")]
    (tmp_path / "test.yml").write_text(yaml.safe_dump({"rule_files": rule_files, "tests": [test]}))
    for command in (["check", "rules", *rule_files], ["test", "rules", "test.yml"]):
        done = subprocess.run([promtool, *command], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
