"""The page's HTML."""

from dataclasses import replace

from dashboard.app import create_app
from dashboard.config import DashboardConfig
from tests.dashboard.stubs import AS_VIEWER


def test_commands_on_the_page_use_the_configured_service_address(config: DashboardConfig) -> None:
    app = create_app(replace(config, service_address="http://service.example:81"))
    page = app.test_client().get("/", headers=AS_VIEWER).text
    assert 'data-service-address="http://service.example:81"' in page
    assert "-c 100 http://service.example:81/" in page
