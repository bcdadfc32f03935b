"""A demo is one package and one line: a third one is run, listed, kept and reported by what it says of itself."""

import json

from flask import Flask
from flask.testing import FlaskClient

from dashboard.core.errors import ExternalError
from dashboard.runs.demos.registry import DEMOS
from dashboard.runs.records.record import RUNS
from dashboard.runs.records.report import Report
from tests.dashboard.runs.demos.third import DEMO
from tests.dashboard.runs.test_report import tables
from tests.dashboard.runs.world import Scene
from tests.dashboard.stubs import OPERATOR

HEADERS = {"Authorization": f"Bearer {OPERATOR}"}
ALL = {**DEMOS, DEMO.id: DEMO}


def test_it_runs_to_its_verdict_and_is_kept() -> None:
    scene = Scene(demos=ALL)
    run = scene.run("patience", seconds=5)
    assert (run["verdict"], run["evidence"], run["line"]) == ("pass", {"waited": 5.0}, "patience PASS waited=5.0")
    (row,) = scene.manager.list()
    assert (row["figures"], row["key_figures"], row["compared"]) == ({"waited": 5.0}, ["waited 5 s"], 5.0)
    assert scene.cluster.history[0]["id"] == run["id"]


def test_as_many_runs_as_are_kept_wait_to_be_saved() -> None:
    scene = Scene(demos=ALL)
    scene.cluster.troubles["save"] = ExternalError("The ConfigMap is not there.")
    runs = [scene.run("patience", seconds=1)["id"] for _ in range(RUNS + 5)]
    assert [*scene.manager._archive._unsaved] == runs[-RUNS:]
    del scene.cluster.troubles["save"]
    scene.manager._archive.sync()
    assert [each["id"] for each in scene.cluster.history] == runs[: -RUNS - 1 : -1]


def test_it_has_a_report_in_its_own_words(app: Flask) -> None:
    run = Scene(demos=ALL).run("patience")
    with app.test_request_context():
        told = Report(run, tables(), "flask-mongodb", "kind", None, ALL).as_html()
    assert "Nothing of tomorrow." in told and "How long it waited" in told and "1 s" in told


def test_api_the_page_and_the_mock_have_it(app: Flask, client: FlaskClient) -> None:
    app.extensions["manager"].demos = ALL
    listed = {demo["id"]: demo for demo in client.get("/api/demos", headers=HEADERS).json}
    assert list(listed) == ["persistence", "autoscale", "patience"]
    assert listed["patience"]["options"] == [{"name": "seconds", "min": 1.0, "max": 60.0, "unit": "seconds"}]
    assert listed["persistence"]["by_hand"]["command"] == "kubectl -n flask-mongodb delete pod mongodb-0"
    client.post("/login", data={"token": OPERATOR})
    page = client.get("/").text
    specs = page.split('id="demo-specs">', 1)[1].split("</script>", 1)[0]
    assert [demo["claim"] for demo in json.loads(specs)][-1] == "Time passes"
    asked = {"demo": "patience", "options": {"seconds": 0}}
    refused = client.post("/api/runs", json=asked, headers=HEADERS)
    assert refused.status_code == 422 and "from 1 to 60" in refused.json["detail"]
