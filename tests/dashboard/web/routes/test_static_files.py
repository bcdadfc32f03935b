"""The page's static files: which are loaded with it, and how long a browser keeps them."""

import re
from dataclasses import replace
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient

from dashboard.config import DashboardConfig
from dashboard.web.routes.static_files import _version
from tests.dashboard.stubs import AS_VIEWER


def test_modules_that_open_later_are_not_loaded_with_the_page(client: FlaskClient) -> None:
    page = client.get("/", headers=AS_VIEWER).text
    loaded = set(re.findall(r'<link rel="modulepreload" href="static-[0-9a-f]+/js/([^"]+)">', page))
    assert {"main.js", "lib/vendor.js", "documents/form.js", "charts/model/align.js"} <= loaded
    later = {"documents/documentDialog.js", "documents/version.js", "logs/view.js", "logs/dialog.js", "shell/finder.js"}
    assert not {"login.js", *later} & loaded
    assert not any("vendor/" in path for path in loaded)


def main_script(client: FlaskClient) -> str:
    """Return the address of the page's first module."""
    (address,) = re.findall(r'src="(static-[0-9a-f]+/js/main.js)"', client.get("/", headers=AS_VIEWER).text)
    return f"/{address}"


def caching(client: FlaskClient, address: str) -> str | None:
    with client.get(address) as answer:
        assert answer.status_code == 200
        return answer.headers.get("Cache-Control")


def test_browser_asks_once_for_a_file_of_this_version(app: Flask, config: DashboardConfig) -> None:
    app.config["DASHBOARD"] = replace(config, source="cluster")
    client = app.test_client()
    address = main_script(client)
    assert caching(client, address) == "public, max-age=31536000, immutable"
    other = re.sub("static-[0-9a-f]+", "static-0", address)
    assert caching(client, other) == caching(client, "/static/js/main.js") == "no-cache"
    assert client.get(address.replace("main.js", "none.js")).status_code == 404


def test_files_of_the_mock_are_asked_for_again(client: FlaskClient) -> None:
    assert caching(client, main_script(client)) == "no-cache"


def test_version_changes_with_any_file(tmp_path: Path) -> None:
    def version() -> str:
        return _version.__wrapped__(tmp_path)

    (tmp_path / "js").mkdir()
    versions = [version()]
    for name, text in (("js/a.js", "1"), ("js/a.js", "2"), ("js/b.js", "")):
        (tmp_path / name).write_text(text)
        versions.append(version())
    assert len({*versions}) == 4
