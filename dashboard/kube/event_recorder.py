"""The recorder of Kubernetes Events on the objects that a user acted on. RBAC: create on events."""

import contextlib
import time
from collections.abc import Callable
from typing import Any

from dashboard.core.timestamps import rfc3339
from dashboard.kube.client import KubeClient, object_path
from dashboard.kube.update import READ_SECONDS, translate_update_errors

COMPONENT = "dashboard"  # the Events' source
LONGEST_MESSAGE = 1000  # characters
API_VERSIONS = {"Deployment": "apps/v1", "StatefulSet": "apps/v1", "HorizontalPodAutoscaler": "autoscaling/v2"}

Json = dict[str, Any]


class EventRecorder:
    """Creates Events. `api` makes a client with a read timeout in seconds; `instance` is this dashboard's name."""

    def __init__(
        self, api: Callable[[float], KubeClient], namespace: str, instance: str, now: Callable[[], float] = time.time
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._instance = instance
        self._now = now

    def record(self, reason: str, message: str, about: Json, type_: str = "Normal") -> None:
        """Create an Event on the object {kind, name, uid}. `type_` is Normal or Warning. May raise ExternalError."""
        at = rfc3339(self._now())
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{about['name']}.", "namespace": self._namespace},
            "involvedObject": {
                "apiVersion": API_VERSIONS.get(about["kind"], "v1"),
                "kind": about["kind"],
                "name": about["name"],
                "namespace": self._namespace,
                "uid": about.get("uid") or "",
            },
            "reason": reason,
            "message": message[:LONGEST_MESSAGE],
            "type": type_,
            "firstTimestamp": at,
            "lastTimestamp": at,
            "count": 1,
            "source": {"component": COMPONENT, "host": self._instance},
            "reportingComponent": COMPONENT,
            "reportingInstance": self._instance,
        }
        with contextlib.closing(self._api(READ_SECONDS)) as api, translate_update_errors("create an Event"):
            api.post(object_path(self._namespace, "events"), event)
