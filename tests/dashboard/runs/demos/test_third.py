"""A third demo is run, listed, saved and reported by what its `Demo` object declares."""

import json

from flask import Flask
from flask.testing import FlaskClient

from dashboard.core.errors import ExternalError
from dashboard.runs.demos.registry import DEMOS
from dashboard.runs.records.record import RUNS
from dashboard.web.report.report import Report
from tests.dashboard.runs.demos.third import DEMO
from tests.dashboard.runs.finished_run import metrics
from tests.dashboard.runs.harness import RunHarness
from tests.dashboard.stubs import AS_OPERATOR, OPERATOR

ALL = {**DEMOS, DEMO.id: DEMO}


def test_third_demo_runs_to_its_verdict_and_is_saved() -> None:
    harness = RunHarness(demos=ALL)
    run = harness.run("sleep", seconds=5)
    assert (run["verdict"], run["evidence"], run["line"]) == ("pass", {"slept": 5.0}, "sleep PASS slept=5.0")
    (row,) = harness.manager.list()
    assert (row["figures"], row["key_figures"], row["compared"]) == ({"slept": 5.0}, ["slept 5 s"], 5.0)
    assert harness.cluster.history[0]["id"] == run["id"]


def test_number_of_runs_that_wait_to_be_saved_is_limited() -> None:
    harness = RunHarness(demos=ALL)
    harness.cluster.errors["save"] = ExternalError("The ConfigMap is not there.")
    runs = [harness.run("sleep", seconds=1)["id"] for _ in range(RUNS + 5)]
    assert [*harness.manager._archive._unsaved] == runs[-RUNS:]
    del harness.cluster.errors["save"]
    harness.manager._archive.sync()
    assert [run["id"] for run in harness.cluster.history] == runs[: -RUNS - 1 : -1]


def test_third_demo_has_a_report_with_its_claim_and_evidence(app: Flask) -> None:
    run = RunHarness(demos=ALL).run("sleep")
    with app.test_request_context():
        page = Report(run, metrics(), "flask-mongodb", "kind", None, ALL).as_html()
    conclusion = DEMO.conclusion({})
    assert conclusion.does_not_show in page and DEMO.evidence[0].words in page and "1 s" in page


def test_api_page_and_mock_have_the_third_demo(app: Flask, client: FlaskClient) -> None:
    app.extensions["manager"].demos = ALL
    listed = {demo["id"]: demo for demo in client.get("/api/demos", headers=AS_OPERATOR).json}
    assert list(listed) == ["persistence", "autoscale", "rollout", "self-healing", "failover", "sleep"]
    assert listed["sleep"]["options"] == [{"name": "seconds", "min": 1.0, "max": 60.0, "unit": "seconds"}]
    assert listed["persistence"]["by_hand"]["command"] == "kubectl -n flask-mongodb delete pod mongodb-0"
    assert listed["sleep"]["by_hand"]["command"] == "kubectl -n flask-mongodb exec deployment/flask -- sleep 1"
    client.post("/login", data={"token": OPERATOR})
    page = client.get("/").text
    specs = page.split('id="demo-specs">', 1)[1].split("</script>", 1)[0]
    assert [demo["claim"] for demo in json.loads(specs)][-1] == DEMO.claim
    body = {"demo": "sleep", "options": {"seconds": 0}}
    refused = client.post("/api/runs", json=body, headers=AS_OPERATOR)
    assert refused.status_code == 422 and "from 1 to 60" in refused.json["detail"]
