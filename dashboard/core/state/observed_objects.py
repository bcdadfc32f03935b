"""The cluster's objects as the watches last reported them, by kind, and those that can't be read."""

from collections.abc import Iterable
from typing import Any

from dashboard.core import events
from dashboard.core.objects import Autoscaler, Pod
from dashboard.core.state import views
from dashboard.core.targets import Targets
from dashboard.core.text import plain

LONGEST_NAME = 253
LONGEST_ERROR = 300


class ObservedObjects:
    def __init__(self, targets: Targets) -> None:
        self.targets = targets
        self._objects: dict[str, dict[str, Any]] = {}  # kind → uid → object; a kind is missing until its first list
        self._unreadable: dict[str, dict[str, events.UnreadableObject]] = {}  # source → uid or name → object

    def replace_all(self, event: events.ObjectsListed) -> None:
        """Replace all objects of the kind: some may have been deleted while there was no watch. What can't be read
        keeps its last version."""
        before = self._objects.get(event.kind, {})
        known = {one.uid: before[one.uid] for one in event.unreadable if one.uid in before}
        self._objects[event.kind] = known | {listed.metadata.uid: listed for listed in event.objects}

    def put(self, event: events.ObjectChanged) -> None:
        self._objects.setdefault(event.kind, {})[event.object.metadata.uid] = event.object

    def remove(self, event: events.ObjectDeleted) -> None:
        self._objects.get(event.kind, {}).pop(event.uid, None)

    def note_unreadable(self, event: events.Event) -> None:
        """Note the objects that can't be read, of any kind, until they can be or are gone."""
        match event:
            case events.ObjectUnreadable():
                self._unreadable.setdefault(event.kind, {})[event.object.uid] = event.object
            case events.ObjectsListed():
                self._unreadable[event.kind] = {one.uid: one for one in event.unreadable}
            case events.ObjectChanged():
                self._unreadable.get(event.kind, {}).pop(event.object.metadata.uid, None)
            case events.ObjectDeleted():
                self._unreadable.get(event.kind, {}).pop(event.uid, None)

    def set_unreadable(self, source: str, unreadable: dict[str, events.UnreadableObject]) -> None:
        """Set what can't be read of a source that has no watch, by name."""
        self._unreadable[source] = unreadable

    def unreadable(self, source: str) -> str | None:
        """Return the first of the source's objects that can't be read, with the reason, and the number of others."""
        found = [*self._unreadable.get(source, {}).values()]
        if not found:
            return None
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        return f"{plain(found[0].name, LONGEST_NAME) or 'an object'}{more}: {plain(found[0].error, LONGEST_ERROR)}"

    def kinds(self) -> Iterable[str]:
        """Return the kinds that were listed, or had a change."""
        return self._objects.keys()

    def of(self, kind: str) -> Iterable[Any]:
        return self._objects.get(kind, {}).values()

    def by_uid(self, kind: str, uid: str) -> Any:
        """Return the object, None if there is none."""
        return self._objects.get(kind, {}).get(uid)

    def by_name(self, kind: str, name: str) -> Any:
        """Return the object, None if there is none."""
        return next((each for each in self.of(kind) if each.metadata.name == name), None)

    def autoscaler(self) -> Autoscaler | None:
        found: Autoscaler | None = self.by_name("horizontalpodautoscalers", self.targets.autoscaler)
        return found

    def deployment(self) -> Any:
        return self.by_name("deployments", self.targets.deployment)

    def members(self) -> list[Pod]:
        """Return the pods that the autoscaler measures: those with the Deployment's label."""
        return [pod for pod in self.of("pods") if views.app(pod) == self.targets.deployment]

    def strangers(self) -> frozenset[str]:
        """Return the uids of those that the Deployment has not made: they have its label."""
        return frozenset(pod.metadata.uid for pod in self.members() if self.maker(pod) != self.targets.deployment)

    def maker(self, pod: Pod) -> str | None:
        """Return the name of the Deployment or the StatefulSet if it made the pod. The HPA counts others of the label,
        too."""
        makers = (("Deployment", self.targets.deployment), ("StatefulSet", self.targets.statefulset))
        return next((name for kind, name in makers if views.is_made_by(pod, kind, name)), None)

    def is_ours(self, kind: str, object_: Any) -> bool:
        """Return whether an object belongs to what the demos observe."""
        match kind:
            case "pods":
                return views.app(object_) in self.targets.apps
            case "horizontalpodautoscalers":
                return bool(object_.metadata.name == self.targets.autoscaler)
            case "endpointslices":
                labels = object_.metadata.labels or {}
                return labels.get("kubernetes.io/service-name") == self.targets.service
        return object_.metadata.name in self.targets.apps
