"""An application of examples/, and a dashboard beside it: of the module's EXAMPLE."""

from collections.abc import Iterator

import pytest

from tests.e2e.deployment import Deployment
from tests.e2e.examples import Application, InstalledDashboard


@pytest.fixture(scope="module")
def application(request: pytest.FixtureRequest, deployment: Deployment) -> Iterator[Application]:
    """The module's example in its own namespace, Ready."""
    made = Application(deployment, request.module.EXAMPLE)
    made.apply()
    yield made
    made.delete()


@pytest.fixture(scope="module")
def dashboard(application: Application) -> Iterator[InstalledDashboard]:
    with application.dashboard() as installed:
        yield installed
