"""Details of the deployment's other objects: what they are, their Events and YAML, and what they are related to.

As with pods, only names that the state has reach the Kubernetes API, and the kinds are these six. A Secret has no kind
here.
"""

import msgspec
from flask import Blueprint, Response, abort, current_app

from dashboard.actions.rollout import template_of
from dashboard.core.deployment.revisions import number_of, unified, words
from dashboard.core.wire import (
    ObjectCondition,
    ObjectDetails,
    ObjectEvent,
    ObjectFact,
    RelatedObject,
    RevisionDiff,
)
from dashboard.kube.errors import ObjectReadError
from dashboard.kube.objects.details import KINDS, facts, names, related_to
from dashboard.kube.objects.reader import ObjectReader
from dashboard.kube.pods.details import Json, condition, newest
from dashboard.web.auth import require
from dashboard.web.hub import Hub
from dashboard.web.lookups import lookups
from dashboard.web.query import parameters
from dashboard.web.routes.pods import as_yaml, read_problems

NODE_NOTE = (
    "The dashboard may read nothing cluster-wide, and a node belongs to no namespace: this is what its pods say of it."
)

objects = Blueprint("objects", __name__, url_prefix="/api/objects")


@objects.get("/<kind>/<name>")
@require("viewer")
def details(kind: str, name: str) -> Response:
    """The object: see core.wire.ObjectDetails."""
    parameters()
    hub: Hub = current_app.extensions["hub"]
    state, autoscaler = hub.view(), current_app.config["DASHBOARD"].autoscaler
    if name not in names(state, autoscaler).get(kind, ()):
        abort(404, "The deployment has no such object, or it is gone.")
    related = list(related_to(state, kind, name, autoscaler))
    if kind == "node":
        return _answer(_details(kind, name, None, related, note=NODE_NOTE))
    reader: ObjectReader = current_app.extensions["object_reader"]
    with lookups().one(), read_problems():
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
        facts=[ObjectFact(label, str(value)) for label, value in facts(KINDS[kind], object_) if value is not None],
        conditions=msgspec.convert([condition(one) for one in conditions], list[ObjectCondition]),
        events=msgspec.convert(newest(events or []), list[ObjectEvent]),
        related=related,
        revisions=revisions,
        note=note,
        yaml=as_yaml(object_) if found else None,
    )


def _revisions(reader: ObjectReader, deployment: Json) -> tuple[RevisionDiff | None, str | None]:
    """Return the two newest revisions' differences, or why there are none."""
    try:
        found = reader.replica_sets(deployment["metadata"]["uid"])
    except ObjectReadError as error:
        return None, f"The revisions can't be compared. {error}"
    numbered = sorted(
        ((number, one) for one in found if (number := number_of(one)) is not None), key=lambda one: one[0]
    )
    if len(numbered) < 2:
        return None, "There is one revision only, so there is nothing to compare."
    (before, old), (after, new) = numbered[-2:]
    was, now = template_of(old), template_of(new)
    diff = unified(as_yaml(was), as_yaml(now), (f"revision {before}", f"revision {after}"))
    return RevisionDiff(before, after, words(was, now), diff), None
