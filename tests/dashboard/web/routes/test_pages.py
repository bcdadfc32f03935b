"""The pages themselves."""

from dataclasses import replace

from dashboard.app import create_app
from dashboard.config import DashboardConfig
from tests.dashboard.conftest import VIEWER


def test_commands_on_the_page_name_the_address_at_which_users_reach_the_service(config: DashboardConfig) -> None:
    app = create_app(replace(config, service_address="http://service.example:81"))
    page = app.test_client().get("/", headers={"Authorization": f"Bearer {VIEWER}"}).text
    assert 'data-service-address="http://service.example:81"' in page
    assert "-c 100 http://service.example:81/" in page
