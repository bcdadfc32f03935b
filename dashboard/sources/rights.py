"""The rights that the page's actions need, asked of the API server every REVIEW_SECONDS.

A component of the manifests that leaves an action out takes its rights away, and so its buttons.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence

from dashboard.clock import now
from dashboard.core.errors import ExternalError, InvalidOption
from dashboard.core.events import ActionsAllowed, Emit

REVIEW_SECONDS = 15.0
RETRY_SECONDS = 5.0  # after a failure

Right = tuple[str, str, str, str]  # verb, API group and version, resource, name
Ask = Callable[..., bool]  # kube.objects.control.ObjectControl.allowed

log = logging.getLogger(__name__)


class RightsSource:
    """Emits which of the actions are allowed: those of whose rights none is missing. Unknown ones are not allowed."""

    def __init__(self, ask: Ask, needs: Mapping[str, Sequence[Right]], emit: Emit) -> None:
        self._ask = ask
        self._needs = needs
        self._emit = emit
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rights", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        known: list[str] | None = None
        pause = 0.0
        while not self._stopped.wait(pause):
            try:
                found = self.allowed()
                pause = REVIEW_SECONDS
            except (ExternalError, InvalidOption) as error:  # what was known still holds
                log.warning("the dashboard's rights are not known: %s", error)
                pause = RETRY_SECONDS
                continue
            except Exception:  # a bug must not end the thread
                log.exception("could not review the rights")
                pause = REVIEW_SECONDS
                continue
            if found != known:
                self._emit(ActionsAllowed(at=now(), actions=found))
                known = found

    def allowed(self) -> list[str]:
        """Ask the API server. Raise `ExternalError`."""
        return [action for action, rights in self._needs.items() if all(self._ask(*right) for right in rights)]


def needs(deployment: str, autoscaler: str) -> dict[str, list[Right]]:
    """Return the rights that each action needs."""
    return {
        "rollout": [("patch", "apps/v1", "deployments", deployment), ("list", "apps/v1", "replicasets", "")],
        "autoscaler": [("patch", "autoscaling/v2", "horizontalpodautoscalers", autoscaler)],
        "pods": [("delete", "v1", "pods", f"{deployment}-any")],  # of whatever name
    }
