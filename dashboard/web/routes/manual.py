"""Load and restart by hand over HTTP. The routes check a request; the run manager does it."""

from collections.abc import Mapping

import orjson
from flask import Blueprint, Response, abort, current_app, g

from dashboard.load.options import LoadOptions
from dashboard.runs.manager import RunManager
from dashboard.web.audit import note_change, shown
from dashboard.web.auth import require, who
from dashboard.web.request_body import members
from dashboard.web.run_problems import run_problems

manual = Blueprint("manual", __name__, url_prefix="/api")
manual.after_request(note_change)


@manual.put("/load")
@require("operator")
def load() -> Response:
    """Start a load: {"rate", "duration", …}, see LoadOptions."""
    body = members(LoadOptions.__struct_fields__)
    g.action = f"load {shown(body)}"
    with run_problems():
        _manager().load(LoadOptions.read(body), who())
    return _accepted(body)


@manual.delete("/load")
@require("operator")
def unload() -> Response:
    """Stop the load that was started here; do nothing if there is none."""
    with run_problems():
        _manager().unload(who())
    return _accepted({})


@manual.post("/mongo/restart")
@require("operator")
def restart() -> Response:
    """Restart MongoDB: {"uid", "mode": "graceful" | "crash"}. The uid ensures that it is the intended pod."""
    body = members(("uid", "mode"))
    uid, mode = body.get("uid"), body.get("mode")
    g.action = f"restart MongoDB, {shown(mode)}, of the pod {shown(uid)}"
    if not isinstance(uid, str) or not uid or not isinstance(mode, str):
        abort(422, 'The body must be {"uid": "<the pod\'s uid>", "mode": "graceful" or "crash"}.')
    with run_problems():
        _manager().restart_mongo(uid, mode, who())
    return _accepted({"uid": uid, "mode": mode})


def _accepted(body: Mapping[str, object]) -> Response:
    return Response(orjson.dumps(body), 202, content_type="application/json")


def _manager() -> RunManager:
    manager: RunManager = current_app.extensions["manager"]
    return manager
