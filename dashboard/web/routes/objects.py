"""Details of the deployment's other objects: what they are, their Events and YAML, and what they are related to.

As with pods, only names that the state has reach the Kubernetes API, and the kinds are these six. A Secret has no kind
here.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from flask import Blueprint, Response, abort, current_app

from dashboard.actions.rollout import REVISION, template_of
from dashboard.core.contract import (
    ObjectCondition,
    ObjectDetails,
    ObjectEvent,
    ObjectFact,
    RelatedObject,
    RevisionDiff,
)
from dashboard.core.revisions import unified, words
from dashboard.kube.object_reader import ObjectReader
from dashboard.kube.pod_details import Json, PodReadError, condition, newest
from dashboard.web.auth import require
from dashboard.web.hub import Hub
from dashboard.web.lookups import lookups
from dashboard.web.query import parameters
from dashboard.web.routes.pods import as_yaml, pod_problems

KINDS = {
    kind.lower(): kind
    for kind in ("Deployment", "StatefulSet", "HorizontalPodAutoscaler", "PersistentVolumeClaim", "Service", "Node")
}
NODE_NOTE = (
    "The dashboard may read nothing cluster-wide, and a node belongs to no namespace: this is what its pods say of it."
)

objects = Blueprint("objects", __name__, url_prefix="/api/objects")


@objects.get("/<kind>/<name>")
@require("viewer")
def details(kind: str, name: str) -> Response:
    """The object: see core.contract.ObjectDetails."""
    parameters()
    hub: Hub = current_app.extensions["hub"]
    state, autoscaler = hub.view(), current_app.config["DASHBOARD"].autoscaler
    if name not in _names(state, autoscaler).get(kind, ()):
        abort(404, "The deployment has no such object, or it is gone.")
    related = list(_related(state, kind, name, autoscaler))
    if kind == "node":
        return _answer(_details(kind, name, None, related, note=NODE_NOTE))
    reader: ObjectReader = current_app.extensions["object_reader"]
    with lookups().one(), pod_problems():
        found = reader.object(KINDS[kind], name)
        events = reader.events(found["metadata"]["uid"])
        revisions, note = _revisions(reader, found) if kind == "deployment" else (None, None)
    return _answer(_details(kind, name, found, related, events=events, revisions=revisions, note=note))


def _answer(shown: ObjectDetails) -> Response:
    return Response(msgspec.json.encode(shown), content_type="application/json")


def _details(
    kind: str,
    name: str,
    found: Json | None,
    related: list[RelatedObject],
    *,
    events: list[Json] | None = None,
    revisions: RevisionDiff | None = None,
    note: str | None = None,
) -> ObjectDetails:
    object_ = found or {}
    meta: Json = object_.get("metadata") or {}
    conditions = (object_.get("status") or {}).get("conditions") or []
    return ObjectDetails(
        kind=KINDS[kind],
        name=name,
        uid=meta.get("uid"),
        created=meta.get("creationTimestamp"),
        facts=[ObjectFact(label, str(value)) for label, value in _facts(KINDS[kind], object_) if value is not None],
        conditions=msgspec.convert([condition(one) for one in conditions], list[ObjectCondition]),
        events=msgspec.convert(newest(events or []), list[ObjectEvent]),
        related=related,
        revisions=revisions,
        note=note,
        yaml=as_yaml(object_) if found else None,
    )


def _names(state: Json, autoscaler: str) -> dict[str, set[str]]:
    """Return the names in the state, by kind."""
    single = {
        kind: {state[kind]["name"]} if state[kind] else set() for kind in ("deployment", "statefulset", "service")
    }
    return single | {
        "horizontalpodautoscaler": {autoscaler} if state["autoscaler"] else set(),
        "persistentvolumeclaim": {one["name"] for one in state["claims"]},
        "node": {pod["node"] for pod in state["pods"] if pod["node"]},
    }


def _facts(kind: str, found: Json) -> Iterator[tuple[str, Any]]:
    spec, status = found.get("spec") or {}, found.get("status") or {}
    meta = found.get("metadata") or {}
    if kind in ("Deployment", "StatefulSet"):
        yield "Replicas", f"{status.get('readyReplicas') or 0} ready of {spec.get('replicas', 1)}"
        yield "Revision", (meta.get("annotations") or {}).get(REVISION)
        yield "Headless Service", spec.get("serviceName")
        yield "Strategy", (spec.get("strategy") or spec.get("updateStrategy") or {}).get("type")
    if kind == "HorizontalPodAutoscaler":
        yield "Replicas", f"{status.get('currentReplicas') or 0}, wanted {status.get('desiredReplicas') or 0}"
        yield "Bounds", f"{spec.get('minReplicas', 1)} to {spec.get('maxReplicas')}"
    if kind == "PersistentVolumeClaim":
        yield "Phase", status.get("phase")
        yield "Capacity", (status.get("capacity") or {}).get("storage")
        yield "Volume", spec.get("volumeName")
        yield "Storage class", spec.get("storageClassName")
        yield "Access", ", ".join(spec.get("accessModes") or []) or None
    if kind == "Service":
        yield "Type", spec.get("type")
        yield "Address", spec.get("clusterIP")
        yield "Ports", ", ".join(f"{one.get('port')} to {one.get('targetPort')}" for one in spec.get("ports") or [])


def _related(state: Json, kind: str, name: str, autoscaler: str) -> Iterator[RelatedObject]:
    """Yield the objects that have to do with this one, as far as the state has them."""
    pods, hpa, owner = state["pods"], state["autoscaler"], state["deployment"]
    service = state["service"]
    if kind == "deployment":
        if hpa and hpa["scales"] == f"Deployment {name}":
            yield RelatedObject("HorizontalPodAutoscaler", autoscaler, None, "scales it")
        if service:
            yield RelatedObject("Service", service["name"], None, "routes requests to its pods")
        yield from (_pod(one, "its pod") for one in pods if one["app"] == name)
    elif kind == "statefulset":
        yield from (_pod(one, "its pod") for one in pods if one["app"] == name)
        for claim in state["claims"]:
            if f"-{name}-" in claim["name"]:
                yield RelatedObject("PersistentVolumeClaim", claim["name"], None, "its volume")
    elif kind == "horizontalpodautoscaler":
        if owner and hpa["scales"] == f"Deployment {owner['name']}":
            yield RelatedObject("Deployment", owner["name"], None, "is scaled by it")
    elif kind == "persistentvolumeclaim":
        yield from (_pod(one, "has it mounted") for one in pods if name.endswith(f"-{one['name']}"))
    elif kind == "service" and owner:
        yield RelatedObject("Deployment", owner["name"], None, "makes its endpoints")
        yield from (_pod(one, "ready endpoint") for one in pods if one["app"] == owner["name"] and one["ready"])
    elif kind == "node":
        yield from (_pod(one, "runs on it") for one in pods if one["node"] == name)


def _pod(view: Json, role: str) -> RelatedObject:
    return RelatedObject("Pod", view["name"], view["uid"], role)


def _revisions(reader: ObjectReader, deployment: Json) -> tuple[RevisionDiff | None, str | None]:
    """Return the two newest revisions' differences, or why there are none."""
    try:
        found = reader.replica_sets(deployment["metadata"]["uid"])
    except PodReadError as error:
        return None, f"The revisions can't be compared. {error}"
    numbered = sorted(((number, one) for one in found if (number := _number(one)) is not None), key=lambda one: one[0])
    if len(numbered) < 2:
        return None, "There is one revision only, so there is nothing to compare."
    (before, old), (after, new) = numbered[-2:]
    was, now = template_of(old), template_of(new)
    diff = unified(as_yaml(was), as_yaml(now), (f"revision {before}", f"revision {after}"))
    return RevisionDiff(before, after, words(was, now), diff), None


def _number(replica_set: Json) -> int | None:
    text = (replica_set["metadata"].get("annotations") or {}).get(REVISION, "")
    return int(text) if text.isdecimal() else None
