"""The parts of a dashboard whose cluster, service and runs are simulated."""

import time
from collections.abc import Sequence

from dashboard.config import DashboardConfig
from dashboard.core.targets import Targets
from dashboard.mock import Mock
from dashboard.mock.cluster.object_control import MockObjectControl
from dashboard.mock.cluster.object_reader import MockObjectReader
from dashboard.mock.cluster.pod_reader import MockPodReader
from dashboard.mock.database.data_service import MockDataService
from dashboard.mock.runs.load_generator import MockLoad
from dashboard.mock.runs.manager import MockRunManager
from dashboard.mock.simulation import SimulationOptions
from dashboard.parts.parts import Source
from dashboard.runs.demos.registry import offered
from dashboard.web.audit_log import AuditLog
from dashboard.web.hub import Hub


class MockParts:
    """Implements `parts.parts.DashboardParts`."""

    def __init__(self, config: DashboardConfig, targets: Targets, hub: Hub) -> None:
        self._config = config
        self._targets = targets
        self._hub = hub
        options = SimulationOptions(
            seed=config.mock_seed,
            speed=config.mock_speed,
            pods=config.mock_pods,
            churn=config.mock_churn,
            quiet=bool(config.mock_quiet),
            autoscaler=config.mock_autoscaler,
            actions=tuple(filter(None, config.mock_actions.split(","))),
            alerts=bool(config.prometheus_url),
        )
        self._mock = Mock(targets, hub.put, options)

    def sources(self) -> Sequence[Source]:
        return [self._mock]

    def pod_reader(self) -> MockPodReader:
        return MockPodReader(self._targets, time.time)

    def object_reader(self) -> MockObjectReader:
        return MockObjectReader(self._targets, self._mock.control, self._hub.view)

    def object_control(self) -> MockObjectControl:
        return self._mock.control

    def data_service(self) -> MockDataService:
        return self._mock.service

    def record(self) -> None:
        return None

    def history_saver(self, audit: AuditLog) -> None:
        return None

    def manager(self, audit: AuditLog) -> MockRunManager:
        """Return the manager, which only simulates kills, loads and verdicts."""
        config, emit = self._config, self._hub.put
        return MockRunManager(
            self._mock,
            MockLoad(self._mock.generate, emit, config.mock_seed),
            self._hub,
            emit,
            audit,
            seed=config.mock_seed,
            speed=config.mock_speed,
            outcome=config.mock_outcome,
            holder=config.name,
            pod=f"{config.statefulset}-0",
            demos=offered(config.mongodb_members, config.withheld),
        )
