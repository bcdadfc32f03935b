"""What the composition root builds the application from."""

from collections.abc import Sequence
from typing import Protocol

from dashboard.actions.actions import Control
from dashboard.dataservice.protocol import DataService
from dashboard.kube.objects.reader import ObjectReader
from dashboard.kube.pods.details import PodReader
from dashboard.mock.runs.manager import MockRunManager
from dashboard.runs.manager import RunManager
from dashboard.web.audit_log import AuditLog, Record
from dashboard.web.history_saver import HistorySaver

Manager = RunManager | MockRunManager


class Source(Protocol):
    """Emits events to the hub, from its own threads, between start and stop."""

    def start(self) -> None: ...
    def stop(self) -> None: ...


class DashboardParts(Protocol):
    """Builds the parts, and starts none of them."""

    def sources(self) -> Sequence[Source]: ...
    def pod_reader(self) -> PodReader: ...
    def object_reader(self) -> ObjectReader: ...
    def object_control(self) -> Control: ...
    def data_service(self) -> DataService: ...
    def record(self) -> Record | None:
        """Return a writer of Kubernetes Events; None where there is no cluster, or nothing is kept in it."""

    def history_saver(self, audit: AuditLog) -> HistorySaver | None:
        """Return the saver of the history; None where nothing is kept, or the past is made up."""

    def manager(self, audit: AuditLog) -> Manager: ...
