"""The recorded Events, as the API server receives them."""

from collections.abc import Callable

import pytest

from dashboard.core.errors import ExternalError
from dashboard.kube.client import KubeClient
from dashboard.kube.event_recorder import EventRecorder
from tests.dashboard.kube.manifests import SPACE
from tests.dashboard.kube.stubs import NAMESPACE, ManualClock, ObjectApi


@pytest.fixture
def recorder(clients: Callable[[float], KubeClient], clock: ManualClock) -> EventRecorder:
    return EventRecorder(clients, NAMESPACE, "dashboard-a", clock)


def test_event_is_created_on_its_object(object_api: ObjectApi, recorder: EventRecorder) -> None:
    about = {"kind": "StatefulSet", "name": "mongodb", "uid": "set-1"}
    recorder.record("Killed", "m" * 5000, about, "Warning")
    ((path, event),) = object_api.created
    assert path == f"{SPACE}/events"
    assert event["involvedObject"] == {**about, "apiVersion": "apps/v1", "namespace": "flask-mongodb"}
    assert (event["reason"], event["type"], event["count"]) == ("Killed", "Warning", 1)
    assert event["metadata"] == {"generateName": "mongodb.", "namespace": "flask-mongodb"}
    assert event["firstTimestamp"] == event["lastTimestamp"] == "2026-05-28T20:26:40.000Z"
    assert len(event["message"]) == 1000


def test_missing_permission_raises(object_api: ObjectApi, recorder: EventRecorder) -> None:
    object_api.error = (403, {})
    with pytest.raises(ExternalError, match="may not create an Event"):
        recorder.record("Killed", "…", {"kind": "Pod", "name": "mongodb-0", "uid": "uid-1"})
