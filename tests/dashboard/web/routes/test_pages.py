"""The page's HTML."""

import re
from dataclasses import replace

from flask.testing import FlaskClient

from dashboard.app import create_app
from dashboard.config import DashboardConfig
from tests.dashboard.stubs import AS_VIEWER


def test_commands_on_the_page_use_the_configured_service_address(config: DashboardConfig) -> None:
    app = create_app(replace(config, service_address="http://service.example:81"))
    page = app.test_client().get("/", headers=AS_VIEWER).text
    assert 'data-service-address="http://service.example:81"' in page
    assert "-c 100 http://service.example:81/" in page


def test_modules_that_open_later_are_not_loaded_with_the_page(client: FlaskClient) -> None:
    page = client.get("/", headers=AS_VIEWER).text
    loaded = set(re.findall(r'<link rel="modulepreload" href="static/js/([^"]+)">', page))
    assert {"main.js", "lib/vendor.js", "documents/form.js", "charts/model/align.js"} <= loaded
    later = {"documents/changeDialog.js", "documents/version.js", "logs/view.js", "logs/dialog.js", "shell/finder.js"}
    assert not {"login.js", *later} & loaded
    assert not any("vendor/" in path for path in loaded)
