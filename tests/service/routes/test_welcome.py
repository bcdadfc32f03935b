"""GET /, for browsers, scripts and load generators."""

from __future__ import annotations

from flask.testing import FlaskClient

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def test_script_gets_json_with_the_version_and_valid_links(client: FlaskClient) -> None:
    response = client.get("/", headers={"Accept": "*/*"})
    assert response.content_type == "application/json"
    assert response.get_json()["version"] == "1.2.3"
    for path in response.get_json()["links"].values():
        assert client.get(path).status_code in (200, 503)  # /readyz: the service has not reached MongoDB yet


def test_browser_gets_html(client: FlaskClient) -> None:
    response = client.get("/", headers={"Accept": BROWSER})
    assert (response.status_code, response.content_type) == (200, "text/html; charset=utf-8")
    assert 'href="/data"' in response.text
    assert response.headers["Vary"] == "Accept"


def test_response_is_the_same_from_every_pod(client: FlaskClient) -> None:
    bodies = {client.get("/", headers={"X-Request-Id": f"{number}"}).data for number in range(3)}
    assert len(bodies) == 1
