"""The mock as a source."""

import pytest

from dashboard.core.events import OperationRate
from dashboard.core.targets import Targets
from dashboard.mock import Mock
from tests.dashboard.stubs import Emitted


@pytest.mark.slow
def test_events_arrive_in_real_time_until_it_stops(emitted: Emitted) -> None:
    mock = Mock(Targets("flask-mongodb", "mock", "flask", "mongodb", "flask", "flask"), emitted)
    mock.start()
    emitted.wait(lambda emitted: len(emitted.of(OperationRate)) > 1)
    mock.stop()
