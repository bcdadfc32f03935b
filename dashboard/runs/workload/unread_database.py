"""A database that the dashboard does not read: its process is known by its pod."""

from collections.abc import Mapping

from dashboard.core.errors import ExternalError
from dashboard.runs.ports import Pods
from dashboard.runs.workload.primary import Primary

NO_ADAPTER = "the target's file names no adapter for it"


class UnreadDatabase:
    """Implements `runs.ports.DatabaseReader`. The database answers if its pod is Ready: up to a probe's period later
    than it does."""

    reads = False
    database = ""
    place: str | None = None
    problem = ""

    def __init__(self, pods: Pods, pod: str, why: str = NO_ADAPTER) -> None:
        self.note: str | None = f"The database itself is not read: {why}"
        self._pods = pods
        self._pod = pod

    def primary(self) -> Primary | None:
        try:
            found = self._pods.pod(self._pod)
        except ExternalError:
            return None
        return Primary(found.container, found.name) if found.ready and found.container else None

    def read(self, run: str) -> Mapping[str, str]:
        raise NotImplementedError
