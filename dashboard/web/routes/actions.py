"""An operator's actions on the Deployment, the autoscaler and a pod, over HTTP.

With `dry_run` nothing changes: the answer has what would, the command for a shell, and the resourceVersion that the
action itself must name. Actions are audited, dry runs are not.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import orjson
from flask import Blueprint, Response, abort, current_app, g, request

from dashboard.actions.actions import Actions
from dashboard.actions.autoscaler import SETTINGS
from dashboard.actions.rollout import ACTIONS, UNDO, NotPossible
from dashboard.core.errors import Changed, Denied, NotFound, UidMismatch
from dashboard.web.audit import note_change
from dashboard.web.auth import require, who
from dashboard.web.lookups import lookups
from dashboard.web.problems import problem
from dashboard.web.request_body import members
from dashboard.web.run_problems import run_problems

LONGEST_VERSION = 100  # characters of a resourceVersion

Json = dict[str, Any]

actions = Blueprint("actions", __name__, url_prefix="/api")
actions.after_request(note_change)


@actions.get("/deployment")
@require("viewer")
def deployment() -> Response:
    """The Deployment's identity and its kept revisions."""
    with lookups().one(), _problems():
        return _answer(_actions().deployment())


@actions.post("/deployment/<action>")
@require("operator")
def roll(action: str) -> Response:
    """Restart, pause, resume or undo the roll-out: {"resource_version", "dry_run"?, "revision"?}."""
    if action not in ACTIONS:
        abort(404, f"There is no such action. Known: {', '.join(ACTIONS)}.")
    g.action = f"{action} the roll-out"
    known = ("resource_version", "dry_run", *(("revision",) if action == UNDO else ()))
    body = members(known)
    dry_run, seen = _guard(body)
    revision = body.get("revision")
    if revision is not None and (not isinstance(revision, int) or isinstance(revision, bool) or revision < 1):
        abort(422, "revision must be the number of a kept revision.")
    with _problems():
        return _done(_actions().roll(action, revision, seen, who(), dry_run=dry_run))


@actions.get("/autoscaler")
@require("viewer")
def autoscaler() -> Response:
    """The autoscaler's identity and settings."""
    with lookups().one(), _problems():
        return _answer(_actions().autoscaler())


@actions.patch("/autoscaler")
@require("operator")
def scale() -> Response:
    """Change the autoscaler: {"resource_version", "dry_run"?, "min"?, "max"?, "target"?, "behavior"?}."""
    g.action = "change the autoscaler"
    body = members(("resource_version", "dry_run", *SETTINGS))
    dry_run, seen = _guard(body)
    given = {name: body[name] for name in SETTINGS if name in body}
    with _problems():
        return _done(_actions().scale(given, seen, who(), dry_run=dry_run))


@actions.delete("/pods/<uid>")
@require("operator")
def delete_pod(uid: str) -> Response:
    """Delete a pod of the service: ?dry_run=."""
    g.action = f"delete the pod {uid[:LONGEST_VERSION]}"
    given = request.args.get("dry_run", "false")
    if given not in ("true", "false") or set(request.args) - {"dry_run"}:
        abort(400, "The only parameter is dry_run, true or false.")
    g.audited = dry_run = given == "true"
    with _problems():
        return _done(_actions().delete_pod(uid, who(), dry_run=dry_run))


def _guard(body: Json) -> tuple[bool, str | None]:
    """Return whether it is a dry run, and the resourceVersion that was seen."""
    dry_run, seen = body.get("dry_run", False), body.get("resource_version")
    if not isinstance(dry_run, bool):
        abort(422, "dry_run must be true or false.")
    g.audited = dry_run  # nothing is done, whatever the answer is: the page asks at each key
    if seen is not None and not (isinstance(seen, str) and 0 < len(seen) <= LONGEST_VERSION):
        abort(422, "resource_version must be the text that a dry run answers.")
    return dry_run, seen


def _done(answer: Json) -> Response:
    return _answer(answer, 200 if answer["dry_run"] else 202)


@contextlib.contextmanager
def _problems() -> Iterator[None]:
    """Turn the errors of actions into problem responses: of an object, and else those that runs have, too."""
    with run_problems():
        try:
            yield
        except Changed as error:
            abort(problem(409, str(error), {"changes": error.changes}))
        except (NotPossible, UidMismatch) as error:
            abort(problem(409, str(error)))
        except NotFound as error:
            abort(404, str(error))
        except Denied as error:
            abort(problem(403, str(error)))


def _answer(body: Json, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, content_type="application/json")


def _actions() -> Actions:
    found: Actions = current_app.extensions["actions"]
    return found
