"""A database that the dashboard has no adapter for: its process is known by its pod, and nothing is read from it."""

from collections.abc import Mapping

from dashboard.core.errors import ExternalError
from dashboard.runs.ports import Pods
from dashboard.runs.workload.primary import Primary


class UnreadDatabase:
    """Implements `runs.ports.Reader`. The database answers if its pod is Ready: up to a probe's period later than it
    does."""

    reads = False

    def __init__(self, pods: Pods, pod: str) -> None:
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
