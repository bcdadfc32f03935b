"""GET /, for people and for load generators."""

from __future__ import annotations

from flask.testing import FlaskClient

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def test_scripts_get_json_with_the_version_and_links_that_work(client: FlaskClient) -> None:
    answer = client.get("/", headers={"Accept": "*/*"})
    assert answer.content_type == "application/json"
    assert answer.get_json()["version"] == "1.2.3"
    for path in answer.get_json()["links"].values():
        assert client.get(path).status_code in (200, 503)  # readiness: nobody has reached MongoDB for this client


def test_browsers_get_a_page(client: FlaskClient) -> None:
    answer = client.get("/", headers={"Accept": BROWSER})
    assert (answer.status_code, answer.content_type) == (200, "text/html; charset=utf-8")
    assert 'href="/data"' in answer.text
    assert answer.headers["Vary"] == "Accept"


def test_answer_does_not_change_from_one_pod_to_the_next(client: FlaskClient) -> None:
    bodies = {client.get("/", headers={"X-Request-Id": f"{number}"}).data for number in range(3)}
    assert len(bodies) == 1
